"""The files of one partition of a topic that are being written, and what ends them.

All of them end together, and only the records say when: their number, times, folders, schemas.
The offset that is committed is behind the files that have appeared. So a task that takes over
begins where those files end and writes the next ones, or writes some once more, with the same names
and the same contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aliran.connectors.data.projection import project
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.formats.base import FileWriter, Format
from aliran.connectors.objects.partitioner import Extractor, Partitioner, default_partitioner
from aliran.connectors.objects.sink_config import ObjectSinkConfig
from aliran.connectors.objects.store import ObjectWriter, SinkStore
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition


@dataclass(frozen=True, slots=True)
class Layout:
    """What all partitions write with.

    Attributes:
        config: The options.
        store: Where files are.
        values: The format of values.
        keys: That of keys, None where they are not stored.
        headers: That of headers, None where they are not stored.
        partitioner: Chooses folders.
        extractor: Finds times.
    """

    config: ObjectSinkConfig
    store: SinkStore
    values: Format
    keys: Format | None
    headers: Format | None
    partitioner: Partitioner
    extractor: Extractor

    @classmethod
    def of(cls, config: ObjectSinkConfig, store: SinkStore) -> Layout:
        """Return the layout that options ask for."""
        return cls(
            config,
            store,
            config.format(config.format_class),
            config.format(config.keys_format_class) if config.store_kafka_keys else None,
            config.format("json") if config.store_kafka_headers else None,
            config.partitioner(),
            config.extractor(),
        )


class _OpenFile:
    """A file of values, and those of keys and headers beside it."""

    def __init__(self, layout: Layout, stem: str, record: SinkRecord) -> None:
        self.schema = record.value_schema
        self.key_schema = record.key_schema
        self._parts: list[tuple[FileWriter, ObjectWriter]] = []
        if layout.keys is not None:
            self._add(layout, f"{stem}.keys", layout.keys, record.key_schema)
        if layout.headers is not None:
            self._add(layout, f"{stem}.headers", layout.headers, None)
        self._add(layout, stem, layout.values, record.value_schema)  # last, it appears last
        self._finished = 0

    def _add(self, layout: Layout, stem: str, kind: Format, schema: Schema | None) -> None:
        out = layout.store.create(stem + kind.extension)
        self._parts.append((kind.writer(out, schema), out))

    def write_value(self, value: Any) -> None:
        """Append a value, where keys and headers are not stored."""
        writer = self._parts[0][0]
        writer.append(writer.encode(value))

    def write(self, values: Sequence[Any]) -> None:
        """Append keys, headers and values where they are stored; all or nothing."""
        parts = self._parts
        encoded = [part[0].encode(value) for part, value in zip(parts, values, strict=True)]
        for (writer, _), each in zip(parts, encoded, strict=True):
            writer.append(each)

    def upload(self) -> None:
        """Send what is worth it."""
        for _, out in self._parts:
            out.upload()

    def commit(self) -> None:
        """Let the files appear; may be called again if it fails."""
        for writer, _ in self._parts[self._finished :]:
            self._finished += 1
            writer.finish()
        while self._parts:
            self._parts[0][1].commit()
            del self._parts[0]
            self._finished -= 1

    def abort(self) -> None:
        """Forget the files."""
        for _, out in self._parts:
            out.abort()


class PartitionWriter:
    """Writes the records of one partition.

    Args:
        layout: What it writes with.
        partition: The partition, as it is in Kafka.
    """

    def __init__(self, layout: Layout, partition: TopicPartition) -> None:
        self._layout = layout
        self._config = layout.config
        self._partition = partition
        self._files: dict[str, _OpenFile] = {}
        self._start = 0
        self._next = -1
        self._count = 0
        self._base_ms: int | None = None
        self._folder = ""
        self._committing = False
        self._rotates = self._config.rotate_interval_ms > 0
        self._timed = self._config.timed
        self._besides_values = layout.keys is not None or layout.headers is not None
        # the same folder for all, as long as their topic is: no transformation routes them
        fixed = layout.partitioner is default_partitioner
        self._fixed = self._below(partition.topic, f"partition={partition.partition}")
        self._fixed_topic = partition.topic if fixed else None

    @property
    def safe_offset(self) -> int | None:
        """Where a new task must begin; None where all that was taken has appeared in files."""
        return self._start if self._files else None

    def take(self, record: SinkRecord) -> None:
        """Append a record, and end files if they are due.

        Raises:
            DataError: The record cannot be written; others can.
            RetriableError: The store is away; take the record again.
        """
        offset = record.original_kafka_offset or 0
        if self._committing:
            self.commit()
        if offset < self._next:
            return  # it was taken before the call that failed
        try:
            self._append(record, offset)
        except DataError:
            self._next = offset + 1
            raise
        self._next = offset + 1
        if self._count >= self._config.flush_size:
            self.commit()

    def _append(self, record: SinkRecord, offset: int) -> None:
        if record.value is None:
            if self._config.behavior_on_null_values == "fail":
                raise DataError("the record has no value; see behavior.on.null.values")
            return
        layout = self._layout
        millis = layout.extractor(record) if self._timed else 0
        if record.topic == self._fixed_topic:
            folder = self._fixed
        else:
            folder = self._below(record.topic, layout.partitioner(record, millis))
        if self._rotates and self._is_late(millis, folder):
            self.commit()
        value, schema = self._fitted(record, folder)
        file = self._files.get(folder)
        if file is None:
            if schema is not record.value_schema:
                record = record.with_value(schema, value)
            file = _OpenFile(layout, self._stem(folder, offset), record)
        if self._besides_values:
            file.write([*self._besides(record), value])
        else:
            file.write_value(value)
        if not self._files:
            self._start, self._base_ms = offset, millis
        self._files[folder] = file
        self._folder = folder
        self._count += 1

    def _below(self, topic: str | None, folder: str) -> str:
        return f"{topic}{self._config.directory_delim}{folder}"

    def _is_late(self, millis: int, folder: str) -> bool:
        if self._base_ms is None:
            return False
        return millis - self._base_ms >= self._config.rotate_interval_ms or folder != self._folder

    def _besides(self, record: SinkRecord) -> Iterator[Any]:
        if self._layout.keys is not None:
            yield record.key
        if self._layout.headers is not None:
            yield [{"key": one.key, "value": _plain(one.value)} for one in record.headers]

    def _fitted(self, record: SinkRecord, folder: str) -> tuple[Any, Schema | None]:
        """Return a value as the open file takes it; end the files if it takes another schema."""
        file = self._files.get(folder)
        if file is None or (file.schema is record.value_schema and not self._besides_values):
            return record.value, record.value_schema
        same_keys = self._layout.keys is None or record.key_schema == file.key_schema
        if not same_keys or must_rotate(
            self._config.schema_compatibility, file.schema, record.value_schema
        ):
            self.commit()
            return record.value, record.value_schema
        if file.schema is None or record.value_schema is None or file.schema == record.value_schema:
            return record.value, record.value_schema
        return project(record.value_schema, record.value, file.schema), file.schema

    def _stem(self, folder: str, offset: int) -> str:
        config, partition = self._config, self._partition
        number = f"{offset:0{config.filename_offset_zero_pad_width}d}"
        name = config.file_delim.join([partition.topic, str(partition.partition), number])
        parts = [config.topics_dir, folder, name]
        return config.directory_delim.join(part for part in parts if part)

    def upload(self) -> None:
        """Send what is worth it of files that are not at their end."""
        if self._committing:
            self.commit()
        for file in self._files.values():
            file.upload()

    def commit(self) -> None:
        """Let all files appear.

        Raises:
            RetriableError: The store is away; the next call goes on.
        """
        self._committing = True
        for folder in list(self._files):
            try:
                self._files[folder].commit()
            except DataError as error:  # not to be taken for a bad record
                raise ConnectError(f"{self._partition}: {error}") from error
            del self._files[folder]
        self._committing, self._count, self._base_ms = False, 0, None

    def abort(self) -> None:
        """Forget what has not appeared."""
        for file in self._files.values():
            file.abort()
        self._files.clear()


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.to_dict()
    return value if isinstance(value, str | int | float | list | dict | bytes) else str(value)


def must_rotate(mode: str, current: Schema | None, new: Schema | None) -> bool:
    """Return whether a schema needs a new file. Confluent: `StorageSchemaCompatibility`."""
    if current == new:
        return False
    if mode == "NONE" or current is None or new is None:
        return True
    if current.version is None or new.version is None or current.name != new.name:
        return True
    return new.version < current.version if mode == "FORWARD" else new.version > current.version
