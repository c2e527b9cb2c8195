"""Topics into tables of real databases."""

from __future__ import annotations

import pytest
from tests.connectors.builtin.sql.conftest import Place, on, produce, sink, wrapped
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
        (key(8), None),
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


def test_a_bad_record_alone_is_dead(connect: Connect, pg: Place) -> None:
    pg.run("CREATE TABLE strict (id int PRIMARY KEY, name varchar(5))")
    records = [(None, named(one, f"n{one}")) for one in range(100)]
    records[37] = (None, named(37, "too long for it"))
    records[60] = (None, None)
    records[61] = (None, wrapped({"id": 61, "other": "x"}, {**KEY, "other": "string"}))
    records[62] = (None, wrapped({"id": 62, "name": True}, {**KEY, "name": "boolean"}))
    records[63] = (None, wrapped({"id": "x"}, {"id": "string"}))
    produce(connect, "strict", records)

    sink(connect, pg, "strict", pk__mode="record_value", pk__fields="id", insert__mode="upsert",
         errors__tolerance="all", errors__deadletterqueue__topic__name="strict-dead",
         errors__deadletterqueue__topic__replication__factor="1",
         errors__deadletterqueue__context__headers__enable="true")  # fmt: skip

    dead = connect.read("strict-dead", 4)
    told = [dict(one.headers()) for one in dead]
    reasons = {
        int(one["__connect.errors.offset"]): one["__connect.errors.exception.message"].decode()
        for one in told
    }
    assert "value too long for type character varying(5)" in reasons[37]
    assert "requires records with a non-null value" in reasons[60]
    assert "no column for the fields other" in reasons[61]
    assert "id of type STRING does not fit the column strict.id of type INTEGER" in reasons[63]
    good = {(one, f"n{one}") for one in range(100) if one not in reasons and one != 62}
    good.add((62, "true"))
    eventually(lambda: set(pg.rows("SELECT id, name FROM strict")) == good)
    connect.rest.delete("/connectors/strict")


def test_without_tolerance_the_task_tells_which_record(connect: Connect, pg: Place) -> None:
    produce(connect, "missing", [(None, named(1, "one"))])

    sink(connect, pg, "missing", aliran__restart__attempts=0)

    trace = eventually(lambda: connect.status("missing")["tasks"][0].get("trace"))
    assert "missing-0 at offset 0 cannot be written: the table missing is missing in" in trace
    assert "secret" not in trace
    connect.rest.delete("/connectors/missing")


@on("mariadb", "duckdb")
def test_tables_grow_with_their_records(connect: Connect, place: Place) -> None:
    topic = f"evolving-{place.name}"
    more = {**NAMED, "size": {"type": "int64", "optional": False, "default": 7},
            "tags": {"type": "array", "items": {"type": "string"}, "optional": True}}  # fmt: skip
    produce(connect, topic, [
        (None, named(1, "one")),
        (None, wrapped({"id": 2, "name": "two", "size": 5, "tags": ["a", "b"]}, more)),
        (None, named(3, "three")),
    ])  # fmt: skip

    sink(connect, place, topic, auto__create="true", auto__evolve="true", pk__mode="kafka",
         insert__mode="upsert", table__name__format="evolving")  # fmt: skip

    rows = [(1, "one", 7), (2, "two", 5), (3, "three", 7)]
    eventually(lambda: place.rows("SELECT id, name, size FROM evolving ORDER BY id") == rows)
    keys = place.rows("SELECT __connect_topic, __connect_partition, __connect_offset FROM evolving")
    assert sorted(keys) == [(topic, 0, one) for one in range(3)]
    connect.rest.delete(f"/connectors/{topic}")


@on("postgres", "sqlite")
def test_values_without_a_schema_are_updated(connect: Connect, place: Place) -> None:
    topic = f"plain-{place.name}"
    place.run("CREATE TABLE plain (id int PRIMARY KEY, amount double precision, note varchar(9))",
              "INSERT INTO plain VALUES (1, 0, 'old'), (2, 0, 'old'), (3, 0, 'old')")  # fmt: skip
    produce(connect, topic, [
        (None, b'{"id": 1, "amount": 1.5}'), (None, b'{"id": 2, "amount": 2}'),
        (None, b'{"id": 2, "note": null}'), (None, b'{"id": 9, "amount": 9}'),
    ])  # fmt: skip

    sink(connect, place, topic, insert__mode="update", pk__mode="record_value", pk__fields="id",
         table__name__format="plain", value__converter__schemas__enable="false")  # fmt: skip

    rows = [(1, 1.5, "old"), (2, 2.0, None), (3, 0.0, "old")]
    eventually(lambda: place.rows("SELECT * FROM plain ORDER BY id") == rows)
    connect.rest.delete(f"/connectors/{topic}")


def test_a_database_that_goes_away_is_waited_for(connect: Connect, pg: Place) -> None:
    assert pg.server is not None
    sink(connect, pg, "away", auto__create="true", aliran__offsets__table="away_offsets")
    produce(connect, "away", [(None, named(1, "before"))])
    eventually(lambda: pg.rows("SELECT id FROM away") == [(1,)])

    pg.server.kill()
    produce(connect, "away", [(None, named(2, "meanwhile"))])
    connect.read("away", 2)
    pg.server.start()

    eventually(lambda: sorted(pg.rows("SELECT id FROM away")) == [(1,), (2,)])
    assert connect.status("away")["tasks"][0]["state"] == "RUNNING"
    connect.rest.delete("/connectors/away")


@on("mariadb", "duckdb")
def test_offsets_in_the_target_count_not_those_of_the_group(connect: Connect, place: Place) -> None:
    topic = f"once-{place.name}"
    options = {"auto__create": "true", "aliran__offsets__table": "offsets",
               "table__name__format": "once"}  # fmt: skip
    produce(connect, topic, [(None, named(one, "x")) for one in range(5)])
    sink(connect, place, topic, **options)
    eventually(lambda: len(place.rows("SELECT id FROM once")) == 5)

    # The group's offsets are lost: another consumer group begins at the start.
    connect.rest.delete(f"/connectors/{topic}")
    sink(connect, place, topic, consumer__override__group__id=f"{topic}-2", **options)
    produce(connect, topic, [(None, named(5, "x"))])

    eventually(lambda: len(place.rows("SELECT id FROM once")) >= 6)
    assert sorted(place.rows("SELECT id FROM once")) == [(one,) for one in range(6)]
    assert place.rows("SELECT connector, topic, kafka_partition, next_offset FROM offsets") == [
        (topic, topic, 0, 6)
    ]
    connect.rest.put(f"/connectors/{topic}/stop")
    rewound = {"offsets": [{"partition": {"kafka_topic": topic, "kafka_partition": 0},
                            "offset": {"kafka_offset": 4}}]}  # fmt: skip
    answer = connect.rest.patch(f"/connectors/{topic}/offsets", json=rewound)
    assert answer.status_code == 200, answer.text
    connect.rest.put(f"/connectors/{topic}/resume")
    eventually(lambda: len(place.rows("SELECT id FROM once")) == 8)
    connect.rest.delete(f"/connectors/{topic}")


def test_a_column_that_was_widened_takes_more(connect: Connect, pg: Place) -> None:
    pg.run("CREATE TABLE wide (id int PRIMARY KEY, name varchar(5))")
    produce(connect, "wide", [(None, named(1, "too long")), (None, named(2, "short"))])
    sink(connect, pg, "wide", insert__mode="upsert", pk__mode="record_value", pk__fields="id",
         errors__tolerance="all")  # fmt: skip
    eventually(lambda: pg.rows("SELECT id FROM wide") == [(2,)])

    pg.run("ALTER TABLE wide ALTER name TYPE text")
    produce(connect, "wide", [(None, named(3, "no longer too long"))])

    eventually(lambda: pg.rows("SELECT id FROM wide ORDER BY id") == [(2,), (3,)])
    connect.rest.delete("/connectors/wide")
