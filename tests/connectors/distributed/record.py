"""Records what Kafka's own distributed worker writes: topics and bytes of the group protocol.

    python -m tests.connectors.distributed.record

Needs Java and Maven; writes `kafka_worker.json`.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.protocol.messages.describe_groups import DescribeGroupsRequest

RECORDED = Path(__file__).with_name("kafka_worker.json")
_STRING = "org.apache.kafka.connect.storage.StringConverter"
TOPICS = ("connect-configs", "connect-offsets", "connect-status")


def main() -> int:
    """Run a worker, have it do what there is to be done, and write down what it wrote."""
    from jvm_worker import JvmWorker

    with tempfile.TemporaryDirectory() as scratch, EmbeddedBroker() as broker:
        folder = Path(scratch)
        (folder / "in.txt").write_text("one\ntwo\n")
        with JvmWorker(folder, broker.bootstrap_servers, distributed=True) as worker:
            with httpx.Client(base_url=worker.url, timeout=90) as rest:
                _work(rest, folder)
            group = _group(broker.bootstrap_servers)
        records = {topic: _records(broker.bootstrap_servers, topic) for topic in TOPICS}
    text = json.dumps({"group": group, "records": records}, indent=1)
    RECORDED.write_text(text.replace(scratch, "/data") + "\n")
    print(f"written: {RECORDED}")
    return 0


def _work(rest: httpx.Client, folder: Path) -> None:
    source = {
        "connector.class": "FileStreamSource", "file": str(folder / "in.txt"), "topic": "lines",
        "value.converter": _STRING,
    }  # fmt: skip
    sink = {
        "connector.class": "FileStreamSink", "topics": "lines", "tasks.max": "2",
        "file": str(folder / "out.txt"), "value.converter": _STRING,
    }  # fmt: skip
    for name, config in (("in", source), ("out", sink), ("gone", source)):
        assert rest.put(f"/connectors/{name}/config", json=config).status_code == 201
        _await(rest, name, "RUNNING")
    rest.put("/connectors/in/pause")
    _await(rest, "in", "PAUSED")
    rest.post("/connectors/out/restart?includeTasks=true&onlyFailed=false")
    rest.put("/connectors/out/stop")
    _await(rest, "out", "STOPPED")
    rest.put("/connectors/out/resume")
    _await(rest, "out", "RUNNING")
    rest.delete("/connectors/gone")
    rest.put("/admin/loggers/org.example?scope=cluster", json={"level": "DEBUG"})
    time.sleep(3)


def _await(rest: httpx.Client, name: str, state: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        found = rest.get(f"/connectors/{name}/status").json()
        tasks = [one["state"] for one in found.get("tasks", [])]
        own = found.get("connector", {}).get("state")
        if own == state and (state == "STOPPED" or (tasks and set(tasks) == {state})):
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def _group(address: str) -> list[dict[str, Any]]:
    with RawClient(address) as client:
        answer: Any = client.call(DescribeGroupsRequest(groups=["jvm-connect"]), 4)
    return [
        {
            "protocol_type": one.protocol_type, "protocol": one.protocol_data,
            "metadata": base64.b64encode(member.member_metadata).decode(),
            "assignment": base64.b64encode(member.member_assignment).decode(),
        }
        for one in answer.groups
        for member in one.members
    ]  # fmt: skip


def _records(address: str, topic: str) -> list[list[str | None]]:
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "look", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[list[str | None]] = []
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline:
        for one in consumer.consume(500, 0.2):
            assert one.error() is None
            key, value = one.key(), one.value()
            found.append(
                [None if key is None else key.decode(), None if value is None else value.decode()]
            )
    consumer.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
