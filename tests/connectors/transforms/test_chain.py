"""Chains of transformations with predicates; names; regular expressions of Java."""

from __future__ import annotations

from typing import Any

import pytest

from aliran.connectors.converters.table import CONVERTERS, find_converter
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.records import SinkRecord
from aliran.connectors.transforms.chain import TransformationChain
from aliran.connectors.transforms.java_regex import compile_regex, replace_first
from aliran.connectors.transforms.table import (
    PREDICATES,
    TRANSFORMATIONS,
    find_predicate,
    find_transformation,
)


def record(topic: str, value: Any) -> SinkRecord:
    return SinkRecord(topic=topic, kafka_partition=0, kafka_offset=1, value=value)


def test_stages_run_in_order_and_predicates_choose() -> None:
    chain = TransformationChain.of(
        {
            "transforms": "mask, drop, route",
            "transforms.mask.type": "org.apache.kafka.connect.transforms.MaskField$Value",
            "transforms.mask.fields": "card",
            "transforms.mask.predicate": "orders",
            "transforms.drop.type": "Filter",
            "transforms.drop.predicate": "orders",
            "transforms.drop.negate": "true",
            "transforms.route.type": "RegexRouter",
            "transforms.route.regex": "(.*)s",
            "transforms.route.replacement": "$1",
            "predicates": "orders",
            "predicates.orders.type": "TopicNameMatches",
            "predicates.orders.pattern": "ord.*",
        }
    )
    kept = chain.apply(record("orders", {"card": "4711", "n": 1}))
    assert kept is not None
    assert (kept.topic, kept.value) == ("order", {"card": "", "n": 1})
    assert chain.apply(record("users", {"card": "4711"})) is None
    chain.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transforms": "a"}, 'Missing required configuration "transforms.a.type"'),
        ({"transforms": "a,a"}, "Duplicate alias provided"),
        ({"transforms": "a", "transforms.a.type": "Nope"}, "Class Nope could not be found"),
        (
            {"transforms": "a", "transforms.a.type": "HoistField$Key"},
            r"Transformation transforms.a \(HoistField\$Key\): Missing required configuration",
        ),
        (
            {"transforms": "a", "transforms.a.type": "Filter", "transforms.a.negate": "true"},
            "there is no config 'transforms.a.predicate' defining a predicate to be negated",
        ),
        (
            {"transforms": "a", "transforms.a.type": "Filter", "transforms.a.predicate": "p"},
            "Invalid value p for configuration transforms.a.predicate",
        ),
    ],
)
def test_settings_that_are_wrong_are_named(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformationChain.of(settings)


def test_names_of_java_and_short_ones_are_found() -> None:
    for name in TRANSFORMATIONS:
        assert find_transformation(name) is find_transformation(name.rpartition(".")[2])
    for name in PREDICATES:
        assert find_predicate(name) is find_predicate(name.rpartition(".")[2])
    for name in CONVERTERS:
        assert find_converter(name) is find_converter(name.rpartition(".")[2])
    assert find_transformation("Cast$Value") is not None
    assert find_transformation("Cast") is None


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"\p{Lower}+", "abc", True),
        (r"\p{L}+", "äbc", True),
        (r"\w+", "äbc", False),
        (r"[a-z&&[^o]]+", "foo", False),
        (r"[a-z&&[^o]]+", "fee", True),
        (r"[^a[bc]]", "b", False),
        (r"a(?i)B|c", "aC", False),
        (r"x(?i)b", "xB", True),
        (r"\Qa.b\E", "a.b", True),
        (r"(?<n>a)\k<n>", "aa", True),
        (r"\x41\t\u0042", "A\tB", True),
        (r"a++b", "aab", True),
        (r".", "\u2028", False),
    ],
)
def test_regular_expressions_of_java(pattern: str, text: str, matches: bool) -> None:
    assert bool(compile_regex(pattern).fullmatch(text)) is matches


def test_replacements_of_java() -> None:
    pattern = compile_regex(r"(?<a>\w)(\d)")
    assert replace_first(pattern, r"${a}-$2$11\$", "-x1y2") == "-x-1x1$y2"
    with pytest.raises(DataError, match="No group 3"):
        replace_first(pattern, "$3", "x1")
