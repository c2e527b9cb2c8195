"""The test driver and its topics: Kafka's methods, Kafka's mistakes, several partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aliran.protocol.partitioner import partition_for_key
from aliran.storage.state import ValueAndTimestamp
from aliran.streams import (
    KeyValue,
    NoSuchElementError,
    Processor,
    ProcessorContext,
    PunctuationType,
    Record,
    SessionWindows,
    Stores,
    StreamsBuilder,
    StreamsError,
    TestRecord,
    TopologyError,
    TopologyTestDriver,
)


def copying() -> TopologyTestDriver:
    builder = StreamsBuilder()
    builder.stream("in").to("out")
    return TopologyTestDriver(builder.build(), initial_wall_clock_time_ms=1_000)


# ---------------------------------------------------------------------------- topics


def test_all_ways_to_pipe_one_record() -> None:
    with copying() as driver:
        topic = driver.create_input_topic("in", start_ms=100, auto_advance=10)
        topic.pipe_input("k", "v")
        topic.pipe_input("value alone")
        topic.pipe_input(Record("k", "v", 5, (("h", b"1"),)))
        topic.pipe_input(TestRecord("k", "without a time"))
        topic.pipe_input("k", "v", 7, (("h", b"2"),))
        topic.pipe_input("k", None)
        topic.advance_time("1s")
        topic.pipe_record(TestRecord("k", "v", 9))
        topic.pipe_input("v", timestamp_ms=8)
        topic.pipe_input("k", "later")
        out = driver.create_output_topic("out")
        assert out.read_records_to_list() == [
            Record("k", "v", 100),
            Record(None, "value alone", 110),
            Record("k", "v", 5, (("h", b"1"),)),
            Record("k", "without a time", 120),
            Record("k", "v", 7, (("h", b"2"),)),
            Record("k", None, 130),
            Record("k", "v", 9),
            Record(None, "v", 8),
            Record("k", "later", 1_140),
        ]


def test_all_ways_to_pipe_many() -> None:
    with copying() as driver:
        topic = driver.create_input_topic("in", auto_advance=1)
        topic.pipe_value_list(["a", "b"])
        topic.pipe_value_list(["c", "d"], 5, 10)
        topic.pipe_key_value_list([KeyValue("k", "e"), ("k", "f")], start_ms=20, advance="1s")
        topic.pipe_record_list([TestRecord("k", "g"), Record("k", "h", 3)])
        out = driver.create_output_topic("out")
        found = [(each.key, each.value, each.timestamp) for each in out.read_records_to_list()]
        assert found == [
            (None, "a", 1_000),
            (None, "b", 1_001),
            (None, "c", 5),
            (None, "d", 15),
            ("k", "e", 20),
            ("k", "f", 1_020),
            ("k", "g", 1_002),
            ("k", "h", 3),
        ]


def test_all_ways_to_read() -> None:
    with copying() as driver:
        out = driver.create_output_topic("out")
        assert out.is_empty()
        assert (out.read_values_to_list(), out.read_key_values_to_map()) == ([], {})
        topic = driver.create_input_topic("in")
        topic.pipe_key_value_list([("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")])
        assert (out.queue_size(), out.is_empty()) == (4, False)
        assert out.read_value() == "1"
        assert out.read_key_value() == ("b", "2")
        assert out.read_key_values_to_map() == {"a": "4"}
        topic.pipe_key_value_list([("a", "5"), ("b", "6")])
        assert out.read_key_values_to_list() == [("a", "5"), ("b", "6")]
        assert driver.produced_topic_names() == {"out"}
        assert (
            repr(out) == "TestOutputTopic('out', key=StringSerde(), value=StringSerde(), 0 records)"
        )
        assert repr(topic) == "TestInputTopic('in', key=StringSerde(), value=StringSerde())"


def test_what_cannot_be_read() -> None:
    with copying() as driver:
        out = driver.create_output_topic("out")
        with pytest.raises(NoSuchElementError, match=r"nothing was written to topic 'out'.*: none"):
            out.read_value()
        topic = driver.create_input_topic("in")
        topic.pipe_input("only")
        with pytest.raises(NoSuchElementError, match="'other'; topics written so far: out"):
            driver.create_output_topic("other").read_record()
        with pytest.raises(StreamsError, match="has no key, so there is no dict"):
            out.read_key_values_to_map()
        with pytest.raises(NoSuchElementError, match="all records of topic 'out' have been read"):
            out.read_key_value()
        topic.pipe_input("text")
        with pytest.raises(StreamsError, match=r"cannot read the value b'text' .*create_output_"):
            driver.create_output_topic("out", value=int).read_value()


def test_what_cannot_be_piped() -> None:
    with copying() as driver:
        topic = driver.create_input_topic("in")
        with pytest.raises(StreamsError, match="'in' is given a record of the time -5"):
            topic.pipe_input("k", "v", -5)
        with pytest.raises(StreamsError, match="advance_time takes what is not negative"):
            topic.advance_time(-5)
        with pytest.raises(StreamsError, match="auto_advance must not be negative"):
            driver.create_input_topic("in", auto_advance=-1)
        with pytest.raises(StreamsError, match=r"cannot write the value 'v' .*create_input_top"):
            driver.create_input_topic("in", value=int).pipe_input("k", "v")  # type: ignore[call-overload]
        with pytest.raises(StreamsError, match="does not read topic 'out'; it reads in"):
            driver.create_input_topic("out").pipe_input("k", "v")
        with pytest.raises(StreamsError, match="wall-clock time does not go back"):
            driver.advance_wall_clock_time(-1)
    with pytest.raises(StreamsError, match="the driver is closed"):
        topic.pipe_input("k", "v")
    driver.close()


# ---------------------------------------------------------------------------- stores


class Writes(Processor[str, str, str, str]):
    """Keeps each value in every store it is connected to."""

    def process(self, record: Record[str, str]) -> None:
        store = self.context.get_state_store
        store("plain").put(record.key, record.value)
        store("windows").put(record.key, record.value, 0)
        store("versions").put(record.key, record.value, record.timestamp)


def test_stores_of_every_kind() -> None:
    builder = StreamsBuilder()
    builder.add_state_store(Stores.in_memory_key_value_store("plain"))
    builder.add_state_store(Stores.in_memory_window_store("windows", window_size=10))
    builder.add_state_store(Stores.persistent_versioned_key_value_store("versions", "1h"))
    stream = builder.stream("in")
    stream.process(Writes, "plain", "windows", "versions")
    grouped = stream.group_by_key()
    grouped.count(store="counts")
    grouped.windowed_by(10).count(store="minutes")
    grouped.windowed_by(SessionWindows.of_inactivity_gap_with_no_grace(10)).count(store="sessions")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_input("a", "x", 5)
        assert driver.get_key_value_store("plain").get("a") == "x"
        assert driver.get_window_store("windows").fetch("a", 0) == "x"
        assert driver.get_versioned_key_value_store("versions").get("a").value == "x"  # type: ignore[union-attr]
        assert driver.get_timestamped_key_value_store("counts").get("a") == (1, 5)
        assert driver.get_timestamped_window_store("minutes").fetch("a", 0) == (1, 5)
        assert [value for _, value in driver.get_session_store("sessions").fetch("a")] == [1]
        kinds = {"plain", "windows", "versions", "counts", "minutes", "sessions"}
        assert set(driver.get_all_state_stores()) == kinds
        for name, getter, hint in [
            ("counts", driver.get_window_store, "use get_timestamped_key_value_store.'counts'"),
            ("counts", driver.get_session_store, "is a timestamped store"),
            ("plain", driver.get_timestamped_key_value_store, "use get_key_value_store"),
            ("windows", driver.get_timestamped_window_store, "use get_window_store"),
            ("minutes", driver.get_key_value_store, "use get_timestamped_window_store"),
            ("sessions", driver.get_key_value_store, "use get_session_store"),
            ("versions", driver.get_key_value_store, "use get_versioned_key_value_store"),
            ("nix", driver.get_key_value_store, "no store named 'nix'; the topology's stores: "),
        ]:
            with pytest.raises(TopologyError, match=hint):
                getter(name)


def test_tables_without_their_times() -> None:
    """As Kafka's facades: what is put through one has the time -1."""
    builder = StreamsBuilder()
    builder.table("rows", store="rows")
    builder.stream("in").group_by_key().windowed_by(10, grace=99).count(store="minutes")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("rows").pipe_key_value_list([("a", "1"), ("b", "2")])
        rows = driver.get_key_value_store("rows")
        rows.put("c", "3")
        assert driver.get_timestamped_key_value_store("rows")["c"] == ValueAndTimestamp("3", -1)
        assert list(rows.all()) == [("a", "1"), ("b", "2"), ("c", "3")]
        assert list(rows.reverse_range("a", "b")) == [("b", "2"), ("a", "1")]
        assert list(rows.prefix_scan("a")) == [("a", "1")]
        assert (rows.put_if_absent("a", "9"), rows.put_if_absent("d", "4")) == ("1", None)
        assert (rows.delete("d"), rows.get("d"), rows.approximate_num_entries() > 0) == (
            "4",
            None,
            True,
        )
        assert ("a" in rows, rows["a"], list(rows)) == (True, "1", ["a", "b", "c"])
        driver.create_input_topic("in").pipe_input("a", "x", 15)
        minutes = driver.get_window_store("minutes")
        assert minutes.fetch("a", 10) == 1
        assert list(minutes.fetch("a", 0, 100)) == [(10, 1)]
        minutes.put("b", 7, 20)
        assert [value for _, value in minutes.all()] == [1, 7]
        assert [value for _, value in minutes.backward_fetch_all(0, 100)] == [7, 1]
        assert [start for start, _ in minutes.backward_fetch("b", 0, 100)] == [20]


# ---------------------------------------------------------------------------- several partitions


def word_count() -> StreamsBuilder:
    builder = StreamsBuilder()
    words = builder.stream("lines").flat_map_values(str.split)
    words.group_by(lambda key, word: word).count(store="counts").to_stream().to("out")
    return builder


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_repartition_topic_of_three_partitions(on_disk: bool, tmp_path: Path) -> None:
    with TopologyTestDriver(
        word_count().build(),
        partitions={"lines": 3, "out": 2},
        state_dir=str(tmp_path / "state") if on_disk else None,
    ) as driver:
        lines = driver.create_input_topic("lines")
        for number in range(6):
            lines.pipe_input(f"key-{number}", "all of the words")
        lines.pipe_input(None, "words", partition=2)
        words = {"all": 6, "of": 6, "the": 6, "words": 7}
        for word, count in words.items():
            partition = partition_for_key(word.encode(), 3)
            store = driver.get_key_value_store("counts", partition=partition)
            assert store.get(word) == count
            others = [n for n in range(3) if n != partition]
            assert all(
                driver.get_key_value_store("counts", partition=n).get(word) is None for n in others
            )
        out = driver.create_output_topic("out", value=int).read_records_by_partition()
        found = {p: {record.key for record in records} for p, records in out.items()}
        assert found == {
            p: {word for word in words if partition_for_key(word.encode(), 2) == p} for p in found
        }
        repartitioned = driver.create_output_topic("test-application-counts-repartition")
        assert {p for _, p in (repartitioned.read_record_and_partition() for _ in range(9))} <= {
            partition_for_key(word.encode(), 3) for word in words
        }
        with pytest.raises(TopologyError, match="has 3 partitions, and no number 3"):
            driver.get_state_store("counts", partition=3)


def test_stream_time_is_the_tasks() -> None:
    """A record of one partition closes no window of another."""

    def results(partitions: int) -> list[Any]:
        builder = StreamsBuilder()
        windows = builder.stream("in").group_by_key().windowed_by(10, grace=0)
        windows.count(store="s").to_stream(lambda key, count: key.key).to("out", key=str, value=int)
        with TopologyTestDriver(builder.build(), partitions=partitions) as driver:
            topic = driver.create_input_topic("in")
            topic.pipe_input("a", "x", 100, partition=0)
            topic.pipe_input("b", "late", 0, partition=partitions - 1)
            return driver.create_output_topic("out", value=int).read_key_values_to_list()

    assert results(1) == [("a", 1)]
    assert results(2) == [("a", 1), ("b", 1)]


def test_joined_topics_have_equally_many_partitions() -> None:
    builder = StreamsBuilder()
    builder.stream("left").join(builder.table("right"), lambda one, two: one + two).to("out")
    with pytest.raises(TopologyError, match="left has 2, right has 1"):
        TopologyTestDriver(builder.build(), partitions={"left": 2})
    with TopologyTestDriver(builder.build(), partitions=4) as driver:
        driver.create_input_topic("right").pipe_input("k", "r")
        driver.create_input_topic("left").pipe_input("k", "l")
        out = driver.create_output_topic("out")
        record, partition = out.read_record_and_partition()
        assert (record.value, partition) == ("lr", partition_for_key(b"k", 4))


def test_partitions_that_are_none() -> None:
    with pytest.raises(StreamsError, match="a topic has at least 1 partition, got partitions=0"):
        TopologyTestDriver(word_count().build(), partitions={"lines": 0})
    with (
        TopologyTestDriver(word_count().build(), partitions=2) as driver,
        pytest.raises(StreamsError, match="'lines' has partitions 0 to 1, got 2"),
    ):
        driver.create_input_topic("lines").pipe_input("k", "v", partition=2)


class Ticks(Processor[str, str, str, str]):
    def init(self, context: ProcessorContext[str, str]) -> None:
        super().init(context)
        context.schedule("1s", PunctuationType.WALL_CLOCK_TIME, self.tick)

    def tick(self, time_ms: int) -> None:
        self.context.forward(Record(self.context.task_id, str(time_ms), time_ms))


def test_every_task_has_its_timers() -> None:
    builder = StreamsBuilder()
    builder.stream("in").process(Ticks).to("out")
    with TopologyTestDriver(builder.build(), partitions={"in": 2}) as driver:
        driver.advance_wall_clock_time("1s")
        out = driver.create_output_topic("out")
        assert out.read_key_values_to_list() == [("0_0", "1000"), ("0_1", "1000")]
        assert driver.metrics() == {
            "process-total": 0,
            "dropped-records-total": 0,
            "failed-records-total": 0,
        }
