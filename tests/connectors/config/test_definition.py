from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest

from aliran.connectors.config.definition import ConfigDef, ConfigKey, Importance
from aliran.connectors.config.typed import Option, definition_of, instance_of
from aliran.connectors.config.values import Password, Type, at_least, between, not_empty, one_of
from aliran.connectors.errors import ConfigError

DEFINITION = ConfigDef(
    [
        ConfigKey("file", Type.STRING, None, "Source filename.", Importance.HIGH),
        ConfigKey("topic", Type.STRING, validator=not_empty, importance=Importance.HIGH),
        ConfigKey("batch.size", Type.INT, 2000, validator=at_least(1)),
        ConfigKey("mode", Type.STRING, "fast", validator=one_of("fast", "slow")),
        ConfigKey("names", Type.LIST, ""),
        ConfigKey("flag", Type.BOOLEAN, False),
        ConfigKey("password", Type.PASSWORD, None),
    ]
)


def test_values_are_parsed_and_defaults_taken() -> None:
    parsed = DEFINITION.parse({"topic": "t", "batch.size": " 7 ", "names": "a, b", "flag": "TRUE"})

    assert parsed == {
        "file": None, "topic": "t", "batch.size": 7, "mode": "fast", "names": ["a", "b"],
        "flag": True, "password": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "batch.size",
            "x",
            "Invalid value x for configuration batch.size: Not a number of type INT",
        ),
        ("batch.size", str(1 << 31), "Not a number of type INT"),
        (
            "batch.size",
            "0",
            "Invalid value 0 for configuration batch.size: Value must be at least 1",
        ),
        (
            "mode",
            "odd",
            "Invalid value odd for configuration mode: String must be one of: fast, slow",
        ),
        ("topic", "", "Invalid value  for configuration topic: String must be non-empty"),
        ("flag", "yes", "Expected value to be either true or false"),
    ],
)
def test_wrong_values_have_kafkas_messages(name: str, value: str, message: str) -> None:
    found = DEFINITION.validate({"topic": "t", name: value})

    assert message in found[name].errors[0]
    assert [row.name for row in found.values() if row.errors] == [name]


def test_what_is_missing_is_said() -> None:
    assert DEFINITION.validate({})["topic"].errors == [
        'Missing required configuration "topic" which has no default value.'
    ]


def test_secrets_do_not_show() -> None:
    row = DEFINITION.validate({"topic": "t", "password": "hunter2"})["password"]

    assert row.description()["value"] == "[hidden]"
    assert "hunter2" not in repr(row)
    assert row.value == Password("hunter2")


def test_a_description_is_kafkas() -> None:
    assert DEFINITION.keys["batch.size"].description() == {
        "name": "batch.size", "type": "INT", "required": False, "default_value": "2000",
        "importance": "MEDIUM", "documentation": "", "group": None, "order_in_group": -1,
        "width": "NONE", "display_name": "batch.size", "dependents": [],
    }  # fmt: skip


def test_recommenders_see_the_other_values() -> None:
    class Colours:
        def valid_values(self, name: str, parsed: Mapping[str, Any]) -> Sequence[Any]:
            return ["red"] if parsed["warm"] else ["blue"]

        def visible(self, name: str, parsed: Mapping[str, Any]) -> bool:
            return parsed["warm"] is not None

    definition = ConfigDef(
        [
            ConfigKey("warm", Type.BOOLEAN, dependents=("colour",)),
            ConfigKey("colour", Type.STRING, "red", recommender=Colours()),
        ]
    )

    assert definition.validate({"warm": "false"})["colour"].recommended == ["blue"]


def test_dependents_must_be_defined() -> None:
    definition = ConfigDef([ConfigKey("a", default="", dependents=("b",))])

    assert definition.validate({})["b"].errors
    with pytest.raises(ConfigError, match="not defined: b"):
        definition.parse({})


class Counting(msgspec.Struct):
    topic: Annotated[str, Option("Where to", importance=Importance.HIGH, validator=not_empty)]
    start_at: int = 1
    speed: Annotated[float, Option(validator=between(0, 10))] = 1.5
    mode: Literal["up", "down"] = "up"
    tags: list[str] = msgspec.field(default_factory=list)
    secret: Password | None = None


@dataclass
class Plain:
    name: str
    on: bool = False


def test_a_class_is_a_definition() -> None:
    keys = definition_of(Counting).keys

    assert [(key.name, key.type.value, key.required) for key in keys.values()] == [
        ("topic", "STRING", True), ("start.at", "LONG", False), ("speed", "DOUBLE", False),
        ("mode", "STRING", False), ("tags", "LIST", False), ("secret", "PASSWORD", False),
    ]  # fmt: skip
    assert keys["topic"].documentation == "Where to"


def test_instances_hold_typed_values() -> None:
    given = {"topic": "t", "start.at": "5", "mode": "down", "tags": "a,b", "secret": "s"}

    assert instance_of(Counting, given) == Counting("t", 5, 1.5, "down", ["a", "b"], Password("s"))
    assert instance_of(Plain, {"name": "n", "on": "true"}) == Plain("n", True)


def test_wrong_values_of_a_class_are_refused() -> None:
    with pytest.raises(ConfigError, match="String must be one of: up, down"):
        instance_of(Counting, {"topic": "t", "mode": "sideways"})
    with pytest.raises(ConfigError, match="no more than 10"):
        instance_of(Counting, {"topic": "t", "speed": "11"})


def test_types_that_no_text_gives_are_refused() -> None:
    @dataclass
    class Odd:
        when: complex

    with pytest.raises(ConfigError, match="when"):
        definition_of(Odd)
