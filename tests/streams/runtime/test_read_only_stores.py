"""Stores that restore from a topic which others write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aliran.core.types import Columns
from aliran.streams import KafkaStreams, Processor, Record, Stores, Topology, TopologyBuilder


class Keep(Processor[str, str, str, str]):
    """Keeps what comes, and tells what was there before."""

    def process(self, record: Record[str, str]) -> None:
        store = self.context.get_state_store("prices")
        before = store.get(record.key)
        store.put(record.key, record.value)
        self.context.forward(record.with_value(f"{before} to {record.value}"))


def topology(*, logging: bool) -> Topology:
    builder = TopologyBuilder().add_read_only_state_store(
        Stores.persistent_key_value_store("prices", logging=logging),
        "read",
        "price-list",
        "keep",
        Keep,
        key=str,
        value=str,
    )
    return builder.add_sink("tell", "changes", "keep", key=str, value=str).build()


def write(streams: KafkaStreams, price: str) -> None:
    transport = streams.connection.open_transport()
    streams.partitions_of(transport, "price-list")
    transport.send(Columns("price-list", 0, (), [b"tea"], [price.encode()], [0]))
    transport.flush()
    transport.close()


@pytest.mark.parametrize("logging", [True, False])
@pytest.mark.parametrize("wiped", [False, True], ids=["kept", "wiped"])
def test_a_restart_knows_no_more_than_was_processed(
    tmp_path: Path, wiped: bool, logging: bool
) -> None:
    told: list[bytes | None] = []
    for prices in (("1", "2"), ("3", "4"), ("5", "6")):
        settings = {"application_id": "prices", "data_dir": str(tmp_path)}
        streams = KafkaStreams(topology(logging=logging), settings).open()
        write(streams, prices[0])  # waits when the store is restored
        with streams:
            write(streams, prices[1])
            streams.wait_until_idle()
            transport = streams.connection.open_transport()
            told = [
                value for each in streams.read_all(transport, "changes") for value in each.values
            ]
            transport.close()
        if wiped:
            shutil.rmtree(tmp_path / "state")
    assert told == [b"None to 1", *(f"{n} to {n + 1}".encode() for n in range(1, 6))]
