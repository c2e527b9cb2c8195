"""`Cast`: fields, or all of a value, as another type."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.java import class_text, integer_of, to_single
from aliran.connectors.data.schema import (
    BITS,
    DECIMAL_NAME,
    TIMES,
    Schema,
    Type,
    type_of,
)
from aliran.connectors.data.struct import Struct, value_text
from aliran.connectors.data.values import date_text
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.transforms.base import (
    PACKAGE,
    REPLACE_NULL,
    PartTransformation,
    R,
    copy_basics,
    names,
    require_map,
    require_struct,
)

_OUTPUTS = [*BITS, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING]
_INPUTS = [*_OUTPUTS, Type.BYTES]
_WHOLE_NUMBER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(
    r"[\0- ]*([+-]?(?:NaN|Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))[fFdD]?[\0- ]*"
)
_BYTES = (bytes, bytearray, memoryview)


def _listed(types: list[Type]) -> str:
    return "[" + ", ".join(map(str, types)) + "]"


def parse_spec(spec: list[str]) -> dict[str | None, Type]:
    """Return the types by field; under None that of the whole value.

    Raises:
        ConfigError: The settings say no such thing.
    """
    casts: dict[str | None, Type] = {}
    for mapping in spec:
        parts = mapping.split(":")
        while parts and not parts[-1]:
            parts.pop()
        if len(parts) > 2:
            raise ConfigError(
                f"Invalid value [{', '.join(spec)}] for configuration renames: "
                f"Invalid rename mapping: {mapping}"
            )
        if not parts:
            raise ConfigError(f"Invalid type found in casting spec: {mapping}")
        word = parts[-1].strip()
        kind = next((each for each in Type if each.name == word.upper()), None)
        if kind is None:
            raise ConfigError(f"Invalid type found in casting spec: {word}")
        if kind not in _OUTPUTS:
            raise ConfigError(
                f"Cast transformation does not support casting to {kind}; "
                f"supported types are {_listed(_OUTPUTS)}"
            )
        casts[parts[0].strip() if len(parts) == 2 else None] = kind
    if None in casts and len(spec) > 1:
        raise ConfigError(
            "Cast transformations that specify a type to cast the entire value to may only specify "
            "a single cast in their spec"
        )
    return casts


def _check_spec(name: str, value: Any) -> None:
    del name
    if not value:
        raise ConfigError("Must specify at least one field to cast.")
    parse_spec(value)


class Cast(PartTransformation):
    """Casts fields, or the whole key or value. Integers keep their low bits, as in Java."""

    java_class = PACKAGE + "Cast"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            names(
                "spec",
                "Pairs field:type, or one type for the whole value. Types are int8, int16, int32, "
                "int64, float32, float64, boolean and string; bytes can only become a string.",
                validator=_check_spec,
            ),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `spec` and `replace.null.with.default`."""
        parsed = self.definition.parse(settings)
        self._casts = parse_spec(parsed["spec"])
        self._whole = self._casts.get(None)
        self._replace = parsed["replace.null.with.default"]

    def apply(self, record: R) -> R:
        """Return the record with what was cast."""
        value, schema = self.value_of(record), self.schema_of(record)
        if value is None:
            return record
        if schema is None:
            return self._without_schema(record, value)
        updated = self.cached(schema, self._updated_schema)
        if self._whole is not None:
            return self.renew(record, updated, cast(schema, value, self._whole))
        struct = require_struct(value, "cast types")
        values = self.field_values(struct)
        for field in struct.schema.fields:
            kind = self._casts.get(field.name)
            if kind is not None:
                values[field.index] = cast(field.schema, values[field.index], kind)
        return self.renew(record, updated, Struct.of_parts(updated, values))

    def _without_schema(self, record: R, value: Any) -> R:
        if self._whole is not None:
            return self.renew(record, None, cast(None, value, self._whole))
        before = require_map(value, "cast types")
        after = dict(before)
        for field, kind in self._casts.items():
            assert field is not None
            after[field] = cast(None, before.get(field), kind)
        return self.renew(record, None, after)

    def _updated_schema(self, schema: Schema) -> Schema:
        if self._whole is not None:
            builder = copy_basics(schema, SchemaBuilder(self._whole))
        else:
            builder = copy_basics(schema, SchemaBuilder.struct())
            for field in schema.fields:
                kind = self._casts.get(field.name)
                builder.field(
                    field.name, field.schema if kind is None else _field_schema(field.schema, kind)
                )
        if schema.is_optional:
            builder.optional()
        if schema.default_value is not None:
            builder.default_value(cast(schema, schema.default_value, builder.parts.type))
        return builder.build()


def _field_schema(schema: Schema, kind: Type) -> Schema:
    builder = SchemaBuilder(kind)
    if schema.is_optional:
        builder.optional()
    if schema.default_value is not None:
        builder.default_value(cast(schema, schema.default_value, kind))
    return builder.build()


def cast(schema: Schema | None, value: Any, target: Type) -> Any:
    """Return a value as another type.

    Raises:
        DataError: It cannot be that.
    """
    if value is None:
        return None
    kind = type_of(value) if schema is None else schema.type
    if kind is None:
        raise DataError(
            f"Cast transformation was passed a value of type {class_text(value)} which is not "
            "supported by Connect's data API"
        )
    if kind not in _INPUTS:
        raise DataError(
            f"Cast transformation does not support casting from {kind}; "
            f"supported types are {_listed(_INPUTS)}"
        )
    if target is Type.STRING:
        return _string(schema, value)
    if schema is not None and schema.name in logical.FROM_LOGICAL and schema.name != DECIMAL_NAME:
        value = logical.FROM_LOGICAL[schema.name](schema, value)
    try:
        return _number(value, target)
    except ValueError:
        raise DataError(
            f"Value ({value}) was out of range for requested data type {target}"
        ) from None


def _string(schema: Schema | None, value: Any) -> str:
    if isinstance(value, TIMES):
        return date_text(value)
    if isinstance(value, _BYTES):
        return base64.b64encode(value).decode()
    return value_text(schema, value)


def _number(value: Any, target: Type) -> Any:
    if target is Type.BOOLEAN:
        if isinstance(value, str):
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        return _whole(value, 64) != 0
    if target in BITS:
        return _whole(value, BITS[target])
    single: Callable[[float], float] = to_single if target is Type.FLOAT32 else float
    if isinstance(value, str):
        match = _FLOAT.fullmatch(value)
        if match is None:
            raise ValueError(value)
        return single(float(match[1]))
    if not isinstance(value, int | float | Decimal):
        raise _unexpected(value)
    return single(float(value))


def _whole(value: Any, bits: int) -> int:
    if isinstance(value, str):
        if not _WHOLE_NUMBER.fullmatch(value):
            raise ValueError(value)
        number = int(value)
        if not -(1 << bits - 1) <= number < 1 << bits - 1:
            raise ValueError(value)
        return number
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, int | float | Decimal):
        raise _unexpected(value)
    return integer_of(value, bits)


def _unexpected(value: Any) -> DataError:
    return DataError(f"Unexpected type in Cast transformation: {class_text(value)}")
