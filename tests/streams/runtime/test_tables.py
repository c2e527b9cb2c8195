"""Tables on several partitions: joined by key and by foreign key, grouped, and global."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.protocol.partitioner import partition_for_key
from aliran.streams import App

PARTITIONS = 3
Row = tuple[str, str | None]


def tables_app(data_dir: Path) -> App:
    app = App("tables", data_dir=str(data_dir), broker_config={"num.partitions": str(PARTITIONS)})
    orders = app.table("orders")  # order -> customer:amount
    customers = app.table("customers")
    named = orders.left_join(
        customers, lambda order, name: f"{order}/{name}", foreign_key=customer_of, store="named"
    )
    named.to_stream().to("named-orders", key=str, value=str)
    totals = orders.group_by(lambda key, order: (customer_of(order), amount_of(order)), value=int)
    sums = totals.reduce(lambda x, y: x + y, lambda x, y: x - y, store="sums")
    sums.join(customers, lambda total, name: f"{name}={total}", store="bills").to_stream().to(
        "bills", key=str, value=str
    )
    countries = app.global_table("countries", store="countries")
    visits = app.stream("visits")
    visits.join(
        countries, lambda visit, country: f"{visit} {country}", key_selector=lambda k, v: v
    ).to("visited", key=str, value=str)
    return app


def customer_of(order: str) -> str:
    return order.partition(":")[0]


def amount_of(order: str) -> int:
    return int(order.partition(":")[2])


def write(app: App, topic: str, rows: list[Row], time_ms: int) -> None:
    transport = app.streams.connection.open_transport()
    for partition in range(PARTITIONS):
        mine = [row for row in rows if partition_for_key(row[0].encode(), PARTITIONS) == partition]
        keys: list[Any] = [key.encode() for key, _ in mine]
        values: list[Any] = [None if value is None else value.encode() for _, value in mine]
        if mine:
            transport.send(Columns(topic, partition, (), keys, values, [time_ms] * len(mine)))
    transport.flush()
    transport.close()
    app.wait_until_idle()


def last(app: App, topic: str) -> dict[str, str]:
    return {key: value for key, value in dict(app.read(topic)).items() if value is not None}


@pytest.mark.parametrize("wiped", [False, True], ids=["kept", "wiped"])
def test_results_equal_a_recount_over_a_restart(tmp_path: Path, wiped: bool) -> None:
    randomly = random.Random(7)
    orders: dict[str, str | None] = {}
    customers: dict[str, str | None] = {}
    for run in range(2):
        with tables_app(tmp_path) as app:
            for step in range(4):
                rows: list[Row] = []
                for _ in range(15):
                    value = f"c{randomly.randrange(6)}:{randomly.randrange(100)}"
                    rows.append((f"o{randomly.randrange(20)}", randomly.choice([value, None])))
                orders.update(rows)
                write(app, "orders", rows, 10 * step)
                names: list[Row] = [
                    (f"c{randomly.randrange(6)}", randomly.choice([f"n{step}", None]))
                    for _ in range(3)
                ]
                customers.update(names)
                write(app, "customers", names, 10 * step + 5)
            found, bills = last(app, "named-orders"), last(app, "bills")
        kept = {key: order for key, order in orders.items() if order is not None}
        assert found == {
            key: f"{order}/{customers.get(customer_of(order))}" for key, order in kept.items()
        }
        # A group that lost its last row keeps a sum of 0.
        sums: dict[str, int] = {}
        for order in kept.values():
            sums[customer_of(order)] = sums.get(customer_of(order), 0) + amount_of(order)
        known = {key: name for key, name in customers.items() if name is not None}
        assert {key: bill for key, bill in bills.items() if not bill.endswith("=0")} == {
            key: f"{known[key]}={total}" for key, total in sums.items() if key in known and total
        }
        if wiped and run == 0:
            shutil.rmtree(tmp_path / "state")


def test_a_global_table_is_filled_before_the_first_record_and_kept(tmp_path: Path) -> None:
    with tables_app(tmp_path) as app:
        write(app, "countries", [("it", "Italy"), ("no", "Norway"), ("nl", "Holland")], 5)
        write(app, "visits", [(f"v{n}", ("it", "no", "nl", "xx")[n % 4]) for n in range(12)], 1)
        write(app, "countries", [("nl", "Netherlands"), ("it", None)], 0)
        write(app, "visits", [("w1", "nl"), ("w2", "it")], 2)
    with tables_app(tmp_path) as app:
        write(app, "visits", [("x1", "nl"), ("x2", "no"), ("x3", "it")], 3)
        found = dict(app.read("visited"))
    names = {"it": "Italy", "no": "Norway", "nl": "Holland"}
    assert found == {
        **{
            f"v{n}": f"{country} {names[country]}"
            for n in range(12)
            if (country := ("it", "no", "nl", "xx")[n % 4]) in names
        },
        "w1": "nl Netherlands",
        "x1": "nl Netherlands",
        "x2": "no Norway",
    }
