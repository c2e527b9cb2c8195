"""Records that wait for a versioned table go on waiting after a restart; its history is there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.streams import App


def joining_app(data_dir: Path) -> App:
    app = App("joining", data_dir=str(data_dir))
    prices = app.table("prices", store="prices", history_retention="1m")
    orders = app.stream("orders").left_join(
        prices, lambda order, price: f"{order}-{price}", grace=100, name="priced"
    )
    orders.to("out", key=str, value=str)
    return app


def write(app: App, topic: str, *rows: tuple[str, str, int]) -> None:
    transport = app.streams.connection.open_transport()
    keys: list[Any] = [key.encode() for key, _, _ in rows]
    values: list[Any] = [value.encode() for _, value, _ in rows]
    transport.send(Columns(topic, 0, (), keys, values, [time for _, _, time in rows]))
    transport.flush()
    transport.close()
    app.wait_until_idle()


@pytest.mark.parametrize("wiped", [False, True], ids=["disk", "changelogs"])
def test_what_waits_survives(tmp_path: Path, wiped: bool) -> None:
    with joining_app(tmp_path) as app:
        write(app, "prices", ("a", "1", 1_000), ("a", "2", 2_000))
        write(app, "orders", ("a", "early", 1_950), ("a", "late", 2_010), ("a", "gone", 1_900))
        assert list(app.read("out")) == [("a", "gone-1")]
    if wiped:
        shutil.rmtree(tmp_path / "state")
    with joining_app(tmp_path) as app:
        write(app, "prices", ("a", "1.5", 1_500))
        write(app, "orders", ("a", "same", 2_010), ("a", "last", 2_200))
        found = list(app.read("out"))
        log = list(app.read("joining-priced-Buffer-changelog", key=bytes, value=bytes))
    assert found == [
        ("a", "gone-1"),
        ("a", "early-1.5"),
        ("a", "late-2"),
        ("a", "same-2"),
    ]
    # Sequences go on too, so that no record is taken for an earlier one.
    assert [int.from_bytes(key[-4:], "big") for key, value in log if value] == [1, 2, 3, 4]
