"""Clients of a schema registry: Aliran's, Confluent's, Karapace's."""

from aliran.schema_registry.client.asynchronous import AsyncSchemaRegistryClient
from aliran.schema_registry.client.calls import Compatibility, RegisteredSchema
from aliran.schema_registry.client.errors import (
    RegistryAnswerError,
    RegistryClientError,
    RegistryUnavailableError,
)
from aliran.schema_registry.client.synchronous import SchemaRegistryClient

__all__ = [
    "AsyncSchemaRegistryClient",
    "Compatibility",
    "RegisteredSchema",
    "RegistryAnswerError",
    "RegistryClientError",
    "RegistryUnavailableError",
    "SchemaRegistryClient",
]
