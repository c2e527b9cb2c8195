"""Settings as Kafka's tools see them: where a value comes from and what lies beneath it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from aliran.broker.config import describe_broker_config
from aliran.broker.topic_configs import TOPIC_CONFIGS, ConfigType

if TYPE_CHECKING:
    from aliran.broker.broker import Broker
    from aliran.broker.config import BrokerConfig
    from aliran.broker.topics import Topic


class ResourceType(IntEnum):
    """What has settings. Kafka: `ConfigResource.Type`."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigSource(IntEnum):
    """Where a value comes from. Kafka: `DescribeConfigsResponse.ConfigSource`."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One setting of a resource.

    Attributes:
        name: Kafka's dotted name.
        value: The value that holds.
        source: Where it comes from.
        type: Type of the value.
        doc: What the setting does.
        read_only: Whether it cannot be changed while the broker runs.
        synonyms: The value that holds and those it hides, as (name, value, source).
    """

    name: str
    value: str
    source: ConfigSource
    type: ConfigType
    doc: str
    read_only: bool
    synonyms: tuple[tuple[str, str, ConfigSource], ...]


def topic_config_source(config: BrokerConfig, topic: Topic, name: str) -> ConfigSource:
    """Say where the value of a topic's setting comes from."""
    if name in topic.configs:
        return ConfigSource.DYNAMIC_TOPIC
    if name in config.topic_defaults:
        return ConfigSource.STATIC_BROKER
    return ConfigSource.DEFAULT


def topic_entries(broker: Broker, topic: Topic) -> list[ConfigEntry]:
    """Return every setting of a topic."""
    entries = []
    for name, value in broker.topics.effective_configs(topic).items():
        definition = TOPIC_CONFIGS[name]
        beneath = definition.broker_name or name
        synonyms = []
        if name in topic.configs:
            synonyms.append((name, topic.configs[name], ConfigSource.DYNAMIC_TOPIC))
        if name in broker.config.topic_defaults:
            default = broker.config.topic_defaults[name]
            synonyms.append((beneath, default, ConfigSource.STATIC_BROKER))
        synonyms.append((beneath, definition.default, ConfigSource.DEFAULT))
        source = topic_config_source(broker.config, topic, name)
        entries.append(
            ConfigEntry(
                name, value, source, definition.type, definition.doc, False, tuple(synonyms)
            )
        )
    return entries


def broker_entries(broker: Broker) -> list[ConfigEntry]:
    """Return every setting of the broker, the defaults for topics among them."""
    entries = []
    for each in describe_broker_config(broker.config):
        source = ConfigSource.DEFAULT if each.is_default else ConfigSource.STATIC_BROKER
        synonym = (each.name, each.value, source)
        entries.append(
            ConfigEntry(each.name, each.value, source, each.type, each.doc, True, (synonym,))
        )
    for definition in TOPIC_CONFIGS.values():
        if not definition.broker_name:
            continue
        given = broker.config.topic_defaults.get(definition.name)
        value = definition.default if given is None else given
        source = ConfigSource.DEFAULT if given is None else ConfigSource.STATIC_BROKER
        name = definition.broker_name
        entries.append(
            ConfigEntry(
                name, value, source, definition.type, definition.doc, True, ((name, value, source),)
            )
        )
    return sorted(entries, key=lambda entry: entry.name)
