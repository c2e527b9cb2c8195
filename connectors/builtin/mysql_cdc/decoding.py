"""Values of rows of the binary log: for each column a function that reads it.

What comes out is what `cdc.types` takes: Decimal, bytes, texts, days since 1970, microseconds since
midnight or since 1970; None for a date that is none, such as 0000-00-00.
"""

from __future__ import annotations

import codecs
import datetime as dt
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from aliran.connectors.builtin.mysql_cdc import table_map as of
from aliran.connectors.builtin.mysql_cdc.table_map import ColumnInfo, Wire
from aliran.connectors.errors import DataError

Reader: TypeAlias = Callable[[bytes, int], tuple[Any, int]]
"""Takes data and where a value begins; returns it, and where it ends."""

RowReader: TypeAlias = Callable[[bytes, int], tuple[list[Any], int]]
"""Takes data and where a row begins; returns its values, and where it ends."""

_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000
_EXACT = Context(prec=100)
_CODECS = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "latin1": "cp1252", "ascii": "ascii",
    "latin2": "iso8859_2", "latin5": "iso8859_9", "latin7": "iso8859_13", "cp1250": "cp1250",
    "cp1251": "cp1251", "cp1256": "cp1256", "cp1257": "cp1257", "cp850": "cp850",
    "cp852": "cp852", "cp866": "cp866", "cp932": "cp932", "sjis": "shift_jis", "ujis": "euc_jp",
    "eucjpms": "euc_jp", "euckr": "cp949", "gb2312": "gb2312", "gbk": "gbk",
    "gb18030": "gb18030", "big5": "big5", "ucs2": "utf-16-be", "utf16": "utf-16-be",
    "utf16le": "utf-16-le", "utf32": "utf-32-be", "koi8r": "koi8_r", "koi8u": "koi8_u",
    "greek": "iso8859_7", "hebrew": "iso8859_8", "tis620": "tis_620", "macroman": "mac_roman",
    "macce": "mac_latin2",
}  # fmt: skip


def codec_of(charset: str) -> str:
    """Return Python's name of a character set.

    Raises:
        DataError: Python does not know it.
    """
    found = _CODECS.get(charset)
    if found is None:
        raise DataError(
            f"the character set {charset} is not known to Python; leave the column out "
            "(column.exclude.list) or convert it to utf8mb4"
        )
    return found


def _as_c1(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return chr(error.object[error.start]), error.start + 1


codecs.register_error("aliran.c1", _as_c1)  # MySQL's latin1 has a letter for each byte


def decoder_of(charset: str) -> Callable[[bytes], str]:
    """Return what decodes texts of a character set."""
    codec = codec_of(charset)
    if codec == "utf-8":
        return bytes.decode
    errors = "aliran.c1" if codec == "cp1252" else "strict"
    return lambda data: data.decode(codec, errors)


# ---------------------------------------------------------------------- numbers


def _whole(size: int, *, signed: bool) -> Reader:
    if size == 3:
        from_bytes = int.from_bytes
        return lambda data, at: (
            from_bytes(data[at : at + 3], "little", signed=signed),
            at + 3,
        )
    letter = {1: "b", 2: "h", 4: "i", 8: "q"}[size]
    return _packed(letter if signed else letter.upper(), size)


@dataclass(frozen=True, slots=True)
class Packed:
    """The reader of values that all have one size.

    Attributes:
        unpack: Takes data and a place, returns the value in a tuple.
        size: The size.
    """

    unpack: Callable[[bytes, int], tuple[Any, ...]]
    size: int

    def __call__(self, data: bytes, at: int) -> tuple[Any, int]:
        """Return the value, and where it ends."""
        return self.unpack(data, at)[0], at + self.size


def _packed(letter: str, size: int) -> Reader:
    return Packed(struct.Struct(f"<{letter}").unpack_from, size)


_DIGITS_SIZE = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)


def _decimal(meta: int) -> Reader:
    """Return the reader of decimals: groups of nine digits, negative ones inverted."""
    precision, scale = meta >> 8, meta & 0xFF
    first, groups = (precision - scale) % 9, (precision - scale) // 9
    fractions, last = scale // 9, scale % 9
    parts = [(_DIGITS_SIZE[first], 10**first)] if first else []
    parts += [(4, 10**9)] * (groups + fractions)
    parts += [(_DIGITS_SIZE[last], 10**last)] if last else []
    size = sum(one for one, _ in parts)
    flip = (1 << size * 8) - 1
    sign_bit = 1 << (size * 8 - 1)
    from_bytes = int.from_bytes
    shifts: list[tuple[int, int, int]] = []
    left = size
    for one, unit in parts:
        left -= one
        shifts.append((left * 8, (1 << one * 8) - 1, unit))

    def read(data: bytes, at: int) -> tuple[Decimal, int]:
        raw = from_bytes(data[at : at + size], "big")
        positive = raw & sign_bit
        raw = raw ^ sign_bit if positive else (raw ^ sign_bit) ^ flip
        value = 0
        for shift, mask, unit in shifts:
            value = value * unit + (raw >> shift & mask)
        return Decimal(value if positive else -value).scaleb(-scale, _EXACT), at + size

    return read


def _bit(bits: int) -> Reader:
    size = (bits + 7) // 8
    from_bytes = int.from_bytes
    return lambda data, at: (
        format(from_bytes(data[at : at + size], "big"), f"0{bits}b"),
        at + size,
    )


# ---------------------------------------------------------------------- times


@lru_cache(maxsize=4096)
def days_of(year: int, month: int, day: int) -> int | None:
    """Return days since 1970, None for a date that is none."""
    try:
        return dt.date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None


def _date(data: bytes, at: int) -> tuple[int | None, int]:
    raw = data[at] | data[at + 1] << 8 | data[at + 2] << 16
    return days_of(raw >> 9, raw >> 5 & 15, raw & 31), at + 3


def _year(data: bytes, at: int) -> tuple[int, int]:
    raw = data[at]
    return raw and 1900 + raw, at + 1


def _time2(digits: int) -> Reader:
    extra = (digits + 1) // 2
    size, bits = 3 + extra, extra * 8
    unit = 10 ** (6 - extra * 2)
    middle = 0x800000 << bits

    def read(data: bytes, at: int) -> tuple[int, int]:
        raw = int.from_bytes(data[at : at + size], "big") - middle
        sign, raw = (-1, -raw) if raw < 0 else (1, raw)
        seconds = raw >> bits
        whole = (seconds >> 12 & 0x3FF) * 3600 + (seconds >> 6 & 63) * 60 + (seconds & 63)
        return sign * (whole * 1_000_000 + (raw & ((1 << bits) - 1)) * unit), at + size

    return read


def _time_old(data: bytes, at: int) -> tuple[int, int]:
    raw = int.from_bytes(data[at : at + 3], "little", signed=True)
    sign, raw = (-1, -raw) if raw < 0 else (1, raw)
    seconds = raw // 10000 * 3600 + raw // 100 % 100 * 60 + raw % 100
    return sign * seconds * 1_000_000, at + 3


def _datetime2(digits: int) -> Reader:
    extra = (digits + 1) // 2
    size = 5 + extra
    unit = 10 ** (6 - extra * 2)

    def read(data: bytes, at: int) -> tuple[int | None, int]:
        raw = int.from_bytes(data[at : at + 5], "big") - 0x8000000000
        months = raw >> 22
        days = days_of(months // 13, months % 13, raw >> 17 & 31)
        if days is None:
            return None, at + size
        seconds = (raw >> 12 & 31) * 3600 + (raw >> 6 & 63) * 60 + (raw & 63)
        micros = int.from_bytes(data[at + 5 : at + size], "big") * unit
        return days * _DAY + seconds * 1_000_000 + micros, at + size

    return read


def _datetime_old(data: bytes, at: int) -> tuple[int | None, int]:
    raw = int.from_bytes(data[at : at + 8], "little")
    date, clock = divmod(raw, 1_000_000)
    days = days_of(date // 10000, date // 100 % 100, date % 100)
    seconds = clock // 10000 * 3600 + clock // 100 % 100 * 60 + clock % 100
    return None if days is None else days * _DAY + seconds * 1_000_000, at + 8


def _timestamp2(digits: int) -> Reader:
    extra = (digits + 1) // 2
    size = 4 + extra
    unit = 10 ** (6 - extra * 2)

    def read(data: bytes, at: int) -> tuple[int | None, int]:
        seconds = int.from_bytes(data[at : at + 4], "big")
        micros = int.from_bytes(data[at + 4 : at + size], "big") * unit
        return (seconds * 1_000_000 + micros) or None, at + size

    return read


def _timestamp_old(data: bytes, at: int) -> tuple[int | None, int]:
    return (int.from_bytes(data[at : at + 4], "little") * 1_000_000) or None, at + 4


# ---------------------------------------------------------------------- texts and bytes


def _prefixed(size: int, convert: Callable[[bytes], Any] | None) -> Reader:
    """Return the reader of bytes behind their length, of `size` bytes."""
    from_bytes = int.from_bytes
    if size == 1:

        def read_short(data: bytes, at: int) -> tuple[Any, int]:
            end = at + 1 + data[at]
            value = data[at + 1 : end]
            return value if convert is None else convert(value), end

        return read_short

    def read(data: bytes, at: int) -> tuple[Any, int]:
        start = at + size
        end = start + from_bytes(data[at:start], "little")
        value = data[start:end]
        return value if convert is None else convert(value), end

    return read


def _inflated(data: bytes) -> bytes:
    """Return a value of a column that MariaDB compresses."""
    if not data:
        return data
    head = data[0]
    if head >> 4 == 0 and head & 7 == 0:
        return data[1:]
    size = head & 7
    return zlib.decompress(data[1 + size :], -zlib.MAX_WBITS if head & 8 else zlib.MAX_WBITS)


def _both(
    first: Callable[[bytes], bytes], second: Callable[[bytes], Any] | None
) -> Callable[[bytes], Any]:
    return first if second is None else lambda data: second(first(data))


def _json(data: bytes) -> str | None:
    """Return MySQL's binary JSON as text."""
    from pymysqlreplication.json_binary import parse_json

    return json.dumps(_plain(parse_json(data[0], data[1:])), ensure_ascii=False) if data else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, dict):
        return {_plain(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _uuid(data: bytes) -> bytes:
    """Return a UUID in its order; MariaDB keeps those of versions 1 to 5 with their end first."""
    if data[6] & 0x80 and 0 < data[8] >> 4 < 6:
        return data[12:] + data[10:12] + data[8:10] + data[6:8] + data[:6]
    return data


def enum_reader(size: int, values: Sequence[str]) -> Reader:
    """Return the reader of numbers of an enumeration's members; 0 is the wrong value ""."""
    members = ("", *values)
    from_bytes = int.from_bytes
    return lambda data, at: (members[from_bytes(data[at : at + size], "little")], at + size)


def set_reader(size: int, values: Sequence[str]) -> Reader:
    """Return the reader of bits that stand for members of a set."""

    def read(data: bytes, at: int) -> tuple[str, int]:
        raw = int.from_bytes(data[at : at + size], "little")
        return ",".join(one for place, one in enumerate(values) if raw >> place & 1), at + size

    return read


_FIXED: dict[int, Reader] = {
    of.DATE: _date, of.NEWDATE: _date, of.YEAR: _year, of.TIME: _time_old,
    of.DATETIME: _datetime_old, of.TIMESTAMP: _timestamp_old, of.FLOAT: _packed("f", 4),
    of.DOUBLE: _packed("d", 8),
}  # fmt: skip
_BY_META: dict[int, Callable[[int], Reader]] = {
    of.TIME2: _time2, of.DATETIME2: _datetime2, of.TIMESTAMP2: _timestamp2, of.BIT: _bit,
    of.NEWDECIMAL: _decimal,
}  # fmt: skip
_SIZES = {of.TINY: 1, of.SHORT: 2, of.INT24: 3, of.LONG: 4, of.LONGLONG: 8}
_BLOBS = {of.BLOB, of.TINY_BLOB, of.MEDIUM_BLOB, of.LONG_BLOB, of.GEOMETRY, of.VECTOR,
          of.BLOB_COMPRESSED}  # fmt: skip


def reader_of(column: ColumnInfo, wire: Wire) -> Reader:
    """Return what reads a column.

    Raises:
        DataError: Its type is not known.
    """
    kind, meta = wire.type, wire.meta
    if kind in _SIZES:
        return _whole(_SIZES[kind], signed=not column.unsigned)
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in _BY_META:
        return _BY_META[kind](meta)
    if kind == of.ENUM:
        return enum_reader(meta, column.values)
    if kind == of.SET:
        return set_reader(meta, column.values)
    if kind == of.JSON:
        return _prefixed(meta, _json)
    convert: Callable[[bytes], Any] | None = None
    if wire.charset != "binary":
        convert = decoder_of(wire.charset)
    if kind in {of.BLOB_COMPRESSED, of.VARCHAR_COMPRESSED}:
        convert = _both(_inflated, convert)
    if kind in _BLOBS:
        return _prefixed(meta, convert)
    if kind in {of.VARCHAR, of.VAR_STRING, of.VARCHAR_COMPRESSED}:
        return _prefixed(2 if meta > 255 else 1, convert)
    if kind == of.STRING:
        if convert is None:  # BINARY(n) is written without its trailing zeros
            convert = lambda data: data.ljust(meta, b"\0")  # noqa: E731
        if column.kind == "uuid":
            convert = _both(convert, _uuid)
        return _prefixed(2 if meta > 255 else 1, convert)
    raise DataError(f"column {column.name}: the type number {kind} is not known")


def row_reader(
    columns: Sequence[tuple[Reader, Callable[[Any], Any] | None, bool]],
) -> RowReader:
    """Return what reads rows of all columns: a function that is written for them.

    Args:
        columns: For each one the reader, what converts its values, and whether it is wanted.
    """
    size = (len(columns) + 7) // 8
    names: dict[str, Any] = {"from_bytes": int.from_bytes}
    lines = [
        "def read(data, at):",
        f"    nulls = from_bytes(data[at : at + {size}], 'little')",
        f"    at += {size}",
    ]
    for place, (take, convert, wanted) in enumerate(columns):
        lines += [f"    if nulls & {1 << place}:", f"        v{place} = None", "    else:"]
        if isinstance(take, Packed):
            names[f"take{place}"] = take.unpack
            lines += [f"        v{place} = take{place}(data, at)[0]", f"        at += {take.size}"]
        else:
            names[f"take{place}"] = take
            lines.append(f"        v{place}, at = take{place}(data, at)")
        if convert is not None and wanted:
            names[f"convert{place}"] = convert
            lines.append(f"        v{place} = convert{place}(v{place})")
    shown = ", ".join(f"v{place}" for place, column in enumerate(columns) if column[2])
    lines.append(f"    return [{shown}], at")
    exec("\n".join(lines), names)
    read: RowReader = names["read"]
    return read
