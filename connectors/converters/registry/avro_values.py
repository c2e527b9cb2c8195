"""Values of Connect ↔ what fastavro writes and reads, by functions that are put together once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fastavro.read import LOGICAL_READERS

from aliran.connectors.converters.registry import avro_names as names
from aliran.connectors.converters.registry.avro_from_connect import Choices
from aliran.connectors.converters.registry.avro_to_connect import AvroSchemaReader, is_map_entry
from aliran.connectors.data import logical
from aliran.connectors.data.java import class_text, to_single
from aliran.connectors.data.schema import Schema, Type, type_of
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

Convert: TypeAlias = Callable[[Any], Any]

_TOLD = "aliran-told"
"""A logical type that fastavro gives by name and value: of the members that Python cannot tell
apart, which are int and long, float and double."""


def _teller(name: str) -> Callable[..., tuple[str, Any]]:
    return lambda value, *_schemas: (name, value)


for _kind in ("int", "long", "float", "double"):
    LOGICAL_READERS[f"{_kind}-{_TOLD}"] = _teller(_kind)

_NAMED = frozenset({"record", "error", "enum", "fixed"})
_BARE: dict[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("int", "long"),
    float: ("float", "double"),
    str: ("string",),
    bytes: ("bytes",),
    list: ("array",),
    dict: ("map",),
}


# ---------------------------------------------------------------------- writing


def writer_of(
    schema: Schema | None, choices: Choices, branches: Callable[[Schema], str]
) -> Convert:
    """Return what makes a value into what fastavro writes.

    Args:
        schema: Of the value.
        choices: What is kept of schemas.
        branches: Gives the name of a schema as the member of a union.
    """
    if schema is None:
        return _anything
    if choices.is_union(schema):
        return _nullable(schema, choices, _union_writer(schema, choices, branches))
    write = _plain_writer(schema, choices, branches)
    if schema.is_optional and schema.type is Type.STRUCT:
        name = branches(schema)  # named, fastavro need not try whether it fits
        inner = write
        write = lambda value: (name, inner(value))  # noqa: E731
    return _nullable(schema, choices, write)


def _nullable(schema: Schema, choices: Choices, write: Convert) -> Convert:
    default = schema.default_value
    if schema.is_optional and choices.ignore_default:
        default = None

    def convert(value: Any) -> Any:
        if value is not None:
            return write(value)
        if default is not None:
            return write(default)
        if schema.is_optional:
            return None
        raise DataError(f"Found null value for non-optional schema {schema}")

    return convert


def _plain_writer(schema: Schema, choices: Choices, branches: Callable[[Schema], str]) -> Convert:
    stored = logical.FROM_LOGICAL.get(schema.name or "")
    if stored is not None:
        name, of = schema.name or "", stored

        def logical_value(value: Any) -> Any:
            logical.expect_class(value, name)
            return of(schema, value)

        return logical_value
    if schema.type is Type.STRUCT:
        return _struct_writer(schema, choices, branches)
    if schema.type is Type.ARRAY:
        each = writer_of(schema.value_schema, choices, branches)
        return _of_class(schema, lambda value: [each(one) for one in value])
    if schema.type is Type.MAP:
        return _map_writer(schema, choices, branches)
    if schema.type is Type.BYTES:
        return _of_class(schema, bytes)
    quick = next((one for one in schema.quick if one is not type(None)), int)
    refuse = _of_class(schema, lambda value: value)
    if quick is int:
        return refuse
    return lambda value: value if type(value) is quick else refuse(value)


def _of_class(schema: Schema, write: Convert) -> Convert:
    accepts = schema.accepts_class_of

    def convert(value: Any) -> Any:
        if accepts(value):
            return write(value)
        raise DataError(f"Invalid type for {schema.type}: {class_text(value)}, {value!r}")

    return convert


def _struct_writer(schema: Schema, choices: Choices, branches: Callable[[Schema], str]) -> Convert:
    keys = [choices.field_name(field.name) for field in schema.fields]
    writers = [
        _passing(field.schema) or writer_of(field.schema, choices, branches)
        for field in schema.fields
    ]

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, Struct):
            raise DataError(f"Invalid type for {schema.type}: {class_text(value)}")
        if value.schema is not schema and value.schema != schema:
            raise DataError("Mismatching struct schema")
        found = dict(zip(keys, value.values, strict=True))
        for key, convert in converted:
            found[key] = convert(found[key])
        return found

    # What a struct has checked when it was put need not be looked at again.
    converted = [(key, one) for key, one in zip(keys, writers, strict=True) if one is not _as_it_is]
    return write


def _as_it_is(value: Any) -> Any:
    return value


def _passing(schema: Schema) -> Convert | None:
    """Return what leaves values alone, if a struct has made sure that they can be."""
    plain = schema.type.is_primitive and schema.type is not Type.BYTES
    known = schema.name not in logical.FROM_LOGICAL
    if plain and known and schema.default_value is None and schema.is_optional:
        return _as_it_is
    return None


def _map_writer(schema: Schema, choices: Choices, branches: Callable[[Schema], str]) -> Convert:
    keys = writer_of(schema.key_schema, choices, branches)
    values = writer_of(schema.value_schema, choices, branches)
    if choices.is_avro_map(schema):
        return _of_class(
            schema, lambda value: {keys(key): values(one) for key, one in value.items()}
        )
    return _of_class(
        schema,
        lambda value: [
            {names.KEY: keys(key), names.VALUE: values(one)} for key, one in value.items()
        ],
    )


def _union_writer(schema: Schema, choices: Choices, branches: Callable[[Schema], str]) -> Convert:
    members = [
        (branches(field.schema), _plain_writer(field.schema, choices, branches))
        for field in schema.fields
    ]

    def write(value: Any) -> Any:
        if not isinstance(value, Struct):
            raise DataError(f"Invalid type for {schema.type}: {class_text(value)}")
        for (name, convert), one in zip(members, value.values, strict=True):
            if one is not None:
                return (name, convert(one))
        if schema.is_optional:
            return None
        raise DataError(f"none of the fields of the union {schema} is set")

    return write


_FIELDS = {
    Type.INT64: "long",
    Type.FLOAT64: "double",
    Type.BOOLEAN: "boolean",
    Type.STRING: "string",
    Type.BYTES: "bytes",
}


def _anything(value: Any) -> dict[str, Any]:
    """Return a value without a schema as the record that can be anything."""
    if value is None:
        return {}
    kind = type_of(value)
    if kind in _FIELDS:
        return {_FIELDS[kind]: bytes(value) if kind is Type.BYTES else value}
    if kind is Type.ARRAY:
        return {"array": [_anything(each) for each in value]}
    if kind is Type.MAP:
        return {
            "map": [
                {names.KEY: _anything(key), names.VALUE: _anything(each)}
                for key, each in value.items()
            ]
        }
    raise DataError(f"Unknown Python type for schemaless data: {class_text(value)}")


# ---------------------------------------------------------------------- reading


class ValueReader:
    """Makes what turns fastavro's values into Connect's.

    Args:
        schemas: What resolves names of the Avro schema.
    """

    def __init__(self, schemas: AvroSchemaReader) -> None:
        self._schemas = schemas

    def of(self, schema: Schema, avro: Any) -> Convert | None:
        """Return what turns values of an Avro schema into those of Connect; None for no change."""
        avro = self._schemas.resolved(avro)
        if isinstance(avro, list):
            others = [one for one in avro if names.kind_of(one) != "null"]
            if len(avro) == 2 and len(others) == 1:
                inner = self.of(schema, others[0])
                if names.kind_of(self._schemas.resolved(others[0])) in _NAMED:
                    return _second_unless_none(inner or _as_it_is)
                return None if inner is None else _unless_none(inner)
            return self._union(schema, avro)
        read = logical.TO_LOGICAL.get(schema.name or "")
        if read is not None:
            of = read
            return lambda value: of(schema, value)
        if schema.type is Type.STRUCT:
            return self._record(schema, avro)
        if schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            each = self.of(schema.value_schema, avro["items"])
            return None if each is None else lambda value: [each(one) for one in value]
        if schema.type is Type.MAP:
            return self._map(schema, avro)
        if schema.type is Type.FLOAT32:
            return to_single
        return None

    def _record(self, schema: Schema, avro: Mapping[str, Any]) -> Convert:
        keys = [field["name"] for field in avro["fields"]]
        pairs = zip(schema.fields, avro["fields"], strict=True)
        readers = [self.of(field.schema, place["type"]) for field, place in pairs]
        changed = [(number, one) for number, one in enumerate(readers) if one is not None]
        make = Struct.unchecked

        def read(value: Any) -> Struct:
            values = [value[key] for key in keys]
            for number, convert in changed:
                values[number] = convert(values[number])
            return make(schema, values)

        return read

    def _map(self, schema: Schema, avro: Mapping[str, Any]) -> Convert | None:
        assert schema.key_schema is not None
        assert schema.value_schema is not None
        if avro["type"] == "map":
            each = self.of(schema.value_schema, avro["values"])
            if each is None:
                return None
            return lambda value: {key: each(one) for key, one in value.items()}
        entry = self._schemas.resolved(avro["items"])
        assert is_map_entry(entry)
        kinds = {field["name"]: field["type"] for field in entry["fields"]}
        keys = self.of(schema.key_schema, kinds[names.KEY]) or _as_it_is
        values = self.of(schema.value_schema, kinds[names.VALUE]) or _as_it_is
        return lambda value: {keys(one[names.KEY]): values(one[names.VALUE]) for one in value}

    def _union(self, schema: Schema, avro: list[Any]) -> Convert:
        members: dict[str, tuple[int, Convert]] = {}
        others = [one for one in avro if names.kind_of(one) != "null"]
        for number, (field, member) in enumerate(zip(schema.fields, others, strict=True)):
            resolved = self._schemas.resolved(member)
            kind = names.kind_of(resolved)
            name = resolved["name"] if kind in _NAMED else kind
            members[name] = number, self.of(field.schema, member) or _as_it_is
        size = len(schema.fields)

        def read(value: Any) -> Struct | None:
            if value is None:
                return None
            if type(value) is tuple:
                name, value = value
            else:
                name = next(one for one in _BARE[type(value)] if one in members)
            number, convert = members[name]
            values: list[Any] = [None] * size
            values[number] = convert(value)
            return Struct.unchecked(schema, values)

        return read


def _unless_none(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _second_unless_none(convert: Convert) -> Convert:
    """Named types in unions come as name and value."""
    return lambda value: None if value is None else convert(value[1])


def read_anything(value: Mapping[str, Any]) -> Any:
    """Return the value of the record that can be anything."""
    for name, one in value.items():
        if one is None:
            continue
        if name == "array":
            return [read_anything(each) for each in one]
        if name == "map":
            return {
                read_anything(each[names.KEY]): read_anything(each[names.VALUE]) for each in one
            }
        return to_single(one) if name == "float" else one
    return None


def bare(avro: Any) -> Any:
    """Return an Avro schema as fastavro is to see it: stored values, no logical types.

    Members of unions that Python's values do not tell apart get a logical type that names them.
    """
    if isinstance(avro, list):
        kinds = {names.kind_of(one) for one in avro}
        told = {"int", "long"} <= kinds or {"float", "double"} <= kinds
        return [_told(one) if told else bare(one) for one in avro]
    if not isinstance(avro, dict):
        return avro
    kind = avro["type"]
    if isinstance(kind, dict | list):
        return bare(kind)
    kept = {
        word: avro[word]
        for word in ("type", "name", "namespace", "aliases", "symbols", "size", "default")
        if word in avro
    }
    if kind in {"record", "error"}:
        kept["type"] = "record"
        kept["fields"] = [
            {**{k: f[k] for k in ("name", "default") if k in f}, "type": bare(f["type"])}
            for f in avro["fields"]
        ]
    elif kind == "array":
        kept["items"] = bare(avro["items"])
    elif kind == "map":
        kept["values"] = bare(avro["values"])
    return kept["type"] if len(kept) == 1 else kept


def _told(avro: Any) -> Any:
    plain = bare(avro)
    if plain in ("int", "long", "float", "double"):
        return {"type": plain, "logicalType": _TOLD}
    return plain
