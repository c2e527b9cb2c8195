"""Headers of records, with schemas. Kafka: `ConnectHeaders`, `Header`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Self

from aliran.connectors.data import logical
from aliran.connectors.data.builder import (
    BOOLEAN_SCHEMA,
    BYTES_SCHEMA,
    FLOAT64_SCHEMA,
    INT64_SCHEMA,
    OPTIONAL_BYTES_SCHEMA,
    OPTIONAL_STRING_SCHEMA,
    STRING_SCHEMA,
)
from aliran.connectors.data.java import text_of
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError


@dataclass(frozen=True, slots=True)
class Header:
    """One header.

    Attributes:
        key: Its name; several headers may have the same.
        schema: What the value is, None where nobody knows.
        value: The value.
    """

    key: str
    schema: Schema | None
    value: Any

    def __post_init__(self) -> None:
        if self.schema is None and isinstance(self.value, Struct):
            object.__setattr__(self, "schema", self.value.schema)

    def rename(self, key: str) -> Header:
        """Return the same under another name."""
        return Header(key, self.schema, self.value)

    def with_value(self, schema: Schema | None, value: Any) -> Header:
        """Return the same with another value."""
        return Header(self.key, schema, value)


class ConnectHeaders:
    """The headers of one record in their order; methods that change them return them as well."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Iterable[Header] = ()) -> None:
        # Records without headers are made by the million: a tuple costs nothing, copied or not.
        self._headers: tuple[Header, ...] = tuple(headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __iter__(self) -> Iterator[Header]:
        return iter(self._headers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConnectHeaders) and self._headers == other._headers

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # they change

    def __repr__(self) -> str:
        return f"ConnectHeaders({self._headers!r})"

    def add(self, key: str, value: Any, schema: Schema | None = None) -> Self:
        """Append a header.

        Raises:
            DataError: The value is none of the schema.
        """
        if schema is not None:
            _check(schema, value)
        self._headers += (Header(key, schema, value),)
        return self

    def add_header(self, header: Header) -> Self:
        """Append a header as it is."""
        self._headers += (header,)
        return self

    def add_string(self, key: str, value: str | None) -> Self:
        """Append a text."""
        return self.add(key, value, OPTIONAL_STRING_SCHEMA if value is None else STRING_SCHEMA)

    def add_bytes(self, key: str, value: bytes | None) -> Self:
        """Append bytes."""
        return self.add(key, value, OPTIONAL_BYTES_SCHEMA if value is None else BYTES_SCHEMA)

    def add_boolean(self, key: str, value: bool) -> Self:
        """Append a boolean."""
        return self.add(key, value, BOOLEAN_SCHEMA)

    def add_long(self, key: str, value: int) -> Self:
        """Append an INT64; for other widths pass the schema to `add`."""
        return self.add(key, value, INT64_SCHEMA)

    def add_double(self, key: str, value: float) -> Self:
        """Append a FLOAT64."""
        return self.add(key, value, FLOAT64_SCHEMA)

    def add_list(self, key: str, value: list[Any] | None, schema: Schema) -> Self:
        """Append a list of an ARRAY schema."""
        return self._add_of(Type.ARRAY, key, value, schema)

    def add_map(self, key: str, value: Mapping[Any, Any] | None, schema: Schema) -> Self:
        """Append a dict of a MAP schema."""
        return self._add_of(Type.MAP, key, value, schema)

    def _add_of(self, of: Type, key: str, value: Any, schema: Schema) -> Self:
        if value is None:
            return self.add(key, None)
        if schema.type is not of:
            raise DataError(f"Expecting {of} but instead found {schema.type}")
        return self.add(key, value, schema)

    def add_struct(self, key: str, value: Struct | None) -> Self:
        """Append a struct."""
        return self.add(key, value, None if value is None else value.schema)

    def add_decimal(self, key: str, value: Decimal | None) -> Self:
        """Append a decimal, with its own scale."""
        if value is None:
            return self.add(key, None)
        exponent = value.as_tuple().exponent
        return self.add(key, value, logical.decimal_schema(-int(exponent)))

    def add_date(self, key: str, value: dt.date) -> Self:
        """Append a day."""
        logical.date_from(logical.DATE_SCHEMA, value)
        return self.add(key, value, logical.DATE_SCHEMA)

    def add_time(self, key: str, value: dt.time) -> Self:
        """Append a time of day."""
        return self.add(key, value, logical.TIME_SCHEMA)

    def add_timestamp(self, key: str, value: dt.datetime) -> Self:
        """Append a moment."""
        return self.add(key, value, logical.TIMESTAMP_SCHEMA)

    def last_with_name(self, key: str) -> Header | None:
        """Return the last header of that name, or None."""
        return next((each for each in reversed(self._headers) if each.key == key), None)

    def all_with_name(self, key: str) -> Iterator[Header]:
        """Return the headers of that name."""
        return (each for each in self._headers if each.key == key)

    def remove(self, key: str) -> Self:
        """Remove all headers of that name."""
        self._headers = tuple(each for each in self._headers if each.key != key)
        return self

    def clear(self) -> Self:
        """Remove all headers."""
        self._headers = ()
        return self

    def retain_latest(self, key: str | None = None) -> Self:
        """Keep only the last header of each name, or of the given name."""
        seen: set[str] = set()
        kept = []
        for each in reversed(self._headers):
            if each.key in seen and key in {None, each.key}:
                continue
            seen.add(each.key)
            kept.append(each)
        self._headers = tuple(reversed(kept))
        return self

    def apply(self, change: Callable[[Header], Header | None], key: str | None = None) -> Self:
        """Replace each header, or those of a name, by what `change` returns; None removes it."""
        changed = (change(h) if key in {None, h.key} else h for h in self._headers)
        self._headers = tuple(each for each in changed if each is not None)
        return self

    def duplicate(self) -> ConnectHeaders:
        """Return a copy that changes on its own."""
        return ConnectHeaders(self._headers)


def _check(schema: Schema, value: Any) -> None:
    if value is None:
        if not schema.is_optional:
            raise DataError(f"A null value requires an optional schema but was {schema}")
    elif not schema.accepts_class_of(value):
        raise DataError(f"The value {text_of(value)} is not compatible with the schema {schema}")
