"""Which formats there are. Each is imported when first used, with the libraries it needs.

`parse` may be called from several threads at once.
"""

from __future__ import annotations

import importlib
from typing import Final, cast

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.base import SchemaFormat
from aliran.schema_registry.models import SchemaType

SCHEMA_TYPES: Final[tuple[SchemaType, ...]] = ("JSON", "PROTOBUF", "AVRO")
"""In the order in which Confluent lists them."""

_FORMATS = {
    "AVRO": ("aliran.schema_registry.formats.avro", "AvroFormat", "avro"),
    "JSON": (
        "aliran.schema_registry.formats.json_schema",
        "JsonSchemaFormat",
        "json-schema",
    ),
    "PROTOBUF": ("aliran.schema_registry.formats.protobuf", "ProtobufFormat", "protobuf"),
}
_loaded: dict[str, SchemaFormat] = {}


def schema_format(schema_type: str) -> SchemaFormat:
    """Return the format of this name.

    Raises:
        InvalidSchemaError: There is none, or what it needs is not installed; names the extra.
    """
    found = _loaded.get(schema_type)
    if found is None:
        if schema_type not in _FORMATS:
            raise InvalidSchemaError(f"Invalid schema type {schema_type}")
        module, name, extra = _FORMATS[schema_type]
        try:
            made = getattr(importlib.import_module(module), name)()
        except ModuleNotFoundError as error:
            raise InvalidSchemaError(
                f"schemas of type {schema_type} need the package {error.name}, which is not "
                f'installed where the registry runs: pip install "aliran[{extra}]"'
            ) from error
        found = _loaded[schema_type] = cast(SchemaFormat, made)
    return found
