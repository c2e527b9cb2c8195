"""What a TABLE_MAP event says about a table, and what a table is to the rest of the connector.

With `binlog_row_metadata=FULL` the event has names, signs, character sets, members of enumerations
and the key, so that the log explains itself. MySQL: `Table_map_event`, optional metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from aliran.connectors.errors import ConnectError

DECIMAL, TINY, SHORT, LONG, FLOAT, DOUBLE, NULL, TIMESTAMP = 0, 1, 2, 3, 4, 5, 6, 7
LONGLONG, INT24, DATE, TIME, DATETIME, YEAR, NEWDATE, VARCHAR, BIT = (
    8,
    9,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
)
TIMESTAMP2, DATETIME2, TIME2, BLOB_COMPRESSED, VARCHAR_COMPRESSED = 17, 18, 19, 140, 141
VECTOR, JSON, NEWDECIMAL, ENUM, SET, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, BLOB = (
    242, 245, 246, 247, 248, 249, 250, 251, 252,
)  # fmt: skip
VAR_STRING, STRING, GEOMETRY = 253, 254, 255

_TWO_BYTES = {VARCHAR, VAR_STRING, BIT, NEWDECIMAL, STRING, ENUM, SET, VARCHAR_COMPRESSED}
_ONE_BYTE = {
    FLOAT, DOUBLE, BLOB, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB, GEOMETRY, JSON, TIMESTAMP2, DATETIME2,
    TIME2, BLOB_COMPRESSED, VECTOR,
}  # fmt: skip
_NUMERIC = {TINY, SHORT, INT24, LONG, LONGLONG, NEWDECIMAL, FLOAT, DOUBLE}
_TEXTS = {VARCHAR, VAR_STRING, STRING, BLOB, TINY_BLOB, MEDIUM_BLOB, LONG_BLOB,
          BLOB_COMPRESSED, VARCHAR_COMPRESSED}  # fmt: skip
_KINDS = {
    TINY: "tinyint", SHORT: "smallint", INT24: "mediumint", LONG: "int", LONGLONG: "bigint",
    FLOAT: "float", DOUBLE: "double", NEWDECIMAL: "decimal", YEAR: "year", DATE: "date",
    NEWDATE: "date", TIME: "time", TIME2: "time", DATETIME: "datetime", DATETIME2: "datetime",
    TIMESTAMP: "timestamp", TIMESTAMP2: "timestamp", BIT: "bit", ENUM: "enum", SET: "set",
    JSON: "json", GEOMETRY: "geometry", VECTOR: "binary",
}  # fmt: skip
_BINARY = "binary"
_POINT = 1
_REFINED = {"text": {"json"}, "binary": {"uuid", "inet6", "inet4"}}


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column, told the same by the log and by the catalog.

    Attributes:
        name: Its name.
        kind: Its type: tinyint, …, text (all that have characters), binary (all of bytes), ….
        nullable: Whether it may be null.
        unsigned: Whether a number has no sign.
        precision: Digits of a decimal, bits of a bit.
        scale: Digits behind the point, or behind the second.
        values: Members of an enumeration or a set.
    """

    name: str
    kind: str
    nullable: bool = True
    unsigned: bool = False
    precision: int = 0
    scale: int = 0
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table.

    Attributes:
        database: Its database.
        name: Its name.
        columns: Its columns, in their order.
        key: Names of the primary key's columns, in the key's order.
    """

    database: str
    name: str
    columns: tuple[ColumnInfo, ...]
    key: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """The name with the database's."""
        return f"{self.database}.{self.name}"


@dataclass(frozen=True, slots=True)
class Wire:
    """How a column is written into rows of the log.

    Attributes:
        type: The type's number.
        meta: What the event says about it.
        charset: The character set of texts, "binary" for bytes.
    """

    type: int
    meta: int
    charset: str = _BINARY


@dataclass(slots=True)
class Metadata:
    """The optional part of the event."""

    signs: bytes | None = None
    charsets: list[int] = field(default_factory=list)
    default_charset: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sets: list[list[bytes]] = field(default_factory=list)
    enums: list[list[bytes]] = field(default_factory=list)
    geometries: list[int] = field(default_factory=list)
    key: list[int] | None = None
    enum_charsets: list[int] = field(default_factory=list)
    enum_default_charset: list[int] = field(default_factory=list)


def number(data: bytes, at: int) -> tuple[int, int]:
    """Return a length-encoded number and where it ends."""
    first = data[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    end = at + 1 + size
    return int.from_bytes(data[at + 1 : end], "little"), end


def names_in(data: bytes) -> tuple[str, str, int]:
    """Return the database's and the table's names, and where the columns begin."""
    at = 8
    size = data[at]
    database = data[at + 1 : at + 1 + size].decode()
    at += size + 2
    size = data[at]
    return database, data[at + 1 : at + 1 + size].decode(), at + size + 2


def _numbers(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        one, at = number(data, at)
        found.append(one)
    return found


def _texts(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size, at = number(data, at)
        found.append(data[at : at + size])
        at += size
    return found


def _members(data: bytes) -> list[list[bytes]]:
    found, at = [], 0
    while at < len(data):
        count, at = number(data, at)
        some = []
        for _ in range(count):
            size, at = number(data, at)
            some.append(data[at : at + size])
            at += size
        found.append(some)
    return found


def _metadata(data: bytes, at: int) -> Metadata:
    found = Metadata()
    while at < len(data):
        kind = data[at]
        size, at = number(data, at + 1)
        value = data[at : at + size]
        at += size
        if kind == 1:
            found.signs = value
        elif kind == 2:
            found.default_charset = _numbers(value)
        elif kind == 3:
            found.charsets = _numbers(value)
        elif kind == 4:
            found.names = [one.decode() for one in _texts(value)]
        elif kind == 5:
            found.sets = _members(value)
        elif kind == 6:
            found.enums = _members(value)
        elif kind == 7:
            found.geometries = _numbers(value)
        elif kind == 8:
            found.key = _numbers(value)
        elif kind == 9:
            found.key = _numbers(value)[::2]
        elif kind == 10:
            found.enum_default_charset = _numbers(value)
        elif kind == 11:
            found.enum_charsets = _numbers(value)
    return found


def _meta_of(kind: int, data: bytes, at: int) -> tuple[int, int, int]:
    """Return the real type, its metadata, and where that ends."""
    if kind in _ONE_BYTE:
        return kind, data[at], at + 1
    if kind not in _TWO_BYTES:
        return kind, 0, at
    first, second = data[at], data[at + 1]
    if kind in {STRING, ENUM, SET}:
        if first & 0x30 != 0x30:  # long CHARs hide two bits of the length in the type
            return first | 0x30, second | (((first & 0x30) ^ 0x30) << 4), at + 2
        return first, second, at + 2
    if kind == NEWDECIMAL:
        return kind, first << 8 | second, at + 2
    if kind == BIT:
        return kind, first + second * 8, at + 2
    return kind, first | second << 8, at + 2


def _charsets(default: list[int], each: list[int], count: int) -> list[int]:
    """Return a collation for each of so many columns."""
    if default:
        exceptions = dict(zip(default[1::2], default[2::2], strict=True))
        return [exceptions.get(place, default[0]) for place in range(count)]
    return [*each, *[0] * (count - len(each))]


class Tables(Protocol):
    """What is asked about tables."""

    def table(self, database: str, name: str) -> TableInfo | None:
        """Return a table, None if there is none."""
        ...

    def charsets_of(self, database: str, name: str) -> dict[str, str]:
        """Return the character sets of a table's columns."""
        ...


class TableMaps:
    """Reads TABLE_MAP events.

    Args:
        charsets: Names of character sets by the numbers of collations.
        codec: Gives Python's name of a character set.
        catalog: Says what tables are now.
    """

    def __init__(
        self, charsets: Mapping[int, str], codec: Callable[[str], str], catalog: Tables
    ) -> None:
        self._charsets = charsets
        self._codec = codec
        self._catalog = catalog

    def read(self, data: bytes) -> tuple[TableInfo, tuple[Wire, ...]]:
        """Return the table and how its columns are written.

        Raises:
            ConnectError: Nobody knows the columns' names.
        """
        database, table, at = names_in(data)
        count, at = number(data, at)
        types = data[at : at + count]
        _, at = number(data, at + count)
        metas: list[tuple[int, int]] = []
        for kind in types:
            real, meta, at = _meta_of(kind, data, at)
            metas.append((real, meta))
        nulls = int.from_bytes(data[at : at + (count + 7) // 8], "little")
        optional = _metadata(data, at + (count + 7) // 8)
        known: TableInfo | None = self._catalog.table(database, table)
        if not optional.names:
            return self._by_catalog(f"{database}.{table}", metas, known, optional)
        wires = self._wires(metas, optional)
        columns = self._columns(metas, wires, nulls, optional, known)
        key = tuple(columns[place].name for place in optional.key or ())
        return TableInfo(database, table, tuple(columns), key), tuple(wires)

    def _by_catalog(
        self, name: str, metas: list[tuple[int, int]], known: TableInfo | None, optional: Metadata
    ) -> tuple[TableInfo, tuple[Wire, ...]]:
        if known is None or len(known.columns) != len(metas):
            told = "is not there any more" if known is None else f"has {len(known.columns)} columns"
            raise ConnectError(
                f"the binary log has rows of {name} with {len(metas)} columns, but the table now "
                f"{told}, and the log has no names of columns: set binlog_row_metadata=FULL on "
                "the server, and take a new snapshot (snapshot.mode=always)"
            )
        charsets = self._catalog.charsets_of(known.database, known.name)
        wires = tuple(
            wire
            if wire.charset != _BINARY or column.kind not in {"text", "json"}
            else replace(wire, charset=charsets.get(column.name, _BINARY))
            for column, wire in zip(known.columns, self._wires(metas, optional), strict=True)
        )
        return known, wires

    def _wires(self, metas: list[tuple[int, int]], optional: Metadata) -> list[Wire]:
        texts = [place for place, (kind, _) in enumerate(metas) if kind in _TEXTS]
        members = [place for place, (kind, _) in enumerate(metas) if kind in {ENUM, SET}]
        ids = dict(
            zip(texts, _charsets(optional.default_charset, optional.charsets, len(texts)),
                strict=False)
        )  # fmt: skip
        some = _charsets(optional.enum_default_charset, optional.enum_charsets, len(members))
        ids.update(zip(members, some, strict=False))
        return [
            Wire(kind, meta, self._charsets.get(ids.get(place, 63), _BINARY))
            for place, (kind, meta) in enumerate(metas)
        ]

    def _columns(
        self,
        metas: list[tuple[int, int]],
        wires: list[Wire],
        nulls: int,
        optional: Metadata,
        known: TableInfo | None,
    ) -> list[ColumnInfo]:
        refined = {} if known is None else {one.name: one for one in known.columns}
        enums, sets = iter(optional.enums), iter(optional.sets)
        geometries = iter(optional.geometries)
        signs = optional.signs or b""
        numeric = 0
        found = []
        for place, ((kind, meta), wire) in enumerate(zip(metas, wires, strict=True)):
            unsigned = False
            if kind in _NUMERIC:
                unsigned = bool(len(signs) > numeric // 8
                                and signs[numeric // 8] & (0x80 >> numeric % 8))  # fmt: skip
                numeric += 1
            info = ColumnInfo(
                optional.names[place], _kind(kind, wire.charset), bool(nulls >> place & 1), unsigned
            )
            if kind == GEOMETRY and next(geometries, 0) == _POINT:
                info = replace(info, kind="point")
            elif kind in {ENUM, SET}:
                some = next(enums if kind == ENUM else sets, [])
                codec = self._codec(wire.charset)
                info = replace(info, values=tuple(one.decode(codec) for one in some))
            info = _with_digits(info, kind, meta)
            now = refined.get(info.name)
            if now is not None and now.kind in _REFINED.get(info.kind, ()):
                info = replace(info, kind=now.kind)
            found.append(info)
        return found


def _kind(kind: int, charset: str) -> str:
    if kind in _TEXTS:
        return "binary" if charset == _BINARY else "text"
    return _KINDS.get(kind, f"type {kind}")


def _with_digits(info: ColumnInfo, kind: int, meta: int) -> ColumnInfo:
    if kind == NEWDECIMAL:
        return replace(info, precision=meta >> 8, scale=meta & 0xFF)
    if kind == BIT:
        return replace(info, precision=meta)
    if kind in {TIME2, DATETIME2, TIMESTAMP2}:
        return replace(info, scale=meta)
    return info
