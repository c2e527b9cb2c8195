"""How values are read and written that depend on options."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from aliran.connectors.builtin.sql.binding import Binding
from aliran.connectors.builtin.sql.moments import from_offset, to_offset
from aliran.connectors.builtin.sql.reading import Reading
from aliran.connectors.builtin.sql.source_config import SqlSourceConfig
from aliran.connectors.builtin.sql.types import Column, ColumnType, Kind, of_name
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.logical import DATE_SCHEMA, TIMESTAMP_SCHEMA, decimal_schema
from aliran.connectors.errors import ConnectError, DataError

BERLIN = ZoneInfo("Europe/Berlin")
NOON = dt.datetime(2026, 7, 1, 10, 0, 0, 123456, dt.UTC)  # noon in Berlin


def reading(zone: ZoneInfo = BERLIN, **options: str) -> Reading:
    given = {name.replace("_", "."): value for name, value in options.items()}
    config = instance_of(
        SqlSourceConfig, {"connection.url": "sqlite://", "topic.prefix": "t", **given}
    )
    return Reading(config, zone, "mysql")


def read(of: Reading, kind: ColumnType, value: Any) -> tuple[str, Any]:
    schema, reader = of.field(Column("c", kind, nullable=False))
    return schema.name or schema.type.value, value if reader is None else reader(value)


@pytest.mark.parametrize(
    ("mapping", "name", "value", "wanted"),
    [
        ("none", "numeric(5,0)", Decimal(12), ("org.apache.kafka.connect.data.Decimal", 12)),
        ("precision_only", "numeric(2,0)", Decimal(12), ("int8", 12)),
        ("precision_only", "numeric(9,0)", Decimal(12), ("int32", 12)),
        ("best_fit", "numeric(18,0)", Decimal(12), ("int64", 12)),
        ("best_fit", "numeric(5,-2)", Decimal(1200), ("int32", 1200)),
        ("best_fit", "numeric(10,2)", Decimal("1.5"), ("float64", 1.5)),
        ("best_fit", "numeric(30,2)", Decimal("1.5"),
         ("org.apache.kafka.connect.data.Decimal", Decimal("1.50"))),
        ("best_fit_eager_double", "numeric(30,2)", Decimal("1.5"), ("float64", 1.5)),
        ("best_fit_eager_double", "numeric", Decimal("1.5"), ("float64", 1.5)),
        ("none", "numeric", Decimal("1E+3"), ("string", "1000")),
    ],
)  # fmt: skip
def test_decimals_become_what_the_mapping_says(
    mapping: str, name: str, value: Any, wanted: Any
) -> None:
    assert read(reading(numeric_mapping=mapping), of_name(name), value) == wanted


@pytest.mark.parametrize(
    ("granularity", "wanted"),
    [
        ("connect_logical", NOON),
        ("micros_long", 1782900000123456),
        ("nanos_string", "1782900000123456000"),
        ("micros_iso_datetime_string", "2026-07-01T10:00:00.123456"),
        ("nanos_iso_datetime_string", "2026-07-01T10:00:00.123456000"),
    ],
)
def test_times_are_looked_at_in_the_zone_of_the_database(granularity: str, wanted: Any) -> None:
    of = reading(timestamp_granularity=granularity)
    clock = dt.datetime(2026, 7, 1, 12, 0, 0, 123456)  # noqa: DTZ001

    assert read(of, of_name("timestamp"), clock)[1] == wanted
    assert read(of, of_name("timestamptz"), NOON)[1] == wanted


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("numeric(5,2)", Decimal("NaN"), "the column c of type numeric.* it is no number"),
        ("bigint", 1 << 63, "it needs more than 64 bits"),
        ("time", dt.timedelta(hours=30), "it is not within a day"),
        ("int4[]", [[1], [2]], "it has several dimensions"),
        ("date", 1.5, "it is a float"),
    ],
)
def test_values_that_no_field_can_hold_are_told(name: str, value: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(reading(), of_name(name), value)


def test_offsets_keep_microseconds_as_java_does() -> None:
    offset = to_offset(NOON)
    assert offset == {"timestamp": 1782900000123, "timestamp_nanos": 123456000}
    assert from_offset(offset) == NOON
    assert from_offset({"timestamp": 1782900000123}) == NOON.replace(microsecond=123000)
    assert from_offset({"incrementing": 1}) is None


def bound(of: Binding, schema: Any, kind: Kind, value: Any) -> Any:
    binder = of.binder(schema, Column("c", ColumnType(kind, kind.name)), "t")
    return value if binder is None else binder(value)


def test_times_are_written_in_the_zone_of_the_database() -> None:
    pg = Binding("postgresql", BERLIN, shifts_dates=False)
    lite = Binding("sqlite", BERLIN, shifts_dates=False)
    shifted = Binding("postgresql", ZoneInfo("America/New_York"), shifts_dates=True)
    day = dt.date(2026, 7, 1)

    assert bound(pg, TIMESTAMP_SCHEMA, Kind.TIMESTAMP, NOON).isoformat() == (
        "2026-07-01T12:00:00.123456"
    )
    assert bound(pg, TIMESTAMP_SCHEMA, Kind.INSTANT, NOON) == NOON
    assert bound(lite, TIMESTAMP_SCHEMA, Kind.TIMESTAMP, NOON) == "2026-07-01 12:00:00.123456"
    assert bound(pg, DATE_SCHEMA, Kind.DATE, day) == day
    assert bound(shifted, DATE_SCHEMA, Kind.DATE, day) == dt.date(2026, 6, 30)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (SchemaBuilder.string().build(), Kind.INT32),
        (SchemaBuilder.float64().build(), Kind.INT64),
        (SchemaBuilder.bytes().build(), Kind.TEXT),
        (decimal_schema(2), Kind.INT64),
        (TIMESTAMP_SCHEMA, Kind.DATE),
        (SchemaBuilder.map(SchemaBuilder.string().build(), DATE_SCHEMA).build(), Kind.INT32),
    ],
)
def test_a_field_that_fits_no_column_is_told_with_both_types(schema: Any, kind: Kind) -> None:
    told = f"c of type {schema.type}.* does not fit the column t.c of type {kind.name}"
    with pytest.raises(ConnectError, match=told):
        bound(Binding("mysql", BERLIN, shifts_dates=False), schema, kind, None)
