import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from broker_requests import batch, create_topic, fetch, list_offset, produce, values_of
from raw_client import RawClient

from aliran.broker.config import BrokerConfig
from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.errors import BrokerError, ListenError
from aliran.broker.server import format_address, parse_address
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import ConfigError
from aliran.core.types import TopicPartition
from aliran.protocol.messages.api_versions import ApiVersionsRequest
from aliran.protocol.messages.init_producer_id import InitProducerIdRequest
from aliran.storage.errors import DataDirectoryError, DataDirectoryLockedError


def test_a_temporary_directory_goes_with_the_broker() -> None:
    with EmbeddedBroker() as server:
        path = Path(server.broker.data_dir)
        assert path.is_dir()
        with RawClient(server.bootstrap_servers) as client:
            assert client.call(ApiVersionsRequest(), 0).api_keys
    assert not path.exists()


def test_start_and_close_may_be_repeated(tmp_path: Path) -> None:
    server = EmbeddedBroker(tmp_path)
    with pytest.raises(BrokerError, match="not running"):
        _ = server.bootstrap_servers
    for _ in range(2):
        assert server.start() is server.start()
        assert server.bootstrap_servers.startswith("127.0.0.1:")
        server.close()
        server.close()
    with pytest.raises(BrokerError, match="call start"):
        _ = server.broker
    assert "aliran-broker" not in [thread.name for thread in threading.enumerate()]


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server, RawClient(server.bootstrap_servers) as client:
        cluster_id = server.broker.cluster_id
        topic_id = create_topic(client, "tweets", 2, retention_ms="1000000").topic_id
        pid = client.call(InitProducerIdRequest(), 4).producer_id
        now = int(time.time() * 1000)  # producers whose last record is old are forgotten
        state = {"producer_id": pid, "producer_epoch": 0, "timestamp": now}
        records = batch("a", "b", base_sequence=0, **state)
        assert produce(client, "tweets", records, partition=1).base_offset == 0
        port = server.bootstrap_servers.rpartition(":")[2]
    config = BrokerConfig(num_partitions=5)
    with (
        EmbeddedBroker(tmp_path, listen=f"127.0.0.1:{port}", config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        assert server.broker.cluster_id == cluster_id
        topic = server.broker.topics.require("tweets")
        assert (topic.topic_id, topic.partitions) == (topic_id, 2)
        assert topic.configs == {"retention.ms": "1000000"}
        assert values_of(fetch(client, "tweets", 0, partition=1)) == ["a", "b"]
        again = produce(client, "tweets", records, partition=1)
        assert (again.error_code, again.base_offset) == (0, 0), "still known as a duplicate"
        gap = batch("c", base_sequence=7, **state)
        code = produce(client, "tweets", gap, partition=1).error_code
        assert code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert client.call(InitProducerIdRequest(), 4).producer_id > pid


def test_an_unclean_stop_loses_nothing(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "live") as server, RawClient(server.bootstrap_servers) as client:
        create_topic(client, "tweets")
        for number in range(20):
            produce(client, "tweets", batch(str(number)))
        pid = client.call(InitProducerIdRequest(), 4).producer_id
        shutil.copytree(tmp_path / "live", tmp_path / "crashed")
    with (tmp_path / "crashed/tweets-0" / f"{0:020}.log").open("ab") as file:
        file.write(b"\x00" * 30)  # a torn write
    with (
        EmbeddedBroker(tmp_path / "crashed") as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        assert list_offset(client, "tweets", -1).offset == 20
        assert values_of(fetch(client, "tweets", 0)) == [str(number) for number in range(20)]
        assert client.call(InitProducerIdRequest(), 4).producer_id > pid


def test_a_crash_between_registry_and_partitions(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server:
        topic_id = server.broker.topics.create("tweets", 3).topic_id
    shutil.rmtree(tmp_path / "tweets-1")
    with EmbeddedBroker(tmp_path) as server, RawClient(server.bootstrap_servers) as client:
        assert server.broker.topics.require("tweets").topic_id == topic_id
        assert list_offset(client, "tweets", -1, partition=1).offset == 0


def test_topics_are_found_again_without_the_registry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedBroker(tmp_path) as server:
        created = server.broker.topics.create("tweets", 3)
    (tmp_path / "topics.json").unlink()
    with EmbeddedBroker(tmp_path) as server:
        topic = server.broker.topics.require("tweets")
        assert (topic.partitions, topic.topic_id) == (3, created.topic_id)
    assert "taken over" in caplog.text


def test_one_broker_a_directory(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server:
        with pytest.raises(DataDirectoryLockedError, match=str(tmp_path)):
            EmbeddedBroker(tmp_path).start()
        with RawClient(server.bootstrap_servers) as client:
            assert client.call(ApiVersionsRequest(), 0).api_keys
    with EmbeddedBroker(tmp_path):
        pass


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("topics.json", b"{nonsense", "topics.json is damaged"),
        ("producer-ids.json", b"[]", "producer-ids.json is damaged"),
        ("meta.properties", b"version=1\n", "no line cluster.id"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataDirectoryError, match=message):
        EmbeddedBroker(tmp_path).start()
    (tmp_path / name).unlink()
    with EmbeddedBroker(tmp_path):
        pass


def test_foreign_directories_and_unusable_places(tmp_path: Path) -> None:
    (tmp_path / "foreign" / "photos").mkdir(parents=True)
    with pytest.raises(DataDirectoryError, match="photos does not belong"):
        EmbeddedBroker(tmp_path / "foreign").start()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataDirectoryError, match="file"):
        EmbeddedBroker(tmp_path / "file" / "data").start()


def test_addresses() -> None:
    assert parse_address("0.0.0.0:9092") == ("0.0.0.0", 9092)
    assert parse_address("[::1]:1") == ("::1", 1)
    assert format_address("::1", 1) == "[::1]:1"
    for text in ("", "9092", "localhost", "localhost:http", "localhost:70000"):
        with pytest.raises(ConfigError, match="HOST:PORT"):
            parse_address(text)


def test_addresses_that_cannot_be_had(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match="another program has the port"):
            EmbeddedBroker(tmp_path, listen=f"127.0.0.1:{port}").start()
    with pytest.raises(ListenError, match="address of this host"):
        EmbeddedBroker(tmp_path, listen="203.0.113.7:0").start()
    with EmbeddedBroker(tmp_path):  # the directory is free again
        pass


def test_the_way_without_sockets(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server, RawClient(server.bootstrap_servers) as client:
        server.broker.topics.create("tweets", 2, {"cleanup.policy": "compact"})
        log = server.broker.logs.get(TopicPartition("tweets", 1))
        assert log is not None
        log.append_columns([b"k1", b"k2"], [b"v1", None], [1, 2])
        assert values_of(fetch(client, "tweets", 0, partition=1)) == ["v1", None]


def test_threads_may_create_topics_at_once(server: EmbeddedBroker) -> None:
    barrier = threading.Barrier(4)

    def create(number: int) -> None:
        barrier.wait()
        for index in range(10):
            server.broker.topics.create(f"t{number}.{index}", 2)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(server.broker.topics.names()) == 40
    assert len(server.broker.logs.partitions()) == 80
