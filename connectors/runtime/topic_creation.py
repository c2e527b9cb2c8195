"""Topics of a source that are not there yet: `topic.creation.…` (KIP-158)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aliran.connectors.errors import ConfigError
from aliran.connectors.runtime.cluster import Cluster

_PREFIX = "topic.creation."


class TopicCreator:
    """Makes topics when they are first written to, if the connector's configuration says how.

    Without `topic.creation.default.…` it does nothing, and the broker may make them.

    Args:
        cluster: Where topics are made.
        props: The configuration of the connector.
    """

    def __init__(self, cluster: Cluster, props: Mapping[str, str]) -> None:
        self._cluster = cluster
        self._known: set[str] = set()
        self._default = _settings(props, "default")
        names = [one.strip() for one in props.get(f"{_PREFIX}groups", "").split(",")]
        self._groups = [_settings(props, name) for name in names if name and name != "default"]

    def need(self, topic: str) -> None:
        """Make a topic where it is missing.

        Raises:
            ConnectError: It cannot be made.
        """
        if topic in self._known:
            return
        self._known.add(topic)
        if "partitions" not in self._default:
            return
        group = next((one for one in self._groups if _matches(one, topic)), self._default)
        settings = {**self._default, **group}
        try:
            partitions = int(settings.pop("partitions"))
            replication = int(settings.pop("replication.factor", "-1"))
        except ValueError as error:
            raise ConfigError(f"{_PREFIX}…: {error}") from error
        settings = {k: v for k, v in settings.items() if k not in {"include", "exclude"}}
        self._cluster.ensure_topic(topic, partitions, replication, settings)


def _settings(props: Mapping[str, str], group: str) -> dict[str, str]:
    prefix = f"{_PREFIX}{group}."
    return {name.removeprefix(prefix): v for name, v in props.items() if name.startswith(prefix)}


def _matches(group: Mapping[str, str], topic: str) -> bool:
    def any_of(name: str) -> bool:
        patterns = (one.strip() for one in group.get(name, "").split(","))
        return any(re.fullmatch(one, topic) for one in patterns if one)

    return any_of("include") and not any_of("exclude")
