"""The Kafka transport against a real server process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError

from aliran.clients.kafka import KafkaTransport
from aliran.clients.kafka_errors import ErrorWatch
from aliran.clients.transport import (
    GroupFencedError,
    Position,
    TopicSpec,
    TransportError,
    UnknownTopicError,
)
from aliran.core.errors import ConfigError
from aliran.core.types import Columns, Headers, TopicPartition

PROGRAM = """
import sys
from aliran.broker.server_main import run_server
sys.exit(run_server(sys.argv[1], sys.argv[2], dict(each.split("=") for each in sys.argv[3:])))
"""
CONFIG = ("auto.create.topics.enable=false", "group.min.session.timeout.ms=100")
DEADLINE_S = 30.0

_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("broker")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "127.0.0.1:0", str(data), *CONFIG],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[:3] == ["aliran", "broker", "ready:"]
        yield words[3]
        process.terminate()


@pytest.fixture
def transport(server: str) -> Iterator[KafkaTransport]:
    with closing(KafkaTransport(server)) as opened:
        yield opened


@contextmanager
def another(server: str, **settings: Any) -> Iterator[KafkaTransport]:
    dotted = {name.replace("_", "."): value for name, value in settings.items()}
    with closing(KafkaTransport(server, dotted, request_timeout_ms=5000)) as opened:
        yield opened


class Listener:
    """Starts where the group has committed, and keeps a diary."""

    def __init__(self, transport: KafkaTransport) -> None:
        self.transport = transport
        self.diary: list[tuple[str, list[TopicPartition]]] = []
        self.owned: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, Position] = {}

    def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        self.diary.append(("assigned", sorted(partitions)))
        self.owned = set(partitions)
        committed = self.transport.committed(partitions)
        self.transport.assign({p: committed.get(p, Position(0)).offset for p in partitions})

    def on_revoked(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        self.diary.append(("lost" if lost else "revoked", sorted(partitions)))
        if not lost:
            self.transport.commit(self.positions)
        self.positions = {}
        self.owned = set()


def new_topic(transport: KafkaTransport, partitions: int = 1, **configs: str) -> str:
    name = f"topic-{next(_numbers)}"
    dotted = {key.replace("_", "."): value for key, value in configs.items()}
    transport.create_topics([TopicSpec(name, partitions, dotted)])
    return name


def columns_of(
    topic: str, partition: int, values: Collection[str], first_timestamp: int = 1_000
) -> Columns:
    encoded: list[bytes | None] = [value.encode() for value in values]
    times = list(range(first_timestamp, first_timestamp + len(encoded)))
    return Columns(topic, partition, (), [b"key"] * len(encoded), encoded, times)


def fill(transport: KafkaTransport, topic: str, values: Collection[str], partition: int = 0) -> int:
    transport.send(columns_of(topic, partition, values))
    return transport.flush()[TopicPartition(topic, partition)]


def poll_until(transport: KafkaTransport, done: Callable[[], bool]) -> list[Columns]:
    found: list[Columns] = []
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, f"gave up; got {sum(map(len, found))} records"
        found += transport.poll(50)
    return found


def poll_records(transport: KafkaTransport, number: int) -> list[Columns]:
    found: list[Columns] = []
    deadline = time.monotonic() + DEADLINE_S
    while sum(map(len, found)) < number:
        assert time.monotonic() < deadline, f"gave up; got {sum(map(len, found))} records"
        found += transport.poll(50)
    return found


def texts(batches: Collection[Columns]) -> list[str]:
    return [(value or b"").decode() for batch in batches for value in batch.values]


# -- topics


def test_topics_are_created_once_and_counted(transport: KafkaTransport) -> None:
    name = new_topic(transport, 3)
    transport.create_topics([TopicSpec(name, 7)])
    assert transport.partition_counts([name, "topic-that-is-not-there"]) == {name: 3}
    # Asking does not create.
    assert transport.partition_counts(["topic-that-is-not-there"]) == {}
    assert transport.partition_counts([]) == {}
    transport.create_topics([])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (TopicSpec("bad name!", 1), "creating topic 'bad name!' failed .* invalid"),
        (TopicSpec("bad-setting", 1, {"no.such": "1"}), "no.such"),
    ],
)
def test_a_refused_topic_is_named(transport: KafkaTransport, spec: TopicSpec, message: str) -> None:
    with pytest.raises(TransportError, match=message):
        transport.create_topics([spec])


# -- producing


def test_flush_tells_where_each_partition_ends(transport: KafkaTransport) -> None:
    topic = new_topic(transport, 2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    transport.send(columns_of(topic, 0, ["a", "b"]))
    transport.send(columns_of(topic, 1, ["c"]))
    transport.send(columns_of(topic, 0, ["d"]))
    assert transport.flush() == {first: 3, second: 1}
    assert transport.flush() == {}
    transport.send(columns_of(topic, 1, ["e"]))
    assert transport.flush() == {second: 2}
    transport.send(columns_of(topic, 1, []))
    assert transport.flush() == {}


def test_records_come_back_as_they_were_sent(transport: KafkaTransport) -> None:
    topic = new_topic(transport)
    headers: list[Headers] = [[("a", b"1"), ("a", None)], [], [("ü", b"")], []]
    sent = Columns(
        topic, 0, (), [b"k", None, b"", b"\0"], [b"v", b"w", b"", None], [5, 1, -7, 0], headers
    )
    transport.send(sent)
    transport.flush()
    (got,) = transport.read(TopicPartition(topic, 0), 0, 4)
    assert (got.topic, got.partition, got.offsets) == (topic, 0, range(4))
    assert (got.keys, got.values, got.headers) == (sent.keys, sent.values, headers)
    assert got.timestamps == [5, 1, -7, 1]  # librdkafka cannot send 0


def test_a_full_queue_is_waited_for(server: str) -> None:
    with another(server, queue_buffering_max_messages=50) as transport:
        topic = new_topic(transport)
        values = [str(number) for number in range(2000)]
        assert fill(transport, topic, values) == 2000
        assert texts(list(transport.read(TopicPartition(topic, 0), 0, 2000))) == values


def test_what_cannot_be_delivered_is_named(transport: KafkaTransport) -> None:
    topic = new_topic(transport, cleanup_policy="compact")
    transport.send(Columns(topic, 0, (), [None], [b"no key"], [1]))
    with pytest.raises(TransportError, match=f"delivering to {topic}-0 .*without a key"):
        transport.flush()
    with pytest.raises(TransportError, match=f"sending to {topic}-0 .*raise message.max.bytes"):
        transport.send(Columns(topic, 0, (), [b"k"], [bytes(2_000_000)], [1]))
    with pytest.raises(UnknownTopicError, match=f"{topic}-9 .*create the topic"):
        fill(transport, topic, ["x"], partition=9)
    assert fill(transport, topic, ["fine"]) == 1


def test_a_topic_that_is_not_there_takes_no_records(server: str) -> None:
    with another(server, topic_metadata_propagation_max_ms=300) as transport:
        transport.send(columns_of("topic-that-is-not-there", 0, ["x"]))
        with pytest.raises(
            UnknownTopicError, match=r"topic-that-is-not-there-0 .*create the topic"
        ):
            transport.flush()


# -- restore


def test_a_stretch_is_read_and_no_more(transport: KafkaTransport) -> None:
    topic = new_topic(transport, 2)
    values = [str(number) for number in range(100)]
    fill(transport, topic, values)
    partition = TopicPartition(topic, 0)
    assert transport.bounds([partition, TopicPartition(topic, 1)]) == {
        partition: (0, 100),
        TopicPartition(topic, 1): (0, 0),
    }
    batches = list(transport.read(partition, 20, 50))
    assert texts(batches) == values[20:50]
    assert [offset for batch in batches for offset in batch.offsets] == list(range(20, 50))
    assert list(transport.read(partition, 30, 30)) == []
    assert transport.bounds([]) == {}


def test_stretches_can_be_read_at_the_same_time_and_left_early(transport: KafkaTransport) -> None:
    topic = new_topic(transport, 2)
    for partition in (0, 1):
        fill(transport, topic, [f"{partition}-{n}" for n in range(10)], partition)
    first = transport.read(TopicPartition(topic, 0), 0, 10)
    second = transport.read(TopicPartition(topic, 1), 0, 10)
    assert texts([next(first)])[0] == "0-0"
    assert texts([next(second)])[0] == "1-0"
    for unfinished in (first, second):
        unfinished.close()  # type: ignore[attr-defined]
    assert texts(list(transport.read(TopicPartition(topic, 1), 8, 10))) == ["1-8", "1-9"]


def test_deleted_records_move_the_first_offset(transport: KafkaTransport) -> None:
    topic = new_topic(transport)
    partition = TopicPartition(topic, 0)
    fill(transport, topic, list("abcdef"))
    transport.delete_records({})
    transport.delete_records({partition: 4})
    deadline = time.monotonic() + DEADLINE_S
    while transport.bounds([partition])[partition] != (4, 6):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert texts(list(transport.read(partition, 4, 6))) == ["e", "f"]


# -- groups


def test_records_that_were_deleted_unread_are_not_waited_for(transport: KafkaTransport) -> None:
    topic = new_topic(transport)
    partition = TopicPartition(topic, 0)
    fill(transport, topic, ["a", "b", "c"])
    transport.join(f"group-{topic}", [topic], Listener(transport))
    transport.delete_records({partition: 3})
    while transport.bounds([partition])[partition] != (3, 3):
        time.sleep(0.01)
    assert not poll_until(transport, lambda: transport.is_at_end([partition]))
    assert not poll_until(transport, lambda: transport.lag(partition) == 0)
    fill(transport, topic, ["d"])
    assert texts(poll_until(transport, lambda: transport.is_at_end([partition]))) == ["d"]


def test_a_group_goes_on_where_it_has_committed(transport: KafkaTransport, server: str) -> None:
    topic = new_topic(transport, 2)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    fill(transport, topic, list("abc"))
    fill(transport, topic, list("xy"), partition=1)
    listener = Listener(transport)
    transport.join(f"group-{topic}", [topic], listener)
    batches = poll_records(transport, 5)
    assert listener.diary == [("assigned", [zero, one])]
    assert sorted(texts(batches)) == ["a", "b", "c", "x", "y"]
    assert all(batch.headers is None for batch in batches)
    transport.commit({zero: Position(2, 1_001, {"p": 7}), one: Position(2)})
    transport.commit({})
    assert transport.committed([zero, one, TopicPartition(topic, 9)]) == {
        zero: Position(2, 1_001, {"p": 7}),
        one: Position(2),
    }
    transport.leave()
    assert listener.diary == [("assigned", [zero, one])]
    with another(server) as second:
        second.join(f"group-{topic}", [topic], Listener(second))
        assert texts(poll_records(second, 1)) == ["c"]


def test_nothing_is_returned_of_paused_partitions(transport: KafkaTransport) -> None:
    topic = new_topic(transport, 2)
    zero, one = TopicPartition(topic, 0), TopicPartition(topic, 1)
    listener = Listener(transport)
    transport.join(f"group-{topic}", [topic], listener)
    poll_until(transport, lambda: bool(listener.diary))
    transport.pause([zero])
    fill(transport, topic, ["held"])
    fill(transport, topic, ["x"], partition=1)
    assert texts(poll_records(transport, 1)) == ["x"]
    assert transport.poll(50) == []
    assert transport.lag(one) == 0
    transport.resume([zero])
    assert texts(poll_records(transport, 1)) == ["held"]
    assert transport.lag(zero) == 0
    assert transport.lag(TopicPartition(topic, 5)) is None


def test_reading_starts_where_the_listener_says_with_partitions_beyond(
    transport: KafkaTransport,
) -> None:
    topic, table = new_topic(transport), new_topic(transport)
    fill(transport, topic, list("abc"))
    fill(transport, table, list("tuv"))

    class Joining(Listener):
        def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
            assert list(partitions) == [TopicPartition(topic, 0)]
            self.transport.assign({TopicPartition(topic, 0): 2, TopicPartition(table, 0): 1})

    transport.join(f"group-{topic}", [topic], Joining(transport))
    assert sorted(texts(poll_records(transport, 3))) == ["c", "u", "v"]


class Member(Listener):
    """Handles a hundred records a step of what it has read; the rest waits in its backlog."""

    def __init__(self, server: str, group: str, topic: str, handled: list[str]) -> None:
        super().__init__(KafkaTransport(server, {"heartbeat.interval.ms": 200}))
        self.handled = handled
        self.backlog: list[tuple[TopicPartition, int, str]] = []
        self.transport.join(group, [topic], self)

    def step(self) -> None:
        for batch in self.transport.poll(20):
            partition = TopicPartition(batch.topic, batch.partition)
            self.backlog += [
                (partition, offset, text)
                for offset, text in zip(batch.offsets, texts([batch]), strict=True)
            ]
        for partition, offset, text in self.backlog[:100]:
            self.handled.append(text)
            self.positions[partition] = Position(offset + 1)
        del self.backlog[:100]

    def on_revoked(self, partitions: Collection[TopicPartition], *, lost: bool) -> None:
        super().on_revoked(partitions, lost=lost)
        self.backlog.clear()


def test_members_come_and_go_and_every_record_is_handled_once(server: str) -> None:
    """Each member commits what it has handled when its partitions go, and drops what it has not."""
    handled: list[str] = []
    members: list[Member] = []

    def step_until(done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline, [member.diary for member in members]
            for member in members:
                member.step()

    def shares() -> list[int]:
        return sorted(len(member.owned) for member in members)

    with another(server) as producer:
        topic = new_topic(producer, 4)
        for partition in range(4):
            fill(producer, topic, [f"{partition}:{n}" for n in range(3000)], partition)
        try:
            members.append(Member(server, f"group-{topic}", topic, handled))
            step_until(lambda: len(handled) > 500)
            members.append(Member(server, f"group-{topic}", topic, handled))
            step_until(lambda: shares() == [2, 2])
            step_until(lambda: len(handled) > 2000)
            gone = members.pop(0)
            gone.transport.commit(gone.positions)
            gone.transport.close()
            step_until(lambda: shares() == [4])
            step_until(lambda: len(handled) >= 12_000)
        finally:
            for member in members:
                member.transport.close()
    assert sorted(handled) == sorted(f"{p}:{n}" for p in range(4) for n in range(3000))


def test_a_member_that_did_not_poll_in_time_is_fenced(server: str) -> None:
    quick = {"session_timeout_ms": 300, "heartbeat_interval_ms": 50, "max_poll_interval_ms": 300}
    with another(server, **quick) as slow, another(server) as other:
        topic = new_topic(slow)
        fill(slow, topic, list("abc"))
        listener = Listener(slow)
        slow.join(f"group-{topic}", [topic], listener)
        poll_records(slow, 3)
        other.join(f"group-{topic}", [topic], other_listener := Listener(other))
        poll_until(other, lambda: bool(other_listener.owned))
        with pytest.raises(GroupFencedError, match="from the last commit"):
            slow.commit({TopicPartition(topic, 0): Position(3)})
        assert other.committed([TopicPartition(topic, 0)]) == {}
        other.leave()
        poll_until(slow, lambda: len(listener.diary) == 3)
        assert [event for event, _ in listener.diary] == ["assigned", "lost", "assigned"]


def test_an_error_of_the_listener_comes_out_of_poll(transport: KafkaTransport) -> None:
    topic = new_topic(transport)

    class Broken(Listener):
        def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
            raise RuntimeError("the store is gone")

    transport.join(f"group-{topic}", [topic], Broken(transport))
    with pytest.raises(RuntimeError, match="the store is gone"):
        poll_until(transport, lambda: False)


# -- what goes wrong outside


def test_a_subscribed_topic_that_is_not_there(transport: KafkaTransport) -> None:
    transport.join("group-of-nothing", ["topic-that-is-not-there"], Listener(transport))
    with pytest.raises(UnknownTopicError, match="topic-that-is-not-there"):
        poll_until(transport, lambda: False)


def test_an_unreachable_broker_is_named_with_the_reason() -> None:
    partition = TopicPartition("t", 0)
    with closing(KafkaTransport("127.0.0.1:1", request_timeout_ms=300)) as transport:
        transport.join("g", ["t"], Listener(transport))
        requests: list[Callable[[], Any]] = [
            lambda: transport.partition_counts(["t"]),
            lambda: transport.create_topics([TopicSpec("t", 1)]),
            lambda: transport.bounds([partition]),
            lambda: list(transport.read(partition, 0, 1)),
            lambda: transport.committed([partition]),
        ]
        for request in requests:
            with pytest.raises(TransportError, match=r"127\.0\.0\.1:1.*Connection refused"):
                request()


def test_a_refused_login_is_told_at_once(server: str) -> None:
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
    with another(server, **login, sasl_username="u", sasl_password="p") as transport:
        with pytest.raises(TransportError, match=r"check security\.protocol"):
            transport.partition_counts(["t"])
        transport.send(columns_of("t", 0, ["x"]))
        with pytest.raises(TransportError, match=r"check security\.protocol"):
            transport.flush()


@pytest.mark.parametrize(
    "settings", [{"acks.of.somebody": 1}, {"security.protocol": "carrier-pigeon"}]
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        KafkaTransport("127.0.0.1:1", settings)


def test_misuse_is_told(transport: KafkaTransport) -> None:
    with pytest.raises(TransportError, match="join a group first"):
        transport.poll(0)
    topic = new_topic(transport)
    transport.join("group-once", [topic], Listener(transport))
    with pytest.raises(TransportError, match="joined group 'group-once' already"):
        transport.join("group-twice", [topic], Listener(transport))
    transport.close()
    transport.close()


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        (KafkaError.ILLEGAL_GENERATION, GroupFencedError, "from the last commit"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, UnknownTopicError, "create the topic"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, TransportError, "ask for the right"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, TransportError, "check security.protocol"),
        (KafkaError.UNKNOWN, TransportError, "reading t-0 failed on the cluster"),
    ],
)
def test_errors_say_what_to_try(code: int, kind: type[Exception], advice: str) -> None:
    error = ErrorWatch("cluster").translate(KafkaError(code), "reading t-0")
    assert type(error) is kind
    assert advice in str(error)


def test_a_name_for_messages(tmp_path: Path) -> None:
    with closing(KafkaTransport("kafka-1:9092", {"log_level": 0})) as transport:
        assert transport.describe() == "Kafka cluster at kafka-1:9092"
