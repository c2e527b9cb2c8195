"""Bytes and records as Kafka's own distributed worker wrote them (`record.py`)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.distributed.config_log import ConfigLog
from aliran.connectors.distributed.offset_log import SharedOffsetStore
from aliran.connectors.distributed.protocol import (
    Unit,
    decode_assignment,
    decode_state,
    encode_assignment,
    encode_state,
)
from aliran.connectors.distributed.status_log import SharedStatusBoard
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.status import State

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("kafka_worker.json").read_text())


class Heard:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def connector_changed(self, name: str) -> None:
        self.calls.append(("connector", name))

    def target_changed(self, name: str) -> None:
        self.calls.append(("target", name))

    def tasks_changed(self, name: str) -> None:
        self.calls.append(("tasks", name))

    def restart_wanted(self, name: str, *, include_tasks: bool, only_failed: bool) -> None:
        self.calls.append(("restart", name, include_tasks, only_failed))

    def logger_level_wanted(self, name: str, level: str) -> None:
        self.calls.append(("logger", name, level))


def write(broker: EmbeddedBroker, topic: str, rows: list[list[str | None]]) -> None:
    broker.broker.topics.create(topic, partitions=1)
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, value, key)
    producer.flush()


def test_members_say_what_kafkas_say() -> None:
    (member,) = RECORDED["group"]
    metadata = base64.b64decode(member["metadata"])

    state = decode_state(metadata)

    assert {str(one) for one in state.running} == {"in", "in-0", "out", "out-0", "out-1"}
    assignment = base64.b64decode(member["assignment"])
    told = decode_assignment(assignment)
    assert encode_assignment(told, 2) == assignment
    assert encode_state(state, (told.leader, told.leader_url), 2) == metadata
    assert (told.assigned, told.revoked, told.delay_ms) == (frozenset(), frozenset(), 0)


def test_kafkas_configurations_are_read(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        write(broker, "configs", RECORDED["records"]["connect-configs"])
        log = ConfigLog(Cluster(broker.bootstrap_servers), "configs", 1, Heard())
        log.start()
        state = log.state()
        log.close()
    assert set(state.configs) == {"in", "out"}
    assert state.configs["in"]["file"] == "/data/in.txt"
    assert state.target("in") is State.PAUSED
    assert state.target("out") is State.RUNNING
    assert [one["tasks.max"] for one in state.tasks["out"]] == ["2", "2"]
    assert state.units() == {
        Unit("in"), Unit("in", 0), Unit("out"), Unit("out", 0), Unit("out", 1),
    }  # fmt: skip
    assert state.session_key is not None
    assert len(state.session_key.key) == 32


def test_what_we_write_are_kafkas_records(tmp_path: Path) -> None:
    rows = [
        (key, json.loads(value) if value else None)
        for key, value in RECORDED["records"]["connect-configs"]
        if key != "session-key"
    ]
    heard = Heard()
    with EmbeddedBroker(tmp_path) as broker:
        log = ConfigLog(Cluster(broker.bootstrap_servers), "configs", 1, heard)
        log.start()
        of = dict(rows)
        log.put_connector("in", of["connector-in"]["properties"], None)
        log.put_tasks("in", [of["task-in-0"]["properties"]])
        log.put_target("in", State.PAUSED)
        log.put_restart("out", include_tasks=True, only_failed=False)
        log.put_tasks("out", [])
        log.put_target("out", State.STOPPED)
        log.put_target("out", State.RUNNING)
        log.remove_connector("gone")
        log.put_logger_level("org.example", "DEBUG")
        log.close()
        from confluent_kafka import Consumer

        consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap_servers,
                "group.id": "look",
                "auto.offset.reset": "earliest",
            }
        )
        consumer.subscribe(["configs"])
        ours: list[tuple[str, Any]] = []
        while len(ours) < 11:
            message = consumer.poll(5)
            assert message is not None
            value = message.value()
            ours.append(((message.key() or b"").decode(), value and json.loads(value)))
        consumer.close()
    for row in ours:
        if not row[0].startswith("logger-cluster-"):
            assert row in rows
    assert heard.calls == [
        ("connector", "in"), ("tasks", "in"), ("target", "in"), ("restart", "out", True, False),
        ("tasks", "out"), ("target", "out"), ("target", "out"), ("connector", "gone"),
        ("target", "gone"), ("logger", "org.example", "DEBUG"),
    ]  # fmt: skip


def test_tasks_count_once_all_are_there(tmp_path: Path) -> None:
    config = json.dumps({"properties": {"connector.class": "x"}})
    with EmbeddedBroker(tmp_path) as broker:
        write(
            broker,
            "configs",
            [
                ["connector-c", config], ["task-c-0", config], ["commit-c", '{"tasks":2}'],
                ["connector-d", config], ["task-d-0", config],
            ],
        )  # fmt: skip
        log = ConfigLog(Cluster(broker.bootstrap_servers), "configs", 1, Heard())
        log.start()
        state = log.state()
        assert state.inconsistent == {"c"}
        assert state.units() == {Unit("c"), Unit("d")}
        log.put_tasks("c", [{"n": "0"}, {"n": "1"}])
        state = log.state()
        assert state.inconsistent == set()
        assert state.tasks["c"] == [{"n": "0"}, {"n": "1"}]
        log.close()


def test_kafkas_offsets_and_states_are_read(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        write(broker, "offsets", RECORDED["records"]["connect-offsets"])
        write(broker, "status", RECORDED["records"]["connect-status"])
        cluster = Cluster(broker.bootstrap_servers)
        offsets = SharedOffsetStore(cluster, "offsets", 1, 1)
        offsets.start()
        assert offsets.get("in", {"filename": "/data/in.txt"}) == {"position": 8}
        offsets.close()
        board = SharedStatusBoard(cluster, "status", 1, 1, "me:1", lambda: 1)
        board.start()
        assert sorted(board.tasks("out")) == [0, 1]
        state = board.get("out", 0)
        assert state is not None
        assert state.state is State.UNASSIGNED  # that worker was stopped at the end
        assert (state.worker_id or "").startswith("127.0.0.1:")
        assert board.get("gone") is None
        assert board.topics("out") == ["lines"]
        board.close()
