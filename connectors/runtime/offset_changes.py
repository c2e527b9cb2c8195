"""Offsets of connectors as REST shows and changes them (KIP-875)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aliran.connectors.api.connector import SinkConnector, SourceConnector
from aliran.connectors.errors import ConfigError, ConnectError
from aliran.connectors.runtime.offsets import TopicOffsetStore
from aliran.connectors.runtime.plugins import Plugin
from aliran.connectors.runtime.worker import Worker
from aliran.core.types import TopicPartition

NOTHING_GIVEN = "Partitions / offsets need to be provided for an alter offsets request"
_DONE = "The offsets for this connector have been {} successfully"
_UNSURE = (
    "The Connect framework-managed offsets for this connector have been {} successfully. However, "
    "if this connector manages offsets externally, they will need to be manually {} in the system "
    "that the connector uses."
)


class OffsetChanges:
    """Lists, alters and resets offsets.

    Args:
        worker: Knows where they are.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def listed(
        self, name: str, plugin_kind: str, config: Mapping[str, str | None]
    ) -> list[dict[str, Any]]:
        """Return the offsets of a connector."""
        if plugin_kind == "source":
            return [
                {"partition": partition, "offset": offset}
                for partition, offset in self._worker.offsets.all(name)
            ]
        found = self._worker.cluster.committed(f"connect-{name}", self._topics(config))
        return [
            {
                "partition": {"kafka_topic": one.topic, "kafka_partition": one.partition},
                "offset": {"kafka_offset": offset},
            }
            for one, offset in sorted(found.items())
        ]

    def _topics(self, config: Mapping[str, str | None]) -> list[str]:
        """Return a sink's topics; all there are for a pattern: others have no offsets."""
        props = self._worker.resolved(config)
        if props.get("topics.regex"):
            return self._worker.cluster.topics()
        return [one.strip() for one in props.get("topics", "").split(",") if one.strip()]

    def alter(
        self, name: str, plugin: Plugin, config: Mapping[str, str | None], rows: Sequence[Any]
    ) -> str:
        """Set offsets; return Kafka's message.

        Raises:
            ConnectError: The list is empty, a row makes no sense, or the connector refuses.
        """
        if not rows:
            raise ConfigError(NOTHING_GIVEN)
        props = self._worker.resolved(config)
        connector = plugin.make()
        pairs = [_pair(row) for row in rows]
        if plugin.kind == "source":
            assert isinstance(connector, SourceConnector)
            known = _asked(partial(connector.alter_offsets, props, pairs))
            self._put(name, props, pairs)
        else:
            assert isinstance(connector, SinkConnector)
            offsets = {_sink_partition(one): _sink_offset(offset) for one, offset in pairs}
            known = _asked(partial(connector.alter_offsets, props, offsets))
            self._worker.cluster.alter_group(f"connect-{name}", offsets)
        return _message("altered", known=known)

    def _put(
        self,
        name: str,
        props: Mapping[str, str],
        rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> None:
        own = props.get("offsets.storage.topic")
        if self._worker.exactly_once and own and own != self._worker.offsets.topic:
            store = TopicOffsetStore(self._worker.cluster, own)  # the one that its tasks read
            try:
                store.put(name, rows)
            finally:
                store.close()
        self._worker.offsets.put(name, rows)

    def reset(self, name: str, plugin: Plugin, config: Mapping[str, str | None]) -> str:
        """Forget all offsets; return Kafka's message.

        Raises:
            ConnectError: The connector refuses.
        """
        props = self._worker.resolved(config)
        connector = plugin.make()
        if plugin.kind == "source":
            rows = [(partition, None) for partition, _ in self._worker.offsets.all(name)]
            known = _asked(partial(connector.alter_offsets, props, rows))
            self._put(name, props, rows)
        else:
            group = f"connect-{name}"
            found = self._worker.cluster.committed(group, self._topics(config))
            known = _asked(partial(connector.alter_offsets, props, dict.fromkeys(found)))
            self._worker.cluster.delete_group(group)
        return _message("reset", known=known)


def _asked(connector: Callable[[], bool]) -> bool:
    """Return what the connector says of offsets; what it refuses is the user's mistake."""
    try:
        return connector()
    except ConnectError as error:
        raise ConfigError(f"the connector refuses these offsets: {error}") from error


def _message(what: str, *, known: bool) -> str:
    return _DONE.format(what) if known else _UNSURE.format(what, what)


def _pair(row: Any) -> tuple[dict[str, Any], dict[str, Any] | None]:
    if not isinstance(row, Mapping) or not isinstance(row.get("partition"), dict):
        raise ConfigError("The partition for an offset may not be null or missing")
    offset = row.get("offset")
    if offset is not None and not isinstance(offset, dict):
        raise ConfigError(f"The offset of {row['partition']} must be an object or null")
    return row["partition"], offset


def _sink_partition(partition: Mapping[str, Any]) -> TopicPartition:
    topic, number = partition.get("kafka_topic"), partition.get("kafka_partition")
    if not topic or number is None:
        raise ConfigError(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and "
            "'kafka_partition'"
        )
    return TopicPartition(str(topic), _whole("partition", number))


def _sink_offset(offset: Mapping[str, Any] | None) -> int | None:
    if offset is None:
        return None
    if offset.get("kafka_offset") is None:
        raise ConfigError(
            "The offset for a sink connector should either be null or contain the key "
            "'kafka_offset'"
        )
    return _whole("offset", offset["kafka_offset"])


def _whole(what: str, value: Any) -> int:
    try:
        number = int(str(value))
        if number < 0:
            raise ValueError
    except ValueError:
        raise ConfigError(
            f"Failed to parse the following Kafka {what} value in the provided offsets: "
            f"'{value}'. {what.capitalize()} values for sink connectors need to be integers."
        ) from None
    return number
