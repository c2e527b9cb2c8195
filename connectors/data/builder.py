"""Schemas, built step by step, and those that have no parts. Kafka: `SchemaBuilder`, `Schema`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from aliran.connectors.data.schema import Field, Parts, Schema, Type
from aliran.connectors.errors import DataError, SchemaBuilderError


class SchemaBuilder:
    """Builds a schema step by step. Kafka: `SchemaBuilder`.

    `SchemaBuilder.struct().name("user").field("id", INT64_SCHEMA).build()`
    """

    __slots__ = ("parts",)

    def __init__(self, of: Type) -> None:
        self.parts: Parts = Parts(of, fields={})

    @classmethod
    def int8(cls) -> Self:
        """Start a schema of 8-bit integers."""
        return cls(Type.INT8)

    @classmethod
    def int16(cls) -> Self:
        """Start a schema of 16-bit integers."""
        return cls(Type.INT16)

    @classmethod
    def int32(cls) -> Self:
        """Start a schema of 32-bit integers."""
        return cls(Type.INT32)

    @classmethod
    def int64(cls) -> Self:
        """Start a schema of 64-bit integers."""
        return cls(Type.INT64)

    @classmethod
    def float32(cls) -> Self:
        """Start a schema of floats of single precision."""
        return cls(Type.FLOAT32)

    @classmethod
    def float64(cls) -> Self:
        """Start a schema of floats."""
        return cls(Type.FLOAT64)

    @classmethod
    def bool(cls) -> Self:
        """Start a schema of booleans."""
        return cls(Type.BOOLEAN)

    @classmethod
    def string(cls) -> Self:
        """Start a schema of texts."""
        return cls(Type.STRING)

    @classmethod
    def bytes(cls) -> Self:
        """Start a schema of bytes."""
        return cls(Type.BYTES)

    @classmethod
    def struct(cls) -> Self:
        """Start a schema of structs."""
        return cls(Type.STRUCT)

    @classmethod
    def array(cls, value_schema: Schema) -> Self:
        """Start a schema of lists of `value_schema`."""
        if value_schema is None:
            raise SchemaBuilderError("valueSchema cannot be null.")
        return cls.of_parts(Type.ARRAY, None, value_schema)

    @classmethod
    def map(cls, key_schema: Schema, value_schema: Schema) -> Self:
        """Start a schema of dicts."""
        if key_schema is None:
            raise SchemaBuilderError("keySchema cannot be null.")
        if value_schema is None:
            raise SchemaBuilderError("valueSchema cannot be null.")
        return cls.of_parts(Type.MAP, key_schema, value_schema)

    @classmethod
    def of_parts(cls, of: Type, key_schema: Schema | None, value_schema: Schema | None) -> Self:
        """Start a list or dict schema, of nulls where a part is None (`Values` finds such)."""
        builder = cls(of)
        builder.parts.key_schema, builder.parts.value_schema = key_schema, value_schema
        return builder

    def _set(self, name: str, value: Any) -> Self:
        before = getattr(self.parts, name)
        if before is not None and before != value:
            told = "default" if name == "default_value" else name
            raise SchemaBuilderError(f"Invalid SchemaBuilder call: {told} has already been set.")
        setattr(self.parts, name, value)
        return self

    def optional(self) -> Self:
        """Let None be a value."""
        return self._set("optional", True)

    def required(self) -> Self:
        """Let None be no value, which is so from the start."""
        return self._set("optional", False)

    def default_value(self, value: Any) -> Self:
        """Set what stands in for None.

        Raises:
            SchemaBuilderError: The value does not fit what was told so far.
        """
        self._set("default_value", None if value is None else value)
        try:
            self.build().validate(value)
        except DataError as error:
            self.parts.default_value = None
            raise SchemaBuilderError(f"Invalid default value: {error}") from error
        return self

    def name(self, name: str | None) -> Self:
        """Set the name of the struct or of the logical type."""
        return self._set("name", name)

    def version(self, version: int | None) -> Self:
        """Set the version."""
        return self._set("version", version)

    def doc(self, doc: str | None) -> Self:
        """Set the text for people."""
        return self._set("doc", doc)

    def parameter(self, name: str, value: str) -> Self:
        """Add one parameter."""
        return self.parameters({name: value})

    def parameters(self, parameters: Mapping[str, str]) -> Self:
        """Add parameters."""
        if parameters:
            self.parts.parameters = {**(self.parts.parameters or {}), **parameters}
        return self

    def field(self, name: str, schema: Schema) -> Self:
        """Add a field to a struct.

        Raises:
            SchemaBuilderError: No struct, no name, no schema, or the field exists.
        """
        if self.parts.type is not Type.STRUCT:
            raise SchemaBuilderError(f"Cannot create fields on type {self.parts.type}")
        if not name:
            raise SchemaBuilderError("fieldName cannot be null.")
        if schema is None:
            raise SchemaBuilderError(f"fieldSchema for field {name} cannot be null.")
        if name in self.parts.fields:
            raise SchemaBuilderError(
                f"Cannot create field because of field name duplication {name}"
            )
        self.parts.fields[name] = Field(name, len(self.parts.fields), schema)
        return self

    def build(self) -> Schema:
        """Return the schema."""
        return Schema(self.parts)


INT8_SCHEMA = SchemaBuilder.int8().build()
INT16_SCHEMA = SchemaBuilder.int16().build()
INT32_SCHEMA = SchemaBuilder.int32().build()
INT64_SCHEMA = SchemaBuilder.int64().build()
FLOAT32_SCHEMA = SchemaBuilder.float32().build()
FLOAT64_SCHEMA = SchemaBuilder.float64().build()
BOOLEAN_SCHEMA = SchemaBuilder.bool().build()
STRING_SCHEMA = SchemaBuilder.string().build()
BYTES_SCHEMA = SchemaBuilder.bytes().build()
OPTIONAL_INT8_SCHEMA = SchemaBuilder.int8().optional().build()
OPTIONAL_INT16_SCHEMA = SchemaBuilder.int16().optional().build()
OPTIONAL_INT32_SCHEMA = SchemaBuilder.int32().optional().build()
OPTIONAL_INT64_SCHEMA = SchemaBuilder.int64().optional().build()
OPTIONAL_FLOAT32_SCHEMA = SchemaBuilder.float32().optional().build()
OPTIONAL_FLOAT64_SCHEMA = SchemaBuilder.float64().optional().build()
OPTIONAL_BOOLEAN_SCHEMA = SchemaBuilder.bool().optional().build()
OPTIONAL_STRING_SCHEMA = SchemaBuilder.string().optional().build()
OPTIONAL_BYTES_SCHEMA = SchemaBuilder.bytes().optional().build()
