"""From a registered schema to a class: the reverse of `avro_types.py`."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import keyword
import uuid
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, cast

import msgspec

from aliran.core.errors import ConfigError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient

_AVRO: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "bytes": bytes,
    "string": str,
}
_LOGICAL: dict[str, Any] = {
    "timestamp-millis": dt.datetime,
    "timestamp-micros": dt.datetime,
    "local-timestamp-millis": dt.datetime,
    "local-timestamp-micros": dt.datetime,
    "date": dt.date,
    "time-millis": dt.time,
    "time-micros": dt.time,
    "uuid": uuid.UUID,
    "decimal": decimal.Decimal,
}
_JSON: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "integer": int,
    "number": float,
    "string": str,
}
_FORMATS: dict[str, Any] = {
    "date-time": dt.datetime,
    "date": dt.date,
    "time": dt.time,
    "uuid": uuid.UUID,
    "byte": bytes,
}


def class_for(schema: RegisteredSchema, client: SchemaRegistryClient | None = None) -> type[Any]:
    """Return a class for the values of a schema.

    Avro records and JSON objects become msgspec Structs with typed fields, ready for `AvroSerde`
    and `JsonSchemaSerde`; a Protobuf file gives the class of its first message.

    Args:
        schema: As a client returns it; of Protobuf in the form "serialized".
        client: Needed where the schema refers to others.

    Raises:
        ConfigError: It is no record, object or message.
    """
    if schema.schema_type == "PROTOBUF":
        return _message_class(schema)
    if schema.schema_type == "JSON":
        found = _JsonReader(json.loads(schema.schema)).root()
    else:
        found = _avro_class(schema, client)
    if not _is_struct(found):
        raise ConfigError(
            f"the schema of {schema.subject or 'id ' + str(schema.id)} is no record or object with "
            f"fields; its values are {found}"
        )
    return cast("type[Any]", found)


def _struct(name: str, fields: list[tuple[Any, ...]], names: Mapping[str, str]) -> type[Any]:
    """Return a Struct; fields whose names Python cannot say are renamed."""
    required = [field for field in fields if len(field) == 2]
    optional = [field for field in fields if len(field) == 3]
    return msgspec.defstruct(
        name.rpartition(".")[2] or "Record",
        [*required, *optional],
        rename=dict(names),
        kw_only=True,
    )


def _attribute(name: str) -> str:
    """Return a name that Python can say."""
    cleaned = "".join(each if each.isalnum() or each == "_" else "_" for each in name)
    if not cleaned or cleaned[0].isdigit():
        cleaned = f"_{cleaned}"
    return f"{cleaned}_" if keyword.iskeyword(cleaned) else cleaned


# ---------------------------------------------------------------------------- Avro


def _avro_class(schema: RegisteredSchema, client: SchemaRegistryClient | None) -> Any:
    reader = _AvroReader()
    for text in _referenced(schema, client):
        reader.type_of(json.loads(text), "")
    return reader.type_of(json.loads(schema.schema), "")


def _referenced(schema: RegisteredSchema, client: SchemaRegistryClient | None) -> list[str]:
    texts: list[str] = []
    for reference in schema.references:
        if client is None:
            raise ConfigError(
                f"the schema refers to {reference.subject}: pass the client to look it up"
            )
        found = client.version(reference.subject, reference.version, deleted=True)
        texts += [*_referenced(found, client), found.schema]
    return texts


class _AvroReader:
    def __init__(self) -> None:
        self._named: dict[str, Any] = {}

    def type_of(self, schema: Any, namespace: str) -> Any:
        if isinstance(schema, list):
            return _union([self.type_of(each, namespace) for each in schema])
        if isinstance(schema, str):
            return _AVRO[schema] if schema in _AVRO else self._known(schema, namespace)
        kind = schema["type"]
        if schema.get("logicalType") in _LOGICAL:
            return _LOGICAL[schema["logicalType"]]
        if kind == "array":
            return list[self.type_of(schema["items"], namespace)]  # type: ignore[misc]
        if kind == "map":
            return dict[str, self.type_of(schema["values"], namespace)]  # type: ignore[misc]
        if kind in ("record", "enum", "fixed"):
            return self._define(kind, schema, namespace)
        return self.type_of(kind, namespace)

    def _known(self, name: str, namespace: str) -> Any:
        for full in (name, f"{namespace}.{name}"):
            if full in self._named:
                return self._named[full]
        raise ConfigError(f"the schema uses the type {name!r}, which it defines further on or not")

    def _define(self, kind: str, schema: Any, namespace: str) -> Any:
        name = schema["name"]
        if "." not in name and schema.get("namespace", namespace):
            name = f"{schema.get('namespace', namespace)}.{name}"
        inner = name.rpartition(".")[0]
        self._named[name] = Any  # within itself
        self._named[name] = self._made(kind, name, schema, inner)
        return self._named[name]

    def _made(self, kind: str, name: str, schema: Any, namespace: str) -> Any:
        if kind == "record":
            return self._record(name, schema["fields"], namespace)
        make_enum: Any = Enum  # type checkers want its names written out
        return (
            make_enum(schema["name"], {each: each for each in schema["symbols"]})
            if kind == "enum"
            else bytes
        )

    def _record(self, name: str, fields: Any, namespace: str) -> Any:
        found: list[tuple[Any, ...]] = []
        names = {_attribute(field["name"]): field["name"] for field in fields}
        for attribute, field in zip(names, fields, strict=True):
            field_type = _noted(self.type_of(field["type"], namespace), field)
            if "default" in field:
                default = msgspec.convert(field["default"], field_type, strict=False)
                found.append((attribute, field_type, _fresh(default)))
            else:
                found.append((attribute, field_type))
        return _struct(name, found, names)


def _noted(field_type: Any, field: Any) -> Any:
    """Return a type with the description and the aliases of its field, as `avro_types` reads it."""
    aliases = field.get("aliases")
    if not aliases and not field.get("doc"):
        return field_type
    extra = {"aliases": aliases} if aliases else None
    return Annotated[field_type, msgspec.Meta(description=field.get("doc"), extra=extra)]


def _union(members: list[Any]) -> Any:
    found = members[0]
    for member in members[1:]:
        found = found | member if found is not None else member | None
    return found


def _fresh(default: Any) -> Any:
    """Return a default that is not shared where it can be changed."""
    if isinstance(default, list | dict | set | msgspec.Struct):
        data = msgspec.msgpack.encode(default)
        kind = type(default)
        return msgspec.field(default_factory=lambda: msgspec.msgpack.decode(data, type=kind))
    return default


# ---------------------------------------------------------------------------- JSON Schema


class _JsonReader:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._known: dict[str, Any] = {}

    def root(self) -> Any:
        return self._type_of(self._document, "Value")

    def _type_of(self, schema: Any, name: str) -> Any:
        if not isinstance(schema, dict):
            return Any
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        if "const" in schema or "enum" in schema:
            values = schema.get("enum", [schema.get("const")])
            plain = all(isinstance(each, str | int) or each is None for each in values)
            return Literal[tuple(values)] if plain else Any
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self._union_of([self._type_of(each, name) for each in schema[word]])
        kind = schema.get("type", "object" if "properties" in schema else None)
        if isinstance(kind, list):
            return self._union_of([self._type_of({**schema, "type": each}, name) for each in kind])
        if kind == "array":
            return list[self._type_of(schema.get("items"), name)]  # type: ignore[misc]
        if kind == "object":
            return self._object(schema, name)
        if schema.get("contentEncoding") == "base64":
            return bytes
        return _FORMATS.get(schema.get("format", ""), _JSON.get(kind or "", Any))

    def _union_of(self, members: list[Any]) -> Any:
        structs = [each for each in members if _is_struct(each)]
        return Any if Any in members or len(structs) > 1 else _union(members)

    def _object(self, schema: Any, name: str) -> Any:
        if "properties" not in schema:
            rest = schema.get("additionalProperties")
            return dict[str, self._type_of(rest, name)]  # type: ignore[misc]
        required, properties = schema.get("required", ()), schema["properties"]
        names = {_attribute(each): each for each in properties}
        found: list[tuple[Any, ...]] = []
        for attribute, real in names.items():
            field_type = self._type_of(properties[real], real.title().replace("_", ""))
            if real in required:
                found.append((attribute, field_type))
            else:
                default = _default_of(properties[real])
                if default is None:
                    found.append((attribute, _union([field_type, None]), None))
                else:
                    default = msgspec.convert(default, field_type)
                    found.append((attribute, field_type, _fresh(default)))
        return _struct(schema.get("title", name), found, names)

    def _referred(self, reference: str) -> Any:
        if reference in self._known:
            return self._known[reference]
        target = self._document
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target.get(step) if isinstance(target, dict) else None
        if target is None:
            return Any  # in another document
        self._known[reference] = Any  # within itself
        found = self._known[reference] = self._type_of(target, reference.rpartition("/")[2])
        return found


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _default_of(schema: Any) -> Any:
    return schema.get("default") if isinstance(schema, dict) else None


# ---------------------------------------------------------------------------- Protobuf


def _message_class(schema: RegisteredSchema) -> type[Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    proto = descriptor_pb2.FileDescriptorProto()
    try:
        proto.ParseFromString(base64.standard_b64decode(schema.schema))
    except ValueError as error:
        raise ConfigError('ask the client for the schema with form="serialized"') from error
    pool = descriptor_pool.Default()
    if not proto.message_type:
        raise ConfigError("the file defines no message")
    private = descriptor_pool.DescriptorPool()
    for name in proto.dependency:
        private.Add(_proto_of(pool.FindFileByName(name)))
    proto.name = proto.name or "schema.proto"
    file = private.Add(proto) or private.FindFileByName(proto.name)
    first = next(iter(file.message_types_by_name.values()))
    found: type[Any] = message_factory.GetMessageClass(first)
    return found


def _proto_of(file: Any) -> Any:
    from google.protobuf import descriptor_pb2

    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    return proto
