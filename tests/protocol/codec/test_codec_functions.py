from __future__ import annotations

import struct
import subprocess
import sys
from uuid import UUID

import pytest

from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.codec import (
    RequestHeader,
    api_versions,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from aliran.protocol.errors import ProtocolError
from aliran.protocol.messages import INDEX
from aliran.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from aliran.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from aliran.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchResponse,
    LeaderIdAndEpoch,
    PartitionData,
)
from aliran.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from aliran.protocol.messages.metadata import MetadataRequest, MetadataResponse
from aliran.protocol.messages.offset_fetch import OffsetFetchResponse
from aliran.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)


def produce(records: bytes) -> ProduceRequest:
    partition = PartitionProduceData(index=3, records=records)
    topic = TopicProduceData(name="t", partition_data=[partition])
    return ProduceRequest(acks=-1, timeout_ms=1500, topic_data=[topic])


def test_a_heartbeat_has_the_bytes_kafka_documents() -> None:
    request = HeartbeatRequest(group_id="g", generation_id=7, member_id="m1")
    old = b"".join(encode_request(0, 5, "me", request))
    assert old.hex(" ") == (
        "00 0c 00 00 00 00 00 05 00 02 6d 65"  # key, version, correlation id, client id
        " 00 01 67 00 00 00 07 00 02 6d 31"
    )
    flexible = b"".join(encode_request(4, 5, "me", request))
    assert flexible.hex(" ") == (
        "00 0c 00 04 00 00 00 05 00 02 6d 65 00"  # the client id keeps its old form, then no tags
        " 02 67 00 00 00 07 03 6d 31 00 00"
    )


def test_headers_of_responses() -> None:
    body = HeartbeatResponse(throttle_time_ms=1, error_code=ErrorCode.REBALANCE_IN_PROGRESS)
    assert b"".join(encode_response((12, 0, 9), body)).hex(" ") == "00 00 00 09 00 1b"
    flexible = b"".join(encode_response(RequestHeader(12, 4, 9), body))
    assert flexible.hex(" ") == "00 00 00 09 00 00 00 00 01 00 1b 00"


def test_the_header_of_an_api_versions_response_never_has_tags() -> None:
    body = ApiVersionsResponse(api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)])
    frame = b"".join(encode_response((18, 3, 1), body))
    assert frame[:7].hex(" ") == "00 00 00 01 00 00 02"


def test_an_api_versions_error_is_read_as_version_0_whatever_was_asked_for() -> None:
    body = ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)],
    )
    frame = b"".join(encode_response((18, 0, 1), body))
    assert decode_response(18, 4, frame, strict=True) == (1, body)


@pytest.mark.parametrize("version", [3, 9])
def test_large_record_sets_are_not_copied(version: int) -> None:
    records = bytes(100_000)
    chunks = encode_request(version, 1, None, produce(records))
    assert any(chunk is records for chunk in chunks)
    assert len(chunks) == 3 - (version == 3)

    frame = b"".join(chunks)
    _, body = decode_request(frame)
    assert isinstance(body, ProduceRequest)
    read = body.topic_data[0].partition_data[0].records
    assert isinstance(read, memoryview)
    assert read.obj is frame
    assert read == records


def test_small_record_sets_travel_with_the_rest() -> None:
    assert len(encode_request(9, 1, None, produce(bytes(100)))) == 1


def test_record_sets_may_be_any_kind_of_bytes() -> None:
    records = bytearray(b"x" * 5000)
    frames = {
        b"".join(encode_request(9, 1, None, produce(kind)))  # type: ignore[arg-type]
        for kind in (records, bytes(records), memoryview(records))
    }
    assert len(frames) == 1


def test_tagged_structs_are_sent_only_when_given() -> None:
    def size(leader: LeaderIdAndEpoch | None) -> int:
        partition = PartitionData(partition_index=1, current_leader=leader)
        body = FetchResponse(responses=[FetchableTopicResponse(partitions=[partition])])
        return len(b"".join(encode_response((1, 16, 1), body)))

    assert size(LeaderIdAndEpoch(leader_id=1, leader_epoch=4)) == size(None) + 2 + 9


def test_fields_that_the_version_lacks_are_left_out() -> None:
    body = MetadataRequest(topics=None, allow_auto_topic_creation=False)
    _, read = decode_request(b"".join(encode_request(1, 1, None, body)), strict=True)
    assert read == MetadataRequest(topics=None, allow_auto_topic_creation=True)


def test_defaults_are_kafkas() -> None:
    assert MetadataRequest().allow_auto_topic_creation is True
    assert CreateTopicsRequest().timeout_ms == 60_000
    assert MetadataResponse().cluster_authorized_operations == -(2**31)
    assert TopicProduceData().topic_id == UUID(int=0)
    assert OffsetFetchResponse().groups == []


def test_every_object_has_lists_of_its_own() -> None:
    first, second = MetadataResponse(), MetadataResponse()
    first.topics.append("something")  # type: ignore[arg-type]
    assert second.topics == []


def test_messages_compare_and_print() -> None:
    assert HeartbeatResponse(error_code=3) == HeartbeatResponse(error_code=3)
    assert HeartbeatResponse(error_code=3) != HeartbeatResponse()
    assert HeartbeatResponse() != HeartbeatRequest()
    assert repr(HeartbeatResponse(error_code=3)) == (
        "HeartbeatResponse(throttle_time_ms=0, error_code=3)"
    )
    assert "<5000 bytes>" in repr(produce(bytes(5000)))


@pytest.mark.parametrize(
    ("body", "version", "words"),
    [
        (HeartbeatRequest(group_id=None), 0, "group_id is None"),  # type: ignore[arg-type]
        (HeartbeatRequest(generation_id=2**31), 4, "generation_id is 2147483648"),
        (HeartbeatRequest(member_id="m" * 40_000), 0, "does not fit string"),
        (HeartbeatRequest(group_id="\ud800"), 4, "does not fit string"),
        (MetadataRequest(topics=None), 0, "topics is None"),
        (
            CreateTopicsRequest(topics=[CreatableTopic(), CreatableTopic(num_partitions="4")]),  # type: ignore[arg-type]
            7,
            r"topics\[1\]\.num_partitions is '4', which does not fit int32",
        ),
        (CreateTopicsRequest(topics=["t"]), 7, r"topics\[0\] is 't', expected CreatableTopic"),  # type: ignore[list-item]
        (CreateTopicsRequest(topics=4), 7, "topics is 4, expected a list"),  # type: ignore[arg-type]
        (produce("text"), 9, "records is 'text'"),  # type: ignore[arg-type]
        (TopicProduceData(topic_id="x"), 13, ""),  # type: ignore[arg-type]
    ],
)
def test_a_body_that_cannot_be_written_names_the_field(
    body: object, version: int, words: str
) -> None:
    if isinstance(body, TopicProduceData):
        body = ProduceRequest(topic_data=[body])
        words = r"topic_data\[0\]\.topic_id is 'x', which does not fit uuid"
    with pytest.raises(ProtocolError, match=words):
        encode_request(version, 1, None, body)  # type: ignore[arg-type]


def test_a_body_of_the_wrong_class_is_named() -> None:
    with pytest.raises(ProtocolError, match="expected HeartbeatResponse"):
        encode_response((12, 4, 1), MetadataResponse())


def test_versions_the_table_lacks_are_refused() -> None:
    with pytest.raises(ProtocolError, match="use 0 to 4"):
        encode_request(5, 1, None, HeartbeatRequest())
    with pytest.raises(ProtocolError, match="use 0 to 4"):
        encode_response((12, 5, 1), HeartbeatResponse())
    with pytest.raises(ProtocolError, match="request kind 7"):
        api_versions(7)


def test_api_keys_are_those_of_the_table() -> None:
    assert {key.value for key in ApiKey} == set(INDEX)
    for key in ApiKey:
        assert key.name.replace("_", "").lower() == INDEX[key][1].lower()
    assert api_versions(ApiKey.FETCH) == (4, 18)


def test_importing_the_codec_loads_no_message_and_no_compiler() -> None:
    script = (
        "import sys, aliran.protocol.codec as codec\n"
        "print([m for m in sys.modules if m.startswith('aliran.protocol.')\n"
        "       and ('.messages.' in m or 'compiler' in m or 'schema' in m)])\n"
        "import struct\n"
        "codec.decode_request(struct.pack('>hhihh', 12, 0, 1, -1, 0) + bytes(8))\n"
        "print([m for m in sys.modules if m.startswith('aliran.protocol.messages.')])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.split("\n")[:2] == ["[]", "['aliran.protocol.messages.heartbeat']"]


def test_a_null_client_id_is_told_from_an_empty_one() -> None:
    for client_id in (None, "", "ü"):
        frame = b"".join(encode_request(4, 1, client_id, HeartbeatRequest()))
        header, _ = decode_request(frame)
        assert header.client_id == client_id
        assert "client_id=" in repr(header)
        assert header != "something else"


def test_a_response_shorter_than_its_header_is_refused() -> None:
    with pytest.raises(ProtocolError, match="too short"):
        decode_response(12, 0, b"\0\0\0")
    with pytest.raises(ProtocolError, match="tagged section"):
        decode_response(12, 4, struct.pack(">i", 1))
