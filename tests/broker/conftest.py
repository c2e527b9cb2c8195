"""A broker and a client for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A running broker on a fresh data directory."""
    with EmbeddedBroker(tmp_path / "data") as broker:
        yield broker


@pytest.fixture
def client(server: EmbeddedBroker) -> Iterator[RawClient]:
    """A connection to `server`."""
    with RawClient(server.bootstrap_servers) as connected:
        yield connected
