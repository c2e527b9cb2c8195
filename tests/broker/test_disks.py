"""The broker on disks that are full, lose their power, or are cleaned up."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from broker_requests import batch, create_topic, fetch, list_offset, produce, values_of
from raw_client import RawClient

from aliran.broker.broker import Broker
from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.offsets import OffsetAndMetadata
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.core.filesystem import MemoryFileSystem, PowerCut
from aliran.core.types import TopicPartition


def test_a_full_disk_is_answered_and_what_was_there_stays() -> None:
    fs = MemoryFileSystem(capacity_bytes=60_000)
    with EmbeddedBroker("/data", fs=fs) as server, RawClient(server.bootstrap_servers) as client:
        assert create_topic(client, "tweets").error_code == 0
        codes = [produce(client, "tweets", batch("x" * 1000)).error_code for _ in range(80)]
        written = codes.count(0)
        assert codes == [0] * written + [ErrorCode.KAFKA_STORAGE_ERROR] * (80 - written)
        assert 20 < written < 80
        answer = produce(client, "tweets", batch("x" * 1000))
        assert "full" in answer.error_message or "space" in answer.error_message
        assert len(values_of(fetch(client, "tweets", 0))) == written
        refused = create_topic(client, "y" * 200, 50, retention_ms="1000")
        assert refused.error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert server.broker.topics.names() == ["tweets"]
        assert server.broker.logs.get(TopicPartition("y" * 200, 0)) is None
        # room again: the broker goes on
        fs.capacity_bytes = 1_000_000
        assert produce(client, "tweets", batch("y")).base_offset == written
        assert create_topic(client, "y" * 200, 50).error_code == 0


def test_a_topic_deleted_on_a_full_disk_is_gone_for_its_groups_too() -> None:
    fs = MemoryFileSystem()
    broker = Broker("/data", fs=fs)
    broker.start()
    broker.topics.create("tweets", 2)
    partition = TopicPartition("tweets", 0)
    log = broker.logs.get(partition)
    assert log is not None
    log.append_columns([None], [b"x" * 5000], [0])
    broker.offsets.commit("readers", {partition: OffsetAndMetadata(1)})
    heard: list[str] = []
    broker.topics.deleted.append(lambda topic: heard.append(topic.name))
    fs.capacity_bytes = fs.used_bytes()
    broker.topics.delete("tweets")  # the removal makes the room that it needs
    assert broker.offsets.fetch("readers") == {}
    broker.topics.create("tweets", 2)
    fs.capacity_bytes = 0
    with pytest.raises(AliranError, match="No space"):
        broker.topics.delete("tweets")
    assert heard == ["tweets", "tweets"]
    assert broker.topics.get("tweets") is None
    fs.capacity_bytes = None
    broker.close()


def test_a_killed_broker_starts_on_a_full_disk_and_can_make_room() -> None:
    fs = MemoryFileSystem()
    broker = Broker("/data", fs=fs)
    broker.start()
    for name in ("keep", "gone"):
        broker.topics.create(name, 1, {"segment.bytes": "3000"})
        log = broker.logs.get(TopicPartition(name, 0))
        assert log is not None
        for _ in range(10):
            log.append_columns([None], [b"x" * 1000], [0])
        log.delete_records(3)
    fs.crash("written")
    fs.capacity_bytes = fs.used_bytes()
    again = Broker("/data", fs=fs)
    again.start()
    again.topics.delete("gone")
    log = again.logs.get(TopicPartition("keep", 0))
    assert log is not None
    assert log.append_columns([None], [b"y"], [0]).base_offset == 10
    again.close()


def test_housekeeping_that_fails_complains_once(caplog: pytest.LogCaptureFixture) -> None:
    fs = MemoryFileSystem()
    config = {"log.flush.scheduler.interval.ms": 1}
    with EmbeddedBroker("/data", fs=fs, config=config) as server:
        server.broker.topics.create("tweets", 1, {"segment.bytes": "1500"})
        log = server.broker.logs.get(TopicPartition("tweets", 0))
        assert log is not None
        fs.capacity_bytes = fs.used_bytes() + 3000
        for _ in range(2):
            log.append_columns([None], [b"x" * 1000], [0])
        with pytest.raises(AliranError, match="No space"):
            log.append_columns([None], [b"x" * 1000], [0])
        time.sleep(0.2)
        fs.capacity_bytes = None
    complaints = [each for each in caplog.records if "flush failed" in each.message]
    assert len(complaints) <= 5
    assert all(each.exc_info is None for each in complaints)


def run_until_power_cut(
    fs: MemoryFileSystem, rng: random.Random
) -> tuple[set[str], set[str], set[int]]:
    """Work until the power goes; return (topics surely there, surely gone, producer ids used)."""
    there: set[str] = set()
    gone: set[str] = set()
    ids: set[int] = set()
    try:
        broker = Broker("/data", fs=fs)
        broker.start()
        for number in range(6):
            name = f"t{number}"
            broker.topics.create(name, rng.randint(1, 3), {"retention.ms": str(number)})
            there.add(name)
            if number % 3 == 1:
                there.discard(name)
                broker.topics.delete(name)
                gone.add(name)
            if number == 2:
                broker.topics.create_partitions("t0", 4)
            ids.add(broker.producer_ids.next_id())
        broker.close()
    except PowerCut:
        pass
    return there, gone, ids


@pytest.mark.parametrize("seed", range(4))
def test_power_cuts_lose_no_topic_and_repeat_no_producer_id(seed: int) -> None:
    cut = 0
    while True:
        cut += 1 + seed
        rng = random.Random(cut * 10 + seed)
        fs = MemoryFileSystem()
        fs.fail_after(cut, seed)
        there, gone, ids = run_until_power_cut(fs, rng)
        if len(there) == 4 and len(gone) == 2 and len(ids) == 6:
            break
        fs.crash(rng if seed else "flushed")
        broker = Broker("/data", fs=fs)
        broker.start()
        names = set(broker.topics.names())
        assert there <= names, f"cut at write {cut}"
        assert not gone & names, f"cut at write {cut}"
        for name in names:
            topic = broker.topics.require(name)
            assert topic.configs == {"retention.ms": name[1:]}
            for partition in topic.topic_partitions():
                log = broker.logs.get(partition)
                assert log is not None
                assert log.topic_id == topic.topic_id
        assert broker.producer_ids.next_id() not in ids
        broker.close()
    assert cut > 20


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_old_segments_go_by_themselves(tmp_path: Path) -> None:
    config = {"log.retention.check.interval.ms": 30, "log.segment.bytes": 500}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        create_topic(client, "short", retention_bytes="1500", retention_ms="-1")
        for _ in range(30):
            assert produce(client, "short", batch("x" * 200)).error_code == 0
        wait_until(lambda: list_offset(client, "short", -2).offset > 10, "retention did not run")
        assert list_offset(client, "short", -1).offset == 30
        start = list_offset(client, "short", -2).offset
        assert fetch(client, "short", start - 1).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert values_of(fetch(client, "short", start))


def test_flush_ms_is_kept(tmp_path: Path) -> None:
    config = {"log.flush.scheduler.interval.ms": 20}
    with (
        EmbeddedBroker(tmp_path, config=config) as server,
        RawClient(server.bootstrap_servers) as client,
    ):
        create_topic(client, "safe", flush_ms="50")
        produce(client, "safe", batch("a", "b"))
        log = server.broker.logs.get(TopicPartition("safe", 0))
        assert log is not None
        wait_until(lambda: log.recovery_point == 2, "the log was not flushed")
