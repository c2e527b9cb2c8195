"""Group requests over a socket, in their lowest and highest versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from raw_client import RawClient

from aliran.broker.dispatch import RequestContext
from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.handlers import offset_commit, offset_fetch
from aliran.broker.offset_records import OffsetAndMetadata
from aliran.core.error_codes import ErrorCode
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.delete_groups import DeleteGroupsRequest
from aliran.protocol.messages.describe_groups import DescribeGroupsRequest
from aliran.protocol.messages.find_coordinator import FindCoordinatorRequest
from aliran.protocol.messages.heartbeat import HeartbeatRequest
from aliran.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from aliran.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from aliran.protocol.messages.list_groups import ListGroupsRequest
from aliran.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from aliran.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from aliran.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from aliran.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

TOPIC_T = b"\x00\x01" + b"\x00\x00\x00\x01" + b"\x00\x01t" + b"\xff\xff\xff\xff"


@pytest.fixture
def client(server: EmbeddedBroker) -> Iterator[RawClient]:
    """A connection to a broker that has a topic "t" of two partitions."""
    server.broker.topics.create("t", 2)
    with RawClient(server.bootstrap_servers) as connected:
        yield connected


def join(client: RawClient, version: int, member_id: str = "", **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "group_id": "g",
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 20_000 if version else -1,
        "member_id": member_id,
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=TOPIC_T)],
    }
    return client.call(JoinGroupRequest(**{**fields, **changes}), version)


def become_stable(client: RawClient) -> Any:
    """Bring a group "g" of one member to Stable; return its place."""
    member_id = join(client, 9).member_id
    place = join(client, 9, member_id)
    assert place.error_code == ErrorCode.NONE
    assert sync(client, 5, place, b"mine").assignment == b"mine"
    return place


def sync(client: RawClient, version: int, place: Any, assignment: bytes, **changes: Any) -> Any:
    fields: dict[str, Any] = {
        "group_id": "g",
        "generation_id": place.generation_id,
        "member_id": place.member_id,
        "assignments": [
            SyncGroupRequestAssignment(member_id=place.member_id, assignment=assignment)
        ],
    }
    if version >= 5:
        fields |= {"protocol_type": "consumer", "protocol_name": "range"}
    return client.call(SyncGroupRequest(**{**fields, **changes}), version)


def commit(client: RawClient, version: int, *, name: str = "t", **changes: Any) -> list[int]:
    text = changes.pop("metadata", "text")
    partitions = [
        OffsetCommitRequestPartition(
            partition_index=number,
            committed_offset=10 + number,
            committed_leader_epoch=3 if version >= 6 else -1,
            committed_metadata=text,
        )
        for number in (0, 1)
    ]
    topics = [OffsetCommitRequestTopic(name=name, partitions=partitions)]
    response = client.call(
        OffsetCommitRequest(**{"group_id": "g", "topics": topics, **changes}), version
    )
    return [each.error_code for topic in response.topics for each in topic.partitions]


@pytest.mark.parametrize("version", range(6))
def test_the_coordinator_is_this_broker(
    server: EmbeddedBroker, client: RawClient, version: int
) -> None:
    request = (
        FindCoordinatorRequest(key="g")
        if version < 4
        else FindCoordinatorRequest(key_type=0, coordinator_keys=["g", "h"])
    )
    response = client.call(request, version)
    found = [response] if version < 4 else response.coordinators
    assert len(found) == (1 if version < 4 else 2)
    for each in found:
        assert each.error_code == ErrorCode.NONE
        assert (each.node_id, f"{each.host}:{each.port}") == (1, server.bootstrap_servers)
    assert server.broker.topics.get("__consumer_offsets") is not None


def test_other_coordinators_do_not_exist(client: RawClient) -> None:
    response = client.call(FindCoordinatorRequest(key="x", key_type=2), 2)
    assert (response.error_code, response.node_id) == (ErrorCode.INVALID_REQUEST, -1)
    response = client.call(FindCoordinatorRequest(key="x", key_type=1), 2)
    assert response.error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", range(10))
def test_join_in_every_version(client: RawClient, version: int) -> None:
    place = join(client, version)
    if version >= 4:
        assert place.error_code == ErrorCode.MEMBER_ID_REQUIRED
        place = join(client, version, place.member_id)
    assert place.error_code == ErrorCode.NONE
    assert (place.generation_id, place.leader, place.protocol_name) == (
        1,
        place.member_id,
        "range",
    )
    assert place.protocol_type == ("consumer" if version >= 7 else None)
    assert [each.metadata for each in place.members] == [TOPIC_T]
    refused = join(client, version, "stranger")
    assert refused.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert refused.protocol_name == (None if version >= 7 else "")


@pytest.mark.parametrize("version", range(6))
def test_sync_in_every_version(client: RawClient, version: int) -> None:
    member_id = join(client, 9).member_id
    place = join(client, 9, member_id)
    synced = sync(client, version, place, b"part")
    assert (synced.error_code, synced.assignment) == (ErrorCode.NONE, b"part")
    assert synced.protocol_name == ("range" if version >= 5 else None)


def test_sync_v5_must_name_the_protocol(client: RawClient) -> None:
    place = join(client, 9, join(client, 9).member_id)
    for changes in ({"protocol_name": None}, {"protocol_type": "connect"}):
        refused = sync(client, 5, place, b"part", **changes)
        assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


@pytest.mark.parametrize("version", range(5))
def test_heartbeat_in_every_version(client: RawClient, version: int) -> None:
    place = become_stable(client)
    beat = HeartbeatRequest(group_id="g", generation_id=1, member_id=place.member_id)
    assert client.call(beat, version).error_code == ErrorCode.NONE
    beat.generation_id = 2
    assert client.call(beat, version).error_code == ErrorCode.ILLEGAL_GENERATION


@pytest.mark.parametrize("version", range(6))
def test_leave_in_every_version(client: RawClient, version: int) -> None:
    place = become_stable(client)
    if version < 3:
        stranger = client.call(LeaveGroupRequest(group_id="g", member_id="stranger"), version)
        assert stranger.error_code == ErrorCode.UNKNOWN_MEMBER_ID
        left = client.call(LeaveGroupRequest(group_id="g", member_id=place.member_id), version)
        assert left.error_code == ErrorCode.NONE
    else:
        members = [MemberIdentity(member_id=each) for each in (place.member_id, "stranger")]
        left = client.call(LeaveGroupRequest(group_id="g", members=members), version)
        assert left.error_code == ErrorCode.NONE
        errors = [each.error_code for each in left.members]
        assert errors == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]
    described = client.call(DescribeGroupsRequest(groups=["g"]), 5).groups[0]
    assert (described.group_state, described.members) == ("Empty", [])


@pytest.mark.parametrize("version", range(2, 10))
def test_commit_in_every_version(server: EmbeddedBroker, client: RawClient, version: int) -> None:
    assert commit(client, version) == [0, 0]
    found = server.broker.offsets.fetch("g")
    assert [(each.offset, each.metadata) for each in found.values()] == [(10, "text"), (11, "text")]
    assert {each.leader_epoch for each in found.values()} == {3 if version >= 6 else -1}
    assert {each.expire_timestamp for each in found.values()} == {-1}


def test_commits_are_checked(server: EmbeddedBroker, client: RawClient) -> None:
    unknown, too_long = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert commit(client, 9, name="nowhere") == [unknown] * 2
    assert commit(client, 9, metadata="x" * 4097) == [too_long] * 2
    assert commit(client, 9, metadata="ä" * 4096) == [0, 0]
    place = become_stable(client)
    member = {"member_id": place.member_id, "generation_id_or_member_epoch": 1}
    assert commit(client, 9, **member) == [0, 0]
    assert commit(client, 9) == [ErrorCode.UNKNOWN_MEMBER_ID] * 2
    member["generation_id_or_member_epoch"] = 7
    assert commit(client, 9, **member) == [ErrorCode.ILLEGAL_GENERATION] * 2
    assert server.broker.offsets.fetch("g")[TopicPartition("t", 0)].metadata == "text"


def test_old_clients_may_say_how_long_to_keep_offsets(
    server: EmbeddedBroker, client: RawClient
) -> None:
    assert commit(client, 4, retention_time_ms=60_000) == [0, 0]
    value = server.broker.offsets.fetch("g")[TopicPartition("t", 0)]
    assert value.expire_timestamp == value.commit_timestamp + 60_000
    assert commit(client, 4, retention_time_ms=(1 << 63) - 1) == [0, 0]


@pytest.mark.parametrize("version", range(1, 8))
def test_fetch_of_one_group(client: RawClient, version: int) -> None:
    commit(client, 9)
    asked = [OffsetFetchRequestTopic(name="t", partition_indexes=[1, 5])]
    response = client.call(OffsetFetchRequest(group_id="g", topics=asked), version)
    known, missing = response.topics[0].partitions
    assert (known.partition_index, known.committed_offset, known.metadata) == (1, 11, "text")
    assert known.committed_leader_epoch == (3 if version >= 5 else -1)
    assert (missing.committed_offset, missing.metadata, missing.error_code) == (-1, "", 0)
    if version >= 2:
        everything = client.call(OffsetFetchRequest(group_id="g", topics=None), version)
        assert [each.partition_index for each in everything.topics[0].partitions] == [0, 1]


@pytest.mark.parametrize("version", [8, 9])
def test_fetch_of_many_groups(client: RawClient, version: int) -> None:
    commit(client, 9)
    asked = [OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
    groups = [
        OffsetFetchRequestGroup(group_id="g", topics=None),
        OffsetFetchRequestGroup(group_id="g", topics=asked),
        OffsetFetchRequestGroup(group_id="nobody", topics=asked),
        OffsetFetchRequestGroup(group_id="nobody", topics=None),
    ]
    request = OffsetFetchRequest(groups=groups, require_stable=True)
    answers = client.call(request, version).groups
    assert [each.group_id for each in answers] == ["g", "g", "nobody", "nobody"]
    offsets = [[p.committed_offset for t in each.topics for p in t.partitions] for each in answers]
    assert offsets == [[10, 11], [10], [-1], []]


def test_topic_ids_stand_for_names_in_v10(server: EmbeddedBroker) -> None:
    """Version 10 is not advertised yet; the handlers know it."""
    broker = server.broker
    topic = broker.topics.create("t", 2)
    context = RequestContext(broker, ApiKey.OFFSET_COMMIT, 10, 1, "c", "127.0.0.1", "h", 1)
    partitions = [OffsetCommitRequestPartition(partition_index=1, committed_offset=5)]
    named = OffsetCommitRequestTopic(topic_id=topic.topic_id, partitions=partitions)
    unknown = OffsetCommitRequestTopic(topic_id=broker.topics.create("u").topic_id)
    unknown.partitions = partitions
    broker.topics.delete("u")
    committed = offset_commit.handle(
        context, OffsetCommitRequest(group_id="g", topics=[named, unknown])
    )
    errors = [each.partitions[0].error_code for each in committed.topics]
    assert errors == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_ID]
    assert broker.offsets.fetch("g")[TopicPartition("t", 1)].offset == 5
    asked = [
        OffsetFetchRequestTopics(topic_id=each.topic_id, partition_indexes=[1])
        for each in (named, unknown)
    ]
    groups = [OffsetFetchRequestGroup(group_id="g", topics=each) for each in (asked, None)]
    some, everything = offset_fetch.handle(context, OffsetFetchRequest(groups=groups)).groups
    found = [
        (each.partitions[0].committed_offset, each.partitions[0].error_code) for each in some.topics
    ]
    assert found == [(5, ErrorCode.NONE), (-1, ErrorCode.UNKNOWN_TOPIC_ID)]
    assert [each.topic_id for each in everything.topics] == [topic.topic_id]


@pytest.mark.parametrize("version", range(7))
def test_describe_in_every_version(client: RawClient, version: int) -> None:
    place = become_stable(client)
    request = DescribeGroupsRequest(
        groups=["g", "nowhere", ""], include_authorized_operations=version >= 3
    )
    known, missing, nameless = client.call(request, version).groups
    assert (known.error_code, known.group_state) == (ErrorCode.NONE, "Stable")
    assert (known.protocol_type, known.protocol_data) == ("consumer", "range")
    (member,) = known.members
    assert (member.member_id, member.client_id) == (place.member_id, "raw")
    assert member.client_host == "/127.0.0.1"
    assert (member.member_metadata, member.member_assignment) == (TOPIC_T, b"mine")
    assert known.authorized_operations == (1 << 3 | 1 << 6 | 1 << 8 if version >= 3 else -(1 << 31))
    assert missing.group_state == "Dead"
    expected = ErrorCode.GROUP_ID_NOT_FOUND if version >= 6 else ErrorCode.NONE
    assert missing.error_code == expected
    assert nameless.error_code == ErrorCode.INVALID_GROUP_ID


@pytest.mark.parametrize("version", range(6))
def test_list_in_every_version(server: EmbeddedBroker, client: RawClient, version: int) -> None:
    become_stable(client)
    server.broker.offsets.commit("simple", {TopicPartition("t", 0): OffsetAndMetadata(1)})
    listed = client.call(ListGroupsRequest(), version).groups
    assert [(each.group_id, each.protocol_type) for each in listed] == [
        ("g", "consumer"),
        ("simple", ""),
    ]
    if version >= 4:
        some = client.call(ListGroupsRequest(states_filter=["STABLE"]), version).groups
        assert [(each.group_id, each.group_state) for each in some] == [("g", "Stable")]
    if version >= 5:
        assert {each.group_type for each in listed} == {"classic"}
        for types, count in ((["Classic"], 2), (["consumer"], 0)):
            request = ListGroupsRequest(types_filter=types)
            assert len(client.call(request, version).groups) == count


@pytest.mark.parametrize("version", range(3))
def test_delete_in_every_version(server: EmbeddedBroker, client: RawClient, version: int) -> None:
    become_stable(client)
    server.broker.offsets.commit("simple", {TopicPartition("t", 0): OffsetAndMetadata(1)})
    request = DeleteGroupsRequest(groups_names=["g", "simple", "nowhere"])
    results = client.call(request, version).results
    assert [each.error_code for each in results] == [
        ErrorCode.NON_EMPTY_GROUP,
        ErrorCode.NONE,
        ErrorCode.GROUP_ID_NOT_FOUND,
    ]
    assert server.broker.offsets.groups() == ["g"]


def test_single_offsets_are_deleted(server: EmbeddedBroker, client: RawClient) -> None:
    server.broker.topics.create("u", 1)
    place = become_stable(client)
    both = {
        TopicPartition("t", 0): OffsetAndMetadata(1),
        TopicPartition("u", 0): OffsetAndMetadata(2),
    }
    server.broker.offsets.commit("g", both)

    def delete(group: str) -> Any:
        topics = [
            OffsetDeleteRequestTopic(
                name=name, partitions=[OffsetDeleteRequestPartition(partition_index=0)]
            )
            for name in ("t", "u", "nowhere")
        ]
        return client.call(OffsetDeleteRequest(group_id=group, topics=topics), 0)

    assert delete("nowhere").error_code == ErrorCode.GROUP_ID_NOT_FOUND
    answer = delete("g")
    assert [topic.partitions[0].error_code for topic in answer.topics] == [
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert list(server.broker.offsets.fetch("g")) == [TopicPartition("t", 0)]
    client.call(LeaveGroupRequest(group_id="g", member_id=place.member_id), 2)
    assert delete("g").topics[0].partitions[0].error_code == ErrorCode.NONE
    assert server.broker.offsets.fetch("g") == {}


def test_a_stopping_broker_answers_parked_joins(server: EmbeddedBroker, client: RawClient) -> None:
    become_stable(client)
    with RawClient(server.bootstrap_servers) as other:
        member_id = join(other, 9).member_id
        protocols = [JoinGroupRequestProtocol(name="range", metadata=TOPIC_T)]
        parked = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=20_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=protocols,
        )
        other.send(parked, 9)
        # The answer to the other connection's heartbeat shows that the join has arrived.
        beat = HeartbeatRequest(group_id="g", generation_id=1)
        beat.member_id = server.broker.groups.describe("g").members[0].member_id  # type: ignore[union-attr]
        while client.call(beat, 4).error_code != ErrorCode.REBALANCE_IN_PROGRESS:
            pass
        server.close()
        try:
            assert other.receive()[1].error_code == ErrorCode.COORDINATOR_NOT_AVAILABLE
        except EOFError:
            # The connection may be closed before the answer is written.
            assert other.is_closed_by_broker()
