"""Times and orders that the JVM's TopologyTestDriver shows: found by the oracle."""

from __future__ import annotations

from typing import Any

from aliran.streams import (
    Processor,
    PunctuationType,
    Record,
    Stores,
    StreamsBuilder,
    TopologyTestDriver,
)


class Later(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record.with_timestamp(record.timestamp + 7))


class Keep(Processor[str, str, str, str]):
    def init(self, context: Any) -> None:
        super().init(context)
        self.store = context.get_state_store("kept")
        context.schedule(10, PunctuationType.WALL_CLOCK_TIME, self.clear)

    def process(self, record: Record[str, str]) -> None:
        self.store.put(record.key, record.value)

    def clear(self, _time_ms: int) -> None:
        self.store.delete("a")


def test_changes_of_a_store_carry_the_time_of_the_record_at_hand() -> None:
    builder = StreamsBuilder()
    builder.add_state_store(Stores.persistent_key_value_store("kept"))
    builder.stream("in").process(Later).process(Keep, "kept")
    with TopologyTestDriver(builder.build(), {"application_id": "app"}) as driver:
        driver.pipe_raw("in", b"a", b"1", 50)
        driver.advance_wall_clock_time(10)
        changes = [driver.read_raw("app-kept-changelog") for _ in range(2)]
    assert [(each.value, each.timestamp) for each in changes if each] == [(b"1", 57), (None, 10)]


def test_of_two_records_of_one_time_the_one_written_first_is_read_first() -> None:
    builder = StreamsBuilder()
    source = builder.stream("in")
    keyed = source.map(lambda k, v: ("all", v))
    keyed.flat_map(lambda k, v: [(v, v)]).merge(source).group_by_key().count()
    upper = keyed.map_values(str.upper)
    joined = upper.join(keyed, lambda one, two: f"{one}+{two}", before=1, after=3)
    joined.to("out", value=str)
    with TopologyTestDriver(builder.build()) as driver:
        driver.pipe_raw("in", b"b", b"x", 1013)
        driver.pipe_raw("in", b"a", b"y", 1010)
        out = driver.create_output_topic("out")
        assert out.read_values_to_list() == ["X+x", "Y+y", "Y+x"]
