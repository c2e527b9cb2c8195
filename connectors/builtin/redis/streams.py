"""Streams of Redis as sources: by ids that are Connect's offsets, or as a consumer group."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import redis

from aliran.connectors.builtin.redis.source_config import RedisSourceConfig
from aliran.connectors.data.builder import BYTES_SCHEMA, STRING_SCHEMA, SchemaBuilder
from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.acked import MessageRecord
from aliran.connectors.messaging.values import value_of

logger: logging.Logger = logging.getLogger("aliran.connectors")


def number_of(entry_id: str) -> tuple[int, int]:
    """Return an id as numbers, which compare as ids do.

    Raises:
        ConnectError: It is none.
    """
    first, _, second = str(entry_id).partition("-")
    try:
        return int(first), int(second or 0)
    except ValueError:
        raise ConnectError(f"{entry_id!r} is no id of a stream, such as 1700000000000-0") from None


class Entries:
    """Makes records of a stream's entries.

    Args:
        config: The options.
    """

    def __init__(self, config: RedisSourceConfig) -> None:
        self._config = config
        self._bytes = config.value_format == "bytes"
        part = BYTES_SCHEMA if self._bytes else STRING_SCHEMA
        self._schema: Schema = SchemaBuilder.map(STRING_SCHEMA, part).build()

    def record(
        self,
        stream: str,
        entry: tuple[bytes, Mapping[bytes, bytes] | None],
        partition: Mapping[str, Any] | None,
        token: Any = None,
    ) -> MessageRecord | None:
        """Return the record of an entry, None for one that has been deleted.

        Args:
            stream: Its stream.
            entry: Its id and fields.
            partition: The source partition; None for no offset.
            token: What acknowledges it.
        """
        raw_id, fields = entry
        if fields is None:
            return None
        config, entry_id = self._config, raw_id.decode()
        value: SchemaAndValue
        if config.redis_stream_field is not None:
            data = fields.get(config.redis_stream_field.encode())
            value = SchemaAndValue(None, None)
            if data is not None:
                value = value_of(data, config.value_format)
        elif self._bytes:
            value = SchemaAndValue(
                self._schema, {name.decode("utf-8", "replace"): v for name, v in fields.items()}
            )
        else:
            value = SchemaAndValue(
                self._schema,
                {n.decode("utf-8", "replace"): v.decode("utf-8", "replace")
                 for n, v in fields.items()},
            )  # fmt: skip
        key: str | None = entry_id
        if config.redis_stream_key_field is not None:
            found = fields.get(config.redis_stream_key_field.encode())
            key = None if found is None else found.decode("utf-8", "replace")
        return MessageRecord(
            topic=config.topic_of(stream),
            key_schema=None if key is None else STRING_SCHEMA,
            key=key,
            value_schema=value.schema,
            value=value.value,
            source_partition=partition,
            source_offset=None if partition is None else {"id": entry_id},
            token=token,
        )


class StreamReader:
    """Reads streams behind the ids that Connect has stored.

    Args:
        client: The server.
        config: The options.
        streams: The streams.
        stored: Gives the offset of a source partition.
    """

    def __init__(
        self,
        client: Any,
        config: RedisSourceConfig,
        streams: list[str],
        stored: Callable[[Mapping[str, Any]], Mapping[str, Any] | None],
    ) -> None:
        self._client = client
        self._config = config
        self._entries = Entries(config)
        self._partitions = {stream: {"stream": stream} for stream in streams}
        self._ids = {
            stream: str((stored(partition) or {}).get("id", config.redis_stream_offset))
            for stream, partition in self._partitions.items()
        }
        self._looked = False

    def read(self, wait_s: float) -> list[MessageRecord]:
        """Return the next entries, waiting for some."""
        if not self._looked:
            for stream in self._ids:
                self._look(stream)
            self._looked = True
        found: Any = self._client.xread(
            dict(self._ids), count=self._config.batch_size, block=max(1, int(wait_s * 1000))
        )
        records = []
        for raw_stream, entries in found or ():
            stream = raw_stream.decode()
            self._ids[stream] = entries[-1][0].decode()
            partition = self._partitions[stream]
            for entry in entries:
                record = self._entries.record(stream, entry, partition)
                if record is not None:
                    records.append(record)
        return records

    def _look(self, stream: str) -> None:
        """See whether the stream still is what the stored id was of."""
        here = self._ids[stream]
        info: Any = self._client.xinfo_stream(stream) if self._client.exists(stream) else None
        if here == "$":  # from now on; later reads must not begin at a later now
            self._ids[stream] = "0-0" if info is None else info["last-generated-id"].decode()
        if here == "$" or info is None or number_of(here) == (0, 0):
            return
        last = info["last-generated-id"].decode()
        if number_of(last) < number_of(here):
            raise ConnectError(
                f"the stream {stream} ends at {last}, before the stored offset {here}: it was "
                "made anew. Stop the connector and reset its offsets to read it from the beginning"
            )
        deleted = info.get("max-deleted-entry-id", b"0-0").decode()
        if number_of(deleted) > number_of(here):
            logger.warning(
                "the stream %s: entries behind %s, up to %s, were deleted or trimmed before they "
                "were read", stream, here, deleted,
            )  # fmt: skip

    def acknowledge(self, token: Any) -> None:
        """Do nothing: offsets are Connect's."""

    def settle(self) -> None:
        """Do nothing: offsets are Connect's."""


class GroupReader:
    """Reads streams as a consumer of a group.

    Args:
        client: The server.
        config: The options.
        consumer: Its name.
    """

    def __init__(self, client: Any, config: RedisSourceConfig, consumer: str) -> None:
        self._client = client
        self._config = config
        self._entries = Entries(config)
        self._group = config.redis_stream_consumer_group or ""
        self._consumer = consumer
        self._acks: dict[str, list[bytes]] = defaultdict(list)
        self._lock = threading.Lock()
        self._pending: dict[str, str] | None = None
        self._next_claim = 0.0

    def read(self, wait_s: float) -> list[MessageRecord]:
        """Return entries: first those that this consumer had when it ended, then new ones."""
        config = self._config
        if self._pending is None:
            for stream in config.redis_stream_name:
                self._make(stream)
            self._pending = dict.fromkeys(config.redis_stream_name, "0-0")
        if self._pending:
            return self._own(self._pending)
        if time.monotonic() >= self._next_claim:
            self._next_claim = time.monotonic() + max(config.redis_stream_claim_idle_ms / 2000, 0.1)
            if claimed := self._claim():
                return claimed
        found: Any = self._client.xreadgroup(
            self._group, self._consumer, dict.fromkeys(config.redis_stream_name, ">"),
            count=config.batch_size, block=max(1, int(wait_s * 1000)),
        )  # fmt: skip
        return [one for stream, entries in found or () for one in self._records(stream, entries)]

    def _own(self, pending: dict[str, str]) -> list[MessageRecord]:
        found: Any = self._client.xreadgroup(
            self._group, self._consumer, dict(pending), count=self._config.batch_size
        )
        records = []
        for raw_stream, entries in found or ():
            if entries:
                pending[raw_stream.decode()] = entries[-1][0].decode()
                records += self._records(raw_stream, entries)
            else:
                del pending[raw_stream.decode()]
        return records

    def _claim(self) -> list[MessageRecord]:
        records: list[MessageRecord] = []
        for stream in self._config.redis_stream_name:
            answer: Any = self._client.xautoclaim(
                stream, self._group, self._consumer, self._config.redis_stream_claim_idle_ms,
                count=self._config.batch_size,
            )  # fmt: skip
            records += self._records(stream.encode(), answer[1])
        return records

    def _make(self, stream: str) -> None:
        try:
            self._client.xgroup_create(
                stream, self._group, self._config.redis_stream_offset, mkstream=True
            )
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _records(self, raw_stream: bytes, entries: Any) -> list[MessageRecord]:
        stream, records = raw_stream.decode(), []
        for entry in entries:
            token = stream, entry[0]
            record = self._entries.record(stream, entry, None, token)
            if record is None:
                self.acknowledge(token)
            else:
                records.append(record)
        return records

    def acknowledge(self, token: Any) -> None:
        """Note an entry for `settle`; on any thread."""
        stream, entry_id = token
        with self._lock:
            self._acks[stream].append(entry_id)

    def settle(self) -> None:
        """Send what was acknowledged."""
        with self._lock:
            acks, self._acks = self._acks, defaultdict(list)
        try:
            for stream in list(acks):
                self._client.xack(stream, self._group, *acks[stream])
                del acks[stream]
        except redis.RedisError:
            with self._lock:
                for stream, ids in acks.items():
                    self._acks[stream] += ids
            raise
