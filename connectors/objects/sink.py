"""`ObjectSinkTask`, `ObjectSink`: what sinks of files are made of. Confluent: `S3SinkTask`."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.objects.partition_writer import Layout, PartitionWriter
from aliran.connectors.objects.sink_config import ObjectSinkConfig, look_at_several
from aliran.connectors.objects.store import SinkStore
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition


class ObjectSinkTask(MessageSinkTask):
    """Writes files. Children say which store."""

    settings: ClassVar[type[ObjectSinkConfig]]

    @classmethod
    @abstractmethod
    def store_of(cls, config: Any) -> SinkStore:
        """Return the store that options name."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare the store."""
        self._config = instance_of(self.settings, props)
        self._store = self.store_of(self._config)
        self._layout = Layout.of(self._config, self._store)
        self._writers: dict[tuple[Any, ...], PartitionWriter] = {}
        self._scheduled_ms = self._next_schedule()

    def _next_schedule(self) -> float:
        interval = self._config.rotate_schedule_interval_ms
        return (time.time() * 1000 // interval + 1) * interval if interval > 0 else float("inf")

    def open(self, partitions: Collection[TopicPartition]) -> None:
        """Begin without files."""
        for one in partitions:
            self._writers[tuple(one)] = PartitionWriter(self._layout, one)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records; files that are complete appear."""
        for record in records:
            try:
                self._writers[record.original_topic, record.original_kafka_partition].take(record)
            except DataError as error:
                self.refuse(record, error)
        for writer in self._writers.values():
            writer.upload()
        if time.time() * 1000 >= self._scheduled_ms:
            for writer in self._writers.values():
                writer.commit()
            self._scheduled_ms = self._next_schedule()
            self.context.request_commit()

    def pre_commit(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Return the offsets behind files that have appeared."""
        safe = {}
        for partition, offset in offsets.items():
            writer = self._writers.get(tuple(partition))
            start = None if writer is None else writer.safe_offset
            safe[partition] = offset if start is None else start
        return safe

    def close(self, partitions: Collection[TopicPartition]) -> None:
        """Forget files that are not complete; who takes over writes them."""
        for one in partitions:
            writer = self._writers.pop(tuple(one), None)
            if writer is not None:
                writer.abort()

    def stop(self) -> None:
        """Close the store."""
        if hasattr(self, "_store"):
            self._store.close()


class ObjectSink(MessageSink):
    """Tasks that write files; partitions are dealt out by the group."""

    task: ClassVar[type[ObjectSinkTask]]

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        look_at_several(found)
        return found

    def try_out(self, config: Any) -> None:
        """Try whether files can be written, and the format's packages are there."""
        config.format(config.format_class)
        store = self.task.store_of(config)
        try:
            store.check()
        finally:
            store.close()

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Check offsets: files are written anew from there, with the names of their offsets."""
        for partition, offset in offsets.items():
            if offset is not None and offset < 0:
                raise ConnectError(f"the offset of {partition} must be from 0 on: {offset}")
        return True
