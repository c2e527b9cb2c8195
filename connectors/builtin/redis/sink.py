"""`RedisSink`: topics → Redis. Redis: `RedisSinkConnector` (redis-kafka-connect).

With `redis.delivery=exactly-once` the offsets behind a batch are stored in the same transaction as
the batch. A transaction of Redis applies what it can: where single commands are refused, and nobody
takes a report of that, the stored offset goes back to the first of them before the task fails.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.redis.client import is_later, try_out
from aliran.connectors.builtin.redis.sink_config import RedisSinkConfig
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import payload, text
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

logger: logging.Logger = logging.getLogger("aliran.connectors")

_BY_KEY = {"HSET", "SET", "DEL"}
_Command: TypeAlias = tuple[Any, ...]


def offsets_key(connector: str) -> str:
    """Return the hash with a connector's offsets."""
    return f"aliran:connect:{connector}"


def _field(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"


def _partition(record: SinkRecord) -> TopicPartition:
    return TopicPartition(record.original_topic or "", record.original_kafka_partition or 0)


class RedisSinkTask(MessageSinkTask):
    """Writes each batch with one round trip."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = instance_of(RedisSinkConfig, props)
        self._client = self._config.client()
        self._exact = self._config.redis_delivery == "exactly-once"
        self._offsets_key = offsets_key(props.get("name", ""))
        self._next: dict[TopicPartition, int] = {}  # what Redis has the records before of
        self._unknown: set[TopicPartition] = set()

    def open(self, partitions: Collection[TopicPartition]) -> None:
        """Ask Redis how far each partition has come, when it is needed."""
        self._unknown.update(partitions)

    def close(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions."""
        for one in partitions:
            self._unknown.discard(one)
            self._next.pop(one, None)

    def stop(self) -> None:
        """Disconnect."""
        if hasattr(self, "_client"):
            self._client.close()

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records that Redis does not have."""
        if not records:
            return
        with self._config.errors(f"writing {len(records)} records"):
            if self._exact:
                self._ask(records)
                records = self._new(records)
            if records:
                self._write(records)

    def _ask(self, records: Sequence[SinkRecord]) -> None:
        wanted = {_partition(one) for one in records} & self._unknown
        if wanted:
            ordered = sorted(wanted)
            stored: Any = self._client.hmget(self._offsets_key, [_field(one) for one in ordered])
            for partition, offset in zip(ordered, stored, strict=True):
                self._next[partition] = int(offset or 0)
            self._unknown -= wanted

    def _new(self, records: Sequence[SinkRecord]) -> list[SinkRecord]:
        new = [
            one
            for one in records
            if (one.original_kafka_offset or 0) >= self._next.get(_partition(one), 0)
        ]
        if len(new) < len(records):
            logger.warning(
                "%s records are left out: %s says that they have been written",
                len(records) - len(new), self._offsets_key,
            )  # fmt: skip
        return new

    def _write(self, records: Sequence[SinkRecord]) -> None:
        ends = {_partition(one): (one.original_kafka_offset or 0) + 1 for one in records}
        owners: list[SinkRecord] = []
        refused: list[tuple[SinkRecord, Exception]] = []
        self._unknown.update(ends)  # unless it is answered
        pipe: Any
        with self._client.pipeline(transaction=self._exact) as pipe:
            for record in records:
                try:
                    commands = self._commands(record)
                except DataError as error:
                    refused.append((record, error))
                    continue
                for command in commands:
                    pipe.execute_command(*command)
                    owners.append(record)
            if self._exact:
                pipe.hset(
                    self._offsets_key, mapping={_field(one): end for one, end in ends.items()}
                )
            answers = pipe.execute(raise_on_error=False)
        if self._exact and isinstance(answers[-1], Exception):
            raise answers[-1]
        for record, answer in zip(owners, answers, strict=False):
            if isinstance(answer, Exception):
                if is_later(answer):
                    self._take_back(record)
                    raise answer
                refused.append((record, answer))
        self._wait()
        self._unknown.difference_update(ends)
        self._next.update(ends)
        for record, reason in sorted(refused, key=lambda row: row[0].original_kafka_offset or 0):
            try:
                self.refuse(record, reason)
            except Exception:
                self._take_back(record)
                raise

    def _take_back(self, record: SinkRecord) -> None:
        """Have this record, and those behind it, written again."""
        if self._exact:
            partition = _partition(record)
            self._unknown.add(partition)
            self._client.hset(
                self._offsets_key, _field(partition), str(record.original_kafka_offset)
            )

    def _wait(self) -> None:
        config = self._config
        if config.redis_wait_replicas:
            have: Any = self._client.wait(config.redis_wait_replicas, config.redis_wait_timeout)
            if have < config.redis_wait_replicas:
                raise RetriableError(
                    f"only {have} of {config.redis_wait_replicas} replicas have the batch"
                )

    # ------------------------------------------------------------------ commands

    def _commands(self, record: SinkRecord) -> list[_Command]:
        config, command = self._config, self._config.redis_command
        key = self._key(record)
        if command in _BY_KEY and (record.value is None or command == "DEL"):
            return [("DEL", key)]
        if record.value is None:
            return []
        if command == "HSET":
            return self._hash(key, record)
        if command == "XADD":
            return [self._entry(key, record)]
        data = payload(record.value_schema, record.value)
        if command == "SET" and config.redis_ttl_ms:
            return [("SET", key, data, "PX", config.redis_ttl_ms)]
        return [(command, key, data)]

    def _key(self, record: SinkRecord) -> str:
        config = self._config
        key = config.redis_key.replace("${topic}", record.topic or "")
        if config.redis_command not in _BY_KEY:
            return key or (record.topic or "")
        if record.key is None:
            raise DataError(f"it has no key, which {config.redis_command} needs")
        own = text(record.key_schema, record.key)
        return f"{key}{config.redis_separator}{own}" if key else own

    def _hash(self, key: str, record: SinkRecord) -> list[_Command]:
        fields = _fields(record)
        if fields is None:
            raise DataError("HSET needs a value with fields: a struct, or a JSON object")
        gone = [name for name, data in fields if data is None]
        given = [part for name, data in fields if data is not None for part in (name, data)]
        commands: list[_Command] = []
        if self._config.redis_hash_replace:
            commands.append(("DEL", key))
        elif gone:
            commands.append(("HDEL", key, *gone))
        if given:
            commands.append(("HSET", key, *given))
            if self._config.redis_ttl_ms:
                commands.append(("PEXPIRE", key, self._config.redis_ttl_ms))
        return commands

    def _entry(self, key: str, record: SinkRecord) -> _Command:
        config = self._config
        fields = _fields(record)
        if fields is None:
            data = payload(record.value_schema, record.value)
            fields = [(config.redis_stream_value_field, data)]
        parts: list[Any] = []
        for name, field in fields:
            if field is not None:
                parts += (name, field)
        if config.redis_stream_key_field is not None and record.key is not None:
            parts += (config.redis_stream_key_field, payload(record.key_schema, record.key))
        if not parts:
            raise DataError("an entry of a stream needs a field that is not null")
        trim = ("MAXLEN", "~", config.redis_stream_maxlen) if config.redis_stream_maxlen else ()
        return ("XADD", key, *trim, "*", *parts)


def _fields(record: SinkRecord) -> list[tuple[str, bytes | None]] | None:
    """Return the value's fields, None if it has none."""
    value = record.value
    if isinstance(value, Struct):
        return [
            (field.name, _data(field.schema, value.get(field))) for field in value.schema.fields
        ]
    if not isinstance(value, Mapping):
        return None
    schema = None if record.value_schema is None else record.value_schema.value_schema
    return [(str(name), _data(schema, one)) for name, one in value.items()]


def _data(schema: Any, value: Any) -> bytes | None:
    return None if value is None else payload(schema, value)


class RedisSink(MessageSink):
    """As many tasks as may be."""

    settings: ClassVar[type[Any]] = RedisSinkConfig
    task: ClassVar[type[SinkTask]] = RedisSinkTask

    def try_out(self, config: RedisSinkConfig) -> None:
        """Connect."""
        try_out(config).close()

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Store the offsets in Redis as well, where they are kept there."""
        settings = instance_of(RedisSinkConfig, config)
        if settings.redis_delivery == "exactly-once":
            key = offsets_key(config.get("name", ""))
            with settings.client() as client, settings.errors("storing offsets"):
                if all(offset is None for offset in offsets.values()):  # a reset
                    client.delete(key)
                for partition, offset in offsets.items():
                    if offset is None:
                        client.hdel(key, _field(partition))
                    elif offset < 0:
                        raise ConnectError(f"the offset of {partition} is negative: {offset}")
                    else:
                        client.hset(key, _field(partition), str(offset))
        return True
