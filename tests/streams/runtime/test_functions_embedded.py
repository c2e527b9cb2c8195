"""Functions in a running application: several partitions, one thread, timers by the real clock."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliran.streams import App, KeyValue
from aliran.streams.errors import ProcessingError

PARTITIONS: dict[str, Any] = {"broker_config": {"num.partitions": 3}, "commit_interval": 10}


def test_all_tasks_share_one_thread_and_one_loop(tmp_path: Path) -> None:
    app = App("fn", data_dir=str(tmp_path), **PARTITIONS)
    counts = app.store("counts", value=int, default=int)
    seen = set()

    @app.processor("in", stores=[counts], to="out", concurrency=5)
    async def count(key: str, value: str) -> int:
        await asyncio.sleep(0)
        seen.add((threading.current_thread(), asyncio.get_running_loop()))
        counts[key] += 1
        return counts[key]

    with app:
        for number in range(60):
            app.send("in", f"k{number % 20}", "x")
        app.wait_until_idle()
        rows = list(app.read("out", value=int))
    assert sorted(rows) == sorted((f"k{key}", n) for key in range(20) for n in (1, 2, 3))
    ((thread, loop),) = seen
    assert thread is not threading.current_thread()
    assert loop.is_closed()


def test_a_timer_runs_while_no_records_come(tmp_path: Path) -> None:
    app = App("fn", data_dir=str(tmp_path), **PARTITIONS)
    waiting = app.store("waiting", value=str)

    @app.processor("in", stores=[waiting])
    def keep(key: str, value: str) -> None:
        waiting[key] = value

    @app.timer("5ms", stores=[waiting], to="late")
    def give_up() -> Iterator[KeyValue[str, str]]:
        for key, value in list(waiting.items()):
            del waiting[key]
            yield KeyValue(key, value)

    with app:
        app.send("late", "c", "for the topic to be there")
        app.send("in", "a", "one")
        app.send("in", "b", "two")
        deadline = time.monotonic() + 30
        while len(rows := dict(app.read("late"))) < 3:
            assert time.monotonic() < deadline
            app.wait_until_idle()
    assert (rows["a"], rows["b"]) == ("one", "two")


def test_a_failed_call_is_made_again_by_the_next_run(tmp_path: Path) -> None:
    service = {"is down"}

    def make() -> App:
        app = App("fn", data_dir=str(tmp_path), **PARTITIONS)

        @app.processor("in", to="out", concurrency=4)
        async def ask(value: str) -> str:
            await asyncio.sleep(0)
            if value == "x1" and service:
                raise OSError("no answer")
            return value

        return app

    app = make()
    for number in range(3):
        app.send("in", "k", f"x{number}")
    app.start()
    with pytest.raises(ProcessingError, match=r"'ask' failed to .* OSError: no answer"):
        app.wait_until_idle()
    app.close()
    service.clear()
    with make() as app:
        app.wait_until_idle()
        assert {value for _, value in app.read("out")} == {"x0", "x1", "x2"}
