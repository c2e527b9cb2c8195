"""Connect's data → JSON as Jackson writes it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, TypeAlias

from aliran.connectors.data import logical
from aliran.connectors.data.java import class_text, single_text, text_of
from aliran.connectors.data.schema import BITS, DECIMAL_NAME, Schema, Type, type_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.schema_registry.formats.jackson import double, quoted

Writer: TypeAlias = Callable[[Any], str]
"""Turns a value into JSON."""


def _float(value: float) -> str:
    return double(value) if value - value == 0 else f'"{double(value)}"'


def _single(value: float) -> str:
    return single_text(value) if value - value == 0 else f'"{double(value)}"'


def _binary(value: bytes) -> str:
    return f'"{base64.b64encode(value).decode()}"'


_PRIMITIVE: dict[Type, tuple[type | tuple[type, ...], Writer]] = {
    Type.BOOLEAN: (bool, text_of),
    Type.FLOAT32: (float, _single),
    Type.FLOAT64: (float, _float),
    Type.STRING: (str, quoted),
    Type.BYTES: ((bytes, bytearray, memoryview), _binary),
    **dict.fromkeys(BITS, (int, str)),
}


def _refused(kind: object, value: Any) -> DataError:
    return DataError(f"Invalid type for {kind}: {class_text(value)}")


class JsonWriter:
    """Makes writers.

    Attributes:
        numeric: Whether decimals are written as numbers, not in base64.
        replace: Whether None becomes the default where there is one.
    """

    def __init__(self, *, numeric: bool, replace: bool) -> None:
        self.numeric = numeric
        self.replace = replace

    def name_of(self, name: str) -> str:
        """Return what a field of a struct is called."""
        return name

    def of(self, schema: Schema | None) -> Writer:
        """Return what writes values of a schema, or of nobody knows what."""
        if schema is None:
            return self._plain
        if schema.name in logical.FROM_LOGICAL:
            return self._with_null(schema, self._logical(schema))
        if schema.type.is_primitive:
            return _quickly(schema, self._with_null(schema, _checked(schema)))
        parts = {Type.STRUCT: self._structs, Type.ARRAY: self._arrays, Type.MAP: self._maps}
        return self._with_null(schema, parts[schema.type](schema))

    def _with_null(self, schema: Schema, writer: Writer) -> Writer:
        default = schema.default_value if self.replace else None

        def write(value: Any) -> str:
            if value is not None:
                return writer(value)
            if default is not None:
                return writer(default)
            if schema.is_optional:
                return "null"
            raise DataError(
                "Conversion error: null value for field that is required and has no default value"
            )

        return write

    def _logical(self, schema: Schema) -> Writer:
        name = schema.name or ""
        stored = logical.FROM_LOGICAL[name]

        def write(value: Any) -> str:
            logical.expect_class(value, name)
            if name != DECIMAL_NAME:
                return str(stored(schema, value))
            return str(value) if self.numeric else _binary(stored(schema, value))

        return write

    def _structs(self, schema: Schema) -> Writer:
        fields = [
            (quoted(self.name_of(f.name)), f.schema, self.of(f.schema)) for f in schema.fields
        ]
        row = _row_writer(fields, replace=self.replace)

        def write(value: Any) -> str:
            if not isinstance(value, Struct):
                raise _refused(schema.type, value)
            if value.schema is not schema and value.schema != schema:
                raise DataError("Mismatching schema.")
            return row(value.values)

        return write

    def _arrays(self, schema: Schema) -> Writer:
        writer = self.of(schema.value_schema)

        def write(value: Any) -> str:
            if not isinstance(value, list | tuple):
                raise _refused(schema.type, value)
            return "[" + ",".join(map(writer, value)) + "]"

        return write

    def _maps(self, schema: Schema) -> Writer:
        keys, values = self.of(schema.key_schema), self.of(schema.value_schema)
        as_object = schema.key_schema is not None and schema.key_schema.type is Type.STRING

        def write(value: Any) -> str:
            if not isinstance(value, Mapping):
                raise _refused(schema.type, value)
            return _map(value, keys, values, as_object=as_object)

        return write

    def _plain(self, value: Any) -> str:
        if value is None:
            return "null"
        kind = type_of(value)
        if kind is None:
            raise DataError(f"Python {class_text(value)} does not have corresponding schema type.")
        if kind in _PRIMITIVE:
            return _PRIMITIVE[kind][1](value)
        if kind is Type.ARRAY:
            return "[" + ",".join(map(self._plain, value)) + "]"
        if kind is Type.STRUCT:
            raise DataError("Mismatching schema.")
        as_object = all(isinstance(key, str) for key in value)
        return _map(value, self._plain, self._plain, as_object=as_object)


def _row_writer(fields: Sequence[tuple[str, Schema, Writer]], *, replace: bool) -> Writer:
    """Return a function, put together for these fields, that writes the values of a struct.

    Integers, texts and nulls, which most fields are, take no call of a writer. A text that can be
    printed has no letters that Jackson would escape otherwise than Python.
    """
    names: dict[str, Any] = {"quoted": quoted, "encoded": encode_basestring, "null": "null"}
    parts = [repr("{")]
    for place, (name, schema, writer) in enumerate(fields):
        names[f"w{place}"] = writer
        value = f"w{place}(v{place})"
        if schema.name not in logical.FROM_LOGICAL:
            if schema.type in BITS:
                value = f"v{place} if type(v{place}) is int else {value}"
            elif schema.type is Type.STRING:
                text = f"encoded(v{place}) if v{place}.isprintable() else quoted(v{place})"
                value = f"({text}) if type(v{place}) is str else {value}"
        if schema.is_optional and (schema.default_value is None or not replace):
            value = f"null if v{place} is None else {value}"
        parts += [repr(f"{',' if place else ''}{name}:"), f"f'{{{value}}}'"]
    parts.append(repr("}"))
    given = ", ".join(f"v{place}" for place in range(len(fields)))
    unpack = f"    [{given}] = values\n"
    exec(f"def row(values):\n{unpack}    return (\n{' '.join(parts)})\n", names)
    row: Writer = names["row"]
    return row


def _quickly(schema: Schema, slowly: Writer) -> Writer:
    """Return a writer that does values of the usual class in one call."""
    wanted, writer = _PRIMITIVE[schema.type]
    if isinstance(wanted, tuple):
        return slowly
    return lambda value: writer(value) if type(value) is wanted else slowly(value)


def _checked(schema: Schema) -> Writer:
    wanted, writer = _PRIMITIVE[schema.type]
    exact = wanted is int

    def write(value: Any) -> str:
        if not isinstance(value, wanted) or (exact and isinstance(value, bool)):
            bytes_word = "bytes type"
            raise _refused(bytes_word if schema.type is Type.BYTES else schema.type, value)
        return writer(value)

    return write


def _map(value: Mapping[Any, Any], keys: Writer, values: Writer, *, as_object: bool) -> str:
    if not as_object:
        return "[" + ",".join(f"[{keys(key)},{values(each)}]" for key, each in value.items()) + "]"
    entries = []
    for key, each in value.items():
        name = keys(key)
        entries.append(f"{name if name.startswith(chr(34)) else quoted(name)}:{values(each)}")
    return "{" + ",".join(entries) + "}"
