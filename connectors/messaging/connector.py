"""Connectors that are a typed configuration and a task; what is special is said by children."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aliran.connectors.api.connector import SinkConnector, SourceConnector
from aliran.connectors.api.tasks import SinkTask, SourceTask
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition


class MessageSource(SourceConnector):
    """A source whose work is not dealt out, unless `deal` says how."""

    settings: ClassVar[type[Any]]
    task: ClassVar[type[SourceTask]]

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def task_class(self) -> type[SourceTask]:
        """Return the task."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return what `deal` says, on top of the configuration."""
        parts = self.deal(instance_of(self.settings, self._props), max_tasks)
        return [{**self._props, **part} for part in parts]

    def deal(self, config: Any, max_tasks: int) -> list[dict[str, str]]:
        """Return what is different for each task."""
        return [{}]

    def stop(self) -> None:
        """Do nothing: tasks do the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(self.settings)

    def check(self, given: Mapping[str, str]) -> None:
        """Try what the options name."""
        self.try_out(instance_of(self.settings, given))

    @abstractmethod
    def try_out(self, config: Any) -> None:
        """Connect, and see whether what is named is there.

        Raises:
            ConnectError: It does not work.
        """

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Refuse: the server knows what was acknowledged, and nothing is stored here."""
        if any(offset is not None for _, offset in offsets):
            raise ConnectError(
                f"{type(self).__name__} has no offsets: what Kafka acknowledged is acknowledged "
                "where it came from, which sends the rest again"
            )
        return True


class MessageSink(SinkConnector):
    """A sink with as many tasks as may be: partitions are dealt out by the group."""

    settings: ClassVar[type[Any]]
    task: ClassVar[type[SinkTask]]

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def stop(self) -> None:
        """Do nothing: tasks do the work."""

    def task_class(self) -> type[SinkTask]:
        """Return the task."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return the same configuration for all."""
        return [self._props] * max_tasks

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(self.settings)

    def check(self, given: Mapping[str, str]) -> None:
        """Try what the options name."""
        self.try_out(instance_of(self.settings, given))

    @abstractmethod
    def try_out(self, config: Any) -> None:
        """Connect, and see whether it can be written to.

        Raises:
            ConnectError: It does not work.
        """

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Say that offsets are Kafka's alone."""
        return True


class MessageSinkTask(SinkTask):
    """A sink task that can refuse single records."""

    def refuse(self, record: SinkRecord, error: Exception) -> None:
        """Report a record that cannot be written, and go on.

        Raises:
            DataError: Nobody takes such reports.
        """
        told = DataError(f"{record.place} cannot be written: {error}")
        reporter = self.context.errant_record_reporter
        if reporter is None:
            raise told from error
        reporter.report(record, told)
