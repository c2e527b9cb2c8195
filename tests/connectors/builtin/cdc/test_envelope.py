from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from aliran.connectors.builtin.cdc import types
from aliran.connectors.builtin.cdc.envelope import (
    NEW_KEY_HEADER,
    OLD_KEY_HEADER,
    Column,
    Envelope,
    Origin,
    source_schema,
)
from aliran.connectors.builtin.cdc.naming import TopicNames, message_keys, selector
from aliran.connectors.builtin.cdc.transactions import Transaction
from aliran.connectors.converters.json import JsonConverter
from aliran.connectors.data.builder import INT64_SCHEMA
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError
from aliran.connectors.records import SourceRecord

SOURCE = source_schema("postgresql", [("lsn", INT64_SCHEMA)])
COLUMNS = [
    types.INT32.column("id", optional=False),
    types.STRING.column("name", optional=False),
    types.decimal("precise", 10, 2).column("price", optional=True),
]


def envelope() -> Envelope:
    return Envelope("shop.public.t", COLUMNS, ["id"], SOURCE)


def origin(**more: Any) -> Origin:
    source = Struct(SOURCE, {"version": "1", "connector": "postgresql", "name": "shop",
                             "ts_ms": 5, "db": "d", "lsn": 7})  # fmt: skip
    return Origin(source, {"server": "shop"}, {"lsn": 9}, 1_234_567_891, **more)


def shown(record: SourceRecord) -> tuple[Any, Any]:
    """Return key and value as JSON, the source left out."""
    converter = JsonConverter()
    converter.configure({"schemas.enable": "false"})

    def plain(schema: Schema | None, value: Any) -> Any:
        data = converter.from_connect_data("t", schema, value)
        return None if data is None else json.loads(data)

    value = plain(record.value_schema, record.value)
    if value is not None:
        value.pop("source")
    return plain(record.key_schema, record.key), value


def test_an_update_has_both_rows() -> None:
    (record,) = envelope().changes("u", [1, "a", Decimal("1.50")], [1, "b", None], origin())

    assert record.topic == "shop.public.t"
    assert shown(record) == (
        {"id": 1},
        {
            "before": {"id": 1, "name": "a", "price": "AJY="},
            "after": {"id": 1, "name": "b", "price": None},
            "transaction": None, "op": "u", "ts_ms": 1234, "ts_us": 1234567, "ts_ns": 1234567891,
        },
    )  # fmt: skip
    assert record.value_schema is not None
    record.value.validate()


def test_a_deletion_is_followed_by_its_tombstone_which_carries_the_offset() -> None:
    table = envelope()
    row = table.known([1, None, None], [True, False, False])

    gone, tombstone = table.changes("d", row, None, origin(before={"lsn": 8}))

    assert shown(gone)[1]["before"] == {"id": 1, "name": "", "price": None}
    assert shown(tombstone) == ({"id": 1}, None)
    assert (gone.source_offset, tombstone.source_offset) == ({"lsn": 8}, {"lsn": 9})


def test_another_key_is_a_deletion_and_a_creation() -> None:
    records = envelope().changes("u", [1, "a", None], [2, "a", None], origin(before={"lsn": 8}))

    assert [(shown(one)[0]["id"], one.value and one.value["op"]) for one in records] == [
        (1, "d"), (1, None), (2, "c"),
    ]  # fmt: skip
    headers = [[(h.key, h.value["id"]) for h in one.headers] for one in records]
    assert headers == [[(NEW_KEY_HEADER, 2)], [], [(OLD_KEY_HEADER, 1)]]
    assert [one.source_offset for one in records] == [{"lsn": 8}, {"lsn": 8}, {"lsn": 9}]


def test_transactions_are_counted() -> None:
    transaction = Transaction("5:77", 12, "shop.transaction", {"server": "shop"})
    blocks = [transaction.block(name).to_dict() for name in ("a", "b", "a")]

    assert [(one["total_order"], one["data_collection_order"]) for one in blocks] == [
        (1, 1), (2, 1), (3, 2),
    ]  # fmt: skip
    end = transaction.end({"lsn": 1})
    end.value.validate()
    assert end.value["event_count"] == 3
    assert transaction.begin({"lsn": 1}).value["status"] == "BEGIN"


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        (types.decimal("precise", 10, 2), Decimal("1.5"), Decimal("1.50")),
        (types.decimal("string", 10, 2), Decimal("1E+3"), "1000"),
        (types.decimal("double", 10, 2), Decimal("0.5"), 0.5),
        (types.binary("hex"), b"\x01\xff", "01ff"),
        (types.binary("base64"), b"\x01\xff", "Af8="),
        (types.time("adaptive", 3), 1_500_000, 1500),
        (types.timestamp("adaptive", 6), 1_500_000, 1_500_000),
        (types.timestamp("isostring", 6), 1_500_000, "1970-01-01T00:00:01.5Z"),
        (types.date("isostring"), 1, "1970-01-02Z"),
        (types.bits(9), "100000001", b"\x01\x01"),
        (types.bits(1), "1", True),
        (types.array(types.INT32), [1, None], [1, None]),
    ],
)
def test_values_fit_their_schemas(kind: types.Kind, given: Any, wanted: Any) -> None:
    column: Column = kind.column("c", optional=False)
    convert = kind.converter(column.schema)

    value = given if convert is None else convert(given)

    assert value == wanted
    column.schema.validate(value)
    column.schema.validate(column.zero)


def test_decimals_without_a_scale_keep_their_own() -> None:
    kind = types.variable_decimal("precise")
    column = kind.column("c", optional=True)
    convert = kind.converter(column.schema)
    assert convert is not None

    found = [convert(Decimal(text)) for text in ("1.50", "-300", "0", "1E+2")]

    assert [(one["scale"], int.from_bytes(one["value"], "big", signed=True)) for one in found] == [
        (1, 15), (0, -300), (0, 0), (0, 100),
    ]  # fmt: skip
    for one in found:
        column.schema.validate(one)


def test_names_of_topics_and_tables() -> None:
    names = TopicNames("shop")
    assert names.table("public", "weird name") == "shop.public.weird_name"
    assert names.heartbeat == "__debezium-heartbeat.shop"
    wanted = selector("table", [r"public\.a.*", "x.y"], [])
    assert [wanted(one) for one in ("public.abc", "PUBLIC.a", "x.y", "z")] == [
        True, True, True, False,
    ]  # fmt: skip
    ((pattern, columns),) = message_keys("public.t:a, b;")
    assert columns == ["a", "b"]
    assert pattern.fullmatch("public.t")
    with pytest.raises(ConfigError, match="already specified"):
        selector("table", ["a"], ["b"])
    with pytest.raises(ConfigError, match="no regular expression"):
        selector("table", ["("], [])
