"""Serdes whose schemas are kept in a schema registry, for streams and for plain clients."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from aliran.core.errors import ConfigError

if TYPE_CHECKING:
    from aliran.schema_registry.serdes.avro import AvroSerde
    from aliran.schema_registry.serdes.json_schema import JsonSchemaSerde
    from aliran.schema_registry.serdes.protobuf import ProtobufSerde

__all__ = ["AvroSerde", "JsonSchemaSerde", "ProtobufSerde"]

_MODULES = {"AvroSerde": "avro", "JsonSchemaSerde": "json_schema", "ProtobufSerde": "protobuf"}


def __getattr__(name: str) -> Any:
    """Import a serde when it is first used, with the library that it needs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        extra = _MODULES[name].replace("_", "-")
        raise ConfigError(
            f"{name} needs the package {error.name}: pip install 'aliran[{extra}]'"
        ) from error
    return getattr(module, name)
