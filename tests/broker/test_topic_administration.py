from typing import Any
from uuid import uuid4

import pytest
from broker_requests import batch, create_topic, fetch, list_offset, produce
from raw_client import RawClient

from aliran.broker.config_entries import ConfigSource, ResourceType
from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.topic_configs import TOPIC_CONFIGS
from aliran.core.error_codes import ErrorCode
from aliran.core.types import TopicPartition
from aliran.protocol.messages import alter_configs, incremental_alter_configs
from aliran.protocol.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from aliran.protocol.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreateTopicsRequest,
)
from aliran.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from aliran.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from aliran.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from aliran.protocol.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)

E = ErrorCode


def test_create_tells_what_was_made(server: EmbeddedBroker, client: RawClient) -> None:
    result = create_topic(client, "tweets", 3, retention_ms="1000")
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, 3, 1)
    configs = {each.name: (each.value, each.config_source) for each in result.configs}
    assert configs["retention.ms"] == ("1000", ConfigSource.DYNAMIC_TOPIC)
    assert configs["segment.bytes"] == ("1073741824", ConfigSource.DEFAULT)
    topic = server.broker.topics.get("tweets")
    assert topic is not None
    assert topic.topic_id == result.topic_id
    log = server.broker.logs.get(TopicPartition("tweets", 2))
    assert log is not None
    assert log.config.retention_ms == 1000


@pytest.mark.parametrize("version", range(8))
def test_create_in_every_version(client: RawClient, version: int) -> None:
    result = create_topic(client, "tweets", 2, version=version)
    assert (result.name, result.error_code) == ("tweets", 0)
    assert list_offset(client, "tweets", -1, partition=1).offset == 0
    again = create_topic(client, "tweets", 2, version=version)
    assert again.error_code == E.TOPIC_ALREADY_EXISTS


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("", {}, E.INVALID_TOPIC_EXCEPTION),
        (".", {}, E.INVALID_TOPIC_EXCEPTION),
        ("a b", {}, E.INVALID_TOPIC_EXCEPTION),
        ("é", {}, E.INVALID_TOPIC_EXCEPTION),
        ("a/../../b", {}, E.INVALID_TOPIC_EXCEPTION),
        ("x" * 250, {}, E.INVALID_TOPIC_EXCEPTION),
        ("my_topic", {}, E.INVALID_TOPIC_EXCEPTION),
        ("t", {"partitions": 0}, E.INVALID_PARTITIONS),
        ("t", {"partitions": -2}, E.INVALID_PARTITIONS),
        ("t", {"partitions": -1, "version": 3}, E.INVALID_PARTITIONS),
        ("t", {"replication_factor": 3}, E.INVALID_REPLICATION_FACTOR),
        ("t", {"replication_factor": 0}, E.INVALID_REPLICATION_FACTOR),
        ("t", {"replication_factor": -1, "version": 3}, E.INVALID_REPLICATION_FACTOR),
        ("t", {"retention.msec": "1"}, E.INVALID_CONFIG),
        ("t", {"retention.ms": "never"}, E.INVALID_CONFIG),
        ("t", {"segment.index.bytes": "8"}, E.INVALID_CONFIG),
    ],
)
def test_refusals(
    server: EmbeddedBroker, client: RawClient, name: str, settings: dict[str, Any], code: E
) -> None:
    create_topic(client, "my.topic")
    result = create_topic(client, name, **settings)
    assert result.error_code == code
    assert result.error_message
    assert server.broker.topics.names() == ["my.topic"]


def test_defaults_and_validation_only(server: EmbeddedBroker, client: RawClient) -> None:
    result = create_topic(client, "maybe", -1, replication_factor=-1, validate_only=True)
    assert (result.error_code, result.num_partitions) == (0, 1)
    assert server.broker.topics.names() == []
    assert server.broker.logs.get(TopicPartition("maybe", 0)) is None


def test_a_topic_named_twice_is_not_created(server: EmbeddedBroker, client: RawClient) -> None:
    topics = [CreatableTopic(name=n, num_partitions=1, replication_factor=1) for n in "aab"]
    response = client.call(CreateTopicsRequest(topics=topics), 7)
    codes = {each.name: each.error_code for each in response.topics}
    assert codes == {"a": E.INVALID_REQUEST, "b": 0}
    assert server.broker.topics.names() == ["b"]


@pytest.mark.parametrize(
    ("assignments", "partitions", "code"),
    [
        ({0: [1], 1: [1]}, -1, 0),
        ({0: [1], 1: [1]}, 2, E.INVALID_REQUEST),
        ({0: [1], 2: [1]}, -1, E.INVALID_REPLICA_ASSIGNMENT),
        ({0: [7]}, -1, E.INVALID_REPLICA_ASSIGNMENT),
        ({0: [1, 2]}, -1, E.INVALID_REPLICA_ASSIGNMENT),
    ],
)
def test_manual_assignments(
    client: RawClient, assignments: dict[int, list[int]], partitions: int, code: int
) -> None:
    topic = CreatableTopic(
        name="t",
        num_partitions=partitions,
        replication_factor=-1,
        assignments=[
            CreatableReplicaAssignment(partition_index=index, broker_ids=brokers)
            for index, brokers in assignments.items()
        ],
    )
    result = client.call(CreateTopicsRequest(topics=[topic]), 7).topics[0]
    assert result.error_code == code
    assert result.num_partitions == (2 if code == 0 else -1)


@pytest.mark.parametrize("version", range(7))
def test_deleted_topics_are_gone_at_once(
    server: EmbeddedBroker, client: RawClient, version: int
) -> None:
    old = create_topic(client, "tweets")
    produce(client, "tweets", batch("a"))
    request = (
        DeleteTopicsRequest(topics=[DeleteTopicState(name="tweets")])
        if version >= 6
        else DeleteTopicsRequest(topic_names=["tweets"])
    )
    assert client.call(request, version).responses[0].error_code == 0
    assert fetch(client, "tweets", 0).error_code == E.UNKNOWN_TOPIC_OR_PARTITION
    again = client.call(request, version).responses[0]
    assert again.error_code == E.UNKNOWN_TOPIC_OR_PARTITION
    new = create_topic(client, "tweets")
    assert new.error_code == 0
    assert new.topic_id != old.topic_id
    assert list_offset(client, "tweets", -1).offset == 0


def test_delete_by_id(client: RawClient) -> None:
    topic_id = create_topic(client, "tweets").topic_id
    unknown = uuid4()
    request = DeleteTopicsRequest(
        topics=[DeleteTopicState(topic_id=topic_id), DeleteTopicState(topic_id=unknown)]
    )
    deleted, missing = client.call(request, 6).responses
    assert (deleted.name, deleted.error_code) == ("tweets", 0)
    assert (missing.topic_id, missing.error_code) == (unknown, E.UNKNOWN_TOPIC_ID)


def test_partitions_can_be_added(server: EmbeddedBroker, client: RawClient) -> None:
    create_topic(client, "tweets", 2)

    def grow(name: str, count: int, validate_only: bool = False, **more: Any) -> int:
        topics = [CreatePartitionsTopic(name=name, count=count, assignments=None)]
        for each in topics:
            each.assignments = more.get("assignments")
        request = CreatePartitionsRequest(topics=topics, validate_only=validate_only)
        code: int = client.call(request, 3).results[0].error_code
        return code

    assert grow("tweets", 4, validate_only=True) == 0
    assert server.broker.topics.require("tweets").partitions == 2
    assert grow("tweets", 4) == 0
    assert produce(client, "tweets", batch("a"), partition=3).error_code == 0
    assert grow("tweets", 4) == E.INVALID_PARTITIONS
    assert grow("tweets", 1) == E.INVALID_PARTITIONS
    assert grow("nowhere", 4) == E.UNKNOWN_TOPIC_OR_PARTITION
    one = [CreatePartitionsAssignment(broker_ids=[1])]
    assert grow("tweets", 6, assignments=one) == E.INVALID_REPLICA_ASSIGNMENT
    assert grow("tweets", 5, assignments=one) == 0


def describe(
    client: RawClient, kind: int, name: str, version: int = 4, keys: list[str] | None = None
) -> Any:
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=keys
    )
    request = DescribeConfigsRequest(
        resources=[resource], include_synonyms=True, include_documentation=True
    )
    return client.call(request, version).results[0]


def test_every_topic_setting_is_described(client: RawClient) -> None:
    create_topic(client, "tweets", cleanup_policy="compact")
    result = describe(client, ResourceType.TOPIC, "tweets")
    entries = {each.name: each for each in result.configs}
    assert set(entries) == set(TOPIC_CONFIGS)
    policy = entries["cleanup.policy"]
    assert (policy.value, policy.config_source) == ("compact", ConfigSource.DYNAMIC_TOPIC)
    assert [(each.name, each.value, each.source) for each in policy.synonyms] == [
        ("cleanup.policy", "compact", ConfigSource.DYNAMIC_TOPIC),
        ("log.cleanup.policy", "delete", ConfigSource.DEFAULT),
    ]
    assert policy.documentation
    (only,) = describe(client, ResourceType.TOPIC, "tweets", 1, ["segment.ms"]).configs
    assert only.name == "segment.ms"
    (plain,) = describe(client, ResourceType.TOPIC, "tweets", 0, ["segment.ms"]).configs
    assert plain.is_default


def test_broker_settings_are_described(client: RawClient) -> None:
    entries = {each.name: each.value for each in describe(client, ResourceType.BROKER, "1").configs}
    assert entries["num.partitions"] == "1"
    assert entries["log.segment.bytes"] == "1073741824"
    assert describe(client, ResourceType.BROKER, "").configs == []
    assert describe(client, ResourceType.BROKER, "9").error_code == E.INVALID_REQUEST
    assert describe(client, ResourceType.GROUP, "g").error_code == 0
    assert describe(client, 99, "g").error_code == E.INVALID_REQUEST
    unknown = describe(client, ResourceType.TOPIC, "nowhere")
    assert unknown.error_code == E.UNKNOWN_TOPIC_OR_PARTITION


def test_incremental_changes(server: EmbeddedBroker, client: RawClient) -> None:
    create_topic(client, "tweets", retention_ms="1000", segment_ms="500")

    def change(*changes: tuple[str, int, str | None], kind: int = 2, name: str = "tweets") -> int:
        resource = incremental_alter_configs.AlterConfigsResource(
            resource_type=kind,
            resource_name=name,
            configs=[
                incremental_alter_configs.AlterableConfig(
                    name=setting, config_operation=operation, value=value
                )
                for setting, operation, value in changes
            ],
        )
        request = incremental_alter_configs.IncrementalAlterConfigsRequest(resources=[resource])
        code: int = client.call(request, 1).responses[0].error_code
        return code

    configs = {"retention.ms": "1000", "segment.ms": "500"}
    topics = server.broker.topics
    assert change(("retention.ms", 0, "2000"), ("segment.ms", 1, None)) == 0
    assert topics.require("tweets").configs == {"retention.ms": "2000"}
    log = server.broker.logs.get(TopicPartition("tweets", 0))
    assert log is not None
    assert log.config.retention_ms == 2000
    assert change(("cleanup.policy", 2, "compact")) == 0
    assert topics.require("tweets").configs["cleanup.policy"] == "delete,compact"
    assert change(("cleanup.policy", 3, "delete")) == 0
    assert topics.require("tweets").configs["cleanup.policy"] == "compact"
    before = dict(topics.require("tweets").configs)
    assert change(("retention.ms", 0, "5"), ("segment.ms", 0, "x")) == E.INVALID_CONFIG
    assert change(("retention.ms", 2, "5")) == E.INVALID_CONFIG
    assert change(("retention.msec", 0, "5")) == E.INVALID_CONFIG
    assert change(("retention.ms", 0, "5"), ("retention.ms", 0, "6")) == E.INVALID_REQUEST
    assert change(("retention.ms", 0, None)) == E.INVALID_REQUEST
    assert change(("retention.ms", 9, "5")) == E.INVALID_REQUEST
    assert change(("num.partitions", 0, "5"), kind=4, name="1") == E.INVALID_REQUEST
    assert change(("retention.ms", 0, "5"), name="nowhere") == E.UNKNOWN_TOPIC_OR_PARTITION
    assert dict(topics.require("tweets").configs) == before != configs


def test_the_old_way_replaces_everything(server: EmbeddedBroker, client: RawClient) -> None:
    create_topic(client, "tweets", retention_ms="1000", segment_ms="500")
    resource = alter_configs.AlterConfigsResource(
        resource_type=2,
        resource_name="tweets",
        configs=[alter_configs.AlterableConfig(name="flush.ms", value="7")],
    )
    for validate_only in (True, False):
        request = alter_configs.AlterConfigsRequest(
            resources=[resource], validate_only=validate_only
        )
        assert client.call(request, 2).responses[0].error_code == 0
        configs = server.broker.topics.require("tweets").configs
        assert ("flush.ms" in configs) is not validate_only
    assert server.broker.topics.require("tweets").configs == {"flush.ms": "7"}


def test_records_can_be_deleted(client: RawClient) -> None:
    create_topic(client, "tweets")
    create_topic(client, "table", cleanup_policy="compact")
    produce(client, "tweets", batch("a", "b"))
    produce(client, "tweets", batch("c"))

    def delete(name: str, offset: int, partition: int = 0) -> tuple[int, int]:
        asked = DeleteRecordsPartition(partition_index=partition, offset=offset)
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=[asked])])
        answer = client.call(request, 2).topics[0].partitions[0]
        return answer.error_code, answer.low_watermark

    assert delete("tweets", 2) == (0, 2)
    assert list_offset(client, "tweets", -2).offset == 2
    assert fetch(client, "tweets", 1).error_code == E.OFFSET_OUT_OF_RANGE
    assert delete("tweets", 4) == (E.OFFSET_OUT_OF_RANGE, -1)
    assert delete("tweets", -1) == (0, 3)
    assert delete("tweets", 0, partition=5)[0] == E.UNKNOWN_TOPIC_OR_PARTITION
    assert delete("table", -1)[0] == E.POLICY_VIOLATION


def test_log_directories(server: EmbeddedBroker, client: RawClient) -> None:
    create_topic(client, "tweets", 2)
    records = batch("a")
    produce(client, "tweets", records, partition=1)
    (everything,) = client.call(DescribeLogDirsRequest(topics=None), 4).results
    sizes = {
        (topic.name, each.partition_index): each.partition_size
        for topic in everything.topics
        for each in topic.partitions
    }
    assert sizes == {("tweets", 0): 0, ("tweets", 1): len(records)}
    assert everything.log_dir.endswith("data")
    assert everything.total_bytes > everything.usable_bytes > 0
    asked = [DescribableLogDirTopic(topic="tweets", partitions=[0])]
    (some,) = client.call(DescribeLogDirsRequest(topics=asked), 1).results
    assert [each.partition_index for each in some.topics[0].partitions] == [0]
