"""The fixtures, used as a user would: from a conftest.py of a project elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["aliran.testing.plugin"]\n'
TESTS = """
from confluent_kafka import Producer

ADDRESSES = []

def produce(broker):
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce("orders", "one")
    assert producer.flush(10) == 0

def test_one(embedded_broker, session_broker):
    produce(embedded_broker)
    assert "orders" in embedded_broker.broker.topics.names()
    assert "orders" not in session_broker.broker.topics.names()
    ADDRESSES.append(session_broker.bootstrap_servers)

def test_two(embedded_broker, session_broker):
    assert embedded_broker.broker.topics.names() == []
    assert [session_broker.bootstrap_servers] == ADDRESSES
"""


def test_fixtures_work_in_a_project_of_a_users(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_orders.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr
