"""The embedded transport where things go wrong: crashes before the first commit, topics that go."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from aliran.broker.broker import Broker
from aliran.clients.embedded import EmbeddedTransport
from aliran.clients.transport import Position, TopicSpec, UnknownTopicError
from aliran.core.filesystem import MemoryFileSystem
from aliran.core.types import Columns, TopicPartition

IN, CHANGELOG = TopicPartition("in", 0), TopicPartition("app-changelog", 0)


class Listener:
    def on_assigned(self, partitions: Collection[TopicPartition]) -> None: ...

    def on_revoked(self, partitions: Collection[TopicPartition], *, lost: bool) -> None: ...


def record(partition: TopicPartition, value: bytes) -> Columns:
    return Columns(*partition, range(1), [b"k"], [value], [1_000])


class Machine:
    def __init__(self) -> None:
        self.fs = MemoryFileSystem()
        self.broker = self.start()

    def start(self) -> Broker:
        self.broker = Broker("/data", fs=self.fs)
        self.broker.start()
        return self.broker

    def run(self, position: int = 0) -> EmbeddedTransport:
        transport = EmbeddedTransport(self.broker, "here")
        settings = {"cleanup.policy": "compact", "segment.bytes": "200"}
        transport.create_topics([TopicSpec("in", 1), TopicSpec(CHANGELOG.topic, 1, settings)])
        transport.join("app", ["in"], Listener())
        transport.claim([CHANGELOG.topic])
        transport.assign({IN: position})
        return transport

    def crash(self) -> None:
        self.fs.crash("written")
        self.start()


def test_a_crash_before_the_first_commit_leaves_nothing_behind() -> None:
    machine = Machine()
    machine.run().send(record(CHANGELOG, b"1"))
    machine.crash()
    transport = machine.run()
    assert transport.bounds([CHANGELOG]) == {CHANGELOG: (0, 0)}
    assert transport.committed([IN]) == {IN: Position(0)}


def test_the_first_commit_keeps_what_another_transport_had_committed() -> None:
    machine = Machine()
    transport = machine.run()
    for _ in range(5):
        transport.send(record(IN, b"x"))
    transport.leave()
    # as an application that ran over a socket leaves it: no ends of claimed topics
    other = EmbeddedTransport(machine.broker, "here")
    other.join("app", ["in"], Listener())
    other.commit({IN: Position(3, 77, {"extra": 5})})
    other.leave()
    assert machine.run(3).committed([IN]) == {IN: Position(3, 77, {"extra": 5})}


def test_the_value_of_the_last_commit_survives_compaction() -> None:
    machine = Machine()
    transport = machine.run()
    transport.send(record(CHANGELOG, b"committed"))
    transport.commit({IN: Position(1)})
    for _ in range(10):
        transport.send(record(CHANGELOG, b"not committed"))
    machine.broker.logs.clean_up()
    machine.crash()
    transport = machine.run(1)
    assert [list(each.values) for each in transport.read(CHANGELOG, 0, 100)] == [[b"committed"]]


def test_topics_that_come_again_are_not_read_from_the_old_place() -> None:
    machine = Machine()
    transport = machine.run()
    for _ in range(3):
        transport.send(record(IN, b"old"))
    assert sum(len(each) for each in transport.poll(0)) == 3
    machine.broker.topics.delete("in")
    with pytest.raises(UnknownTopicError, match="has no partition 0"):
        transport.poll(0)
    machine.broker.topics.create("in", 1)
    with pytest.raises(UnknownTopicError, match="deleted and created again"):
        transport.poll(0)


def test_the_ends_of_many_stores_fit_into_a_commit(tmp_path: Path) -> None:
    machine = Machine()
    names = [f"app-KSTREAM-AGGREGATE-STATE-STORE-{number:010d}-changelog" for number in range(16)]
    inputs = [TopicPartition("wide", number) for number in range(30)]
    transport = EmbeddedTransport(machine.broker, "here")
    transport.create_topics([TopicSpec(name, 30) for name in [*names, "wide"]])
    transport.join("app", ["wide"], Listener())
    transport.claim(names)
    transport.assign(dict.fromkeys(inputs, 0))
    last = TopicPartition(names[-1], 29)
    transport.send(record(last, b"1"))
    transport.commit({each: Position(0) for each in inputs})
    transport.send(record(last, b"2"))
    transport.leave()
    again = EmbeddedTransport(machine.broker, "here")
    again.join("app", ["wide"], Listener())
    again.claim(names)
    assert again.bounds([last]) == {last: (0, 1)}
