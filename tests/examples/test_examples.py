"""Every example runs with one command and prints what its docstring promises."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from aliran import EmbeddedBroker

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def promised(example: Path) -> str:
    """The indented block of the docstring that follows the word "prints"."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    block = docstring.split("prints", 1)[1].split("\n\n")[1]
    return textwrap.dedent(block)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example_prints_what_it_promises(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        cwd=tmp_path,
        env={key: text for key, text in os.environ.items() if key != "BROKERS"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    shown = [line.rstrip() for line in done.stdout.strip().splitlines()]
    assert shown == promised(example).strip().splitlines()
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_trending_runs_against_a_broker_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        servers = {"bootstrap.servers": broker.bootstrap_servers}
        producer = Producer(servers)
        for second, text in enumerate(("#tea and #jam", "#tea")):
            tweet = msgspec.json.encode({"user": "ana", "text": text, "likes": 11})
            producer.produce("tweets", tweet, "ana", timestamp=1 + second * 1_000)
        assert producer.flush(30) == 0
        with subprocess.Popen(
            [sys.executable, "-W", "error", str(EXAMPLES / "trending.py")],
            env={**os.environ, "BROKERS": broker.bootstrap_servers, "TMPDIR": str(tmp_path)},
        ) as program:
            ranking = first_record(servers, "top", program)
            program.send_signal(signal.SIGTERM)
            assert program.wait(60) == 0
    assert msgspec.json.decode(ranking) == [
        {"tag": "#tea", "count": 2},
        {"tag": "#jam", "count": 1},
    ]


def first_record(
    servers: dict[str, str], topic: str, program: subprocess.Popen[bytes]
) -> bytes | str:
    """Wait for the ranking that `program` writes once it has counted both tweets."""
    consumer = Consumer({**servers, "group.id": "test", "topic.metadata.refresh.interval.ms": 100})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        while program.poll() is None:
            record = consumer.poll(0.1)
            value = None if record is None or record.error() else record.value()
            if value is not None and b'"count":2' in bytes(value):
                return value
    finally:
        consumer.close()
    raise AssertionError(f"it ended with status {program.returncode}")
