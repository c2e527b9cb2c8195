from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.connectors.builtin.postgres_cdc.conftest import Shop

pytestmark = pytest.mark.xdist_group("postgres_cdc")

# column, value in SQL, value in JSON, and what stands in the schema
ROWS: list[tuple[str, str, Any, str]] = [
    ("boolean", "true", True, "boolean"),
    ("smallint", "-5", -5, "int16"),
    ("integer", "5", 5, "int32"),
    ("bigint", "9223372036854775807", 2**63 - 1, "int64"),
    ("real", "0.1", 0.1, "float"),
    ("double precision", "'NaN'", "NaN", "double"),
    ("numeric(10,2)", "1.5", "AJY=", "org.apache.kafka.connect.data.Decimal"),
    ("numeric", "1.50", {"scale": 1, "value": "Dw=="}, "io.debezium.data.VariableScaleDecimal"),
    ("money", "'1,234.50'", "AeI6", "org.apache.kafka.connect.data.Decimal"),
    ("text", "E'tab\\tline\\nback\\\\ ü'", "tab\tline\nback\\ ü", "string"),
    ("char(4)", "'ab'", "ab  ", "string"),
    ("bytea", r"'\x01ff'", "Af8=", "bytes"),
    ("uuid", "'0a0b0c0d-0000-1111-2222-333344445555'",
     "0a0b0c0d-0000-1111-2222-333344445555", "io.debezium.data.Uuid"),
    ("jsonb", """'{"a": [1, "x"]}'""", '{"a": [1, "x"]}', "io.debezium.data.Json"),
    ("date", "'1970-01-03'", 2, "io.debezium.time.Date"),
    ("date", "'0044-03-15 BC'", -735_160, "io.debezium.time.Date"),
    ("time(3)", "'00:00:01.5'", 1500, "io.debezium.time.Time"),
    ("time", "'24:00:00'", 86_400_000_000, "io.debezium.time.MicroTime"),
    ("timetz", "'01:00:00+02'", "23:00:00Z", "io.debezium.time.ZonedTime"),
    ("timestamp(3)", "'1970-01-01 00:00:01.25'", 1250, "io.debezium.time.Timestamp"),
    ("timestamp", "'1969-12-31 23:59:59.999999'", -1, "io.debezium.time.MicroTimestamp"),
    ("timestamp", "'infinity'", 9_223_372_036_825_200_000, "io.debezium.time.MicroTimestamp"),
    ("timestamp", "'20000-01-01 00:00:00'", 568_971_820_800_000_000,
     "io.debezium.time.MicroTimestamp"),
    ("timestamptz", "'2020-02-03 04:05:06.7+01'", "2020-02-03T03:05:06.700000Z",
     "io.debezium.time.ZonedTimestamp"),
    ("interval", "'1 mon 2 days -00:00:01.5'", 2_629_800_000_000 + 172_800_000_000 - 1_500_000,
     "io.debezium.time.MicroDuration"),
    ("bit(1)", "B'1'", True, "boolean"),
    ("bit(9)", "B'100000001'", "AQE=", "io.debezium.data.Bits"),
    ("inet", "'10.0.0.1/8'", "10.0.0.1/8", "string"),
    ("int4range", "'[1,5)'", "[1,5)", "string"),
    ("point", "'(1,2)'", {"x": 1.0, "y": 2.0, "wkb": "AQEAAAAAAAAAAADwPwAAAAAAAABA",
                          "srid": None}, "io.debezium.data.geometry.Point"),
    ("mood", "'so so'", "so so", "io.debezium.data.Enum"),
    ("small", "3", 3, "int32"),
    ("int[]", "'{1,NULL,3}'", [1, None, 3], "array"),
    ("text[]", """'{a,"b, \\"c\\"",NULL,"NULL"}'""", ["a", 'b, "c"', None, "NULL"], "array"),
    ("numeric(4,1)[]", "'{1.5}'", ["Dw=="], "array"),
    ("mood[]", "'{sad}'", ["sad"], "array"),
    ("hstore", """'a=>"1 2", b=>NULL'""", '{"a":"1 2","b":null}', "io.debezium.data.Json"),
]  # fmt: skip


def make(shop: Shop, rows: list[tuple[str, str, Any, str]]) -> None:
    columns = ", ".join(f"c{n} {row[0]}" for n, row in enumerate(rows))
    shop.execute(
        "CREATE EXTENSION IF NOT EXISTS hstore",
        "CREATE TYPE mood AS ENUM ('sad', 'so so')",
        "CREATE DOMAIN small AS int CHECK (value < 10)",
        f"CREATE TABLE t (id int PRIMARY KEY, {columns})",
    )


def values(rows: list[tuple[str, str, Any, str]]) -> str:
    return ", ".join(row[1] for row in rows)


def test_types_are_the_same_in_snapshot_and_stream(shop: Shop) -> None:
    make(shop, ROWS)
    shop.execute(f"INSERT INTO t VALUES (1, {values(ROWS)})", "INSERT INTO t VALUES (2)")
    shop.capture(value__converter__schemas__enable="true")
    shop.read("public.t", 2)

    shop.execute(f"INSERT INTO t VALUES (3, {values(ROWS)})")

    read, empty, created = (value for _, value in shop.read("public.t", 3))
    wanted = {f"c{n}": row[2] for n, row in enumerate(ROWS)}
    for one in (read, created):
        after = one["payload"]["after"]
        after.pop("id")
        assert after == wanted
    assert set(empty["payload"]["after"].values()) == {2, None}
    fields = {one["field"]: one for one in read["schema"]["fields"]}
    assert fields == {one["field"]: one for one in created["schema"]["fields"]}
    schemas = fields["after"]["fields"][1:]
    assert [one.get("name", one["type"]) for one in schemas] == [row[3] for row in ROWS]
    assert read["schema"]["name"] == f"{shop.name}.public.t.Envelope"
    assert read["schema"]["version"] == 2


def test_handling_modes(shop: Shop) -> None:
    rows: list[tuple[str, str, Any, str]] = [
        ("numeric(10,2)", "1.5", "1.50", "string"),
        ("numeric", "'NaN'", "NaN", "string"),
        ("bytea", r"'\x01ff'", "01ff", "string"),
        ("date", "'1970-01-03'", 2, "org.apache.kafka.connect.data.Date"),
        ("time", "'00:00:01.5'", 1500, "org.apache.kafka.connect.data.Time"),
        ("timestamp", "'1970-01-01 00:00:01.2501'", 1250,
         "org.apache.kafka.connect.data.Timestamp"),
        ("interval", "'1 year 2 mons 3 days 04:05:06.70'", "P1Y2M3DT4H5M6.7S",
         "io.debezium.time.Interval"),
        ("hstore", "'a=>1'", {"a": "1"}, "map"),
        ("box", "'(1,1),(0,0)'", base64.b64encode(b"(1,1),(0,0)").decode(), "string"),
    ]  # fmt: skip
    rows[-1] = (*rows[-1][:2], b"(1,1),(0,0)".hex(), "string")
    make(shop, rows)
    shop.execute(f"INSERT INTO t VALUES (1, {values(rows)})")
    shop.capture(
        value__converter__schemas__enable="true", decimal__handling__mode="string",
        binary__handling__mode="hex", time__precision__mode="connect",
        interval__handling__mode="string", hstore__handling__mode="map",
        include__unknown__datatypes="true",
    )  # fmt: skip

    ((_, value),) = shop.read("public.t", 1)

    after = value["payload"]["after"]
    assert [after[f"c{n}"] for n in range(len(rows))] == [row[2] for row in rows]
    fields = {one["field"]: one for one in value["schema"]["fields"]}["after"]["fields"][1:]
    assert [one.get("name", one["type"]) for one in fields] == [row[3] for row in rows]


def test_labels_that_come_later_and_types_nobody_knows(shop: Shop) -> None:
    shop.execute(
        "CREATE TYPE mood AS ENUM ('sad')",
        "CREATE TABLE t (id int PRIMARY KEY, m mood, b box)",
        "INSERT INTO t VALUES (1, 'sad', '(1,1),(0,0)')",
    )
    shop.capture(value__converter__schemas__enable="true")
    shop.read("public.t", 1)

    shop.execute("ALTER TYPE mood ADD VALUE 'happy'", "ALTER TABLE t ADD x int",
                 "INSERT INTO t VALUES (2, 'happy')")  # fmt: skip

    (_, first), (_, second) = shop.read("public.t", 2)
    assert first["payload"]["after"] == {"id": 1, "m": "sad"}
    assert second["payload"]["after"] == {"id": 2, "m": "happy", "x": None}
    assert '"allowed": "sad,happy"' in json.dumps(second["schema"])


def test_a_number_that_connect_cannot_hold_names_its_column(shop: Shop) -> None:
    shop.execute("CREATE TABLE t (id int PRIMARY KEY, n numeric)")
    shop.capture()

    shop.execute("INSERT INTO t VALUES (1, 'NaN')")

    trace = shop.trace()
    assert "column public.t.n: NaN is a numeric of the database" in trace
    assert "decimal.handling.mode=string" in trace
