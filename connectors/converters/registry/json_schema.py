"""JSON Schema for `JsonSchemaConverter`: schemas mapped, values written and read as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
import msgspec

from aliran.connectors.converters import json_text
from aliran.connectors.converters.registry.converter import Mapped, Read, Write
from aliran.connectors.converters.registry.json_from_connect import (
    Choices,
    JsonSchemaWriter,
    is_union,
)
from aliran.connectors.converters.registry.json_to_connect import JsonSchemaReader
from aliran.connectors.converters.registry.json_values import ValueReader, ValueWriter
from aliran.connectors.data.schema import Schema
from aliran.connectors.errors import DataError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Schema as Content
from aliran.schema_registry.serdes import wire


class JsonSchemaFormat:
    """Maps schemas and values to JSON Schema and JSON, and back.

    Args:
        settings: The converter's settings.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._choices = choices = Choices(
            metadata=settings["connect.meta.data"],
            generalized=settings["generalized.sum.type.support"],
            scrub=settings["scrub.invalid.names"],
            additional=settings["object.additional.properties"],
            nonrequired=settings["use.optional.for.nonrequired"],
            numeric=settings["decimal.format"].upper() == "NUMERIC",
            ignore_default=settings["ignore.default.for.nullables"],
        )
        self._validates = settings["json.fail.invalid.schema"]
        self._values = ValueWriter(
            numeric=choices.numeric,
            replace=not choices.ignore_default,
            is_union=is_union,
            field_name=choices.field_name,
        )
        self._reader = ValueReader(is_union)

    def mapped(self, schema: Schema | None, client: SchemaRegistryClient) -> Mapped:
        """Return the JSON schema of one of Connect."""
        del client
        found = JsonSchemaWriter(self._choices, self._values).schema(schema)
        text = msgspec.json.encode(found).decode()
        title = found.get("title") or next(
            (one["title"] for one in found.get("oneOf", ()) if "title" in one), None
        )
        return Mapped(Content(schema=text, schema_type="JSON"), title)

    def writer(
        self, schema: Schema | None, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> Write:
        """Return what writes values."""
        write = self._values.of(schema)
        check = self._check(registered, client)

        def encode(value: Any) -> bytes:
            data = write(value).encode()
            if check is not None:
                check(data)
            return data

        return encode

    def reader(
        self, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> tuple[Schema | None, Read]:
        """Return the schema of Connect, and what reads data."""
        root = json_text.read(registered.schema.encode())
        texts = client.referenced(registered)
        others = {name: json_text.read(text.encode()) for name, text in texts.items()}
        schema = None
        if root not in ({}, True):
            reader = JsonSchemaReader(root, others, self._choices, self._reader)
            schema = reader.schema(root, version=registered.version)
        read, check = self._reader.of(schema), self._check(registered, client)

        def decode(data: bytes) -> Any:
            payload = data[wire.PREFIX_LENGTH :]
            if check is not None:
                check(payload)
            return read(json_text.read(payload))

        return schema, decode

    def _check(
        self, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> Callable[[bytes], None] | None:
        if not self._validates:
            return None
        texts = client.referenced(registered)
        others = jsonschema_rs.Registry([(name, json.loads(one)) for name, one in texts.items()])
        validator = jsonschema_rs.validator_for(json.loads(registered.schema), registry=others)

        def check(data: bytes) -> None:
            error = next(iter(validator.iter_errors(json.loads(data))), None)
            if error is not None:
                path = "/".join(map(str, error.instance_path))
                raise DataError(f"the value does not fit the schema at #/{path}: {error.message}")

        return check
