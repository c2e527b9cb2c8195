"""Applications on the embedded broker with files: partitions, restarts, restoring, waiting."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aliran.core.errors import AliranError
from aliran.core.types import Columns, TopicPartition
from aliran.streams import App, IllegalStateError, Processor, PunctuationType, Record, State

WORDS = [f"word-{number}" for number in range(30)]


def words_app(data_dir: Path | None, **settings: Any) -> App:
    """Count words over three partitions, and the counts' words by their last letter."""
    config = {"num.partitions": 3}
    path = None if data_dir is None else str(data_dir)
    app = App("words", data_dir=path, broker_config=config, **settings)
    counts = app.stream("in").group_by(lambda key, word: word).count(store="counts").to_stream()
    counts.to("out")
    last = counts.group_by(lambda word, count: word[-1], key=str, value=int)
    last.reduce(max, store="largest").to_stream().to("largest")
    return app


def write(app: App, topic: str, words: list[str], *, time_ms: int = 0) -> None:
    """Write words round robin over all partitions of a topic."""
    assert app.bootstrap_servers
    transport = app.streams.connection.open_transport()
    count = app.streams.partitions_of(transport, topic)
    for partition in range(count):
        part: list[bytes | None] = [word.encode() for word in words[partition::count]]
        nothing: list[bytes | None] = [None] * len(part)
        if part:
            transport.send(Columns(topic, partition, (), nothing, part, [time_ms] * len(part)))
    transport.flush()
    transport.close()


def table_of(app: App, topic: str) -> dict[str, int]:
    return dict(app.read(topic, value=int))


def expected(words: list[str]) -> tuple[Counter[str], dict[str, int]]:
    counts = Counter(words)
    largest: dict[str, int] = {}
    for word, count in counts.items():
        largest[word[-1]] = max(count, largest.get(word[-1], 0))
    return counts, largest


@pytest.mark.parametrize("cache", [0, 2_000, 10_000_000])
def test_restarts_go_on_where_they_stopped(tmp_path: Path, cache: int) -> None:
    rng = random.Random(cache)
    written: list[str] = []
    wipes = {2: tmp_path / "state", 3: tmp_path / "state" / "words" / "1_1"}
    for run in range(5):
        if run in wipes:
            shutil.rmtree(wipes[run])
        fresh = rng.choices(WORDS, k=500)
        written += fresh
        with words_app(tmp_path, cache_max_bytes=cache) as app:
            write(app, "in", fresh)
            app.wait_until_idle()
            assert app.statistics().processed_records >= len(fresh)
            counts, largest = expected(written)
            assert table_of(app, "out") == counts
            assert table_of(app, "largest") == largest
            assert table_of(app, "words-counts-changelog") == counts


def test_state_is_taken_from_the_disk_where_it_is_there(tmp_path: Path) -> None:
    restored: dict[TopicPartition, tuple[int, int]] = {}
    for run in range(3):
        app = words_app(tmp_path)
        write(app, "in", WORDS)
        app.streams.set_restore_listener(
            lambda store, changelog, done, total: restored.update({changelog: (done, total)})
        )
        if run == 2:
            shutil.rmtree(tmp_path / "state")
        with app:
            app.wait_until_idle()
        if run == 1:
            assert restored == {}
    counts = [each for changelog, each in restored.items() if "counts" in changelog.topic]
    assert len(counts) == 3
    assert all(done == total for done, total in counts)
    assert sum(done for done, _ in counts) == 2 * len(WORDS)


def test_the_tail_of_a_changelog_is_restored(tmp_path: Path) -> None:
    with words_app(tmp_path) as app:
        write(app, "in", WORDS)
        app.wait_until_idle()
    shutil.copytree(tmp_path / "state", tmp_path / "old")
    with words_app(tmp_path) as app:
        write(app, "in", WORDS)
        app.wait_until_idle()
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "old").rename(tmp_path / "state")
    with words_app(tmp_path) as app:
        write(app, "in", WORDS)
        app.wait_until_idle()
        assert table_of(app, "out") == dict.fromkeys(WORDS, 3)


def test_idle_means_that_every_stage_is_done() -> None:
    with words_app(None, commit_interval="1h") as app:
        for _ in range(3):
            write(app, "in", WORDS)
            app.wait_until_idle()
        assert table_of(app, "out") == dict.fromkeys(WORDS, 3)
        assert table_of(app, "largest") == dict.fromkeys("0123456789", 3)
    assert app.statistics().processed_records > 3 * len(WORDS)  # counted beyond the end


def test_small_buffers_pause_and_resume() -> None:
    with words_app(None, buffered_records_per_partition=1, commit_interval=1) as app:
        for _ in range(20):
            write(app, "in", WORDS * 10)
        app.wait_until_idle()
        assert table_of(app, "out") == dict.fromkeys(WORDS, 200)


def test_joins_wait_for_the_table() -> None:
    app = App("joined")
    app.stream("in", key=str).join(app.table("rows"), lambda one, two: f"{one}{two}").to("out")
    for number in range(2_000):
        if number < 1_000:
            app.send("rows", f"key-{number}", "row", number)
        else:
            app.send("in", f"key-{number - 1_000}", "x", number)
    with app:
        app.wait_until_idle()
        assert len(list(app.read("out"))) == 1_000


# ---------------------------------------------------------------------------- failures of a commit


def test_a_commit_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = words_app(tmp_path)
    write(app, "in", WORDS)
    offsets = app.broker.broker.offsets
    commit, calls = offsets.commit, []

    def failing(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise AliranError("the disk is gone")
        return commit(*arguments)

    monkeypatch.setattr(offsets, "commit", failing)

    def write_on() -> None:
        for _ in range(10):
            write(app, "in", ["word-1"])
            app.wait_until_idle()

    with app, pytest.raises(AliranError, match="the disk is gone"):
        write_on()
    assert app.state is State.ERROR
    with words_app(tmp_path) as again:
        again.wait_until_idle()
        total = sum(len(c) for c in again.streams.read_all(_transport(again), "in"))
        assert sum(table_of(again, "words-counts-changelog").values()) == total


def _transport(app: App) -> Any:
    return app.streams.connection.open_transport()


# ---------------------------------------------------------------------------- life


def test_states_in_their_order() -> None:
    app = words_app(None)
    assert app.state is State.CREATED
    moves: list[tuple[str, str]] = []
    assert app.bootstrap_servers
    app.streams.set_state_listener(lambda new, old: moves.append((old.value, new.value)))
    with app:
        app.wait_until_running()
    assert app.statistics().processed_records == 0
    assert moves == [
        ("CREATED", "REBALANCING"),
        ("REBALANCING", "RUNNING"),
        ("RUNNING", "PENDING_SHUTDOWN"),
        ("PENDING_SHUTDOWN", "NOT_RUNNING"),
    ]


def test_states_of_a_failure() -> None:
    app = App("fails")
    app.stream("in").foreach(lambda key, value: WORDS.index(value))
    moves: list[str] = []
    app.send("in", "a", "b")
    app.streams.set_state_listener(lambda new, old: moves.append(new.value))
    with app, pytest.raises(AliranError, match="ValueError"):
        app.wait_until_idle()
    assert moves[-2:] == ["PENDING_ERROR", "ERROR"]


def test_an_application_runs_once() -> None:
    app = words_app(None)
    app.start()
    with pytest.raises(IllegalStateError):
        app.start()
    assert app.close()
    assert app.close()
    with pytest.raises(IllegalStateError, match="make a new one"):
        app.start()
    with pytest.raises(IllegalStateError):
        app.wait_until_idle()


def test_close_waits_for_run_on_another_thread() -> None:
    app = words_app(None)
    thread = threading.Thread(target=app.run)
    thread.start()
    while app.state is not State.RUNNING and thread.is_alive():
        thread.join(0.005)
    app.wait_until_idle()
    assert app.close()
    assert app.state is State.NOT_RUNNING
    thread.join()


def test_clean_up_needs_a_stopped_application(tmp_path: Path) -> None:
    app = words_app(tmp_path)
    with app:
        write(app, "in", WORDS)
        app.wait_until_idle()
        with pytest.raises(IllegalStateError, match="stop"):
            app.streams.clean_up()
    assert (tmp_path / "state" / "words").exists()
    app.streams.clean_up()
    assert not (tmp_path / "state" / "words").exists()
    with words_app(tmp_path) as again:
        write(again, "in", WORDS)
        again.wait_until_idle()
        assert table_of(again, "out") == dict.fromkeys(WORDS, 2)


def test_two_applications_share_one_embedded_broker_only_by_its_address() -> None:
    with words_app(None) as first:
        write(first, "in", WORDS)
        second = App("others", first.bootstrap_servers)
        second.stream("in").group_by(lambda k, v: "all").count(store="n").to_stream().to("all")
        with second:
            second.wait_until_idle()
            first.wait_until_idle()
            assert table_of(first, "all") == {"all": len(WORDS)}


# ---------------------------------------------------------------------------- processors


class Beat(Processor[str, str, str, int]):
    def init(self, context: Any) -> None:
        super().init(context)
        self.beats = 0
        context.schedule(1, PunctuationType.WALL_CLOCK_TIME, self.beat)

    def process(self, record: Record[str, str]) -> None:
        self.context.commit()

    def beat(self, time_ms: int) -> None:
        self.beats += 1
        if self.beats <= 5:
            self.context.forward(Record("beat", self.beats, time_ms))


def test_wall_clock_punctuators_run_without_records() -> None:
    app = App("beats")
    app.stream("in").process(Beat).to("out", value=int)
    with app:
        app.wait_until_running()
        found: list[int] = []
        while len(found) < 5:
            found = [value for _, value in app.read("out", value=int)]
        assert found == [1, 2, 3, 4, 5]


def test_partition_time_survives_a_restart(tmp_path: Path) -> None:
    def times_app() -> App:
        app = App("times", data_dir=str(tmp_path))
        stream = app.stream("in", timestamp_extractor=lambda record, time: max(time, 0))
        stream.process(Stamp).to("out")
        return app

    class Stamp(Processor[str, str, str, str]):
        def process(self, record: Record[str, str]) -> None:
            self.context.forward(record.with_value(str(record.timestamp)))

    plain = App("times", data_dir=str(tmp_path))
    plain.stream("in").process(Stamp).to("out")
    plain.send("in", "a", "x", 1_234)
    with plain:
        plain.wait_until_idle()
    app = times_app()
    app.send("in", "a", "x", 5)
    with app:
        app.wait_until_idle()
        assert [value for _, value in app.read("out")] == ["1234", "1234"]


def test_many_partitions_and_stores_fit_into_one_commit(tmp_path: Path) -> None:
    app = App("many", data_dir=str(tmp_path), broker_config={"num.partitions": 12})
    stream = app.stream("in")
    for number in range(4):
        grouped = stream.group_by(lambda key, word: word, name=f"group-{number}")
        grouped.count(store=f"store-with-a-rather-long-name-{number}")
    write(app, "in", WORDS * 10)
    with app:
        app.wait_until_idle()
        ends = app.broker.broker.offsets.fetch("many", [TopicPartition("in", 0)])
        assert ends
        for number in range(4):
            changelog = f"many-store-with-a-rather-long-name-{number}-changelog"
            assert table_of(app, changelog) == dict.fromkeys(WORDS, 10)
