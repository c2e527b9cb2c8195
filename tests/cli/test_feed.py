"""The demo's producer finds its place again, however the last run ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from aliran.broker.broker import Broker
from aliran.cli.demo.feed import Feed
from aliran.cli.demo.recount import Recount
from aliran.cli.demo.replay import HOUR_MS, Replay
from aliran.cli.demo.topology import TWEETS
from aliran.cli.settings import CommandError
from aliran.core.types import TopicPartition
from aliran.protocol.records import decode_columns
from aliran.storage.log import PartitionLog

NOW_MS = 500 * HOUR_MS + 1_234


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "data")
    broker.start()
    broker.topics.create(TWEETS, 4)
    yield broker
    broker.close()


def log(broker: Broker, partition: int) -> PartitionLog:
    found = broker.logs.get(TopicPartition(TWEETS, partition))
    assert found is not None
    return found


def values(broker: Broker) -> list[list[bytes | None]]:
    """The values of each partition."""
    found: list[list[bytes | None]] = []
    for partition in range(4):
        found.append([])
        end = log(broker, partition).log_end_offset
        while (start := len(found[-1])) < end:
            data = log(broker, partition).read(start, 1 << 20)
            for columns in decode_columns(data, TWEETS, partition, start):
                found[-1] += columns.values
    return found


def expected_values(count: int, base_ms: int = 498 * HOUR_MS) -> list[list[bytes | None]]:
    [chunk] = islice(Replay(base_ms, 4).chunks(count), 1)
    expected: list[list[bytes | None]] = [[], [], [], []]
    for partition, value in zip(chunk.partitions, chunk.values, strict=True):
        expected[partition].append(value)
    return expected


def feed(broker: Broker, tweets: int, chunks: int | None = None, now_ms: int = NOW_MS) -> Recount:
    """Run a feed, or only its first `chunks`."""
    recount = Recount(10)
    for _ in islice(Feed(broker, tweets, now_ms).run(recount), chunks):
        pass
    return recount


def recount_of(count: int) -> Recount:
    recount = Recount(10)
    [chunk] = islice(Replay(498 * HOUR_MS, 4).chunks(count), 1)
    recount.add(chunk, range(count))
    return recount


def test_a_run_writes_the_first_records_in_order(broker: Broker) -> None:
    recount = feed(broker, 5_000)
    assert values(broker) == expected_values(5_000)
    assert recount.counts == recount_of(5_000).counts


def test_a_second_run_goes_on_and_recounts_all(broker: Broker) -> None:
    feed(broker, 5_000)
    recount = feed(broker, 5_000, now_ms=NOW_MS + 30 * HOUR_MS)
    assert values(broker) == expected_values(10_000)
    assert recount.counts == recount_of(10_000).counts


def test_a_run_that_was_stopped_is_completed(broker: Broker) -> None:
    feed(broker, 10_000, chunks=2)
    assert sum(map(len, values(broker))) == 4_000
    recount = feed(broker, 10_000)
    assert values(broker) == expected_values(10_000)
    assert recount.counts == recount_of(10_000).counts


def test_partitions_that_stopped_at_different_places_are_completed(broker: Broker) -> None:
    feed(broker, 10_000, chunks=2)
    log(broker, 1).truncate_to(100)
    log(broker, 3).truncate_to(0)
    recount = feed(broker, 10_000)
    assert values(broker) == expected_values(10_000)
    assert recount.counts == recount_of(10_000).counts


def test_what_lies_beyond_the_target_counts_as_well(broker: Broker) -> None:
    feed(broker, 10_000)
    log(broker, 1).truncate_to(0)
    log(broker, 2).truncate_to(0)
    log(broker, 3).truncate_to(0)
    feed_again = Feed(broker, 1_000, NOW_MS)
    assert feed_again.target < 10_000
    recount = Recount(10)
    for _ in feed_again.run(recount):
        pass
    expected, below = expected_values(10_000), expected_values(feed_again.target)
    assert values(broker) == [expected[0], below[1], below[2], below[3]]
    assert sum(recount.counts.values()) < sum(recount_of(10_000).counts.values())


def test_records_of_others_are_refused(broker: Broker) -> None:
    log(broker, 0).append_columns([b"k"], [b"v"], [12_345])
    with pytest.raises(CommandError, match="did not write"):
        Feed(broker, 1_000, NOW_MS)
