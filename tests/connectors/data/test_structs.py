"""Schemas, structs, logical types, headers and records by themselves."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext

import pytest

from aliran.connectors.data import ConnectHeaders, SchemaBuilder, Struct, Type, logical, project
from aliran.connectors.data.builder import (
    FLOAT32_SCHEMA,
    INT8_SCHEMA,
    INT32_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.errors import DataError, SchemaBuilderError, SchemaProjectorError
from aliran.connectors.records import SinkRecord

USER = (
    SchemaBuilder.struct()
    .name("user")
    .field("id", INT8_SCHEMA)
    .field("name", OPTIONAL_STRING_SCHEMA)
    .field("rank", SchemaBuilder.int32().default_value(7).build())
    .build()
)


def test_a_struct_holds_what_was_put_and_gives_defaults() -> None:
    user = Struct(USER, {"id": 1}).put("name", "x")
    assert user["id"] == 1
    assert user["rank"] == 7
    assert user.get_without_default("rank") is None
    assert user.to_dict() == {"id": 1, "name": "x", "rank": 7}
    assert repr(user) == "Struct{id=1,name=x}"
    assert user == Struct(USER, {"name": "x", "id": 1})
    user.validate()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("id", 128, 'with type INT8: 128, out of range for field: "id"'),
        ("id", True, "with type INT8: class bool for field"),
        ("id", None, 'null used for required field: "id", schema type: INT8'),
        ("name", b"x", "with type STRING: class bytes"),
        ("no", 1, "no is not a valid field name .there are: id, name, rank"),
    ],
)
def test_a_struct_refuses_what_does_not_fit(field: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Struct(USER).put(field, value)


def test_typed_getters_check_the_type() -> None:
    user = Struct(USER, {"id": 1})
    assert user.get_int8("id") == 1
    with pytest.raises(DataError, match="Field 'id' is not of type INT32"):
        user.get_int32("id")


def test_errors_within_arrays_and_maps_say_where() -> None:
    schema = SchemaBuilder.map(STRING_SCHEMA, SchemaBuilder.array(INT32_SCHEMA).build()).build()
    schema.validate({"a": [1, 2]})
    with pytest.raises(DataError, match="for element of array value of map value"):
        schema.validate({"a": [1, "2"]})


def test_schemas_are_equal_by_their_parts() -> None:
    def named(doc: str) -> Schema:
        return SchemaBuilder.int32().name("n").doc(doc).parameter("a", "b").build()

    assert named("x") == named("x")
    assert hash(named("x")) == hash(named("x"))
    assert named("x") != named("y")
    assert Type.INT8.is_primitive
    assert str(USER) == "Schema{user:STRUCT}"


def test_a_builder_refuses_contradictions() -> None:
    with pytest.raises(SchemaBuilderError, match="name has already been set"):
        SchemaBuilder.int8().name("a").name("b")
    with pytest.raises(SchemaBuilderError, match=r"Invalid default value: .*class str"):
        SchemaBuilder.int8().default_value("x")
    with pytest.raises(SchemaBuilderError, match="field name duplication id"):
        SchemaBuilder.struct().field("id", INT8_SCHEMA).field("id", INT8_SCHEMA)


def test_decimals_keep_scale_and_all_digits() -> None:
    schema = logical.decimal_schema(2)
    for text in ("0.00", "-1.28", "1.27", "-0.01", "12345678901234567890123456789012345.67"):
        with localcontext() as context:
            context.prec = 5
            assert (
                str(logical.decimal_to(schema, logical.decimal_from(schema, Decimal(text)))) == text
            )
    with pytest.raises(DataError, match="Schema has scale 2, value has scale 1"):
        logical.decimal_from(schema, Decimal("1.5"))


def test_times_are_milliseconds() -> None:
    moment = dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC)
    assert logical.timestamp_from(logical.TIMESTAMP_SCHEMA, moment) == -1
    assert logical.timestamp_to(logical.TIMESTAMP_SCHEMA, -1) == moment
    assert logical.date_to(logical.DATE_SCHEMA, -1) == dt.date(1969, 12, 31)
    assert logical.time_from(logical.TIME_SCHEMA, dt.time(0, 0, 1)) == 1000
    with pytest.raises(DataError, match="should not have any time fields"):
        logical.date_from(logical.DATE_SCHEMA, moment)
    with pytest.raises(DataError, match="not in the years 1 to 9999"):
        logical.timestamp_to(logical.TIMESTAMP_SCHEMA, 2**60)


def test_a_projection_widens_and_fills() -> None:
    old = SchemaBuilder.struct().field("a", INT8_SCHEMA).field("gone", INT8_SCHEMA).build()
    new = (
        SchemaBuilder.struct()
        .field("a", FLOAT32_SCHEMA)
        .field("b", SchemaBuilder.string().default_value("new").build())
        .build()
    )
    assert project(old, Struct(old, {"a": 1, "gone": 2}), new) == Struct(
        new, {"a": 1.0, "b": "new"}
    )
    with pytest.raises(SchemaProjectorError, match="source type: STRUCT and target type: INT8"):
        project(old, Struct(old), INT8_SCHEMA)


def test_headers_keep_order_and_do_not_leak_between_records() -> None:
    headers = ConnectHeaders().add_string("a", "1").add_long("b", 2).add_string("a", "3")
    record = SinkRecord(topic="t", kafka_partition=0, kafka_offset=5, headers=headers)
    moved = record.with_topic("u")
    moved.headers.retain_latest()
    assert [h.value for h in record.headers] == ["1", 2, "3"]
    assert [h.value for h in moved.headers] == [2, "3"]
    assert (moved.topic, moved.original_topic, moved.kafka_partition) == ("u", "t", 0)
    with pytest.raises(DataError, match="not compatible with the schema"):
        headers.add("c", 1, STRING_SCHEMA)
