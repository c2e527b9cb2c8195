"""Settings of the broker: one frozen, typed value that also understands Kafka's dotted names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from aliran.broker.errors import InvalidTopicConfigError
from aliran.broker.topic_configs import (
    INT_MAX,
    LONG_MAX,
    TOPIC_DEFAULT_NAMES,
    ConfigType,
    suggestion,
    validate_topic_config,
)
from aliran.core.errors import ConfigError


def _field(default: Any, doc: str, low: int = 0, high: int = INT_MAX) -> Any:
    return dataclasses.field(default=default, metadata={"doc": doc, "low": low, "high": high})


@dataclass(frozen=True)
class BrokerConfig:
    """Every setting of the broker. A field `num_partitions` is Kafka's `num.partitions`.

    Defaults are Kafka's, except where a broker for one machine is better served: the first
    rebalance of a group does not wait, and `__consumer_offsets` has 4 partitions.

    `topic_defaults` holds the defaults for topics, by the topic's name for them ("segment.bytes");
    `from_mapping` fills it from Kafka's names for the broker ("log.segment.bytes").
    """

    node_id: int = _field(1, "Number of this broker in metadata.")
    advertised_listeners: str = _field(
        "",
        "HOST:PORT that clients are told to connect to; empty: the address they reached us under.",
    )
    num_partitions: int = _field(1, "Partitions of a topic that does not say how many.", 1)
    auto_create_topics_enable: bool = _field(
        True, "Create a topic when a client asks for metadata of one that does not exist."
    )
    delete_topic_enable: bool = _field(True, "Let clients delete topics.")
    max_connections: int = _field(INT_MAX, "Connections open at a time; more are closed.", 1)
    queued_max_requests: int = _field(
        64, "Requests of one connection that may wait before we stop reading from it.", 1
    )
    socket_request_max_bytes: int = _field(
        104_857_600, "Largest request, in bytes; a larger one closes its connection.", 1
    )
    connections_max_idle_ms: int = _field(
        600_000, "A connection without traffic for so long is closed; -1: never.", -1, LONG_MAX
    )
    fetch_max_bytes: int = _field(57_671_680, "Most bytes of records one fetch returns.", 1024)
    log_retention_check_interval_ms: int = _field(
        300_000, "Time between two looks for old segments, in ms.", 1, LONG_MAX
    )
    log_cleaner_backoff_ms: int = _field(
        15_000, "Time between two looks for logs to compact, in ms.", 1, LONG_MAX
    )
    log_cleaner_enable: bool = _field(True, "Compact logs whose cleanup.policy says so.")
    log_flush_scheduler_interval_ms: int = _field(
        1_000, "Time between two looks for logs whose flush.ms is over, in ms.", 1, LONG_MAX
    )
    group_initial_rebalance_delay_ms: int = _field(
        0, "How long a new group waits for more members before its first rebalance, in ms."
    )
    group_min_session_timeout_ms: int = _field(6_000, "Shortest session a member may ask, in ms.")
    group_max_session_timeout_ms: int = _field(
        1_800_000, "Longest session a member may ask, in ms."
    )
    group_max_size: int = _field(INT_MAX, "Members a group may have.", 1)
    offset_metadata_max_bytes: int = _field(
        4_096, "Longest text that may be committed with an offset."
    )
    offsets_topic_num_partitions: int = _field(4, "Partitions of __consumer_offsets.", 1)
    offsets_topic_segment_bytes: int = _field(104_857_600, "Segment size of __consumer_offsets.", 1)
    offsets_retention_minutes: int = _field(
        10_080, "How long offsets of a group without members are kept, in minutes.", 1
    )
    offsets_retention_check_interval_ms: int = _field(
        600_000, "Time between two looks for expired offsets, in ms.", 1, LONG_MAX
    )
    producer_id_expiration_ms: int = _field(
        86_400_000, "How long the sequence numbers of a silent producer are remembered, in ms.", 1
    )
    topic_defaults: Mapping[str, str] = dataclasses.field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        for each in _own_fields():
            _check(_dotted(each.name), each, getattr(self, each.name))
        for name, value in self.topic_defaults.items():
            validate_topic_config(name, value)
        if self.group_min_session_timeout_ms > self.group_max_session_timeout_ms:
            raise ConfigError(
                f"group.min.session.timeout.ms={self.group_min_session_timeout_ms} is above "
                f"group.max.session.timeout.ms={self.group_max_session_timeout_ms}"
            )

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any] | BrokerConfig | None) -> BrokerConfig:
        """Make a configuration from names and values, in Kafka's spelling or Python's.

        >>> BrokerConfig.from_mapping({"num.partitions": "4"}).num_partitions
        4

        Args:
            settings: Names such as "num.partitions" or "num_partitions", and for topic defaults
                "log.segment.bytes"; values as Python values or as text.

        Raises:
            ConfigError: A name is unknown (the nearest is suggested) or a value cannot be used.
        """
        if isinstance(settings, BrokerConfig):
            return settings
        known = {_dotted(each.name): each for each in _own_fields()}
        values: dict[str, Any] = {}
        topic_defaults: dict[str, str] = {}
        for given, value in (settings or {}).items():
            name = given.replace("_", ".")
            if name in known:
                values[known[name].name] = _parse(name, known[name], value)
            elif name in TOPIC_DEFAULT_NAMES:
                topic = TOPIC_DEFAULT_NAMES[name]
                try:
                    topic_defaults[topic] = validate_topic_config(topic, _text(value))
                except InvalidTopicConfigError as error:
                    raise ConfigError(f"broker setting {given}: {error}") from error
            else:
                hint = suggestion(name, {**known, **TOPIC_DEFAULT_NAMES})
                raise ConfigError(f"the broker has no setting {given!r}{hint}")
        return cls(**values, topic_defaults=MappingProxyType(topic_defaults))


@dataclass(frozen=True, slots=True)
class BrokerSetting:
    """One setting of a running broker as DescribeConfigs tells it."""

    name: str
    value: str
    type: ConfigType
    doc: str
    is_default: bool


def describe_broker_config(config: BrokerConfig) -> list[BrokerSetting]:
    """Return every setting of the broker with its value, type and meaning, by name."""
    settings = []
    for each in _own_fields():
        value = getattr(config, each.name)
        settings.append(
            BrokerSetting(
                name=_dotted(each.name),
                value=_text(value),
                type=_config_type(each),
                doc=each.metadata["doc"],
                is_default=value == each.default,
            )
        )
    return sorted(settings, key=lambda setting: setting.name)


def _own_fields() -> list[dataclasses.Field[Any]]:
    return [each for each in dataclasses.fields(BrokerConfig) if each.name != "topic_defaults"]


def _dotted(name: str) -> str:
    return name.replace("_", ".")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _config_type(each: dataclasses.Field[Any]) -> ConfigType:
    if isinstance(each.default, bool):
        return ConfigType.BOOLEAN
    if isinstance(each.default, int):
        return ConfigType.INT if each.metadata["high"] <= INT_MAX else ConfigType.LONG
    return ConfigType.STRING


def _parse(name: str, each: dataclasses.Field[Any], value: Any) -> Any:
    if not isinstance(value, str) or isinstance(each.default, str):
        return value
    text = value.strip()
    if isinstance(each.default, bool):
        if text.lower() not in ("true", "false"):
            raise ConfigError(f"{name}={value!r}: write true or false")
        return text.lower() == "true"
    try:
        return int(text)
    except ValueError as error:
        raise ConfigError(f"{name}={value!r} is not a whole number") from error


def _check(name: str, each: dataclasses.Field[Any], value: Any) -> None:
    expected = type(each.default)
    if type(value) is not expected:
        raise ConfigError(f"{name}={value!r} must be of type {expected.__name__}")
    if expected is int and not each.metadata["low"] <= value <= each.metadata["high"]:
        raise ConfigError(
            f"{name}={value} must be between {each.metadata['low']} and {each.metadata['high']}"
        )
