"""The demo's topology, record by record, and its agreement with the plain recount."""

from __future__ import annotations

from itertools import islice

from aliran.cli.demo.recount import Recount
from aliran.cli.demo.replay import HOUR_MS, MINUTE_MS, Replay
from aliran.cli.demo.topology import (
    MORE_THAN_LIKES,
    RANKING,
    RANKING_SIZE,
    TRENDING,
    TWEETS,
    Entry,
    Tweet,
    best,
    define,
    minute_name,
)
from aliran.serdes import WindowedSerde, serde_for
from aliran.streams.dsl.builder import StreamsBuilder
from aliran.streams.testing.driver import TopologyTestDriver

WINDOWED = WindowedSerde(serde_for(str), MINUTE_MS)


def driver() -> TopologyTestDriver:
    builder = StreamsBuilder()
    define(builder)
    return TopologyTestDriver(builder.build())


def test_tweets_with_likes_are_counted_and_ranked() -> None:
    with driver() as running:
        tweets = running.create_input_topic(TWEETS, key=str, value=Tweet)
        ranking = running.create_output_topic(RANKING, key=str, value=list[Entry])
        tweets.pipe_input("u1", Tweet("u1", "#Rain and #sun", 11), timestamp_ms=0)
        tweets.pipe_input("u2", Tweet("u2", "#rain", 99), timestamp_ms=MINUTE_MS - 1)
        tweets.pipe_input("u3", Tweet("u3", "#sun #sun", 10), timestamp_ms=1)
        tweets.pipe_input("u3", Tweet("u3", "no tag", 1_000), timestamp_ms=1)
        tweets.pipe_input("u4", Tweet("u4", "#sun", 12), timestamp_ms=MINUTE_MS)
        assert ranking.read_key_values_to_map() == {
            "1970-01-01T00:00Z": [Entry("#rain", 2), Entry("#sun", 1)],
            "1970-01-01T00:01Z": [Entry("#sun", 1)],
        }


def test_the_topology_agrees_with_the_recount() -> None:
    [chunk] = islice(Replay(HOUR_MS, 4).chunks(3_000), 1)
    recount = Recount(MORE_THAN_LIKES)
    recount.add(chunk, range(3_000))
    with driver() as running:
        tweets = running.create_input_topic(TWEETS, key=bytes, value=bytes)
        trending = running.create_output_topic(TRENDING, key=WINDOWED, value=int)
        ranking = running.create_output_topic(RANKING, key=str, value=list[Entry])
        for key, value, time in zip(chunk.keys, chunk.values, chunk.timestamps, strict=True):
            tweets.pipe_input(key, value, timestamp_ms=time)
        counts = trending.read_key_values_to_map()
        rankings = ranking.read_key_values_to_map()
    assert len(counts) > 50
    assert recount.differences({(key.key, key.start_ms): n for key, n in counts.items()}) == []
    assert {
        minute: [(row.tag, row.count) for row in rows] for minute, rows in rankings.items()
    } == {minute_name(start): rows for start, rows in recount.ranking(RANKING_SIZE).items()}


def test_a_tag_that_fell_out_of_the_ranking_comes_back_with_its_next_count() -> None:
    ranking: list[Entry] = []
    for number in range(RANKING_SIZE):
        ranking = best("m", Entry(f"#{number}", 5), ranking)
    ranking = best("m", Entry("#new", 4), ranking)
    assert Entry("#new", 4) not in ranking
    ranking = best("m", Entry("#new", 6), ranking)
    assert ranking[0] == Entry("#new", 6)
    assert len(ranking) == RANKING_SIZE
