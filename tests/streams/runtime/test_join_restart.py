"""Joins of two streams go on after a restart, from disk or from their changelogs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.streams import App


def joining_app(data_dir: Path, *, persistent: bool) -> App:
    app = App("joining", data_dir=str(data_dir), outer_join_emit_interval_ms=0)
    left, right = app.stream("left"), app.stream("right")
    matched = left.outer_join(
        right, lambda one, other: f"{one}-{other}", "10ms", store="s", persistent=persistent
    )
    matched.to("out", key=str, value=str)
    return app


def write(app: App, topic: str, *rows: tuple[str, str, int]) -> None:
    transport = app.streams.connection.open_transport()
    keys: list[Any] = [key.encode() for key, _, _ in rows]
    values: list[Any] = [value.encode() for _, value, _ in rows]
    transport.send(Columns(topic, 0, (), keys, values, [time for _, _, time in rows]))
    transport.flush()
    transport.close()
    app.wait_until_idle()


@pytest.mark.parametrize(
    ("persistent", "wiped"),
    [(True, False), (True, True), (False, False)],
    ids=["disk", "wiped_disk", "memory"],
)
def test_what_waits_for_a_match_survives(tmp_path: Path, persistent: bool, wiped: bool) -> None:
    with joining_app(tmp_path, persistent=persistent) as app:
        write(app, "left", ("a", "l1", 100), ("a", "l2", 100), ("b", "l3", 101), ("d", "l4", 101))
        write(app, "right", ("c", "r1", 102), ("d", "r2", 102))
        assert list(app.read("out")) == [("d", "l4-r2")]
    if wiped:
        shutil.rmtree(tmp_path / "state")
    with joining_app(tmp_path, persistent=persistent) as app:
        write(app, "right", ("a", "r3", 105), ("d", "r4", 105))
        write(app, "left", ("z", "l5", 1000))
        found = list(app.read("out"))
        log = list(app.read("joining-s-outer-this-join-store-changelog", key=bytes))
    assert found == [
        ("d", "l4-r2"),
        ("a", "l1-r3"),
        ("a", "l2-r3"),
        ("d", "l4-r4"),
        ("b", "l3-None"),
        ("c", "None-r1"),
    ]
    # Sequences go on too, so that no record is taken for an earlier one.
    assert [int.from_bytes(key[-4:], "big") for key, _ in log] == [1, 2, 3, 4, 5]
