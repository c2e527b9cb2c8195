"""`SourceConnector` and `SinkConnector`: what to do, dealt out over tasks.

Kafka: `org.apache.kafka.connect.connector.Connector` and its two children. The lifecycle is
Kafka's: `initialize`, `start(props)`, `task_configs(max)`, and `stop` at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from aliran.connectors.api.tasks import SinkTask, SourceTask
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.core.types import TopicPartition


class ConnectorContext(Protocol):
    """What a running connector may ask the worker for. Kafka: `ConnectorContext`."""

    def request_task_reconfiguration(self) -> None:
        """Have `task_configs` called again: inputs have come or gone."""
        ...

    def raise_error(self, error: Exception) -> None:
        """Say that the connector has failed outside of any call. Kafka: `raiseError`."""
        ...


class Connector(ABC):
    """Root of both kinds of connectors. Kafka: `Connector`.

    Attributes:
        version: Its version, shown in `/status` and `/connector-plugins`.
        context: Set before `start`.
    """

    version: ClassVar[str] = "0"
    context: ConnectorContext

    def initialize(self, context: ConnectorContext) -> None:
        """Take the context; called once, before `start`."""
        self.context = context

    @abstractmethod
    def start(self, props: Mapping[str, str]) -> None:
        """Start with this configuration; placeholders are resolved."""

    @abstractmethod
    def task_class(self) -> type[SourceTask | SinkTask]:
        """Return the class of its tasks."""

    @abstractmethod
    def task_configs(self, max_tasks: int) -> Sequence[Mapping[str, str]]:
        """Return a configuration for each task, at most `max_tasks`."""

    @abstractmethod
    def stop(self) -> None:
        """Stop; its tasks are stopped by the worker."""

    @abstractmethod
    def config(self) -> ConfigDef:
        """Return the definition of its options."""

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option; override to look at several together."""
        return self.config().validate(given)

    def check(self, given: Mapping[str, str]) -> None:
        """Try what the configuration names (connect, log in), before the connector is made.

        Called with a configuration that is valid. Not in Kafka.

        Raises:
            ConnectError: It does not work; the message says why.
        """
        del given


class SourceConnector(Connector):
    """Copies something into topics. Kafka: `SourceConnector`."""

    @abstractmethod
    def task_class(self) -> type[SourceTask]:
        """Return the class of its tasks."""

    def exactly_once_support(self, config: Mapping[str, str]) -> bool | None:
        """Return whether its tasks give each record once if offsets are stored with records.

        None says nothing; `exactly.once.support=required` refuses that. Kafka:
        `exactlyOnceSupport`.
        """
        del config
        return None

    def can_define_transaction_boundaries(self, config: Mapping[str, str]) -> bool:
        """Return whether its tasks use the `TransactionContext`.

        Kafka: `canDefineTransactionBoundaries`.
        """
        del config
        return False

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check offsets that a user wants to set, source partitions with None to be forgotten.

        Returns:
            Whether the connector knows what that means; else the answer warns.

        Raises:
            ConnectError: They make no sense.
        """
        del config, offsets
        return False


class SinkConnector(Connector):
    """Copies topics into something. Kafka: `SinkConnector`."""

    @abstractmethod
    def task_class(self) -> type[SinkTask]:
        """Return the class of its tasks."""

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Check offsets that a user wants to set; None for partitions to be forgotten.

        Returns:
            Whether the connector knows what that means; else the answer warns.

        Raises:
            ConnectError: They make no sense.
        """
        del config, offsets
        return False
