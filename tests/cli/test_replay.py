"""The demo's input: same seed, same records; and the plain recount."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from aliran.cli.demo.recount import Recount, rank
from aliran.cli.demo.replay import HOUR_MS, MINUTE_MS, Chunk, Replay, hashtags, load_texts
from aliran.protocol.partitioner import partition_for_key

BASE_MS = 100 * HOUR_MS


def rows(count: int, base_ms: int = BASE_MS, partitions: int = 4) -> list[Chunk]:
    return list(islice(Replay(base_ms, partitions).chunks(500), count // 500))


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("nothing here", []),
        ("#One and #two_2, #one again", ["#one", "#two_2", "#one"]),
        ("# alone, C# no, #é yes", ["#é"]),
    ],
)
def test_hashtags(text: str, tags: list[str]) -> None:
    assert hashtags(text) == tags


def test_the_texts_are_the_4200_real_tweets_without_entities() -> None:
    texts = load_texts()
    assert len(texts) == 4_200
    assert "We were 17 deep last night & the love was so strong" in texts[2]
    assert not [text for text in texts if "&#" in text or "&amp;" in text]
    assert sum(bool(hashtags(text)) for text in texts) > 400


def test_the_same_records_come_in_every_run() -> None:
    assert rows(2_000) == rows(2_000)


def test_another_base_moves_event_time_and_nothing_else() -> None:
    for here, there in zip(rows(1_000), rows(1_000, BASE_MS + HOUR_MS), strict=True):
        assert here.keys == there.keys
        assert here.likes == there.likes
        assert [time + HOUR_MS for time in here.timestamps] == there.timestamps


def test_values_are_json_and_agree_with_the_columns() -> None:
    [chunk] = rows(500)
    for number, value in enumerate(chunk.values):
        tweet = json.loads(value)
        assert tweet["id"] == chunk.first + number
        assert tweet["user"].encode() == chunk.keys[number]
        assert tweet["likes"] == chunk.likes[number]
        assert tweet["created_at"] == chunk.timestamps[number]
        assert hashtags(tweet["text"]) == chunk.tags[number]
        assert chunk.partitions[number] == partition_for_key(chunk.keys[number], 4)


def test_four_in_ten_tweets_have_more_than_ten_likes() -> None:
    likes = [like for chunk in rows(10_000) for like in chunk.likes]
    assert 0.37 < sum(like > 10 for like in likes) / len(likes) < 0.43


def test_few_tweets_are_late_and_none_lies_before_the_base() -> None:
    times = [time for chunk in rows(10_000) for time in chunk.timestamps]
    newest, late = 0, 0
    for time in times:
        newest = max(newest, time)
        late += newest - time > 1_000
    assert min(times) >= BASE_MS
    assert 0.004 < late / len(times) < 0.02


def test_first_timestamps_are_those_of_the_partitions() -> None:
    expected: dict[int, int] = {}
    for chunk in rows(500):
        for partition, time in zip(chunk.partitions, chunk.timestamps, strict=True):
            expected.setdefault(partition, time)
    assert Replay(BASE_MS, 4).first_timestamps() == expected


def test_recount_counts_each_tag_of_liked_tweets_once_a_minute() -> None:
    chunk = Chunk(
        0,
        keys=[b"u"] * 4,
        values=[b""] * 4,
        timestamps=[0, MINUTE_MS - 1, MINUTE_MS, 5],
        partitions=[0] * 4,
        likes=[11, 12, 99, 10],
        tags=[["#a", "#b"], ["#a"], ["#a"], ["#a"]],
    )
    recount = Recount(more_than_likes=10)
    recount.add(chunk, range(4))
    assert recount.counts == {("#a", 0): 2, ("#b", 0): 1, ("#a", MINUTE_MS): 1}
    assert recount.ranking(1) == {0: [("#a", 2)], MINUTE_MS: [("#a", 1)]}


def test_recount_names_what_differs() -> None:
    recount = Recount(10)
    recount.counts.update({("#a", 0): 2, ("#b", 0): 1})
    assert recount.differences({("#a", 0): 2, ("#b", 0): 1}) == []
    assert recount.differences({("#a", 0): 3, ("#c", 0): 1}) == [
        "#a at 0: the topology says 3, the recount 2",
        "#b at 0: the topology says None, the recount 1",
        "#c at 0: the topology says 1, the recount None",
    ]


def test_rank_orders_by_count_then_name() -> None:
    assert rank([("#b", 1), ("#c", 5), ("#a", 1)], 2) == [("#c", 5), ("#a", 1)]
