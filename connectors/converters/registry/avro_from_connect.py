"""Schemas of Connect → Avro. Confluent: `AvroData.fromConnectSchema`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aliran.connectors.converters.registry import avro_names as names
from aliran.connectors.converters.registry.names import (
    GENERALIZED_ENUM,
    GENERALIZED_UNION,
    scrubbed,
    scrubbed_full,
)
from aliran.connectors.data import logical
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

_PRIMITIVE = {
    Type.INT8: "int",
    Type.INT16: "int",
    Type.INT32: "int",
    Type.INT64: "long",
    Type.FLOAT32: "float",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}
_LOGICAL = {DATE_NAME: "date", TIME_NAME: "time-millis", TIMESTAMP_NAME: "timestamp-millis"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What is kept of schemas; see the converter's options.

    Attributes:
        metadata: `connect.meta.data`.
        enhanced: `enhanced.avro.schema.support`.
        generalized: `generalized.sum.type.support`.
        scrub: `scrub.invalid.names`.
        optional_keys: `allow.optional.map.keys`.
        ignore_default: `ignore.default.for.nullables`.
        discard: `discard.type.doc.default`.
    """

    metadata: bool = True
    enhanced: bool = False
    generalized: bool = False
    scrub: bool = False
    optional_keys: bool = False
    ignore_default: bool = False
    discard: bool = False

    @property
    def union_name(self) -> str:
        """Name of structs that stand for unions."""
        return GENERALIZED_UNION if self.generalized else names.UNION

    @property
    def enum_name(self) -> str:
        """Parameter of texts that are of an enum."""
        return GENERALIZED_ENUM if self.generalized else names.ENUM

    def is_union(self, schema: Schema) -> bool:
        """Whether a schema of Connect stands for a union."""
        return schema.type is Type.STRUCT and (
            schema.name == names.UNION
            or GENERALIZED_UNION in (schema.name, *(schema.parameters or ()))
        )

    def is_enum(self, schema: Schema) -> bool:
        """Whether a schema of Connect is written as an enum."""
        wanted = self.enhanced or self.generalized
        return wanted and self.enum_name in (schema.parameters or {})

    def is_avro_map(self, schema: Schema) -> bool:
        """Whether a map has keys as Avro's maps have them."""
        keys = schema.key_schema
        if keys is None or keys.type is not Type.STRING:
            return False
        return self.optional_keys or not keys.is_optional

    def field_name(self, name: str) -> str:
        """Return the name of a field in Avro."""
        return scrubbed(name) if self.scrub else name

    def full_name(self, schema: Schema) -> str | None:
        """Return the full name of a named type in Avro, None where there is none."""
        if schema.name is None:
            return None
        return scrubbed_full(schema.name) if self.scrub else schema.name


class AvroSchemaWriter:
    """Writes one Avro schema; a record that comes again is named only.

    Args:
        choices: What is kept.
    """

    def __init__(self, choices: Choices) -> None:
        self._choices = choices
        self._named: dict[str, Any] = {}

    def schema(self, schema: Schema | None) -> Any:
        """Return the Avro schema of one of Connect, as JSON values."""
        if schema is None:
            return self._once(f"{names.NAMESPACE}.Anything", "Anything", lambda _: names.ANYTHING)
        if self._choices.is_union(schema):
            members = [self._base(field.schema) for field in schema.fields]
            return ["null", *members] if schema.is_optional else members
        base = self._base(schema)
        if not schema.is_optional:
            return base
        return [base, "null"] if self._has_default(schema) else ["null", base]

    def _has_default(self, schema: Schema) -> bool:
        if schema.is_optional and self._choices.ignore_default:
            return False
        return schema.default_value is not None

    def _once(self, full: str, content: Any, make: Callable[[str], Any]) -> Any:
        """Return what is made under a name; or the name alone, where the same was made before."""
        name, number = full, 1
        unnamed = full.startswith(f"{names.NAMESPACE}.") and full.endswith(
            (names.DEFAULT_NAME, names.MAP_ENTRY)
        )
        while name in self._named:
            if self._named[name] == content:
                return name
            if not unnamed:
                raise DataError(
                    f"Avro cannot hold two different schemas of the name {full}: rename one "
                    "(the transformation SetSchemaMetadata does)"
                )
            number += 1
            name = f"{full}{number}"
        self._named[name] = content
        return make(name)

    def _base(self, schema: Schema) -> Any:
        """Return the schema without its being optional."""
        if self._choices.is_union(schema):
            return self.schema(schema)
        kind = schema.type
        if kind is Type.STRUCT:
            full = self._choices.full_name(schema) or f"{names.NAMESPACE}.{names.DEFAULT_NAME}"
            return self._once(full, schema.fields, lambda name: self._record(schema, name))
        if kind is Type.ARRAY:
            made: dict[str, Any] = {"type": "array", "items": self.schema(schema.value_schema)}
        elif kind is Type.MAP:
            made = self._map(schema)
        elif self._choices.is_enum(schema):
            return self._enum(schema)
        else:
            made = {"type": _PRIMITIVE[kind]}
        made |= self._properties(schema)
        return made["type"] if len(made) == 1 else made

    def _map(self, schema: Schema) -> dict[str, Any]:
        if self._choices.is_avro_map(schema):
            return {"type": "map", "values": self.schema(schema.value_schema)}
        full = self._choices.full_name(schema) or f"{names.NAMESPACE}.{names.MAP_ENTRY}"
        content = (names.MAP_ENTRY, schema.key_schema, schema.value_schema)
        return {
            "type": "array",
            "items": self._once(full, content, lambda name: self._entry(schema, name)),
        }

    def _entry(self, schema: Schema, full: str) -> Any:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        entry = _named("record", full)
        entry["fields"] = [
            self._field(names.KEY, schema.key_schema, None),
            self._field(names.VALUE, schema.value_schema, None),
        ]
        if full != f"{names.NAMESPACE}.{names.MAP_ENTRY}":
            entry[names.INTERNAL_TYPE] = names.MAP_ENTRY
        return entry

    def _record(self, schema: Schema, full: str) -> Any:
        parameters = schema.parameters or {}
        record = _named("record", full)
        if names.RECORD_DOC in parameters and not self._choices.discard:
            record["doc"] = parameters[names.RECORD_DOC]
        record["fields"] = [
            self._field(
                self._choices.field_name(field.name),
                field.schema,
                parameters.get(names.FIELD_DOC + field.name),
            )
            for field in schema.fields
        ]
        return record | self._properties(schema)

    def _enum(self, schema: Schema) -> Any:
        parameters = schema.parameters or {}
        prefix = f"{self._choices.enum_name}."
        symbols = [one.removeprefix(prefix) for one in parameters if one.startswith(prefix)]
        full = parameters[self._choices.enum_name]
        short = names.split_name(full)[1]

        def make(name: str) -> Any:
            made = {**_named("enum", name), "symbols": symbols}
            if names.ENUM_DOC + short in parameters:
                made["doc"] = parameters[names.ENUM_DOC + short]
            if names.ENUM_DEFAULT + short in parameters:
                made["default"] = parameters[names.ENUM_DEFAULT + short]
            return made | self._properties(schema)

        return self._once(full, symbols, make)

    def _field(self, name: str, schema: Schema, doc: str | None) -> dict[str, Any]:
        field = {"name": name, "type": self.schema(schema)}
        if doc is not None and not self._choices.discard:
            field["doc"] = doc
        if self._has_default(schema):
            field["default"] = default_of(schema, schema.default_value, self._choices)
        elif schema.is_optional:
            field["default"] = None
        return field

    def _properties(self, schema: Schema) -> dict[str, Any]:
        parameters = schema.parameters or {}
        found: dict[str, Any] = {}
        if self._choices.metadata:
            found = self._metadata(schema, parameters)
        if schema.name == DECIMAL_NAME:
            found["scale"] = logical.scale_of(schema)
            found["precision"] = int(parameters.get(names.PRECISION, names.DEFAULT_PRECISION))
            if 0 <= found["scale"] <= found["precision"]:
                found["logicalType"] = "decimal"
        elif schema.name in _LOGICAL:
            found["logicalType"] = _LOGICAL[schema.name]
        found |= {name: value for name, value in parameters.items() if name.startswith("avro")}
        return found

    def _metadata(self, schema: Schema, parameters: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if schema.doc is not None and not self._choices.discard:
            found[names.DOC] = schema.doc
        if schema.version is not None:
            found[names.VERSION] = schema.version
        kept = {name: value for name, value in parameters.items() if name != names.FIELD_DEFAULT}
        if kept:
            found[names.PARAMETERS] = kept
        from_avro = names.FIELD_DEFAULT in parameters
        if schema.default_value is not None and not from_avro and not self._choices.discard:
            found[names.DEFAULT] = default_of(schema, schema.default_value, self._choices)
        if schema.name is not None:
            found[names.NAME] = schema.name
        if schema.type in {Type.INT8, Type.INT16}:
            found[names.TYPE] = schema.type.value
        return found


def _named(kind: str, full: str) -> dict[str, Any]:
    package, name = names.split_name(full)
    found: dict[str, Any] = {"type": kind, "name": name}
    if package is not None:
        found["namespace"] = package
    return found


def default_of(schema: Schema, value: Any, choices: Choices) -> Any:
    """Return a value as Avro writes defaults in JSON: bytes as Latin-1, records as objects."""
    if value is None:
        return None
    stored = logical.FROM_LOGICAL.get(schema.name or "")
    if stored is not None:
        value = stored(schema, value)
    if schema.type is Type.BYTES:
        return bytes(value).decode("latin-1")
    if schema.type is Type.ARRAY:
        assert schema.value_schema is not None
        return [default_of(schema.value_schema, each, choices) for each in value]
    if schema.type is Type.MAP:
        return _default_map(schema, value, choices)
    if schema.type is Type.STRUCT:
        return _default_struct(schema, value, choices)
    return value


def _default_map(schema: Schema, value: Mapping[Any, Any], choices: Choices) -> Any:
    assert schema.key_schema is not None
    assert schema.value_schema is not None
    pairs = [
        (default_of(schema.key_schema, key, choices), default_of(schema.value_schema, one, choices))
        for key, one in value.items()
    ]
    if choices.is_avro_map(schema):
        return dict(pairs)
    return [{names.KEY: key, names.VALUE: each} for key, each in pairs]


def _default_struct(schema: Schema, value: Struct, choices: Choices) -> Any:
    pairs = zip(schema.fields, value.values, strict=True)
    if choices.is_union(schema):
        return next((default_of(f.schema, v, choices) for f, v in pairs if v is not None), None)
    return {
        choices.field_name(field.name): default_of(
            field.schema, field.schema.default_value if one is None else one, choices
        )
        for field, one in pairs
    }
