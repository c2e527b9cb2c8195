"""Fixtures for pytest: a real broker in a few milliseconds, gone after the test.

# conftest.py
pytest_plugins = ["aliran.testing.plugin"]

# test_orders.py
def test_orders(embedded_broker):
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aliran.broker.embedded import EmbeddedBroker


@pytest.fixture
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Yield a broker of the test's own, on a free port of 127.0.0.1, with nothing in it."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def session_broker() -> Iterator[EmbeddedBroker]:
    """Yield one broker for all tests of a run; they had better use topics of their own."""
    with EmbeddedBroker() as broker:
        yield broker
