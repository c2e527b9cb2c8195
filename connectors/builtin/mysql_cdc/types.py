"""Types of MySQL and MariaDB as they go into records. Debezium: `MySqlValueConverters`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import struct
import uuid
from collections.abc import Callable
from typing import Any

from aliran.connectors.builtin.cdc import types as kinds
from aliran.connectors.builtin.cdc.types import MICROS_A_DAY, Kind, iso_fraction, logical
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.table_map import ColumnInfo
from aliran.connectors.data.builder import (
    FLOAT64_SCHEMA,
    OPTIONAL_BYTES_SCHEMA,
    OPTIONAL_INT32_SCHEMA,
    SchemaBuilder,
)
from aliran.connectors.data.logical import EPOCH, decimal_of
from aliran.connectors.errors import DataError

_YEAR = Kind(logical(SchemaBuilder.int32, "io.debezium.time.Year"), None, 0)
_PLAIN = {
    "text": kinds.STRING, "json": kinds.JSON, "float": kinds.FLOAT32, "double": kinds.FLOAT64,
    "year": _YEAR,
}  # fmt: skip
_SIGNED = {"tinyint": kinds.INT16, "smallint": kinds.INT16, "mediumint": kinds.INT32,
           "int": kinds.INT32, "bigint": kinds.INT64}  # fmt: skip
_UNSIGNED = {"tinyint": kinds.INT16, "smallint": kinds.INT32, "mediumint": kinds.INT32,
             "int": kinds.INT64}  # fmt: skip


def _zoned(micros: int) -> str:
    moment = EPOCH + dt.timedelta(microseconds=micros)
    return iso_fraction(moment.strftime("%Y-%m-%dT%H:%M:%S"), moment.microsecond) + "Z"


def _geometry(point: bool) -> Kind:
    """Return the kind of geometries: MySQL writes the reference system, then WKB."""

    def builder() -> SchemaBuilder:
        name = "Point" if point else "Geometry"
        made = SchemaBuilder.struct().name(f"io.debezium.data.geometry.{name}").version(1)
        if point:
            made.field("x", FLOAT64_SCHEMA).field("y", FLOAT64_SCHEMA)
        return made.field("wkb", OPTIONAL_BYTES_SCHEMA).field("srid", OPTIONAL_INT32_SCHEMA)

    def converted(data: bytes) -> list[Any]:
        srid, wkb = int.from_bytes(data[:4], "little"), data[4:]
        place = list(struct.unpack_from("<dd" if wkb[0] else ">dd", wkb, 5)) if point else []
        return [*place, wkb, srid or None]

    zero = [*([0.0, 0.0] if point else []), None, None]
    return Kind(builder, converted, zero, is_struct=True)


_ADDRESSES: dict[str, Kind] = {
    "inet4": Kind(SchemaBuilder.string, lambda data: str(ipaddress.IPv4Address(data)), "0.0.0.0"),
    "inet6": Kind(SchemaBuilder.string, lambda data: str(ipaddress.IPv6Address(data)), "::"),
    "uuid": Kind(kinds.UUID.builder, lambda data: str(uuid.UUID(bytes=data)), ""),
    "geometry": _geometry(point=False),
    "point": _geometry(point=True),
}  # fmt: skip


class Types:
    """Finds how columns are shown.

    Args:
        config: The options.
    """

    def __init__(self, config: MySqlCdcConfig) -> None:
        self._config = config

    def find(self, column: ColumnInfo) -> Kind:
        """Return the kind of a column.

        Raises:
            DataError: Its type is not known.
        """
        name, config = column.kind, self._config
        if name in _PLAIN:
            return _PLAIN[name]
        if name in _SIGNED:
            return self._whole(column)
        if name in _ADDRESSES:
            return _ADDRESSES[name]
        mode = config.time_precision_mode
        if name == "decimal":
            return kinds.decimal(config.decimal_handling_mode, column.precision, column.scale)
        if name == "binary":
            return kinds.binary(config.binary_handling_mode)
        if name == "bit":
            return kinds.bits(column.precision)
        if name == "date":
            return kinds.date(mode)
        if name == "time":
            return _checked_time(kinds.time(mode, column.scale), mode)
        if name == "datetime":
            return kinds.timestamp(mode, column.scale)
        if name == "timestamp":
            return Kind(kinds.ZONED_TIMESTAMP.builder, _zoned, kinds.ZONED_TIMESTAMP.zero)
        if name == "enum":
            return kinds.enum(list(column.values))
        if name == "set":
            allowed = ",".join(column.values)
            return Kind(
                logical(SchemaBuilder.string, "io.debezium.data.EnumSet", allowed=allowed), None, ""
            )
        raise DataError(
            f"column {column.name} has a type that is not known ({name}); leave it out with "
            "column.exclude.list"
        )

    def _whole(self, column: ColumnInfo) -> Kind:
        if not column.unsigned:
            return _SIGNED[column.kind]
        if column.kind != "bigint":
            return _UNSIGNED[column.kind]
        if self._config.bigint_unsigned_handling_mode == "long":
            return Kind(SchemaBuilder.int64, _wrapped, 0)
        exact = kinds.decimal("precise", 20, 0)
        return Kind(exact.builder, lambda value: decimal_of(value, 0), exact.zero)


def _wrapped(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)


def _checked_time(kind: Kind, mode: str) -> Kind:
    """Return the kind of times, which go from -838:59:59 to 838:59:59, for those that hold less."""
    if mode not in {"connect", "isostring"}:
        return kind
    convert: Callable[[Any], Any] | None = kind.convert
    assert convert is not None

    def checked(micros: int) -> Any:
        if not 0 <= micros < MICROS_A_DAY:
            raise DataError(
                f"a time of {micros / 1e6} seconds is no time of a day; another "
                "time.precision.mode shows it as a number"
            )
        return convert(micros)

    return Kind(kind.builder, checked, kind.zero)
