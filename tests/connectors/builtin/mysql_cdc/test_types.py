"""Every type, as the snapshot shows it and as the log shows it: both the same."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.connectors.builtin.mysql_cdc.conftest import Shop

pytestmark = pytest.mark.xdist_group("mysql_cdc")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


POINT = bytes.fromhex("0101000000000000000000f03f0000000000000040")

COLUMNS: list[tuple[str, str, Any]] = [
    ("tinyint", "-128", -128), ("tinyint unsigned", "255", 255), ("boolean", "true", 1),
    ("smallint", "-32768", -32768), ("smallint unsigned", "65535", 65535),
    ("mediumint", "-8388608", -8388608), ("mediumint unsigned", "16777215", 16777215),
    ("int", "-2147483648", -2147483648), ("int unsigned zerofill", "4294967295", 4294967295),
    ("bigint", "-9223372036854775808", -(2**63)), ("bigint unsigned", "42", 42),
    ("bigint unsigned", "18446744073709551615", -1),
    ("float", "1.5", 1.5), ("double", "-2.25", -2.25), ("double unsigned", "3.5", 3.5),
    ("decimal(10,2)", "-1234567.89", "-1234567.89"), ("decimal(38,10)",
     "1234567890123456789012345678.0123456789", "1234567890123456789012345678.0123456789"),
    ("decimal(5,5) unsigned", "0.00001", "0.00001"), ("decimal(9,0)", "0", "0"),
    ("bit(1)", "b'1'", True), ("bit(12)", "b'101000000001'", b64(b"\x01\x0a")),
    ("year", "2026", 2026), ("year", "0", 0),
    ("date", "'2026-11-26'", 20783), ("date", "'1000-01-01'", -354285),
    ("time", "'-838:59:59'", -3020399000000), ("time(6)", "'12:34:56.789012'", 45296789012),
    ("time(3)", "'-00:00:00.500'", -500000), ("datetime", "'1999-12-31 23:59:59'", 946684799000),
    ("datetime(3)", "'2026-11-26 01:02:03.456'", 1795654923456),
    ("datetime(6)", "'2026-11-26 01:02:03.456789'", 1795654923456789),
    ("timestamp NULL", "'2026-11-26 01:02:03'", "2026-11-26T01:02:03Z"),
    ("timestamp(6) NULL", "'2026-11-26 01:02:03.4567'", "2026-11-26T01:02:03.4567Z"),
    ("char(5)", "'ab'", "ab"), ("char(100) CHARACTER SET utf8mb4", "'日本'", "日本"),
    ("varchar(10)", "'é😀'", "é😀"), ("varchar(500)", "repeat('x', 400)", "x" * 400),
    ("varchar(10) CHARACTER SET latin1", "'é€'", "é€"),
    ("text CHARACTER SET latin1", "CONVERT(X'8D' USING latin1)", "\x8d"),
    ("text CHARACTER SET cp1251", "'Привет'", "Привет"),
    ("text CHARACTER SET ucs2", "'ab'", "ab"), ("text CHARACTER SET sjis", "'日本'", "日本"),
    ("tinytext", "'t'", "t"), ("mediumtext", "'m'", "m"), ("longtext", "'l'", "l"),
    ("binary(4)", "X'0100'", b64(b"\1\0\0\0")), ("varbinary(9)", "X'00FF00'", b64(b"\0\xff\0")),
    ("tinyblob", "X'01'", b64(b"\1")), ("blob", "X'0002'", b64(b"\0\2")),
    ("mediumblob", "X'03'", b64(b"\3")), ("longblob", "X'04'", b64(b"\4")),
    ("enum('a','b''c','ü') CHARACTER SET latin1", "'ü'", "ü"), ("enum('a','b''c')", "2", "b'c"),
    ("set('x','y','z')", "'z,x'", "x,z"), ("set('x')", "''", ""),
    ("json", """'{"a": [1, null]}'""", '{"a": [1, null]}'),
    ("uuid", "'123e4567-e89b-12d3-a456-426655440000'", "123e4567-e89b-12d3-a456-426655440000"),
    ("uuid", "'0195f9f0-1234-7abc-8def-0123456789ab'", "0195f9f0-1234-7abc-8def-0123456789ab"),
    ("uuid", "'f47ac10b-58cc-4372-a567-0e02b2c3d479'", "f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ("inet6", "'2001:db8::1'", "2001:db8::1"), ("inet4", "'10.1.2.3'", "10.1.2.3"),
    ("text COMPRESSED", "repeat('long ', 100)", "long " * 100),
    ("varbinary(500) COMPRESSED", "repeat('z', 300)", b64(b"z" * 300)),
    ("varchar(50) COMPRESSED", "'short'", "short"),
    ("point", "ST_GeomFromText('POINT(1 2)', 4326)",
     {"x": 1.0, "y": 2.0, "wkb": b64(POINT), "srid": 4326}),
    ("geometry", "ST_GeomFromText('POINT(1 2)')", {"wkb": b64(POINT), "srid": None}),
    ("varchar(3)", "NULL", None), ("int", "NULL", None), ("datetime(6)", "NULL", None),
]  # fmt: skip


def table(shop: Shop) -> None:
    columns = ", ".join(f"c{n} {kind}" for n, (kind, _, _) in enumerate(COLUMNS))
    shop.execute(f"CREATE TABLE t (id int PRIMARY KEY, {columns})")


def insert(shop: Shop, key: int) -> None:
    values = ", ".join(value for _, value, _ in COLUMNS)
    shop.execute(f"INSERT INTO t VALUES ({key}, {values})")


def test_all_types_from_rows_and_from_the_log(shop: Shop) -> None:
    table(shop)
    insert(shop, 1)
    shop.capture(decimal__handling__mode="string")
    shop.read("t", 1)
    insert(shop, 2)
    shop.execute("UPDATE t SET id = 3 WHERE id = 2")

    found = shop.read("t", 5)

    made = [value["after"] for _, value in found if value and value["after"]]
    assert [row.pop("id") for row in made] == [1, 2, 3]
    wanted = {f"c{n}": value for n, (_, _, value) in enumerate(COLUMNS)}
    for row in made:
        wrong = {n: (COLUMNS[int(n[1:])][0], row[n], value)
                 for n, value in wanted.items() if row[n] != value}  # fmt: skip
        assert not wrong
