from typing import Any

import pytest

from aliran.broker.config import BrokerConfig, describe_broker_config
from aliran.broker.errors import InvalidTopicConfigError
from aliran.broker.topic_configs import TOPIC_CONFIGS, ConfigType, validate_topic_config
from aliran.core.errors import ConfigError
from aliran.storage.log import LogConfig


def test_both_spellings_and_text_values() -> None:
    config = BrokerConfig.from_mapping(
        {"num.partitions": "4", "auto_create_topics_enable": "FALSE", "log.segment.bytes": 1000}
    )
    assert config.num_partitions == 4
    assert config.auto_create_topics_enable is False
    assert dict(config.topic_defaults) == {"segment.bytes": "1000"}
    assert BrokerConfig.from_mapping(config) is config
    assert BrokerConfig.from_mapping(None) == BrokerConfig()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num.partition": 1}, "did you mean num.partitions"),
        ({"log.segment.byte": 1}, "did you mean log.segment.bytes"),
        ({"zebra": 1}, "no setting 'zebra'"),
        ({"num.partitions": "four"}, "not a whole number"),
        ({"num.partitions": 0}, "between 1 and"),
        ({"num.partitions": True}, "must be of type int"),
        ({"auto.create.topics.enable": "yes"}, "write true or false"),
        ({"log.cleanup.policy": "burn"}, "may hold only delete, compact"),
        (
            {"group.min.session.timeout.ms": 100, "group.max.session.timeout.ms": 50},
            "is above group.max.session.timeout.ms=50",
        ),
    ],
)
def test_mistakes_say_what_to_write(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BrokerConfig.from_mapping(settings)


def test_description_lists_every_setting() -> None:
    described = {each.name: each for each in describe_broker_config(BrokerConfig(num_partitions=3))}
    assert described["num.partitions"].value == "3"
    assert not described["num.partitions"].is_default
    assert described["auto.create.topics.enable"].value == "true"
    assert described["auto.create.topics.enable"].type is ConfigType.BOOLEAN
    assert described["connections.max.idle.ms"].type is ConfigType.LONG
    assert all(each.doc.endswith(".") for each in described.values())


def test_every_topic_default_is_legal_and_the_same_as_the_logs() -> None:
    log_defaults = LogConfig().to_dotted()
    for name, definition in TOPIC_CONFIGS.items():
        assert validate_topic_config(name, definition.default) == definition.default
        if name in log_defaults:
            assert log_defaults[name] == definition.default, name
    assert set(log_defaults) <= set(TOPIC_CONFIGS)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("retention.msec", "1", "did you mean retention.ms"),
        ("retention.ms", "-2", "between -1 and"),
        ("retention.ms", "soon", "not a whole number"),
        ("retention.ms", None, "needs a value"),
        ("min.cleanable.dirty.ratio", "1.5", "between 0 and 1"),
        ("preallocate", "maybe", "true or false"),
        ("compression.type", "rar", "must be one of producer"),
        ("remote.storage.enable", "true", "must be one of false"),
    ],
)
def test_topic_settings_are_checked(name: str, value: str | None, message: str) -> None:
    with pytest.raises(InvalidTopicConfigError, match=message):
        validate_topic_config(name, value)
