"""Times and orders that the JVM's TopologyTestDriver shows: found by the oracle."""

from __future__ import annotations

from typing import Any

from aliran.streams import (
    FixedKeyProcessor,
    FixedKeyRecord,
    Processor,
    PunctuationType,
    Record,
    Stores,
    StreamsBuilder,
    Suppressed,
    TimeWindows,
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


class Where(Processor[str, int, str, str]):
    def process(self, record: Record[str, int]) -> None:
        at = self.context.record_metadata()
        assert at is not None
        self.context.forward(record.with_value(f"{at.topic} {at.offset}"))


def test_behind_a_cache_and_behind_suppress_a_record_knows_where_it_came_from() -> None:
    builder = StreamsBuilder()
    counts = builder.stream("in").group_by_key().count()
    counts.to_stream().process(Where).to("now", value=str)
    late = counts.suppress(Suppressed.until_time_limit(10))
    late.to_stream().process(Where).to("late", value=str)
    with TopologyTestDriver(builder.build(), {"cache_max_bytes": 1_000}) as driver:
        driver.pipe_raw("in", b"a", b"", 1)
        driver.pipe_raw("in", b"b", b"", 50)
        for topic, expected in (("now", ["in 0", "in 1"]), ("late", ["in 0"])):
            output = driver.create_output_topic(topic)
            assert output.read_values_to_list() == expected


def test_with_a_cache_windows_are_written_in_the_order_of_their_last_updates() -> None:
    builder = StreamsBuilder()
    around = builder.stream("in").process_values(Around)
    windows = TimeWindows.of_size_and_grace(10, 100)
    counts = around.group_by_key().windowed_by(windows).count()
    counts.to_stream(lambda window, count: str(window.start_ms)).to("out", value=int)
    with TopologyTestDriver(builder.build(), {"cache_max_bytes": 1_000}) as driver:
        driver.pipe_raw("in", b"a", b"", 25)
        output = driver.create_output_topic("out", value=int)
        assert output.read_key_values_to_list() == [("10", 1), ("30", 2)]


class Around(FixedKeyProcessor[str, str, str]):
    def process(self, record: FixedKeyRecord[str, str]) -> None:
        self.context.forward(record.with_timestamp(record.timestamp + 10))
        self.context.forward(record.with_timestamp(record.timestamp - 10))
        self.context.forward(record.with_timestamp(record.timestamp + 10))


def test_an_eviction_is_logged_at_the_time_of_the_record_that_caused_it() -> None:
    builder = StreamsBuilder()
    builder.add_state_store(Stores.lru_map("last", 1))
    source = builder.stream("in")
    source.process(Put, "last").process(Put, "last")
    with TopologyTestDriver(builder.build(), {"application_id": "app"}) as driver:
        driver.pipe_raw("in", b"a", b"1", 50)
        driver.pipe_raw("in", b"b", b"2", 10)
        found = []
        while (change := driver.read_raw("app-last-changelog")) is not None:
            found.append((change.key, change.value, change.timestamp))
    assert found[:2] == [(b"a", b"1", 50)] * 2
    assert found[2:] == [(b"a", None, 10), (b"b", b"2", 10), (b"b", b"2", 10)]


class Put(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        self.context.get_state_store("last").put(record.key, record.value)
        self.context.forward(record)
