import threading
import time
from pathlib import Path
from typing import Any

import pytest
from broker_requests import (
    batch,
    create_topic,
    fetch,
    fetch_request,
    list_offset,
    produce,
    produce_request,
    values_of,
)
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.core.error_codes import ErrorCode
from aliran.core.types import TopicPartition
from aliran.protocol.batch_header import HEADER_SIZE, HEADER_STRUCT, write_crc
from aliran.protocol.compression import Compression
from aliran.protocol.messages.api_versions import ApiVersionsRequest
from aliran.protocol.messages.delete_topics import DeleteTopicsRequest
from aliran.protocol.messages.fetch import FetchRequest
from aliran.protocol.messages.init_producer_id import InitProducerIdRequest
from aliran.protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from aliran.protocol.records import read_header


@pytest.fixture
def topic(client: RawClient) -> str:
    create_topic(client, "tweets")
    return "tweets"


@pytest.mark.parametrize("version", range(3, 12))
def test_produce_in_every_version(client: RawClient, topic: str, version: int) -> None:
    first = produce(client, topic, batch("a", "b"), version=version)
    second = produce(client, topic, batch("c"), version=version)
    assert (first.error_code, first.base_offset) == (0, 0)
    assert (second.error_code, second.base_offset) == (0, 2)
    assert second.log_append_time_ms == -1


@pytest.mark.parametrize("version", range(4, 13))
def test_fetch_in_every_version(client: RawClient, topic: str, version: int) -> None:
    produce(client, topic, batch("a", "b"))
    produce(client, topic, batch("c"))
    answer = fetch(client, topic, 0, version=version)
    assert (answer.error_code, answer.high_watermark, answer.last_stable_offset) == (0, 3, 3)
    assert values_of(answer) == ["a", "b", "c"]


def test_produce_version_2_is_refused(client: RawClient, topic: str) -> None:
    client.send_bytes(b"\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\x00\x01\xff\xff")
    assert client.is_closed_by_broker()


def test_acks_0_is_not_answered(client: RawClient, topic: str) -> None:
    client.send(produce_request(topic, batch("silent"), acks=0), 9)
    sent = client.send(ApiVersionsRequest(), 0)
    received, _ = client.receive()
    assert received == sent
    assert values_of(fetch(client, topic, 0)) == ["silent"]


def test_a_refused_batch_with_acks_0_ends_the_connection(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    client.send(produce_request(topic, batch("a"), acks=0), 9)
    client.send(ApiVersionsRequest(), 0)
    client.send(produce_request("nowhere", batch("a"), acks=0), 9)
    client.receive()  # what came before is still answered
    assert client.is_closed_by_broker()
    with RawClient(server.bootstrap_servers) as other:
        assert values_of(fetch(other, topic, 0)) == ["a"]


def test_acks_1_is_answered_and_acks_2_refused(client: RawClient, topic: str) -> None:
    assert produce(client, topic, batch("a"), acks=1).error_code == 0
    refused = produce(client, topic, batch("a"), acks=2)
    assert refused.error_code == ErrorCode.INVALID_REQUIRED_ACKS
    assert list_offset(client, topic, -1).offset == 1


@pytest.mark.parametrize("codec", list(Compression))
def test_compressed_batches_are_stored_as_sent(
    client: RawClient, topic: str, codec: Compression
) -> None:
    sent = batch("x" * 200, "y" * 200, compression=codec)
    produce(client, topic, sent)
    answer = fetch(client, topic, 0)
    assert bytes(answer.records)[21:] == sent[21:]
    assert values_of(answer) == ["x" * 200, "y" * 200]


def test_a_topic_with_a_codec_compresses_anew(client: RawClient) -> None:
    create_topic(client, "packed", compression_type="zstd")
    produce(client, "packed", batch("x" * 500, compression=Compression.GZIP))
    answer = fetch(client, "packed", 0)
    assert read_header(answer.records).compression == Compression.ZSTD
    assert values_of(answer) == ["x" * 500]


def test_what_a_codec_makes_too_large_or_cannot_read_is_refused(client: RawClient) -> None:
    create_topic(client, "plain", compression_type="uncompressed", max_message_bytes="10000")
    bomb = batch("0" * 5_000_000, compression=Compression.GZIP)
    assert produce(client, "plain", bomb).error_code == ErrorCode.MESSAGE_TOO_LARGE
    broken = bytearray(batch("0" * 100, compression=Compression.GZIP))
    broken[75] ^= 255
    write_crc(broken, 0, len(broken))
    answer = produce(client, "plain", bytes(broken))
    assert answer.error_code == ErrorCode.CORRUPT_MESSAGE
    assert "do not decompress" in answer.error_message
    assert produce(client, "plain", batch("a")).base_offset == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"record_count": 2**31 - 1, "last_offset_delta": 2**31 - 2}, "do not fit into"),
        ({"attributes": 5}, "no compression codec 5"),
        ({"record_count": 0, "last_offset_delta": -1}, "holds no records"),
        ({"last_offset_delta": 7}, "do not have the offsets 0 to 7"),
    ],
)
def test_impossible_headers_with_a_right_crc(
    client: RawClient, topic: str, changes: dict[str, int], reason: str
) -> None:
    good = batch("a", "b")
    header = read_header(good)._replace(**changes)
    bad = bytearray(HEADER_STRUCT.pack(*header) + good[HEADER_SIZE:])
    write_crc(bad, 0, len(bad))
    answer = produce(client, topic, bytes(bad))
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert reason in answer.error_message
    assert produce(client, topic, good).base_offset == 0


def test_log_append_time(client: RawClient) -> None:
    create_topic(client, "stamped", message_timestamp_type="LogAppendTime")
    answer = produce(client, "stamped", batch("a", timestamp=5))
    assert answer.log_append_time_ms > 1_600_000_000_000
    assert read_header(fetch(client, "stamped", 0).records).max_timestamp > 1_600_000_000_000


@pytest.mark.parametrize(
    ("name", "partition", "code"),
    [
        ("nowhere", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("tweets", 7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("tweets", -1, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("__consumer_offsets", 0, ErrorCode.INVALID_TOPIC_EXCEPTION),
    ],
)
def test_wrong_partitions(
    client: RawClient, topic: str, name: str, partition: int, code: ErrorCode
) -> None:
    answer = produce(client, name, batch("a"), partition=partition)
    assert (answer.error_code, answer.base_offset) == (code, -1)
    assert answer.error_message


def test_damaged_batches_are_refused(client: RawClient, topic: str) -> None:
    damaged = bytearray(batch("hello"))
    damaged[-1] ^= 1
    assert produce(client, topic, bytes(damaged)).error_code == ErrorCode.CORRUPT_MESSAGE
    assert produce(client, topic, b"").error_code == ErrorCode.INVALID_RECORD
    assert produce(client, topic, None).error_code == ErrorCode.INVALID_RECORD
    old = bytearray(batch("hello"))
    old[16] = 1
    answer = produce(client, topic, bytes(old))
    assert answer.error_code == ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT
    assert list_offset(client, topic, -1).offset == 0


def test_too_large_a_batch(client: RawClient) -> None:
    create_topic(client, "small", max_message_bytes="500")
    answer = produce(client, "small", batch("x" * 1000))
    assert answer.error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert "max.message.bytes" in answer.error_message


def test_a_compacted_topic_wants_keys(client: RawClient) -> None:
    create_topic(client, "table", cleanup_policy="compact")
    answer = produce(client, "table", batch("a", "b", key=None), version=9)
    assert answer.error_code == ErrorCode.INVALID_RECORD
    assert [each.batch_index for each in answer.record_errors] == [0, 1]
    assert produce(client, "table", batch("a")).error_code == 0


def test_idempotent_producers(client: RawClient, topic: str) -> None:
    granted = client.call(InitProducerIdRequest(), 4)
    assert (granted.error_code, granted.producer_epoch) == (0, 0)
    pid = granted.producer_id

    def send(sequence: int, *, epoch: int = 0) -> tuple[int, int]:
        records = batch(
            f"s{sequence}", producer_id=pid, producer_epoch=epoch, base_sequence=sequence
        )
        answer = produce(client, topic, records)
        return answer.error_code, answer.base_offset

    assert send(0) == (0, 0)
    assert send(1) == (0, 1)
    assert send(0) == (0, 0), "a repeated batch is answered with the offset it has"
    assert send(3) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, -1)
    assert send(0, epoch=1) == (0, 2)
    assert send(2) == (ErrorCode.INVALID_PRODUCER_EPOCH, -1)
    assert values_of(fetch(client, topic, 0)) == ["s0", "s1", "s0"]


def test_producer_ids_differ_and_transactions_are_refused(client: RawClient) -> None:
    ids = [client.call(InitProducerIdRequest(), version).producer_id for version in range(6)]
    assert len(set(ids)) == 6
    refused = client.call(InitProducerIdRequest(transactional_id="tx"), 4)
    assert refused.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert refused.producer_id == -1
    half = client.call(InitProducerIdRequest(producer_id=5), 4)
    assert half.error_code == ErrorCode.INVALID_REQUEST


def test_an_offset_inside_a_batch_gets_the_whole_batch(client: RawClient, topic: str) -> None:
    produce(client, topic, batch("a", "b", "c"))
    produce(client, topic, batch("d"))
    answer = fetch(client, topic, 2)
    assert read_header(answer.records).base_offset == 0
    assert values_of(answer, from_offset=2) == ["c", "d"]


def test_size_limits_but_always_one_batch(client: RawClient, topic: str) -> None:
    for number in range(4):
        produce(client, topic, batch(f"{number}" * 100))
    size = len(batch("0" * 100))
    assert values_of(fetch(client, topic, 0, partition_max_bytes=1)) == ["0" * 100]
    assert len(values_of(fetch(client, topic, 0, partition_max_bytes=2 * size + 10))) == 2
    assert len(values_of(fetch(client, topic, 0, max_bytes=3 * size))) == 3


def test_only_the_first_batch_may_break_the_limit(client: RawClient) -> None:
    create_topic(client, "wide", 2)
    for partition in (0, 1):
        produce(client, "wide", batch("x" * 300), partition=partition)
    request = fetch_request("wide", 0, max_bytes=10)
    other = fetch_request("wide", 0, partition=1).topics[0].partitions[0]
    request.topics[0].partitions.append(other)
    first, second = client.call(request, 12).responses[0].partitions
    assert len(values_of(first)) == 1
    assert values_of(second) == []
    assert second.high_watermark == 1


@pytest.mark.parametrize("offset", [-1, 2, 100])
def test_offsets_out_of_range(client: RawClient, topic: str, offset: int) -> None:
    produce(client, topic, batch("a"))
    assert fetch(client, topic, offset).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert fetch(client, topic, 1).error_code == 0


def test_unknown_partitions_and_sessions(client: RawClient, topic: str) -> None:
    unknown = fetch(client, "nowhere", 0, max_wait_ms=10_000)
    assert unknown.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    session = FetchRequest(session_id=5, session_epoch=1)
    assert client.call(session, 12).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert client.call(fetch_request(topic, 0), 12).session_id == 0


def test_read_committed_sees_everything_and_no_aborts(client: RawClient, topic: str) -> None:
    produce(client, topic, batch("a"))
    answer = fetch(client, topic, 0, isolation_level=1)
    assert values_of(answer) == ["a"]
    assert answer.aborted_transactions == []
    assert fetch(client, topic, 0).aborted_transactions is None


def test_a_long_poll_ends_with_the_append(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    waiting = client.send(fetch_request(topic, 0, max_wait_ms=30_000), 12)
    with RawClient(server.bootstrap_servers) as producer:
        produce(producer, topic, batch("now"))
    received, response = client.receive()
    assert received == waiting
    assert values_of(response.responses[0].partitions[0]) == ["now"]


def test_an_append_from_another_thread_ends_a_long_poll(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    log = server.broker.logs.get(TopicPartition(topic, 0))
    assert log is not None
    client.send(fetch_request(topic, 0, max_wait_ms=30_000), 12)
    appender = threading.Timer(0.05, log.append_columns, [[b"k"], [b"direct"], [1]])
    appender.start()
    _, response = client.receive()
    appender.join()
    assert values_of(response.responses[0].partitions[0]) == ["direct"]


def test_a_long_poll_waits_for_enough_bytes_and_no_longer_than_it_may(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    client.send(fetch_request(topic, 0, max_wait_ms=30_000, min_bytes=500), 12)
    with RawClient(server.bootstrap_servers) as producer:
        produce(producer, topic, batch("little"))
        produce(producer, topic, batch("x" * 600))
        _, response = client.receive()
        assert len(values_of(response.responses[0].partitions[0])) == 2
        started = time.monotonic()
        answer = fetch(producer, topic, 2, max_wait_ms=100)
    assert values_of(answer) == []
    assert time.monotonic() - started >= 0.09


def test_waiting_for_many_bytes_ends_where_a_segment_ends(client: RawClient) -> None:
    create_topic(client, "short", segment_bytes="250")
    for _ in range(4):
        produce(client, "short", batch("x" * 50))
    # no waiting makes it more; to wait all the same would time the client out
    answer = fetch(client, "short", 0, max_wait_ms=20_000, min_bytes=400)
    assert len(values_of(answer)) == 2


def test_waiting_for_many_bytes_does_not_read_them_over_and_over(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    log = server.broker.logs.get(TopicPartition(topic, 0))
    assert log is not None
    reads = []
    plain_read = log.read

    def counted(*arguments: Any, **settings: Any) -> bytes:
        reads.append(arguments)
        return plain_read(*arguments, **settings)

    log.read = counted  # type: ignore[method-assign]
    client.send(fetch_request(topic, 0, max_wait_ms=20_000, min_bytes=20_000), 12)
    while len(log.on_append) and log.log_end_offset < 30:
        log.append_columns([None], [b"x" * 1000], [0])
        time.sleep(0.005)
    answer = client.receive()[1].responses[0].partitions[0]
    assert len(answer.records) >= 20_000
    assert len(reads) <= 3


def test_deleting_the_topic_ends_a_long_poll(
    server: EmbeddedBroker, client: RawClient, topic: str
) -> None:
    client.send(fetch_request(topic, 0, max_wait_ms=30_000), 12)
    with RawClient(server.bootstrap_servers) as admin:
        admin.call(DeleteTopicsRequest(topic_names=[topic]), 5)
    _, response = client.receive()
    (partition,) = response.responses[0].partitions
    assert partition.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_client_that_leaves_during_a_long_poll_is_forgotten(
    server: EmbeddedBroker, topic: str
) -> None:
    with RawClient(server.bootstrap_servers) as client:
        client.send(fetch_request(topic, 0, max_wait_ms=30_000), 12)
    with RawClient(server.bootstrap_servers) as other:
        assert produce(other, topic, batch("a")).error_code == 0
        assert values_of(fetch(other, topic, 0)) == ["a"]


def test_stopping_answers_long_polls(tmp_path: Path) -> None:
    server = EmbeddedBroker(tmp_path).start()
    with RawClient(server.bootstrap_servers) as client:
        create_topic(client, "quiet")
        client.send(fetch_request("quiet", 0, max_wait_ms=60_000), 12)
        with RawClient(server.bootstrap_servers) as other:
            other.call(ApiVersionsRequest(), 0)
        stopper = threading.Thread(target=server.close)
        stopper.start()
        _, response = client.receive()
        assert response.responses[0].partitions[0].error_code == 0
        assert client.is_closed_by_broker()
        stopper.join(timeout=5)
        assert not stopper.is_alive()


def test_a_damaged_segment_is_reported_not_served(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server, RawClient(server.bootstrap_servers) as client:
        create_topic(client, "tweets")
        for text in ("aaaa", "bbbb", "cccc"):
            produce(client, "tweets", batch(text))
    path = tmp_path / "tweets-0" / f"{0:020}.log"
    path.write_bytes(path.read_bytes().replace(b"bbbb", b"b?bb"))
    with EmbeddedBroker(tmp_path) as server, RawClient(server.bootstrap_servers) as client:
        assert values_of(fetch(client, "tweets", 0)) == ["aaaa"]
        damaged = fetch(client, "tweets", 1)
        assert damaged.error_code == ErrorCode.CORRUPT_MESSAGE
        assert not damaged.records
        assert values_of(fetch(client, "tweets", 2)) == ["cccc"]


def test_leader_epochs(client: RawClient, topic: str) -> None:
    produce(client, topic, batch("a", "b"))

    def ask(name: str, epoch: int, current: int = -1) -> tuple[int, int, int]:
        partition = OffsetForLeaderPartition(
            partition=0, leader_epoch=epoch, current_leader_epoch=current
        )
        topics = [OffsetForLeaderTopic(topic=name, partitions=[partition])]
        response = client.call(OffsetForLeaderEpochRequest(topics=topics), 4)
        (answer,) = response.topics[0].partitions
        return answer.error_code, answer.leader_epoch, answer.end_offset

    assert ask(topic, 0) == (0, 0, 2)
    assert ask(topic, 9) == (0, -1, -1)
    assert ask(topic, 0, current=3) == (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)
    assert ask("nowhere", 0)[0] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_list_offsets(client: RawClient, topic: str) -> None:
    produce(client, topic, batch("a", "b", timestamp=1000))
    produce(client, topic, batch("c", timestamp=5000))

    def ask(timestamp: int, **more: int) -> tuple[int, int, int]:
        answer = list_offset(client, topic, timestamp, **more)
        return answer.error_code, answer.offset, answer.timestamp

    assert ask(-1) == (0, 3, -1)
    assert ask(-2) == (0, 0, -1)
    assert ask(-3) == (0, 2, 5000)
    assert ask(-4) == (0, 0, -1)
    assert ask(-5) == (0, -1, -1)
    assert ask(-6) == (0, -1, -1)
    assert ask(0) == (0, 0, 1000)
    assert ask(1001) == (0, 1, 1001)
    assert ask(1002) == (0, 2, 5000)
    assert ask(5001) == (0, -1, -1)
    assert ask(-3, version=6)[0] == ErrorCode.UNSUPPORTED_VERSION
    assert ask(-7)[0] == ErrorCode.UNSUPPORTED_VERSION
    assert ask(-1, partition=4)[0] == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    for version in range(1, 12):
        assert ask(-1, version=version) == (0, 3, -1)
