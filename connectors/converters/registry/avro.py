"""Avro for `AvroConverter`: schemas mapped, data written and read by fastavro."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import fastavro

from aliran.connectors.converters.registry import avro_names as names
from aliran.connectors.converters.registry.avro_from_connect import AvroSchemaWriter, Choices
from aliran.connectors.converters.registry.avro_to_connect import AvroSchemaReader
from aliran.connectors.converters.registry.avro_values import (
    ValueReader,
    bare,
    read_anything,
    writer_of,
)
from aliran.connectors.converters.registry.converter import Mapped, Read, Write
from aliran.connectors.data.schema import Schema, Type
from aliran.connectors.errors import DataError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Schema as Content
from aliran.schema_registry.serdes import wire

_ANYTHING = f"{names.NAMESPACE}.Anything"


class AvroFormat:
    """Maps schemas and values to Avro and back.

    Args:
        settings: The converter's settings.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._choices = Choices(
            metadata=settings["connect.meta.data"],
            enhanced=settings["enhanced.avro.schema.support"],
            generalized=settings["generalized.sum.type.support"],
            scrub=settings["scrub.invalid.names"],
            optional_keys=settings["allow.optional.map.keys"],
            ignore_default=settings["ignore.default.for.nullables"],
            discard=settings["discard.type.doc.default"],
        )

    def mapped(self, schema: Schema | None, client: SchemaRegistryClient) -> Mapped:
        """Return the Avro schema of one of Connect."""
        del client
        avro = AvroSchemaWriter(self._choices).schema(schema)
        return Mapped(Content(schema=json.dumps(avro, separators=(",", ":"))), _name_of(avro))

    def writer(
        self, schema: Schema | None, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> Write:
        """Return what writes values."""
        parsed = self._parsed(registered, client)
        convert = writer_of(schema, self._choices, lambda one: branch_of(one, self._choices))
        write_datum = fastavro.schemaless_writer

        def write(value: Any) -> bytes:
            buffer = BytesIO()
            write_datum(buffer, parsed, convert(value))
            return buffer.getvalue()

        return write

    def reader(
        self, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> tuple[Schema | None, Read]:
        """Return the schema of Connect, and what reads data."""
        plain = self._parsed(registered, client)
        full: dict[str, Any] = {}
        parsed = self._full(registered, client, full)
        read_datum = fastavro.schemaless_reader
        is_anything = isinstance(parsed, dict) and parsed.get("name") == _ANYTHING
        if is_anything:

            def read_any(data: bytes) -> Any:
                found: Any = read_datum(_behind(data), plain, None)
                return read_anything(found)

            return None, read_any
        schemas = AvroSchemaReader(full, self._choices)
        schema = schemas.schema(parsed, version=registered.version)
        convert = ValueReader(schemas).of(schema, parsed)

        def read(data: bytes) -> Any:
            found = read_datum(_behind(data), plain, None, return_named_type=True)
            return found if convert is None else convert(found)

        return schema, read

    @staticmethod
    def _parsed(registered: RegisteredSchema, client: SchemaRegistryClient) -> Any:
        """Return a schema as fastavro needs it to write and read what is stored."""
        named: dict[str, Any] = {}
        for text in client.referenced(registered).values():
            fastavro.parse_schema(bare(json.loads(text)), named_schemas=named)
        return fastavro.parse_schema(bare(json.loads(registered.schema)), named_schemas=named)

    @staticmethod
    def _full(
        registered: RegisteredSchema, client: SchemaRegistryClient, named: dict[str, Any]
    ) -> Any:
        """Return a schema with everything that it says, names in full."""
        for text in client.referenced(registered).values():
            full_names(json.loads(text), None, named)
        return full_names(json.loads(registered.schema), None, named)


def branch_of(schema: Schema, choices: Choices) -> str:
    """Return the name of a schema as a member of a union."""
    if schema.type is Type.STRUCT:
        return choices.full_name(schema) or f"{names.NAMESPACE}.{names.DEFAULT_NAME}"
    if choices.is_enum(schema):
        return (schema.parameters or {})[choices.enum_name]
    if schema.type is Type.MAP and not choices.is_avro_map(schema):
        return "array"
    made = AvroSchemaWriter(Choices(metadata=False)).schema(schema)
    members = made if isinstance(made, list) else [made]
    return next(names.kind_of(one) for one in members if one != "null")


def _behind(data: bytes) -> BytesIO:
    buffer = BytesIO(data)
    buffer.seek(wire.PREFIX_LENGTH)
    return buffer


def _name_of(avro: Any) -> str | None:
    if isinstance(avro, str):
        return avro
    members = avro if isinstance(avro, list) else [avro]
    for one in members:
        if isinstance(one, dict) and "name" in one:
            package = one.get("namespace")
            return f"{package}.{one['name']}" if package else str(one["name"])
    return None


_PRIMITIVE = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))


def full_names(avro: Any, package: str | None, named: dict[str, Any]) -> Any:
    """Return an Avro schema whose types are named in full; `named` gets those that it defines.

    fastavro's own form drops what Connect keeps in a schema, and refuses logical types that
    Connect has bent.

    Raises:
        DataError: A name is not known.
    """
    if isinstance(avro, list):
        return [full_names(one, package, named) for one in avro]
    if isinstance(avro, str):
        return _known(avro, package, named)
    kind = avro["type"]
    if isinstance(kind, dict | list):
        return full_names(kind, package, named)
    if kind in {"record", "error", "enum", "fixed"}:
        name = str(avro["name"])
        package = avro.get("namespace", package) if "." not in name else names.split_name(name)[0]
        full = name if "." in name or not package else f"{package}.{name}"
        named[full] = made = {**avro, "name": full}
        if kind in {"record", "error"}:
            made["fields"] = [
                {**field, "type": full_names(field["type"], package, named)}
                for field in avro["fields"]
            ]
        return made
    if kind == "array":
        return {**avro, "items": full_names(avro["items"], package, named)}
    if kind == "map":
        return {**avro, "values": full_names(avro["values"], package, named)}
    return avro if kind in _PRIMITIVE else _known(kind, package, named)


def _known(name: str, package: str | None, named: Mapping[str, Any]) -> str:
    if name in _PRIMITIVE or name in named:
        return name
    full = f"{package}.{name}" if package else name
    if full in named:
        return full
    raise DataError(f"the Avro schema names {name}, which it does not define")
