"""Fixtures for pytest: a real broker in a few milliseconds, gone after the test.

# conftest.py
pytest_plugins = ["aliran.testing.plugin"]

# test_orders.py
def test_orders(embedded_broker):
    producer = Producer({"bootstrap.servers": embedded_broker.bootstrap_servers})

# test_connector.py
def test_numbers(connect_tester):
    connect_tester.put("numbers", counter, topic="numbers", until=3)
    assert connect_tester.values("numbers", 3) == [1, 2, 3]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from aliran.broker.embedded import EmbeddedBroker

if TYPE_CHECKING:
    from aliran.testing.connect import ConnectTester


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


@pytest.fixture
def connect_tester(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConnectTester]:
    """Yield a Connect worker in a process of its own and a broker, for tests of connectors."""
    from aliran.testing.connect import ConnectTester  # not everybody has `connect` installed

    with ConnectTester(tmp_path_factory.mktemp("connect")) as tester:
        yield tester
