"""The benchmarks measure what they say: the recount's rule, exclusive stage times, the input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import measure, tweets
from benchmarks.hashtag_job import GRACE_MS, MINUTE_MS, bare_loop, expected
from benchmarks.stages import StageClock


def tweet(at: int, text: str = "#a", likes: int = 11) -> bytes:
    return json.dumps({"user": "u", "text": text, "likes": likes, "created_at": at}).encode()


def test_bare_loop_counts_liked_tweets_by_hashtag_and_minute() -> None:
    values = [tweet(0, "#a #b"), tweet(MINUTE_MS, "#a"), tweet(1, "#a"), tweet(2, "#a", likes=10)]
    assert bare_loop(values) == {("#a", 0): 2, ("#b", 0): 1, ("#a", MINUTE_MS): 1}


def test_the_check_drops_what_comes_after_the_grace_period_and_nothing_else() -> None:
    closes = MINUTE_MS + GRACE_MS
    times = [0, closes - 1, 1, closes, 2]
    counts, late = expected([tweet(at) for at in times], times)
    assert counts == {("#a", 0): 2, ("#a", MINUTE_MS): 2}
    assert late == 1


def test_tweets_without_hashtags_do_not_move_stream_time() -> None:
    times = [0, 10 * MINUTE_MS, 1]
    counts, late = expected([tweet(0), tweet(times[1], "no tag"), tweet(1)], times)
    assert (counts, late) == ({("#a", 0): 2}, 0)


def test_the_input_is_generated_once_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tweets, "CACHE", tmp_path)
    first = tweets.load(2_000)
    assert tweets.load(2_000).values == first.values
    assert [path.name for path in tmp_path.iterdir()] == ["tweets-2000.tsv"]
    records = [json.loads(value) for value in first.values]
    assert [record["created_at"] for record in records] == first.timestamps
    assert 180 < sum(map(len, first.values)) / 2_000 < 215
    assert 0.36 < sum(record["likes"] > 10 for record in records) / 2_000 < 0.44


def test_stage_times_are_exclusive_and_methods_are_given_back() -> None:
    class Work:
        def outer(self) -> int:
            return self.inner() + 1

        def inner(self) -> int:
            return 1

    before = Work.outer
    clock = StageClock()
    clock.wrap(Work, "outer", "outside")
    clock.wrap(Work, "inner", lambda work: f"inside {type(work).__name__}")
    assert Work().outer() == 2
    assert set(clock.seconds) == {"outside", "inside Work"}
    clock.uninstall()
    assert Work.outer is before


def test_results_replace_those_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "build" / "bench.json")
    measure.save([{"name": "a", "n": 1}, {"name": "b", "n": 1}])
    measure.save([{"name": "a", "n": 2}])
    assert json.loads(measure.RESULTS.read_text()) == [{"name": "b", "n": 1}, {"name": "a", "n": 2}]
    assert measure.spread([3_000, 1_000, 2_000]) == "2,000 (1,000..3,000)"
