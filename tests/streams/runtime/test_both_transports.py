"""The same programs on the embedded broker and, over the network, on a broker process."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import shared_work

from aliran.core.types import Columns
from aliran.serdes import Windowed, WindowedSerde, serde_for
from aliran.streams import App

WORDS = [f"word-{number}" for number in range(25)]
MakeApp = Callable[..., App]


def topic(app: App, name: str) -> str:
    """Return a topic of the application's own."""
    return f"{app.config.application_id}-{name}"


def write(app: App, name: str, rows: Sequence[tuple[str | None, str, int]]) -> None:
    assert app.bootstrap_servers
    transport = app.streams.connection.open_transport()
    partitions = app.streams.partitions_of(transport, name)
    for partition in range(partitions):
        part = rows[partition::partitions]
        keys = [None if key is None else key.encode() for key, _, _ in part]
        values: list[bytes | None] = [value.encode() for _, value, _ in part]
        transport.send(Columns(name, partition, (), keys, values, [row[2] for row in part]))
    transport.flush()
    transport.close()


def some_words(seed: int, size: int = 600) -> list[str]:
    return random.Random(seed).choices(WORDS, k=size)


def word_count(app: App) -> App:
    counts = app.stream(topic(app, "in")).group_by(lambda key, word: word).count(store="counts")
    counts.to_stream().to(topic(app, "out"))
    return app


def test_word_count(make_app: MakeApp) -> None:
    words = some_words(1)
    with word_count(make_app()) as app:
        write(app, topic(app, "in"), [(None, word, 0) for word in words])
        app.wait_until_idle()
        assert dict(app.read(topic(app, "out"), value=int)) == Counter(words)
        assert app.statistics().processed_records >= len(words)


def test_windowed_count(make_app: MakeApp) -> None:
    rng = random.Random(2)
    rows = [(None, word, rng.randrange(5_000)) for word in some_words(2)]
    app = make_app()
    group = app.stream(topic(app, "in")).group_by(lambda key, word: word)
    counts = group.windowed_by(1_000, grace="1h").count(store="counts")
    counts.to_stream().to(topic(app, "out"))
    with app:
        write(app, topic(app, "in"), rows)
        app.wait_until_idle()
        serde = WindowedSerde(serde_for(str), 1_000)
        found = dict(app.read(topic(app, "out"), key=serde, value=int))
    starts = [(word, time_ms // 1_000 * 1_000) for _, word, time_ms in rows]
    assert found == Counter(Windowed(word, start, start + 1_000) for word, start in starts)


def test_join(make_app: MakeApp) -> None:
    app = make_app()
    rekeyed = app.stream(topic(app, "in")).select_key(lambda key, word: word)
    rows = app.table(topic(app, "rows"))
    rekeyed.left_join(rows, lambda one, two: f"{one}={two}").to(topic(app, "out"))
    words = some_words(3)
    with app:
        for word in WORDS[:20]:
            app.send(topic(app, "rows"), word, word.upper(), 0)
        app.wait_until_idle()
        write(app, topic(app, "in"), [(None, word, 1) for word in words])
        app.wait_until_idle()
        found = Counter(value for _, value in app.read(topic(app, "out")))
    known = set(WORDS[:20])
    assert found == Counter(f"{w}={w.upper() if w in known else None}" for w in words)


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_restart(make_app: MakeApp, tmp_path: Path, state: str) -> None:
    words: list[str] = []
    for run in range(3):
        fresh = some_words(run)
        words += fresh
        with word_count(make_app()) as app:
            write(app, topic(app, "in"), [(None, word, 0) for word in fresh])
            app.wait_until_idle()
            assert dict(app.read(topic(app, "out"), value=int)) == Counter(words)
        if state == "lost":
            app.streams.clean_up()


@pytest.mark.parametrize("state", ["kept", "lost"])
def test_a_table_restores_from_its_topic(make_app: MakeApp, state: str) -> None:
    """Up to where it was processed: records that wait are to find the rows as they were."""
    rng, rows = random.Random(5), dict[str, str]()

    def write_some(app: App) -> None:
        # Each key keeps to one partition, as `write` deals rows out in turn. Old ones would expire.
        now = time.time_ns() // 1_000_000
        fresh = [(f"k{n % 9}", rng.choice("abc"), now) for n in range(45)]
        rows.update((key, group) for key, group, _ in fresh)
        write(app, topic(app, "rows"), fresh)

    for _ in range(3):
        app = make_app(topology_optimization="all")
        table = app.table(topic(app, "rows"), store="rows")
        table.group_by(lambda key, group: (group, group)).count().to_stream().to(topic(app, "out"))
        write_some(app)
        with app:
            write_some(app)
            app.wait_until_idle()
            found = dict(app.read(topic(app, "out"), value=int))
            transport = app.streams.connection.open_transport()
            assert not transport.partition_counts([f"{app.config.application_id}-rows-changelog"])
            transport.close()
        assert Counter(found) == Counter(rows.values())
        if state == "lost":
            app.streams.clean_up()


@pytest.mark.timeout(60)
def test_an_instance_that_slept_too_long_finds_its_place_again(server: str, tmp_path: Path) -> None:
    script = [sys.executable, shared_work.__file__, server]
    other = subprocess.Popen(
        [*script, str(tmp_path / "other")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    app = shared_work.make_app(server, str(tmp_path / "own"))
    assert app.bootstrap_servers
    moves: list[str] = []
    app.streams.set_state_listener(lambda new, old: moves.append(new.value))
    with other, app:
        loop: Any = app.streams._loop

        def wait_for(tasks: Callable[[int], bool]) -> None:
            while not tasks(len(loop.tasks)):
                assert other.poll() is None
                app.wait_until_running()
                time.sleep(0.01)

        wait_for(lambda number: 0 < number < 6)
        write(app, "shared-in", [(None, word, 0) for word in some_words(7)])
        other.send_signal(signal.SIGSTOP)
        wait_for(lambda number: number == 6)
        other.send_signal(signal.SIGCONT)
        wait_for(lambda number: 0 < number < 6)
        app.wait_until_idle()
        assert other.stdin is not None
        other.stdin.close()
        assert other.wait(30) == 0
    assert moves.count("REBALANCING") >= 3
    assert moves[-1] == "NOT_RUNNING"


@pytest.mark.timeout(60)
def test_the_work_of_a_killed_instance_goes_on(server: str, tmp_path: Path) -> None:
    writer = App("writer", server, state_dir=str(tmp_path / "writer"))
    writer.stream("unused").to("unused-too")
    written: list[str] = []

    def write_more(seed: int) -> None:
        fresh = some_words(seed, 300)
        written.extend(fresh)
        write(writer, "shared-in", [(None, word, 0) for word in fresh])

    write_more(1)
    script = [sys.executable, shared_work.__file__, server]
    other = subprocess.Popen(
        [*script, str(tmp_path / "other")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with other, shared_work.make_app(server, str(tmp_path / "own")) as app:
        assert other.stdout is not None
        assert other.stdout.readline() == b"running\n"
        app.wait_until_running()
        loop: Any = app.streams._loop
        while not 0 < len(loop.tasks) < 6:  # until they share the two times three tasks
            time.sleep(0.01)
        write_more(2)
        time.sleep(0.1)
        other.kill()
        write_more(3)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            app.wait_until_idle(40)
            found = dict(app.read("shared-out", value=int))
            if all(found.get(word, 0) >= number for word, number in Counter(written).items()):
                break
            time.sleep(0.1)
    writer.close()
    # At least once: nothing is lost; what the killed one had not committed may count twice.
    assert found.keys() == set(written)
    for word, number in Counter(written).items():
        assert found[word] >= number
    assert sum(found.values()) <= 2 * len(written)
