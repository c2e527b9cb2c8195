"""Topics, partitions, settings and groups through the admin client of each library, and kcat."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import aiokafka
import aiokafka.admin
import confluent_kafka
import kafka
import pytest
from aiokafka.admin.config_resource import ConfigResource as AioResource
from aiokafka.admin.config_resource import ConfigResourceType as AioResourceType
from broker_process import BrokerProcess
from broker_requests import batch, produce
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
)
from kafka.admin import ConfigResource as PythonResource
from kafka.admin import ConfigResourceType as PythonResourceType
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError
from raw_client import RawClient

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("admin")]

RETENTION = "86400000"
EARLIEST = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST = OffsetSpec.latest()  # type: ignore[no-untyped-call]


def fill(server: BrokerProcess, topic: str, count: int) -> None:
    """Write `count` records to partition 0."""
    with RawClient(server.address) as client:
        for _ in range(count):
            records = batch("tweet", timestamp=int(time.time() * 1000))
            assert produce(client, topic, records).error_code == 0


class TestConfluent:
    @pytest.fixture
    def admin(self, server: BrokerProcess) -> AdminClient:
        return AdminClient({"bootstrap.servers": server.address})

    def test_topics(self, admin: AdminClient, name: str) -> None:
        new = NewTopic(name, 3, config={"retention.ms": RETENTION})
        admin.create_topics([new])[name].result(10)
        with pytest.raises(confluent_kafka.KafkaException) as caught:
            admin.create_topics([new])[name].result(10)
        assert caught.value.args[0].code() == confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS
        admin.create_partitions([NewPartitions(name, 5)])[name].result(10)
        found = admin.list_topics(name, timeout=10).topics[name]
        assert sorted(found.partitions) == [0, 1, 2, 3, 4]
        assert {each.leader for each in found.partitions.values()} == {1}
        admin.delete_topics([name])[name].result(10)
        assert name not in admin.list_topics(timeout=10).topics

    def test_settings(self, server: BrokerProcess, admin: AdminClient, name: str) -> None:
        server.create_topic(name, 1, cleanup_policy="compact")

        def read() -> dict[str, ConfigEntry]:
            resource = ConfigResource(ConfigResource.Type.TOPIC, name)
            entries: dict[str, ConfigEntry] = admin.describe_configs([resource])[resource].result(
                10
            )
            return entries

        assert read()["cleanup.policy"].value == "compact"
        entry = ConfigEntry("retention.ms", RETENTION, incremental_operation=AlterConfigOpType.SET)
        change = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
        admin.incremental_alter_configs([change])[change].result(10)
        after = read()
        assert (after["retention.ms"].value, after["retention.ms"].is_default) == (RETENTION, False)
        assert after["cleanup.policy"].value == "compact"

    def test_cluster_offsets_and_deleted_records(
        self, server: BrokerProcess, admin: AdminClient, name: str
    ) -> None:
        cluster = admin.describe_cluster().result(10)
        assert [f"{each.host}:{each.port}" for each in cluster.nodes] == [server.address]
        fill(server, server.create_topic(name), 5)
        partition = confluent_kafka.TopicPartition(name, 0)
        deleted = admin.delete_records([confluent_kafka.TopicPartition(name, 0, 2)])
        assert deleted[partition].result(10).low_watermark == 2
        for spec, offset in ((EARLIEST, 2), (LATEST, 5)):
            assert admin.list_offsets({partition: spec})[partition].result(10).offset == offset

    def test_groups(self, server: BrokerProcess, admin: AdminClient, name: str) -> None:
        server.create_topic(name, 2)
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": server.address, "group.id": name, "client.id": "reader"}
        )
        try:
            consumer.subscribe([name])
            while not consumer.assignment():
                consumer.poll(0.05)
            consumer.commit(
                offsets=[confluent_kafka.TopicPartition(name, 1, 7)], asynchronous=False
            )
            group = admin.describe_consumer_groups([name])[name].result(10)
            assert group.state == confluent_kafka.ConsumerGroupState.STABLE
            (member,) = group.members
            assert member.client_id == "reader"
            places = {(each.topic, each.partition) for each in member.assignment.topic_partitions}
            assert places == {(name, 0), (name, 1)}
        finally:
            consumer.close()
        listed = admin.list_consumer_groups().result(10).valid
        assert name in {each.group_id for each in listed}
        asked = [confluent_kafka.ConsumerGroupTopicPartitions(name)]
        offsets = admin.list_consumer_group_offsets(asked)[name].result(10).topic_partitions
        assert [(each.topic, each.partition, each.offset) for each in offsets] == [(name, 1, 7)]
        moved = confluent_kafka.ConsumerGroupTopicPartitions(
            name, [confluent_kafka.TopicPartition(name, 1, 3)]
        )
        admin.alter_consumer_group_offsets([moved])[name].result(10)
        offsets = admin.list_consumer_group_offsets(asked)[name].result(10).topic_partitions
        assert [each.offset for each in offsets] == [3]
        admin.delete_consumer_groups([name])[name].result(10)
        listed = admin.list_consumer_groups().result(10).valid
        assert name not in {each.group_id for each in listed}


class TestKafkaPython:
    @pytest.fixture
    def admin(self, server: BrokerProcess) -> Iterator[Any]:
        client = kafka.KafkaAdminClient(bootstrap_servers=server.address)
        yield client
        client.close()

    def test_topics(self, admin: Any, name: str) -> None:
        new = {name: {"num_partitions": 3, "configs": {"retention.ms": RETENTION}}}
        admin.create_topics(new)
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics(new)
        admin.create_partitions({name: 5})
        (found,) = admin.describe_topics([name])
        assert [each["partition_index"] for each in found["partitions"]] == [0, 1, 2, 3, 4]
        (page,) = admin.describe_topic_partitions([name], response_partition_limit=2)["topics"]
        assert [each["partition_index"] for each in page["partitions"]] == [0, 1]
        assert name in admin.list_topics()
        admin.delete_topics([name])
        assert name not in admin.list_topics()
        with pytest.raises(UnknownTopicOrPartitionError):
            admin.delete_topics([name])

    def test_settings(self, server: BrokerProcess, admin: Any, name: str) -> None:
        server.create_topic(name, 1, cleanup_policy="compact")

        def read() -> dict[str, str]:
            resource = PythonResource(PythonResourceType.TOPIC, name)
            entries = admin.describe_configs([resource])["topic"][name]
            return {key: entry["value"] for key, entry in entries.items()}

        def change(value: str | None) -> PythonResource:
            return PythonResource(PythonResourceType.TOPIC, name, {"retention.ms": value})

        assert read() == {"cleanup.policy": "compact"}
        admin.alter_configs([change(RETENTION)])
        assert read() == {"cleanup.policy": "compact", "retention.ms": RETENTION}
        admin.reset_configs([change(None)])
        assert read() == {"cleanup.policy": "compact"}

    def test_cluster_offsets_and_deleted_records(
        self, server: BrokerProcess, admin: Any, name: str
    ) -> None:
        (broker,) = admin.describe_cluster()["brokers"]
        assert f"{broker['host']}:{broker['port']}" == server.address
        fill(server, server.create_topic(name), 5)
        partition = kafka.TopicPartition(name, 0)
        assert admin.delete_records({partition: 2})[partition]["low_watermark"] == 2
        for timestamp, offset in ((-2, 2), (-1, 5)):
            assert admin.list_partition_offsets({partition: timestamp})[partition].offset == offset
        (directory,) = admin.describe_log_dirs()[0]["log_dirs"]
        sizes = {
            each["name"]: each["partitions"][0]["partition_size"] for each in directory["topics"]
        }
        assert sizes[name] > 0

    def test_groups(self, server: BrokerProcess, admin: Any, name: str) -> None:
        fill(server, server.create_topic(name, 2), 1)
        consumer = kafka.KafkaConsumer(
            name,
            bootstrap_servers=server.address,
            group_id=name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            assert consumer.poll(10_000)  # long, see group_member.py
            one = kafka.TopicPartition(name, 1)
            consumer.commit({one: kafka.OffsetAndMetadata(7, "note", -1)})
            group = admin.describe_groups([name])[name]
            assert group["group_state"] == "Stable"
            (member,) = group["members"]
            assert member["member_assignment"]["assigned_partitions"] == [
                {"topic": name, "partitions": [0, 1]}
            ]
            assert admin.delete_groups([name]) == {name: "NonEmptyGroupError"}
        finally:
            consumer.close()
        states = {each["group_id"]: each["group_state"] for each in admin.list_groups()}
        assert states[name] == "Empty"
        committed = admin.list_group_offsets({name: None})[name]
        assert committed == {one: kafka.OffsetAndMetadata(7, "note", -1)}
        assert admin.delete_groups([name]) == {name: "OK"}
        assert name not in {each["group_id"] for each in admin.list_groups()}


class TestAiokafka:
    def test_topics(self, server: BrokerProcess, name: str) -> None:
        async def run(admin: Any) -> None:
            new = aiokafka.admin.NewTopic(name, 3, 1, topic_configs={"retention.ms": RETENTION})
            assert errors_of(await admin.create_topics([new])) == [(name, 0)]
            assert errors_of(await admin.create_topics([new])) == [(name, 36)]
            more = await admin.create_partitions({name: aiokafka.admin.NewPartitions(5)})
            assert errors_of(more) == [(name, 0)]
            (found,) = await admin.describe_topics([name])
            assert [each["partition"] for each in found["partitions"]] == [0, 1, 2, 3, 4]
            await admin.delete_topics([name])
            assert name not in await admin.list_topics()

        asyncio.run(with_aiokafka(server, run))

    def test_settings(self, server: BrokerProcess, name: str) -> None:
        server.create_topic(name)

        async def run(admin: Any) -> None:
            change = AioResource(AioResourceType.TOPIC, name, {"retention.ms": RETENTION})
            (answer,) = await admin.alter_configs([change])
            assert answer.resources[0][0] == 0
            (answer,) = await admin.describe_configs([change])
            ((*_, entries),) = answer.resources
            assert [entry[:2] for entry in entries] == [("retention.ms", RETENTION)]

        asyncio.run(with_aiokafka(server, run))

    def test_groups_and_deleted_records(self, server: BrokerProcess, name: str) -> None:
        fill(server, server.create_topic(name, 2), 5)
        zero = aiokafka.TopicPartition(name, 0)

        async def run(admin: Any) -> None:
            consumer = aiokafka.AIOKafkaConsumer(
                name, bootstrap_servers=server.address, group_id=name, enable_auto_commit=False
            )
            await consumer.start()
            try:
                await consumer.commit({zero: (4, "note")})
                (answer,) = await admin.describe_consumer_groups([name])
                ((error, group, state, *_),) = answer.groups
                assert (error, group, state) == (0, name, "Stable")
            finally:
                await consumer.stop()
            assert (name, "consumer") in await admin.list_consumer_groups()
            committed = await admin.list_consumer_group_offsets(name)
            assert committed == {zero: aiokafka.structs.OffsetAndMetadata(4, "note")}
            asked = {zero: aiokafka.admin.RecordsToDelete(2)}
            assert await admin.delete_records(asked) == {zero: 2}

        asyncio.run(with_aiokafka(server, run))


async def with_aiokafka(server: BrokerProcess, run: Any) -> None:
    admin = aiokafka.admin.AIOKafkaAdminClient(bootstrap_servers=server.address)
    await admin.start()
    try:
        await run(admin)
    finally:
        await admin.close()


def errors_of(answer: Any) -> list[tuple[str, int]]:
    """The topics and error codes of an answer of aiokafka."""
    return [(topic, error) for topic, error, _ in answer.topic_errors]


class TestKcat:
    def test_metadata(self, server: BrokerProcess, name: str, kcat: str) -> None:
        server.create_topic(name, 3)
        words = [kcat, "-L", "-J", "-b", server.address, "-t", name]
        output = subprocess.run(words, capture_output=True, check=True, timeout=20)
        found = json.loads(output.stdout)
        assert found["brokers"] == [{"id": 1, "name": server.address}]
        (topic,) = found["topics"]
        assert topic["topic"] == name
        assert [each["partition"] for each in topic["partitions"]] == [0, 1, 2]
        assert {each["leader"] for each in topic["partitions"]} == {1}

    def test_offsets_by_time(self, server: BrokerProcess, name: str, kcat: str) -> None:
        server.create_topic(name, retention_ms="-1")
        with RawClient(server.address) as client:
            produce(client, name, batch("a", "b", "c", timestamp=5_000))
        asked = [word for time in (5_001, 9_000) for word in ("-t", f"{name}:0:{time}")]
        answers = [
            subprocess.run(
                [kcat, "-Q", "-b", server.address, *asked[at : at + 2]],
                capture_output=True,
                check=True,
                text=True,
                timeout=20,
            ).stdout.strip()
            for at in (0, 2)
        ]
        assert answers == [f"{name} [0] offset 1", f"{name} [0] offset -1"]
