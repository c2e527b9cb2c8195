"""Assignors, static members and members that leave, for each client library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiokafka
import confluent_kafka
import kafka
import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor as AioRange
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor as AioRoundRobin
from aiokafka.coordinator.assignors.sticky.sticky_assignor import (
    StickyPartitionAssignor as AioSticky,
)
from broker_process import BrokerProcess
from broker_requests import batch, produce
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from raw_client import RawClient

from aliran.protocol.messages.describe_groups import DescribeGroupsRequest

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("membership")]

PARTITIONS = 6
PATIENCE_S = 30
ALL = set(range(PARTITIONS))
OF_KAFKA_PYTHON = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
OF_AIOKAFKA = {"range": AioRange, "roundrobin": AioRoundRobin, "sticky": AioSticky}


@pytest.fixture
def topic(server: BrokerProcess, name: str) -> str:
    """A topic with one record a partition, so that polls end."""
    server.create_topic(name, PARTITIONS)
    with RawClient(server.address) as client:
        for partition in range(PARTITIONS):
            records = batch("tweet", timestamp=int(time.time() * 1000))
            produce(client, name, records, partition=partition)
    return name


def describe(server: BrokerProcess, group: str) -> Any:
    """The group as the broker describes it: its protocol, and member ids by instance id."""
    with RawClient(server.address) as client:
        return client.call(DescribeGroupsRequest(groups=[group]), 5).groups[0]


def wait_until(condition: Callable[[], bool], work: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        work()


class Confluent:
    """A member that is confluent-kafka."""

    def __init__(self, address: str, topic: str, strategy: str, instance: str | None) -> None:
        settings: dict[str, str | int] = {
            "bootstrap.servers": address,
            "group.id": topic,
            "partition.assignment.strategy": strategy,
            "heartbeat.interval.ms": 100,
        }
        if instance is not None:
            settings["group.instance.id"] = instance
        self._consumer = confluent_kafka.Consumer(settings)
        self._consumer.subscribe([topic])

    def work(self) -> None:
        self._consumer.poll(0.05)

    def partitions(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def close(self) -> None:
        self._consumer.close()


class KafkaPython:
    """A member that is kafka-python."""

    def __init__(self, address: str, topic: str, strategy: str, instance: str | None) -> None:
        self._consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=address,
            group_id=topic,
            group_instance_id=instance,
            partition_assignment_strategy=[OF_KAFKA_PYTHON[strategy]],
            heartbeat_interval_ms=100,
            fetch_max_wait_ms=100,
        )

    def work(self) -> None:
        self._consumer.poll(1_000)

    def partitions(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def close(self) -> None:
        self._consumer.close()


class Aiokafka:
    """A member that is aiokafka, on a loop that runs only while it works."""

    def __init__(self, address: str, topic: str, strategy: str, instance: str | None) -> None:
        self._loop = asyncio.new_event_loop()

        async def start() -> aiokafka.AIOKafkaConsumer:
            consumer = aiokafka.AIOKafkaConsumer(
                topic,
                bootstrap_servers=address,
                group_id=topic,
                group_instance_id=instance,
                partition_assignment_strategy=[OF_AIOKAFKA[strategy]],
                heartbeat_interval_ms=100,
            )
            starting = asyncio.ensure_future(consumer.start())
            self._starting = starting
            return consumer

        self._consumer = self._loop.run_until_complete(start())

    def work(self) -> None:
        self._loop.run_until_complete(asyncio.sleep(0.05))

    def partitions(self) -> set[int]:
        return {each.partition for each in self._consumer.assignment()}

    def close(self) -> None:
        self._loop.run_until_complete(self._starting)
        self._loop.run_until_complete(self._consumer.stop())
        self._loop.close()


Member = Confluent | KafkaPython | Aiokafka
Join = Callable[..., Member]


@pytest.fixture
def join(server: BrokerProcess, topic: str) -> Iterator[Join]:
    """Makes members; those still there at the end are closed."""
    made: list[Member] = []

    def make(kind: type[Member], strategy: str, instance: str | None = None) -> Member:
        made.append(kind(server.address, topic, strategy, instance))
        return made[-1]

    yield make
    for each in made:
        each.close()


def share(*members: Member) -> None:
    """Let members work until they share all partitions evenly."""

    def evenly() -> bool:
        parts = [each.partitions() for each in members]
        return {len(part) for part in parts} == {PARTITIONS // len(parts)} and (
            set().union(*parts) == ALL
        )

    def work() -> None:
        for each in members:
            each.work()

    wait_until(evenly, work)


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [
        *((Confluent, each) for each in ("range", "roundrobin", "cooperative-sticky")),
        *((Aiokafka, each) for each in OF_AIOKAFKA),
    ],
)
def test_members_share_by_each_assignor(
    server: BrokerProcess, topic: str, join: Join, kind: type[Member], strategy: str
) -> None:
    first = join(kind, strategy)
    second = join(kind, strategy)
    share(first, second)
    assert describe(server, topic).protocol_data == strategy
    third = join(kind, strategy)
    share(first, second, third)


@pytest.mark.parametrize("strategy", OF_KAFKA_PYTHON)
def test_kafka_python_knows_each_assignor(
    server: BrokerProcess, topic: str, join: Join, strategy: str
) -> None:
    share(join(KafkaPython, strategy))
    assert describe(server, topic).protocol_data == strategy


@pytest.mark.parametrize("kind", [Confluent, KafkaPython, Aiokafka])
def test_a_static_member_comes_back_to_its_partitions(
    server: BrokerProcess, topic: str, join: Join, kind: type[Member]
) -> None:
    other = join(Confluent, "range", "other")
    share(other)
    mine = kind(server.address, topic, "range", "mine")
    try:
        share(other, mine)
        held = mine.partitions()
    finally:
        mine.close()
    before = {each.group_instance_id: each.member_id for each in describe(server, topic).members}
    assert set(before) == {"mine", "other"}, "a static member that closes stays in the group"
    again = join(kind, "range", "mine")
    share(other, again)
    assert again.partitions() == held
    after = {each.group_instance_id: each.member_id for each in describe(server, topic).members}
    assert after["other"] == before["other"]
    assert after["mine"] != before["mine"]
