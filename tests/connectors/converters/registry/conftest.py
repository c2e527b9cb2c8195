from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient as ConfluentClient

from aliran.connectors.converters.registered import RegistryConverter
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.server import RegistryServer

C = TypeVar("C", bound=RegistryConverter)


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture(scope="module")
def client(registry: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(registry.url) as made:
        made.set_compatibility_level("NONE")
        yield made


@pytest.fixture(scope="module")
def make(registry: RegistryServer, client: SchemaRegistryClient) -> Iterator[Callable[..., Any]]:
    """Makes converters that use the registry; options with __ for dots."""
    made: list[RegistryConverter] = []

    def converter(cls: type[C], *, is_key: bool = False, **options: Any) -> C:
        one = cls()
        settings = {name.replace("__", "."): str(value) for name, value in options.items()}
        one.configure({"schema.registry.url": registry.url, **settings}, is_key=is_key)
        made.append(one)
        return one

    yield converter
    for one in made:
        one.close()


@pytest.fixture
def confluent(registry: RegistryServer) -> Iterator[ConfluentClient]:
    with ConfluentClient({"url": registry.url}) as theirs:
        yield theirs
