"""Columns of every common type, from a table through a topic into a table of the same types."""

from __future__ import annotations

import json

import pytest
from tests.connectors.builtin.sql.conftest import Place
from tests.connectors.conftest import JSON, Connect, eventually

pytestmark = pytest.mark.xdist_group("sql")

# type, a literal, the type of its field
POSTGRES = [
    ("smallint", "-32768", "int16"), ("integer", "2147483647", "int32"),
    ("bigint", "-9223372036854775808", "int64"), ("numeric(10,2)", "-12345678.90", "Decimal"),
    ("numeric", "1.2345678901234567890123456789", "string"), ("numeric(5,0)", "12345", "Decimal"),
    ("real", "1.5", "float"), ("double precision", "0.1", "double"), ("boolean", "true", "boolean"),
    ("text", "'naïve ☂ \\ ''quoted'''", "string"), ("varchar(20)", "'v'", "string"),
    ("char(3)", "'ab'", "string"), ("bytea", r"'\x00ff10'", "bytes"),
    ("date", "'2026-02-28'", "Date"), ("time", "'23:59:59.123'", "Time"),
    ("timetz", "'12:00:00+02'", "string"), ("timestamp", "'1969-12-31 23:59:59.999'", "Timestamp"),
    ("timestamptz", "'2026-07-01 12:00:00.25+02'", "Timestamp"),
    ("uuid", "'0b8a3c1e-95b1-4a5c-8f5f-3d8a3f6b2a10'", "string"),
    ("json", """'{"a": [1, null]}'""", "string"), ("jsonb", """'{"a": 1}'""", "string"),
    ("integer[]", "'{1,NULL,3}'", "array"), ("text[]", "array['a,b', '\"c\"']", "array"),
    ("numeric(6,2)[]", "'{1.50,2.25}'", "array"), ("mood", "'glad'", "string"),
    ("inet", "'10.0.0.1'", "string"), ("interval", "'1 day 02:00:00'", "string"),
    ("bit(3)", "B'101'", "string"), ("int4range", "'[1,5)'", "string"),
    ("xml", "'<a/>'", "string"), ("macaddr", "'08:00:2b:01:02:03'", "string"),
]  # fmt: skip
MARIADB = [
    ("tinyint", "-128", "int8"), ("tinyint unsigned", "255", "int16"),
    ("boolean", "true", "int8"), ("smallint", "-32768", "int16"),
    ("smallint unsigned", "65535", "int32"), ("mediumint", "8388607", "int32"),
    ("int", "-2147483648", "int32"), ("int unsigned", "4294967295", "int64"),
    ("bigint", "9223372036854775807", "int64"), ("bigint unsigned", "9223372036854775807", "int64"),
    ("decimal(10,2)", "-12345678.90", "Decimal"), ("float", "1.5", "float"),
    ("double", "0.1", "double"), ("varchar(30)", "'naïve ☂ \\\\ ''q'''", "string"),
    ("char(3)", "'ab'", "string"), ("text", "'t'", "string"), ("blob", "x'00ff10'", "bytes"),
    ("varbinary(10)", "x'00ff10'", "bytes"), ("bit(9)", "b'100000001'", "bytes"),
    ("date", "'2026-02-28'", "Date"), ("time(3)", "'23:59:59.123'", "Time"),
    ("datetime(3)", "'1969-12-31 23:59:59.999'", "Timestamp"),
    ("timestamp(3)", "'2026-07-01 12:00:00.25'", "Timestamp"), ("year", "2026", "int16"),
    ("json", """'{"a": 1}'""", "string"), ("uuid", "'0b8a3c1e-95b1-4a5c-8f5f-3d8a3f6b2a10'",
    "string"), ("enum('glad','sad')", "'glad'", "string"), ("set('a','b')", "'a,b'", "string"),
    ("inet6", "'::1'", "string"),
]  # fmt: skip
SQLITE = [
    ("integer", "-9223372036854775808", "int64"), ("bigint", "5", "int64"),
    ("real", "0.1", "double"), ("double", "0.1", "double"), ("boolean", "1", "boolean"),
    ("text", "'naïve ☂'", "string"),
    ("varchar(30)", "'v'", "string"), ("blob", "x'00ff10'", "bytes"),
    ("decimal(10,2)", "-12345678.90", "Decimal"), ("date", "'2026-02-28'", "Date"),
    ("time", "'23:59:59.123000'", "Time"), ("timestamp", "'1969-12-31 23:59:59.999000'",
    "Timestamp"), ("datetime", "'2026-07-01 12:00:00.250000'", "Timestamp"),
    ("json", """'{"a": 1}'""", "string"),
]  # fmt: skip
DUCKDB = [
    ("tinyint", "-128", "int8"), ("utinyint", "255", "int16"), ("smallint", "-32768", "int16"),
    ("integer", "2147483647", "int32"), ("uinteger", "4294967295", "int64"),
    ("bigint", "-9223372036854775808", "int64"),
    ("hugeint", "12345678901234567890123456789012345678", "Decimal"),
    ("ubigint", "18446744073709551615", "Decimal"), ("float", "1.5", "float"),
    ("double", "0.1", "double"), ("decimal(10,2)", "-12345678.90", "Decimal"),
    ("boolean", "true", "boolean"), ("varchar", "'naïve ☂'", "string"),
    ("blob", r"'\x00\xff'::blob", "bytes"), ("date", "'2026-02-28'", "Date"),
    ("time", "'23:59:59.123'", "Time"), ("timestamp", "'1969-12-31 23:59:59.999'", "Timestamp"),
    ("timestamptz", "'2026-07-01 12:00:00.25+02'", "Timestamp"),
    ("uuid", "'0b8a3c1e-95b1-4a5c-8f5f-3d8a3f6b2a10'", "string"),
    ("json", """'{"a":1}'""", "string"), ("integer[]", "[1, NULL, 3]", "array"),
    ("varchar[]", "['a,b']", "array"),
    ("mood", "'glad'", "string"), ("interval", "INTERVAL 2 HOUR", "string"),
]  # fmt: skip
TYPES = {"postgres": POSTGRES, "mariadb": MARIADB, "sqlite": SQLITE, "duckdb": DUCKDB}


def test_every_type_comes_back_as_it_was(connect: Connect, place: Place) -> None:
    types = TYPES[place.name]
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(types))
    if place.name in {"postgres", "duckdb"}:
        place.run("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    literals = ", ".join(literal for _, literal, _ in types)
    nulls = ", ".join("NULL" for _ in types)
    place.run(
        f"CREATE TABLE types_in (id integer PRIMARY KEY, {columns})",
        f"CREATE TABLE types_out (id integer PRIMARY KEY, {columns})",
        f"INSERT INTO types_in VALUES (1, {literals})",
        f"INSERT INTO types_in VALUES (2, {nulls})",
    )
    name = f"types-{place.name}"
    connect.put(
        f"{name}-from", "SqlSource", topic__prefix=f"{name}-", table__whitelist="types_in",
        mode="incrementing", incrementing__column__name="id", value__converter=JSON,
        **place.options,
    )  # fmt: skip
    for kind, table in (("same", "types_out"), ("new", "types_new")):
        connect.put(
            f"{name}-{kind}", "SqlSink", topics=f"{name}-types_in", table__name__format=table,
            value__converter=JSON, insert__mode="upsert", pk__mode="record_value", pk__fields="id",
            auto__create="true", **place.options,
        )  # fmt: skip

    message = json.loads(connect.read(f"{name}-types_in", 1)[0].value())
    found = {one["field"]: one for one in message["schema"]["fields"]}
    shown = [
        (kind, found[f"c{number}"].get("name", found[f"c{number}"]["type"]).rpartition(".")[2])
        for number, (kind, _, _) in enumerate(types)
    ]
    assert shown == [(kind, field) for kind, _, field in types]
    names = ", ".join(_text(place).format(f"c{number}") for number in range(len(types)))
    rows = place.run(f"SELECT id, {names} FROM types_in ORDER BY id")
    assert len(rows) == 2

    def arrived() -> bool:
        counts = {len(place.rows(f"SELECT id FROM {one}")) for one in ("types_out", "types_new")}
        return counts == {2} or _failure(connect, name)

    eventually(arrived)
    assert place.run(f"SELECT id, {names} FROM types_out ORDER BY id") == rows
    for one in ("from", "same", "new"):
        connect.rest.delete(f"/connectors/{name}-{one}")


def _text(place: Place) -> str:
    """Return what makes a text of a value that tells all that differ apart."""
    return {
        "mariadb": "CAST({} AS char)", "duckdb": "CAST({} AS varchar)", "sqlite": "quote({})",
    }.get(place.name, "CAST({} AS text)")  # fmt: skip


def _failure(connect: Connect, name: str) -> bool:
    """Fail with the trace of a task that failed."""
    for kind in ("from", "same", "new"):
        for task in connect.status(f"{name}-{kind}")["tasks"]:
            assert task["state"] != "FAILED", task["trace"]
    return False
