from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.lookups import CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS
from aliran.core.error_codes import ErrorCode
from aliran.protocol.messages.describe_cluster import DescribeClusterRequest
from aliran.protocol.messages.describe_topic_partitions import (
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from aliran.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic


def ask(*names: str, create: bool = True) -> MetadataRequest:
    topics = [MetadataRequestTopic(name=name) for name in names]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=create)


def test_the_broker_names_the_address_it_was_reached_under(
    server: EmbeddedBroker, client: RawClient
) -> None:
    response = client.call(ask(), 9)
    (broker,) = response.brokers
    assert f"{broker.host}:{broker.port}" == server.bootstrap_servers
    assert response.controller_id == broker.node_id == 1
    assert response.cluster_id == server.broker.cluster_id
    assert response.topics == []


def test_advertised_address_wins(tmp_path: Path) -> None:
    config = {"advertised.listeners": "PLAINTEXT://kafka.example:19092"}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        (broker,) = client.call(ask(), 9).brokers
        assert (broker.host, broker.port) == ("kafka.example", 19092)


@pytest.mark.parametrize("version", range(14))
def test_every_version_describes_partitions(
    server: EmbeddedBroker, client: RawClient, version: int
) -> None:
    created = server.broker.topics.create("tweets", 3)
    (topic,) = client.call(ask("tweets"), version).topics
    assert (topic.error_code, topic.name) == (0, "tweets")
    assert [each.partition_index for each in topic.partitions] == [0, 1, 2]
    assert all(each.leader_id == 1 and each.isr_nodes == [1] for each in topic.partitions)
    if version >= 10:
        assert topic.topic_id == created.topic_id


def test_null_means_all_and_empty_means_none_but_in_version_0(
    server: EmbeddedBroker, client: RawClient
) -> None:
    server.broker.topics.create("a")
    server.broker.topics.create("b")
    asked: list[tuple[int, list[MetadataRequestTopic] | None]]
    asked = [(0, []), (1, []), (1, None), (12, None)]
    names = {
        (version, topics is None): [
            each.name for each in client.call(MetadataRequest(topics=topics), version).topics
        ]
        for version, topics in asked
    }
    assert names == {
        (0, False): ["a", "b"],
        (1, False): [],
        (1, True): ["a", "b"],
        (12, True): ["a", "b"],
    }


def test_creates_a_topic_when_both_sides_agree(server: EmbeddedBroker, client: RawClient) -> None:
    (refused,) = client.call(ask("fresh", create=False), 9).topics
    assert refused.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert server.broker.topics.get("fresh") is None
    (created,) = client.call(ask("fresh"), 9).topics
    assert (created.error_code, len(created.partitions)) == (0, 1)
    (illegal,) = client.call(ask("no spaces"), 9).topics
    assert illegal.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[RawClient]:
    config = {"auto.create.topics.enable": "false"}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        yield client


def test_no_topic_is_created_when_the_broker_says_no(strict: RawClient) -> None:
    (topic,) = strict.call(ask("fresh"), 9).topics
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert strict.call(MetadataRequest(topics=None), 9).topics == []


def test_look_up_by_id(server: EmbeddedBroker, client: RawClient) -> None:
    created = server.broker.topics.create("tweets")
    unknown = uuid4()
    topics = [
        MetadataRequestTopic(name=None, topic_id=created.topic_id),
        MetadataRequestTopic(name=None, topic_id=unknown),
    ]
    found, missing = client.call(MetadataRequest(topics=topics), 12).topics
    assert (found.name, found.error_code) == ("tweets", 0)
    assert (missing.topic_id, missing.error_code) == (unknown, ErrorCode.UNKNOWN_TOPIC_ID)


def test_operations_only_when_asked(server: EmbeddedBroker, client: RawClient) -> None:
    server.broker.topics.create("tweets")
    plain = client.call(ask("tweets"), 9)
    assert plain.cluster_authorized_operations == OPERATIONS_NOT_ASKED
    assert plain.topics[0].topic_authorized_operations == OPERATIONS_NOT_ASKED
    request = ask("tweets")
    request.include_cluster_authorized_operations = True
    request.include_topic_authorized_operations = True
    told = client.call(request, 9)
    assert told.cluster_authorized_operations == CLUSTER_OPERATIONS
    assert told.topics[0].topic_authorized_operations == TOPIC_OPERATIONS == 3576


def test_describe_cluster(server: EmbeddedBroker, client: RawClient) -> None:
    response = client.call(DescribeClusterRequest(), 2)
    assert (response.cluster_id, response.controller_id) == (server.broker.cluster_id, 1)
    assert [each.broker_id for each in response.brokers] == [1]
    refused = client.call(DescribeClusterRequest(endpoint_type=2), 1)
    assert refused.error_code == ErrorCode.MISMATCHED_ENDPOINT_TYPE


def test_partitions_come_in_pages(server: EmbeddedBroker, client: RawClient) -> None:
    server.broker.topics.create("a", 3)
    server.broker.topics.create("b", 2)
    pages, cursor = [], None
    while True:
        request = DescribeTopicPartitionsRequest(response_partition_limit=2, cursor=cursor)
        response = client.call(request, 0)
        pages.append([(t.name, p.partition_index) for t in response.topics for p in t.partitions])
        for partition in (each for topic in response.topics for each in topic.partitions):
            # Java's clients end in a NullPointerException when these are null
            assert partition.eligible_leader_replicas == partition.last_known_elr == []
        cursor = response.next_cursor
        if cursor is None:
            break
    assert pages == [[("a", 0), ("a", 1)], [("a", 2), ("b", 0)], [("b", 1)]]


def test_pages_name_unknown_topics(server: EmbeddedBroker, client: RawClient) -> None:
    server.broker.topics.create("a")
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name="z"), TopicRequest(name="a")]
    )
    response = client.call(request, 0)
    assert [(each.name, each.error_code) for each in response.topics] == [
        ("a", 0),
        ("z", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ]
