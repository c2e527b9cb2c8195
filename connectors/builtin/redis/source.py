"""`RedisSource`: streams, lists, channels and keys → topics."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import redis

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.redis.client import try_out
from aliran.connectors.builtin.redis.readers import ChannelReader, KeysReader, ListReader
from aliran.connectors.builtin.redis.source_config import RedisSourceConfig
from aliran.connectors.builtin.redis.streams import GroupReader, StreamReader, number_of
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.config.values import invalid
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.acked import AckedSourceTask, MessageRecord
from aliran.connectors.messaging.connector import MessageSource

_NAMES, _TASK = "aliran.names", "aliran.task"


class _Reader(Protocol):
    def read(self, wait_s: float) -> list[MessageRecord]: ...
    def acknowledge(self, token: Any) -> None: ...
    def settle(self) -> None: ...


class RedisSourceTask(AckedSourceTask):
    """Reads, and acknowledges what Kafka has acknowledged."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare; the server is asked when it is read."""
        self._config = instance_of(RedisSourceConfig, props)
        self._names = [one for one in props.get(_NAMES, "").split(",") if one]
        self._connector = props.get("name", "")
        self._number = props.get(_TASK, "0")
        self._client = self._config.client()
        self._reader: _Reader | None = None
        self._stopping = threading.Event()

    def poll(self) -> list[MessageRecord]:
        """Return records, waiting a moment for some."""
        with self._config.errors(f"reading ({self._config.redis_type})"):
            if self._reader is None:
                self._reader = self._reader_of(self._config)
            self._reader.settle()
            records = self._reader.read(self.wait_s)
        self.sent(len(records))
        if not records and self._config.redis_type in {"list", "keys"}:
            self._stopping.wait(self.wait_s)
        return records

    def _reader_of(self, config: RedisSourceConfig) -> _Reader:
        client = self._client
        if config.redis_type == "list":
            return ListReader(client, config, self._names, self._connector)
        if config.redis_type == "pubsub":
            return ChannelReader(client, config)
        if config.redis_type == "keys":
            return KeysReader(client, config)
        if config.redis_stream_consumer_group is not None:
            name = config.redis_stream_consumer_name.replace("${task}", self._number)
            return GroupReader(client, config, name)
        stored = self.context.offset_storage_reader.offset
        return StreamReader(client, config, self._names, stored)

    def acknowledge(self, token: Any) -> None:
        """Tell the reader; on any thread."""
        if token is not None and self._reader is not None:
            self._reader.acknowledge(token)

    def stop(self) -> None:
        """Let `poll` return."""
        if hasattr(self, "_stopping"):
            self._stopping.set()

    def close(self) -> None:
        """Acknowledge the rest, and disconnect."""
        if hasattr(self, "_client"):
            try:
                if self._reader is not None:
                    self._reader.settle()
            except (redis.RedisError, OSError):
                pass  # what is not acknowledged comes again
            self._client.close()


class RedisSource(MessageSource):
    """Streams and lists are shared by tasks; channels and keys are one task's."""

    settings: ClassVar[type[Any]] = RedisSourceConfig
    task: ClassVar[type[SourceTask]] = RedisSourceTask

    def deal(self, config: RedisSourceConfig, max_tasks: int) -> list[dict[str, str]]:
        """Return the names of each task, or the same for all consumers of a group."""
        if config.redis_type == "stream" and config.redis_stream_consumer_group is not None:
            return [{_TASK: str(number)} for number in range(max_tasks)]
        names = config.names()
        if not names:
            return [{}]
        count = min(max_tasks, len(names))
        return [{_NAMES: ",".join(names[number::count])} for number in range(count)]

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        needs = {"stream": "redis.stream.name", "list": "redis.list.names"}
        kind = found["redis.type"].value
        name = needs.get(kind)
        patterns = found["redis.channel.patterns"].value
        if kind == "pubsub" and not patterns:
            name = "redis.channels"
        if name is not None and not found[name].value:
            found[name].errors.append(str(invalid(name, None, f"redis.type={kind} needs it")))
        row = found["redis.stream.offset"]
        if row.value not in {"$", None}:
            try:
                number_of(row.value)
            except ConnectError as error:
                row.errors.append(str(invalid(row.name, row.value, str(error))))
        return found

    def try_out(self, config: RedisSourceConfig) -> None:
        """Connect, and see whether what is named is of the right kind."""
        client = try_out(config)
        with client, config.errors("looking at what is to be read"):
            for name in config.names():
                kind = client.type(name).decode()  # type: ignore[union-attr]
                if kind not in {"none", config.redis_type}:
                    raise ConnectError(f"the key {name} is a {kind}, not a {config.redis_type}")
            if config.redis_type == "keys" and not config.redis_keys_notify:
                events: Any = client.config_get("notify-keyspace-events")
                flags = events.get("notify-keyspace-events", "")
                if "K" not in flags or not set("A$ghl") & set(flags):
                    raise ConnectError(
                        f"the server sends no notifications of keys (notify-keyspace-events is "
                        f"{flags!r}): set it to KA, or redis.keys.notify=true here"
                    )

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check ids of streams; other kinds have no offsets."""
        settings = instance_of(RedisSourceConfig, config)
        if settings.redis_type != "stream" or settings.redis_stream_consumer_group is not None:
            return super().alter_offsets(config, offsets)
        for partition, offset in offsets:
            if set(partition) != {"stream"}:
                raise ConnectError(f"the partition must be {{'stream': NAME}}: {partition}")
            if offset is not None:
                number_of(str(offset.get("id")))
        return True
