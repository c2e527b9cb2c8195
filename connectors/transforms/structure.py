"""`Flatten`, `MaskField`, `SetSchemaMetadata`: transformations of a whole struct."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, ConfigKey, Importance
from aliran.connectors.config.values import Type as Kind
from aliran.connectors.config.values import not_empty
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.java import class_text
from aliran.connectors.data.logical import EPOCH
from aliran.connectors.data.parsing import DECIMAL_TEXT
from aliran.connectors.data.schema import BITS, DECIMAL_NAME, Schema, Type, type_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.data.values import convert_to_double, convert_to_float, convert_to_integer
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
    text,
)


class Flatten(PartTransformation):
    """Brings nested structs and dicts to one level; arrays stay as they are."""

    java_class = PACKAGE + "Flatten"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [text("delimiter", "What stands between names of fields.", ".")]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `delimiter`."""
        self._delimiter = self.definition.parse(settings)["delimiter"]

    def apply(self, record: R) -> R:
        """Return the record with a flat part."""
        schema, value = self.schema_of(record), self.value_of(record)
        if value is None:
            return record
        if schema is None:
            flat: dict[str, Any] = {}
            self._flatten_map(require_map(value, "flattening"), "", flat)
            return self.renew(record, None, flat)
        struct = require_struct(value, "flattening")
        updated = self.cached(schema, self._updated_schema)
        result = Struct(updated)
        self._flatten_struct(struct, "", result)
        return self.renew(record, updated, result)

    def _name(self, prefix: str, name: str) -> str:
        return f"{prefix}{self._delimiter}{name}" if prefix else name

    def _flatten_map(self, value: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
        for key, each in value.items():
            name = self._name(prefix, key)
            kind = None if each is None else type_of(each)
            if each is not None and kind is None:
                raise DataError(
                    f"Flatten transformation was passed a value of type {class_text(each)} which "
                    "is not supported by Connect's data API"
                )
            if kind is Type.MAP:
                self._flatten_map(each, name, flat)
            elif kind is Type.STRUCT:
                raise DataError(
                    f"Flatten transformation does not support {class_text(each)} for record "
                    f"without schemas (for field {name})."
                )
            else:
                flat[name] = each

    def _flatten_struct(self, struct: Struct | None, prefix: str, result: Struct) -> None:
        for field in () if struct is None else struct.schema.fields:
            assert struct is not None
            name = self._name(prefix, field.name)
            if field.schema.type is Type.STRUCT:
                self._flatten_struct(struct.get_struct(field.name), name, result)
            else:
                result.put(name, struct.get(field))

    def _updated_schema(self, schema: Schema) -> Schema:
        builder = copy_basics(schema, SchemaBuilder.struct())
        self._add_fields(builder, schema, "", schema.is_optional, schema.default_value)
        return builder.build()

    def _add_fields(
        self,
        builder: SchemaBuilder,
        schema: Schema,
        prefix: str,
        optional: bool,
        parent_default: Struct | None,
    ) -> None:
        for field in schema.fields:
            name = self._name(prefix, field.name)
            default = field.schema.default_value
            if default is None and parent_default is not None:
                default = parent_default.get(field)
            is_optional = optional or field.schema.is_optional
            if field.schema.type is Type.STRUCT:
                self._add_fields(builder, field.schema, name, is_optional, default)
            elif field.schema.type is Type.MAP:
                raise DataError(
                    "Flatten transformation does not support MAP for record with schemas "
                    f"(for field {name})."
                )
            else:
                flat = copy_basics(field.schema)
                if is_optional:
                    flat.optional()
                if default is not None:
                    flat.default_value(default)
                builder.field(name, flat.build())


class SetSchemaMetadata(PartTransformation):
    """Sets the name, the version, or both, of the schema."""

    java_class = PACKAGE + "SetSchemaMetadata"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text("schema.name", "The name that it gets.", None, importance=Importance.HIGH),
            ConfigKey(
                "schema.version", Kind.INT, None, "The version that it gets.", Importance.HIGH
            ),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `schema.name` and `schema.version`."""
        parsed = self.definition.parse(settings)
        self._replace = parsed["replace.null.with.default"]
        self._schema_name, self._version = parsed["schema.name"], parsed["schema.version"]
        if self._schema_name is None and self._version is None:
            raise ConfigError("Neither schema name nor version configured")

    def apply(self, record: R) -> R:
        """Return the record with the schema renamed.

        Raises:
            DataError: There is a value without a schema, or the schema is no struct's.
        """
        schema, value = self.schema_of(record), self.value_of(record)
        if schema is None:
            if value is None:
                return record
            raise DataError("Schema required for [updating schema metadata]")
        updated = self.cached(schema, self._updated_schema)
        if isinstance(value, Struct):
            result = Struct(updated)
            for field in updated.fields:
                result.put(field, self.field_value(value, field))
            value = result
        return self.renew(record, updated, value)

    def _updated_schema(self, schema: Schema) -> Schema:
        builder = SchemaBuilder.struct()
        parts = builder.parts
        parts.name = schema.name if self._schema_name is None else self._schema_name
        parts.version = schema.version if self._version is None else self._version
        parts.optional, parts.doc = schema.is_optional, schema.doc
        parts.default_value = schema.default_value
        parts.parameters = None if schema.parameters is None else dict(schema.parameters)
        for field in schema.fields:
            builder.field(field.name, field.schema)
        return builder.build()


def _nothing(value: Any) -> Any:
    """Return the value of the same type that says nothing."""
    if isinstance(value, bool):
        return False
    if isinstance(value, list | tuple):
        return []
    if isinstance(value, int | float | Decimal | str):
        return type(value)()
    if isinstance(value, Mapping):
        return {}
    if isinstance(value, dt.datetime):
        return EPOCH
    if isinstance(value, dt.date):
        return EPOCH.date()
    if isinstance(value, dt.time):
        return dt.time()
    raise DataError(f"Cannot mask value of type: {class_text(value)}")


class MaskField(PartTransformation):
    """Replaces fields by nothing (0, false, the empty text), or by a replacement."""

    java_class = PACKAGE + "MaskField"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            names("fields", "Names of fields to mask."),
            text(
                "replacement", "Replacement for numbers and texts.", None, not_empty, Importance.LOW
            ),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `fields` and `replacement`."""
        parsed = self.definition.parse(settings)
        self._replace = parsed["replace.null.with.default"]
        self._fields, self._replacement = set(parsed["fields"]), parsed["replacement"]

    def apply(self, record: R) -> R:
        """Return the record with the fields masked."""
        schema, value = self.schema_of(record), self.value_of(record)
        if schema is None:
            before = require_map(value, "mask fields")
            masked = {name: self._mask(None, before.get(name)) for name in self._fields}
            return self.renew(record, None, {**before, **masked})
        struct = require_struct(value, "mask fields")
        result = Struct(struct.schema)
        for field in struct.schema.fields:
            each = self.field_value(struct, field)
            result.put(
                field, self._mask(field.schema, each) if field.name in self._fields else each
            )
        return self.renew(record, schema, result)

    def _mask(self, schema: Schema | None, value: Any) -> Any:
        if value is None:
            return None
        if self._replacement is None:
            return _nothing(value)
        kind = type_of(value) if schema is None else schema.type
        if isinstance(value, Decimal):
            kind = None
        elif schema is not None and schema.name is not None and schema.name != DECIMAL_NAME:
            kind = kind if isinstance(value, int | float | str) else Type.BYTES
        if isinstance(value, bool) or kind in {Type.BOOLEAN, Type.BYTES, Type.ARRAY, Type.MAP}:
            kind = Type.BYTES
        convert = _CUSTOM.get(kind)
        if convert is None:
            raise DataError(
                f"Cannot mask value of type {class_text(value)} with custom replacement."
            )
        return convert(self._replacement)


def _decimal(replacement: str) -> Decimal:
    if not DECIMAL_TEXT.fullmatch(replacement):
        raise DataError(f"Unable to convert {replacement} (class str) to number")
    return Decimal(replacement)


def _whole(bits: int) -> Callable[[str], Any]:
    return lambda replacement: convert_to_integer(None, replacement, bits)


_CUSTOM: dict[Type | None, Callable[[str], Any]] = {
    None: _decimal,
    Type.FLOAT32: lambda replacement: convert_to_float(None, replacement),
    Type.FLOAT64: lambda replacement: convert_to_double(None, replacement),
    Type.STRING: str,
    **{kind: _whole(bits) for kind, bits in BITS.items()},
}
