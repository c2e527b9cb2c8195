"""A running registry, and a client that shows status and JSON."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from aliran.schema_registry.server import RegistryServer


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """A registry on a port of its own, empty."""
    with RegistryServer() as running:
        yield running


@pytest.fixture
def http(server: RegistryServer) -> Iterator[httpx.Client]:
    """A client of `server`."""
    with httpx.Client(base_url=server.url) as client:
        yield client
