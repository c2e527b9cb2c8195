"""Sessions, sliding windows and what suppress holds back go on after a restart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.streams import App, EmitStrategy, KTable, Suppressed, UnlimitedWindows, Windowed


def shown(window: Windowed[str], value: int | None) -> tuple[str, str]:
    return window.key, f"{window.start_ms}-{window.end_ms}:{value}"


def windowed_app(data_dir: Path, *, persistent: bool) -> App:
    app = App("windowed", data_dir=str(data_dir), window_emit_interval_ms=0)
    grouped = app.stream("in").group_by_key()
    sessions = grouped.windowed_by(session=10, grace=50)
    tables: dict[str, KTable[Windowed[str], int]] = {
        "sessions": sessions.count(store="sessions", persistent=persistent),
        "sliding": grouped.windowed_by(sliding=10, grace=50).count(
            store="sliding", persistent=persistent
        ),
        "closed": sessions.emit_strategy(EmitStrategy.on_window_close()).count(
            store="closed", persistent=persistent, retention="1h"
        ),
        "final": grouped.windowed_by(10, grace=50)
        .count(store="tumbling", persistent=persistent)
        .suppress(Suppressed.until_window_closes(), name="final"),
    }
    for topic, table in tables.items():
        table.to_stream().map(shown).to(topic, key=str, value=str)
    return app


def write(app: App, *rows: tuple[str, int]) -> None:
    transport = app.streams.connection.open_transport()
    keys: list[Any] = [key.encode() for key, _ in rows]
    transport.send(Columns("in", 0, (), keys, [b"x"] * len(rows), [time for _, time in rows]))
    transport.flush()
    transport.close()
    app.wait_until_idle()


@pytest.mark.parametrize(
    ("persistent", "wiped"),
    [(True, False), (True, True), (False, False)],
    ids=["disk", "wiped_disk", "memory"],
)
def test_windows_go_on(tmp_path: Path, persistent: bool, wiped: bool) -> None:
    with windowed_app(tmp_path, persistent=persistent) as app:
        write(app, ("a", 1_000), ("a", 1_005), ("b", 1_030))
        before = {topic: len(list(app.read(topic))) for topic in ("sessions", "sliding")}
    if wiped:
        shutil.rmtree(tmp_path / "state")
    with windowed_app(tmp_path, persistent=persistent) as app:
        write(app, ("a", 1_012))
        sessions = list(app.read("sessions"))[before["sessions"] :]
        sliding = list(app.read("sliding"))[before["sliding"] :]
        write(app, ("z", 5_000))
        closed, final = list(app.read("closed")), list(app.read("final"))
    assert sessions == [("a", "1000-1005:None"), ("a", "1000-1012:3")]
    assert sliding == [("a", "1006-1016:1"), ("a", "1002-1012:2")]
    assert closed == [("a", "1000-1012:3"), ("b", "1030-1030:1")]
    assert final == [("a", "1000-1010:2"), ("a", "1010-1020:1"), ("b", "1030-1040:1")]


def test_the_changelog_of_the_unlimited_window_is_kept_for_ever(tmp_path: Path) -> None:
    app = App("unlimited", data_dir=str(tmp_path))
    windowed = app.stream("in").group_by_key().windowed_by(UnlimitedWindows.of())
    windowed.count(store="all").to_stream(lambda w, n: w.key).to("out", key=str, value=int)
    with app:
        write(app, ("a", 1), ("a", 2_000_000_000_000))
        assert list(app.read("out", value=int))[-1] == ("a", 2)
