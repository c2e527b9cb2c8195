"""Processors that keep keys: what they forward, and when."""

from __future__ import annotations

from aliran.streams import (
    FixedKeyProcessor,
    FixedKeyProcessorContext,
    FixedKeyRecord,
    PunctuationType,
    StreamsBuilder,
    TopologyTestDriver,
)


class Holder(FixedKeyProcessor[str, str, str]):
    """Holds records back: the first two until the third, others until the clock says."""

    def init(self, context: FixedKeyProcessorContext[str, str]) -> None:
        super().init(context)
        self._held: list[FixedKeyRecord[str, str]] = []
        context.schedule(10, PunctuationType.WALL_CLOCK_TIME, self._release)

    def process(self, record: FixedKeyRecord[str, str]) -> None:
        self._held.append(record)
        if len(self._held) == 3:
            self._release(0)

    def _release(self, _time_ms: int) -> None:
        for record in self._held:
            self.context.forward(record.with_value(record.value.upper()))
        self._held.clear()


def test_records_may_be_forwarded_later_and_from_punctuators() -> None:
    builder = StreamsBuilder()
    builder.stream("in").process_values(Holder).to("out")
    with TopologyTestDriver(builder.build()) as driver:
        topic, out = driver.create_input_topic("in"), driver.create_output_topic("out")
        for time, key in enumerate("abcd"):
            topic.pipe_input(key, "v" + key, time, [("h", b"1")])
        records = out.read_records_to_list()
        assert [(r.key, r.value, r.timestamp) for r in records] == [
            ("a", "VA", 0),
            ("b", "VB", 1),
            ("c", "VC", 2),
        ]
        assert all(r.headers == [("h", b"1")] for r in records)
        driver.advance_wall_clock_time(10)
        assert [(r.key, r.value, r.timestamp) for r in out.read_records_to_list()] == [
            ("d", "VD", 3)
        ]


def test_there_is_no_way_to_another_key() -> None:
    record = FixedKeyRecord("k", 1, 2, [("h", None)])
    assert not hasattr(record, "with_key")
    changed = record.with_value("x").with_timestamp(5).with_headers(())
    assert changed == FixedKeyRecord("k", "x", 5)
