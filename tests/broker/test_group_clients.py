"""Consumer groups of confluent-kafka: rebalances, deaths, restarts, administration."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, ConsumerGroupState, ConsumerGroupTopicPartitions
from confluent_kafka import TopicPartition as ConfluentPartition
from confluent_kafka.admin import AdminClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.offsets import OffsetAndMetadata
from aliran.core.types import TopicPartition

PATIENCE_S = 15
CONFIG = {"group.min.session.timeout.ms": 500}

pytestmark = pytest.mark.compat

MEMBER_PROGRAM = """
import sys
from confluent_kafka import Consumer

address, name = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": address, "group.id": "g", "session.timeout.ms": 1000,
    "heartbeat.interval.ms": 100, "client.id": name,
})
consumer.subscribe(["t"])
while True:
    consumer.poll(0.05)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "data", config=CONFIG) as running:
        running.broker.topics.create("t", 6)
        yield running


@contextmanager
def consumer(address: str, **changes: Any) -> Iterator[Consumer]:
    settings = {
        "bootstrap.servers": address,
        "group.id": "g",
        "session.timeout.ms": 1_000,
        "heartbeat.interval.ms": 100,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "log_level": 0,
        **{name.replace("_", "."): value for name, value in changes.items()},
    }
    made = Consumer(settings)
    try:
        made.subscribe(["t"])
        yield made
    finally:
        made.close()


def poll_until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        for each in consumers:
            each.poll(0.02)
        if not consumers:
            time.sleep(0.02)


def partitions(of: Consumer) -> set[int]:
    return {each.partition for each in of.assignment()}


def shared(*consumers: Consumer) -> bool:
    """Say whether the consumers share all six partitions evenly."""
    parts = [partitions(each) for each in consumers]
    even = {len(part) for part in parts} == {6 // len(parts)}
    return even and set().union(*parts) == set(range(6))


def generation(broker: EmbeddedBroker) -> int:
    return broker.broker.offsets.saved_groups()["g"].generation


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_members_share_come_and_go(broker: EmbeddedBroker, strategy: str) -> None:
    address = broker.bootstrap_servers
    options = {"partition_assignment_strategy": strategy}
    with consumer(address, **options) as first, consumer(address, **options) as second:
        poll_until(lambda: shared(first, second), first, second)
        with consumer(address, **options) as third:
            poll_until(lambda: shared(first, second, third), first, second, third)
            offset = [ConfluentPartition("t", number, 7) for number in partitions(third)]
            third.commit(offsets=offset, asynchronous=False)
        poll_until(lambda: shared(first, second), first, second)
    assert {each.offset for each in broker.broker.offsets.fetch("g").values()} == {7}


@pytest.mark.parametrize("survivors", [1, 2])
def test_others_take_over_from_a_member_that_is_killed(
    broker: EmbeddedBroker, survivors: int
) -> None:
    address = broker.bootstrap_servers
    command = [sys.executable, "-c", MEMBER_PROGRAM, address, "victim"]
    with consumer(address) as first, consumer(address) as second:
        living = [first, second][:survivors]
        if survivors == 1:
            second.close()
        victim = subprocess.Popen(command)
        try:

            def victim_is_in() -> bool:
                held = set().union(*(partitions(each) for each in living))
                return len(held) == 6 - 6 // (survivors + 1)

            poll_until(victim_is_in, *living)
        finally:
            victim.kill()
            victim.wait()
        poll_until(lambda: shared(*living), *living)


def test_a_static_member_restarts_without_a_rebalance(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap_servers
    patient = {"session_timeout_ms": 10_000}
    with (
        consumer(address, group_instance_id="a", **patient) as first,
        consumer(address, **patient) as other,
    ):
        poll_until(lambda: shared(first, other), first, other)
        mine, before = partitions(first), generation(broker)
        first.close()
        with consumer(address, group_instance_id="a", **patient) as again:
            poll_until(lambda: partitions(again) == mine, again, other)
            assert generation(broker) == before
            assert shared(again, other)


def test_a_second_owner_of_an_instance_id_fences_the_first(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap_servers
    with consumer(address, group_instance_id="a") as first:
        poll_until(lambda: shared(first), first)
        with consumer(address, group_instance_id="a") as second:
            poll_until(lambda: shared(second), second)
            errors: list[str] = []

            def is_fenced() -> bool:
                message = first.poll(0.05)
                error = message.error() if message is not None else None
                if error is not None:
                    errors.append(error.name())
                return bool(errors)

            poll_until(is_fenced, second)
            assert errors == ["_FATAL"]


def test_a_broker_restart_costs_neither_offsets_nor_a_rebalance(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "data", config=CONFIG) as broker:
        broker.broker.topics.create("t", 6)
        address = broker.bootstrap_servers
        with (
            consumer(address, session_timeout_ms=10_000) as first,
            consumer(address, session_timeout_ms=10_000) as second,
        ):
            poll_until(lambda: shared(first, second), first, second)
            mine, before = partitions(first), generation(broker)
            first.commit(offsets=[ConfluentPartition("t", 0, 5, "note")], asynchronous=False)
            broker.close()
            with EmbeddedBroker(tmp_path / "data", listen=address, config=CONFIG) as again:

                def knows_both() -> bool:
                    first.poll(0.02)
                    found = first.committed([ConfluentPartition("t", 0)], timeout=5)
                    return bool(found[0].offset == 5 and found[0].metadata == "note")

                poll_until(knows_both, first, second)
                first.commit(offsets=[ConfluentPartition("t", 0, 6)], asynchronous=False)
                second.commit(offsets=[ConfluentPartition("t", 1, 6)], asynchronous=False)
                assert partitions(first) == mine
                assert shared(first, second)
                assert generation(again) == before


def test_administrators_list_describe_and_delete(broker: EmbeddedBroker) -> None:
    address = broker.bootstrap_servers
    admin = AdminClient({"bootstrap.servers": address})
    place = {TopicPartition("t", 0): OffsetAndMetadata(4)}
    broker.broker.offsets.commit("simple", place)
    with consumer(address, client_id="me") as member:
        poll_until(lambda: shared(member), member)
        listed = admin.list_consumer_groups().result()
        assert {each.group_id: each.state for each in listed.valid} == {
            "g": ConsumerGroupState.STABLE,
            "simple": ConsumerGroupState.EMPTY,
        }
        described = admin.describe_consumer_groups(["g"])["g"].result()
        assert described.state is ConsumerGroupState.STABLE
        assert described.partition_assignor == "range"
        (found,) = described.members
        assert (found.client_id, found.host) == ("me", "/127.0.0.1")
        assert {each.partition for each in found.assignment.topic_partitions} == set(range(6))
        with pytest.raises(Exception, match="NON_EMPTY_GROUP"):
            admin.delete_consumer_groups(["g"])["g"].result()
    asked = ConsumerGroupTopicPartitions("simple")
    offsets = admin.list_consumer_group_offsets([asked])["simple"].result()
    assert [(each.partition, each.offset) for each in offsets.topic_partitions] == [(0, 4)]
    changed = ConsumerGroupTopicPartitions("simple", [ConfluentPartition("t", 0, 9)])
    admin.alter_consumer_group_offsets([changed])["simple"].result()
    assert broker.broker.offsets.fetch("simple")[TopicPartition("t", 0)].offset == 9
    for future in admin.delete_consumer_groups(["g", "simple"]).values():
        future.result()
    assert broker.broker.offsets.groups() == []
