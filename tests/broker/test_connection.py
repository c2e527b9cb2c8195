import gc
import logging
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker_requests import batch, create_topic, fetch_request, produce, values_of
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.codec import encode_request
from aliran.protocol.messages.api_versions import ApiVersionsRequest
from aliran.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from aliran.protocol.messages.metadata import MetadataRequest


def frame(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def still_serves(server: EmbeddedBroker) -> bool:
    with RawClient(server.bootstrap_servers) as client:
        return bool(client.call(ApiVersionsRequest(), 0).api_keys)


@pytest.mark.parametrize(
    ("data", "log"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (struct.pack(">i", 104_857_601), "socket.request.max.bytes"),
        (b"\x80\x00\x00\x00", "length is -2147483648"),
        (frame(b""), "request"),
        (frame(b"\x00"), "request"),
        (frame(struct.pack(">hhih", 3, 9, 1, 200)), "request"),
        (frame(struct.pack(">hhih", 999, 0, 1, -1)), "number 999"),
        (frame(struct.pack(">hhih", ApiKey.FETCH, 77, 1, -1)), "FETCH version 77"),
        (frame(struct.pack(">hhihi", ApiKey.METADATA, 1, 1, -1, 2**31 - 1)), ""),
        (frame(bytes(range(256)) * 4), ""),
    ],
)
def test_garbage_ends_its_connection_alone(
    server: EmbeddedBroker,
    client: RawClient,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
    log: str,
) -> None:
    with caplog.at_level(logging.WARNING, "aliran.broker"):
        client.send_bytes(data)
        assert client.is_closed_by_broker()
    (message,) = [each.getMessage() for each in caplog.records]
    assert message.startswith("closing connection from 127.0.0.1:")
    assert log in message
    assert still_serves(server)


def test_half_a_request_and_then_nothing(server: EmbeddedBroker, client: RawClient) -> None:
    whole = frame(b"".join(encode_request(0, 1, "half", ApiVersionsRequest())))
    client.send_bytes(whole[:7])
    assert still_serves(server)
    client.send_bytes(whole[7:])
    assert client.receive_frame()[:4] == b"\x00\x00\x00\x01"
    client.send_bytes(whole[:-1])
    client.close()
    assert still_serves(server)


def test_byte_by_byte(client: RawClient) -> None:
    for byte in frame(b"".join(encode_request(1, 9, None, ApiVersionsRequest()))):
        client.send_bytes(bytes([byte]))
    assert client.receive_frame()[:4] == b"\x00\x00\x00\x09"


def test_pipelined_requests_are_answered_in_order(client: RawClient) -> None:
    create_topic(client, "tweets")
    sent = []
    for number in range(300):
        body = MetadataRequest(topics=[]) if number % 3 else fetch_request("tweets", 0)
        sent.append(client.send(body, 9))
    assert [client.receive()[0] for _ in sent] == sent


def test_a_request_behind_a_long_poll_waits_its_turn(
    server: EmbeddedBroker, client: RawClient
) -> None:
    create_topic(client, "tweets")
    first = client.send(fetch_request("tweets", 0, max_wait_ms=200), 12)
    second = client.send(ApiVersionsRequest(), 0)
    assert [client.receive()[0], client.receive()[0]] == [first, second]


def test_a_slow_reader_does_not_fill_the_memory(server: EmbeddedBroker) -> None:
    with RawClient(server.bootstrap_servers) as writer:
        create_topic(writer, "big")
        for _ in range(8):
            produce(writer, "big", batch("x" * 500_000))
    with RawClient(server.bootstrap_servers) as slow:
        request = fetch_request("big", 0, max_bytes=5_000_000, partition_max_bytes=5_000_000)
        sent = [slow.send(request, 12) for _ in range(100)]
        assert still_serves(server)
        waiting = [connection.unwritten_bytes for connection in server.connections()]
        assert 0 < max(waiting) < 16_000_000
        for expected in sent[:10]:
            received, response = slow.receive()
            assert received == expected
            assert len(values_of(response.responses[0].partitions[0])) == 8
    assert still_serves(server)


def test_stopping_does_not_wait_for_a_slow_reader(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = EmbeddedBroker(tmp_path).start()
    with RawClient(server.bootstrap_servers) as client:
        create_topic(client, "big")
        for _ in range(8):
            produce(client, "big", batch("x" * 500_000))
        request = fetch_request("big", 0, max_bytes=5_000_000, partition_max_bytes=5_000_000)
        for _ in range(50):
            client.send(request, 12)
        waiting = [0]
        while waiting[-1] == 0 or len(set(waiting[-20:])) > 1:  # until the socket takes no more
            threading.Event().wait(0.01)
            waiting.append(server.connections()[0].unwritten_bytes)
        server.close()
        assert server.connections() == []
        assert "did not take its answer in time" in caplog.text


def test_a_flood_of_requests_is_held_back(tmp_path: Path) -> None:
    """The client's own socket fills up: the broker stops reading at its limit."""
    config = {"queued.max.requests": 5}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        create_topic(client, "quiet")
        client.send(fetch_request("quiet", 0, max_wait_ms=60_000), 12)
        client.socket.settimeout(1.0)
        flood = frame(b"".join(encode_request(0, 5, "x" * 30_000, ApiVersionsRequest())))
        with pytest.raises(TimeoutError):
            client.send_bytes(flood * 2000)
        assert still_serves(server)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    config = {"max.connections": 3, "connections.max.idle.ms": 60_000}
    with EmbeddedBroker(tmp_path, config=config) as server:
        yield server


def test_max_connections(narrow: EmbeddedBroker) -> None:
    clients = [RawClient(narrow.bootstrap_servers) for _ in range(3)]
    for each in clients:
        assert each.call(ApiVersionsRequest(), 0).api_keys
    with RawClient(narrow.bootstrap_servers) as turned_away:
        assert turned_away.is_closed_by_broker()
    clients.pop().close()
    while len(narrow.connections()) == 3:  # the broker learns of the close a moment later
        threading.Event().wait(0.01)
    assert still_serves(narrow)
    for each in clients:
        each.close()


def test_many_connections_at_once(server: EmbeddedBroker) -> None:
    clients = [RawClient(server.bootstrap_servers) for _ in range(200)]
    for each in clients:
        each.send(ApiVersionsRequest(), 0)
    assert all(each.receive()[1].api_keys for each in clients)
    for each in clients:
        each.close()


def test_idle_connections_are_closed(tmp_path: Path) -> None:
    config = {"connections.max.idle.ms": 100}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        assert client.call(ApiVersionsRequest(), 0).api_keys
        assert client.is_closed_by_broker()


def test_a_huge_request_without_records_is_refused_unread(
    server: EmbeddedBroker, client: RawClient
) -> None:
    """Ten million topic names of no length would become gigabytes of answers."""
    create_topic(client, "big", max_message_bytes="20000000")
    assert produce(client, "big", batch("x" * 9_000_000)).error_code == 0
    names = 5_000_000
    header = struct.pack(">hhih", 3, 1, 7, 1) + b"x"
    client.send_bytes(frame(header + struct.pack(">i", names) + bytes(2 * names)))
    assert client.is_closed_by_broker()
    assert still_serves(server)


def test_clients_that_leave_while_they_ask_leave_no_trace(
    server: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    protocols = [JoinGroupRequestProtocol(name="range", metadata=b"")]
    for number in range(50):
        with RawClient(server.bootstrap_servers) as leaving:
            join = JoinGroupRequest(
                group_id=f"g{number}",
                session_timeout_ms=6_000,
                rebalance_timeout_ms=6_000,
                protocol_type="consumer",
                protocols=protocols,
            )
            for _ in range(3):
                leaving.send(join, 2)
    assert still_serves(server)
    gc.collect()  # a coroutine that never began would complain here
    assert "bug" not in caplog.text


def test_requests_up_to_the_limit_are_taken(tmp_path: Path) -> None:
    config = {"socket.request.max.bytes": 5_000_000, "message.max.bytes": 4_000_000}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        create_topic(client, "big")
        assert produce(client, "big", batch("x" * 3_900_000)).error_code == 0
        client.send_bytes(struct.pack(">i", 5_000_001))
        assert client.is_closed_by_broker()
