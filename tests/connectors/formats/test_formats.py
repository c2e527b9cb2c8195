from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aliran.connectors.data import logical
from aliran.connectors.data.builder import (
    BYTES_SCHEMA,
    INT32_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.connectors.formats.base import Format
from aliran.connectors.formats.table import format_named

INNER = SchemaBuilder.struct().name("Inner").field("n", INT32_SCHEMA).build()
ROW = (
    SchemaBuilder.struct()
    .name("shop.Order")
    .version(3)
    .doc("an order")
    .field("tiny", SchemaBuilder.int8().build())
    .field("small", SchemaBuilder.int16().optional().build())
    .field("whole", SchemaBuilder.int32().default_value(7).build())
    .field("long", SchemaBuilder.int64().build())
    .field("single", SchemaBuilder.float32().build())
    .field("double", SchemaBuilder.float64().build())
    .field("flag", SchemaBuilder.bool().build())
    .field("text", OPTIONAL_STRING_SCHEMA)
    .field("data", BYTES_SCHEMA)
    .field("price", logical.decimal_schema(2))
    .field("day", logical.DATE_SCHEMA)
    .field("time", logical.TIME_SCHEMA)
    .field("at", logical.OPTIONAL_TIMESTAMP_SCHEMA)
    .field("tags", SchemaBuilder.array(STRING_SCHEMA).build())
    .field("counts", SchemaBuilder.map(STRING_SCHEMA, INT32_SCHEMA).build())
    .field("names", SchemaBuilder.map(INT32_SCHEMA, STRING_SCHEMA).build())
    .field("inner", INNER)
    .field("other", SchemaBuilder.struct().name("Other").field("s", STRING_SCHEMA).build())
    .build()
)


def row(number: int) -> Struct:
    return Struct(
        ROW,
        {
            "tiny": -1, "small": None if number % 2 else 5, "whole": number, "long": 1 << 40,
            "single": 0.5, "double": 0.1, "flag": bool(number % 2), "text": "ü" * (number % 3),
            "data": b"\x00\n\xff", "price": Decimal(number).scaleb(-2),
            "day": dt.date(2026, 11, 25), "time": dt.time(23, 59, 1, 5000),
            "at": dt.datetime(2026, 11, 25, 1, 2, 3, 4000, dt.UTC), "tags": ["a", "b"],
            "counts": {"x": 1}, "names": {1: "one", 2: "two"}, "inner": Struct(INNER, {"n": 1}),
            "other": Struct(ROW.fields[-1].schema, {"s": "s"}),
        },
    )  # fmt: skip


def written(kind: Format, values: list[Any], schema: Schema | None) -> bytes:
    out = io.BytesIO()
    writer = kind.writer(out, schema)
    for value in values:
        writer.write(value)
    writer.finish()
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *[("parquet", {"codec": one}) for one in ("none", "snappy", "gzip", "zstd")],
        *[("avro", {"codec": one}) for one in ("null", "deflate", "snappy")],
    ],
)
def test_structs_come_back_as_they_were_and_the_file_is_always_the_same(
    name: str, settings: dict[str, str]
) -> None:
    kind = format_named(name, **settings)
    rows = [row(number) for number in range(50)]

    data = written(kind, rows, ROW)

    assert [one.value for one in kind.read(io.BytesIO(data))] == rows
    assert written(format_named(name, **settings), rows, ROW) == data


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize(
    ("name", "schema", "values"),
    [
        ("json", None, [{"a": 1, "b": None, "c": [True]}, "text", 5]),
        ("avro", None, [{"a": 1, "b": None, "c": [True]}, "text", 5]),
        ("bytes", BYTES_SCHEMA, [b"one", b"\xff\x00", b"three"]),
        ("lines", STRING_SCHEMA, ["one", "", "ü"]),
        ("csv", None, [{"a": "1", "b": 'x,"y"\nz'}, {"a": "", "b": "2"}]),
    ],
)
def test_texts_come_back(name: str, schema: Schema | None, values: list[Any], compression: str
) -> None:  # fmt: skip
    kind = format_named(name, **({} if name == "avro" else {"compression": compression}))

    data = written(kind, values, schema)

    assert kind.extension.endswith(".gz") is data.startswith(b"\x1f\x8b")
    assert [one.value for one in kind.read(io.BytesIO(data))] == values
    assert written(kind, values, schema) == data


def test_structs_as_json_and_rows() -> None:
    schema = SchemaBuilder.struct().field("p", logical.decimal_schema(2)).build()
    value = Struct(schema, {"p": Decimal("1.50")})

    assert written(format_named("json"), [value], schema) == b'{"p":1.50}\n'
    assert written(format_named("csv"), [value], schema) == b"p\n1.50\n"


def test_a_file_of_somebody_else_gets_a_schema() -> None:
    table = pa.table(
        {
            "n": pa.array([1, None], pa.uint32()),
            "t": pa.array([1, 2_000_000_001], pa.timestamp("ns")),
            "d": pa.array(["x", "y"]).dictionary_encode(),
            "m": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int16())),
        }
    )
    file = io.BytesIO()
    pq.write_table(table, file)

    found = list(format_named("parquet").read(io.BytesIO(file.getvalue())))

    assert [one.value.to_dict() for one in found] == [
        {"n": 1, "t": dt.datetime(1970, 1, 1, tzinfo=dt.UTC), "d": "x", "m": {"k": 1}},
        {"n": None, "t": dt.datetime(1970, 1, 1, 0, 0, 2, tzinfo=dt.UTC), "d": "y", "m": {}},
    ]


@pytest.mark.parametrize("name", ["avro", "parquet"])
def test_a_value_that_does_not_fit_leaves_the_file_whole(name: str) -> None:
    kind = format_named(name)
    bad = row(1)
    bad.values[7] = "\ud800"  # a text that no UTF-8 holds
    out = io.BytesIO()
    writer = kind.writer(out, ROW)

    writer.write(row(0))
    with pytest.raises(
        DataError, match=r"text: the text cannot be written as UTF-8|surrogates not allowed"
    ):
        writer.write(bad)
    writer.write(row(2))
    writer.finish()

    assert [one.value for one in kind.read(io.BytesIO(out.getvalue()))] == [row(0), row(2)]


@pytest.mark.parametrize("name", ["avro", "parquet", "json", "csv"])
def test_what_is_no_such_file_says_so(name: str) -> None:
    data = b"\xff\x00 a, b\n1,2,3\n"
    with pytest.raises(DataError, match=r"no Parquet file|no Avro file|no JSON|3 fields"):
        list(format_named(name).read(io.BytesIO(data)))


def test_a_decimal_that_parquet_does_not_hold_is_refused_at_once() -> None:
    schema = SchemaBuilder.struct().field("p", logical.decimal_schema(2)).build()
    writer = format_named("parquet").writer(io.BytesIO(), schema)
    for bad, why in ((Decimal("1.234"), "scale"), (Decimal(10**37).scaleb(1), "scale"),
                     (Decimal("1" * 40 + ".00"), "38 digits")):  # fmt: skip
        with pytest.raises(DataError, match=f"field p: .*{why}"):
            writer.write(Struct(schema, {"p": bad}))
