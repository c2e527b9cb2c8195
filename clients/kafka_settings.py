"""The librdkafka settings of each client, and how a user's own go over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from aliran.core.errors import ConfigError

_Client = TypeVar("_Client")

_PREFIXES = ("consumer.", "main.consumer.", "restore.consumer.", "producer.", "admin.")

_COMMON: dict[str, Any] = {
    "client.id": "aliran",
    # librdkafka prints to stderr on its own; what matters arrives through error_cb.
    "log_level": 2,
}

_READER: dict[str, Any] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    # The defaults (100,000 messages, then a pause of 1,000 ms) hold a backlog of small records down
    # to about 200,000 a second; the queue stays bounded by queued.max.messages.kbytes (64 MiB).
    "queued.min.messages": 1_000_000,
    "fetch.queue.backoff.ms": 10,
}


def common_settings(
    bootstrap_servers: str, report: Callable[[KafkaError], None], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what all clients share, and what some have for themselves behind a prefix.

    Prefixes are those of Kafka Streams: `consumer.`, or for one of its two uses `main.consumer.`
    and `restore.consumer.`, `producer.` and `admin.`.
    """
    return {
        **_COMMON,
        **settings,
        "bootstrap.servers": bootstrap_servers,
        "error_cb": report,
    }


def _for(common: Mapping[str, Any], *prefixes: str) -> dict[str, Any]:
    """Return the settings of one kind of client; later prefixes go over earlier ones."""
    found = {name: value for name, value in common.items() if not name.startswith(_PREFIXES)}
    for prefix in prefixes:
        for name, value in common.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = value
    return found


def admin_settings(common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the client that looks after topics."""
    return _for(common, "admin.")


def member_settings(common: Mapping[str, Any], group_id: str) -> dict[str, Any]:
    """Return the settings of a member of `group_id` that owns its positions itself."""
    return {
        **_READER,
        # Kafka Streams needs partition N of every topic in one place: range gives exactly that for
        # topics of the same number of partitions; eager, since assignments replace each other.
        "partition.assignment.strategy": "range",
        # A partition that is resumed or newly assigned waits until the fetch under way ends.
        "fetch.wait.max.ms": 100,
        **_for(common, "consumer.", "main.consumer."),
        "group.id": group_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # says what has no records behind it
    }


def reader_settings(common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a reader outside any group, which is told where a partition ends."""
    return {
        **_READER,
        **_for(common, "consumer.", "restore.consumer."),
        "fetch.wait.max.ms": 10,  # what is asked for is there; and one wait delays the next read
        "group.id": "aliran-reader",  # librdkafka wants one; it is never joined
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }


def producer_settings(common: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the producer: idempotent, and with room for a whole commit."""
    return {
        "enable.idempotence": True,
        "linger.ms": 5,
        # How long a topic may be unknown before its records fail (librdkafka: 30 s).
        "topic.metadata.propagation.max.ms": 10_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        **_for(common, "producer."),
    }


def make_client(factory: Callable[[dict[str, Any]], _Client], settings: dict[str, Any]) -> _Client:
    """Make a client.

    Raises:
        ConfigError: librdkafka does not know a setting or refuses its value.
    """
    try:
        return factory(settings)
    except KafkaException as error:
        raise ConfigError(
            f"Kafka client setting refused: {error.args[0].str()}; the names and values are "
            "librdkafka's (its CONFIGURATION.md), for instance 'security.protocol'"
        ) from error
