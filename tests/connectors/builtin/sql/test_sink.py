"""Topics into tables of real databases."""

from __future__ import annotations

import pytest
from tests.connectors.builtin.sql.conftest import Place, produce, sink, wrapped
from tests.connectors.conftest import Connect, eventually

pytestmark = pytest.mark.xdist_group("sql")

KEY = {"id": {"type": "int32", "optional": False}}
NAMED = {"id": {"type": "int32", "optional": False}, "name": "string"}


def key(number: int) -> bytes | None:
    return wrapped({"id": number}, KEY)


def named(number: int, name: str | None) -> bytes | None:
    return wrapped({"id": number, "name": name}, NAMED)


def test_rows_are_added_changed_and_removed(connect: Connect, place: Place) -> None:
    topic = f"changes-{place.name}"
    produce(connect, topic, [
        (key(1), named(1, "one")), (key(2), named(2, "two")), (key(3), named(3, None)),
        (key(1), named(1, "ein's")), (key(2), None), (key(4), None), (key(4), named(4, "four")),
        (key(3), None), (key(3), named(3, "drei")),
    ])  # fmt: skip

    sink(connect, place, topic, insert__mode="upsert", pk__mode="record_key", pk__fields="id",
         auto__create="true", delete__enabled="true", table__name__format="changes")  # fmt: skip

    wanted = [(1, "ein's"), (3, "drei"), (4, "four")]
    eventually(lambda: place.rows("SELECT id, name FROM changes ORDER BY id") == wanted)
    produce(connect, topic, [(key(1), None), (key(5), named(5, "five"))])
    wanted = [*wanted[1:], (5, "five")]
    eventually(lambda: place.rows("SELECT id, name FROM changes ORDER BY id") == wanted)
    connect.rest.delete(f"/connectors/{topic}")
