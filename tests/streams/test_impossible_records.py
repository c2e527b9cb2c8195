"""Records that no topic could hold are refused where they are made, by the test driver too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aliran import App, EmbeddedBroker, Processor, ProcessorTestContext, Record, TopologyTestDriver
from aliran.serdes import Serde
from aliran.streams import FixedKeyProcessor, FixedKeyRecord, ProcessingError, StreamsError

LATEST = (1 << 63) - 1

CHANGES: list[dict[str, Any]] = [
    {"timestamp": -5},
    {"timestamp": "now"},
    {"timestamp": 1.5},
    {"timestamp": None},
    {"timestamp": LATEST + 1},
    {"headers": {"name": b"value"}},
    {"headers": [("name", "text")]},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_forwarded(change: dict[str, Any]) -> None:
    class Forward(Processor[str, str, str, str]):
        def process(self, record: Record[str, str]) -> None:
            self.context.forward(replace(record, **change))

    class ForwardValues(FixedKeyProcessor[str, str, str]):
        def process(self, record: FixedKeyRecord[str, str]) -> None:
            self.context.forward(replace(record, **change))

    app = App("forward")
    stream = app.stream("in")
    stream.process(Forward, name="forwarder").to("out")
    stream.process_values(ForwardValues, name="values").to("values-out")
    with (
        TopologyTestDriver(app.build()) as driver,
        pytest.raises(ProcessingError, match=r"'forwarder' forwards a record (of|with) the"),
    ):
        driver.create_input_topic("in").pipe_input("k", "v")

    processor, context = Forward(), ProcessorTestContext()
    processor.init(context)
    with pytest.raises(StreamsError, match="forwards a record"):
        processor.process(Record("k", "v", 0))


def test_the_last_time_and_no_headers_are_possible() -> None:
    app = App("last")

    @app.processor("in", to="out")
    def last(record: Record[str, str]) -> Record[str, str]:
        return record.with_timestamp(LATEST).with_headers([("name", None)])

    with TopologyTestDriver(app.build()) as driver:
        driver.create_input_topic("in").pipe_input("k", "v")
        written = driver.create_output_topic("out").read_record()
    assert (written.timestamp, list(written.headers)) == (LATEST, [("name", None)])


@pytest.mark.parametrize("timestamp", [-1, LATEST + 1, "now"])
def test_what_is_piped(timestamp: Any) -> None:
    app = App("piped")
    app.stream("in").to("out")
    with (
        TopologyTestDriver(app.build()) as driver,
        pytest.raises(StreamsError, match="topic 'in' is given a record of the time"),
    ):
        driver.create_input_topic("in").pipe_input("k", "v", timestamp)


def test_what_an_extractor_answers() -> None:
    app = App("extract")
    app.stream("in", timestamp_extractor=lambda record, time: LATEST + 1).to("out")
    with (
        TopologyTestDriver(app.build()) as driver,
        pytest.raises(ProcessingError, match=f"returned {LATEST + 1}, which is no time"),
    ):
        driver.create_input_topic("in").pipe_input("k", "v")


TEXT: Any = Serde(str, bytes.decode, name="text")  # type: ignore[arg-type]
"""Forgets to encode, as one does."""


def test_what_a_serde_gives_in_the_driver() -> None:
    app = App("serde")
    app.stream("in").to("out", value=TEXT)
    with TopologyTestDriver(app.build()) as driver:
        topic = driver.create_input_topic("in")
        with pytest.raises(ProcessingError, match=r"cannot write to out-0: .* a value of type str"):
            topic.pipe_input("k", "v")
    with TopologyTestDriver(app.build(), {"on_production_error": "skip"}) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_value_list(["a", "b"])
        assert driver.statistics().failed_records == 2
        assert driver.create_output_topic("out").is_empty()


@pytest.mark.parametrize("brokers", ["embedded", "cluster"])
def test_what_a_serde_gives_in_an_application(brokers: str) -> None:
    with EmbeddedBroker() as broker:
        servers = broker.bootstrap_servers if brokers == "cluster" else brokers
        app = App("serde", brokers=servers)
        app.stream("in").to("out", value=TEXT)
        with app:
            app.send("in", "k", "v")
            with pytest.raises(ProcessingError, match=r"cannot write to out-0: .* of type str"):
                app.wait_until_idle()

        app = App("bytes", brokers=servers)
        encode: Any = lambda text: bytearray(text, "utf-8")  # noqa: E731
        mutable = Serde(encode, bytes.decode, name="mutable")
        app.stream("in").to("out", key=mutable, value=mutable)
        with app:
            app.send("in", "k", "v")
            app.wait_until_idle()
            assert ("k", "v") in list(app.read("out"))
