"""`ObjectSinkTask`, `ObjectSink`: what sinks of files are made of. Confluent: `S3SinkTask`."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from aliran.connectors.api.connector import SinkConnector
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.objects.partition_writer import Layout, PartitionWriter
from aliran.connectors.objects.sink_config import ObjectSinkConfig, look_at_several
from aliran.connectors.objects.store import SinkStore
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

C = TypeVar("C", bound=ObjectSinkConfig)


class ObjectSinkTask(SinkTask):
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
            if record.value is None:
                if self._config.behavior_on_null_values == "fail":
                    self._refuse(record, DataError("the record has no value; see behavior.on.null"
                                                   ".values"))  # fmt: skip
                continue
            try:
                self._writers[record.original_topic, record.original_kafka_partition].take(record)
            except DataError as error:
                self._refuse(record, error)
        for writer in self._writers.values():
            writer.upload()
        if time.time() * 1000 >= self._scheduled_ms:
            for writer in self._writers.values():
                writer.commit()
            self._scheduled_ms = self._next_schedule()
            self.context.request_commit()

    def _refuse(self, record: SinkRecord, error: DataError) -> None:
        told = DataError(f"{record.place}: {error}")
        reporter = self.context.errant_record_reporter
        if reporter is None:
            raise told from error
        reporter.report(record, told)

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


class ObjectSink(SinkConnector):
    """Tasks that write files; partitions are dealt out by the group."""

    task: ClassVar[type[ObjectSinkTask]]

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def task_class(self) -> type[SinkTask]:
        """Return the task."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be."""
        return [self._props] * max_tasks

    def stop(self) -> None:
        """Do nothing: the tasks do the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(self.task.settings)

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        look_at_several(found)
        return found

    def check(self, given: Mapping[str, str]) -> None:
        """Try whether files can be written."""
        store = self.task.store_of(instance_of(self.task.settings, given))
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
