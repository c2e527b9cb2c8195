"""Corners of the engine that neither goldens nor random topologies reach."""

from __future__ import annotations

from typing import Any

import pytest
from task_harness import RawRecord, TaskHarness

from aliran.serdes import Windowed, WindowedSerde, serde_for
from aliran.streams import (
    App,
    Processor,
    PunctuationType,
    Record,
    RecordMetadata,
    StreamsBuilder,
    TopologyTestDriver,
)


class Late(Processor[str, str, str, str]):
    """Schedules by stream time only once a record tells it to."""

    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record)
        if record.value in ("go", "fail"):
            self.context.schedule("5ms", PunctuationType.STREAM_TIME, self.tick)
        if record.value == "fail":
            raise ValueError("after scheduling")

    def tick(self, time_ms: int) -> None:
        self.context.forward(Record("tick", str(time_ms), time_ms))


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_a_schedule_made_by_a_record_counts_from_there(size: int) -> None:
    builder = StreamsBuilder()
    builder.stream("in").process(Late).to("out")
    harness = TaskHarness(builder.build(), batch_size=size)
    values = ["-", "-", "go", "-", "-", "-", "go", "-"]
    rows = [(b"k", value.encode(), 3 * time, ()) for time, value in enumerate(values)]
    harness.run({"in": rows})
    harness.close()
    found = [(value or b"", time) for _, value, time, _ in harness.outputs["out"]]
    assert found == [
        *((b"-", 0), (b"-", 3), (b"go", 6), (b"6", 6), (b"-", 9), (b"-", 12), (b"12", 12)),
        *((b"-", 15), (b"15", 15), (b"go", 18), (b"18", 18), (b"-", 21), (b"21", 21), (b"21", 21)),
    ]


def test_an_error_behind_a_schedule_names_the_record() -> None:
    builder = StreamsBuilder()
    builder.stream("in").process(Late).to("out")
    harness = TaskHarness(builder.build(), batch_size=1_000)
    rows = [(b"k", value, time, ()) for time, value in enumerate([b"-", b"fail", b"-"])]
    with pytest.raises(Exception, match="offset 1, timestamp 1"):
        harness.run({"in": rows})
    harness.close()


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_a_join_that_looks_into_windows(cache: int) -> None:
    builder = StreamsBuilder()
    group = builder.stream("in").group_by_key().windowed_by(10)
    counts = group.count(store="counts")
    lengths = group.aggregate(lambda: 0, lambda k, v, a: a + len(v), store="lengths", value=int)
    joined: Any = counts.to_stream().left_join(lengths, lambda one, two: f"{one}/{two}")
    joined.to("out", value=str)
    with TopologyTestDriver(builder.build(), {"cache_max_bytes": cache}) as driver:
        topic = driver.create_input_topic("in")
        for time_ms, value in ((1, "ab"), (2, "c"), (11, "def"), (12, "g")):
            topic.pipe_input("a", value, time_ms)
        out = driver.create_output_topic("out", key=WindowedSerde(serde_for(str), 10))
        found = out.read_key_values_to_list()
    assert [key for key, _ in found] == [Windowed("a", s, s + 10) for s in (0, 0, 10, 10)]
    # With a cache both tables have taken the record in before either forwards anything.
    expected = ["1/2", "2/3", "1/3", "2/4"] if cache else ["1/None", "2/2", "1/None", "2/3"]
    assert [value for _, value in found] == expected


def test_windowed_keys_go_by_the_key_inside_to_chosen_topics_too() -> None:
    app = App("chosen", broker_config={"num.partitions": 7})
    counts = app.stream("in").group_by_key().windowed_by(10).count(store="counts").to_stream()
    counts.to(lambda key, value, context: "chosen-topic")
    counts.to("fixed-topic")
    for time_ms in (0, 10, 20, 30):
        for number in range(20):
            app.send("in", f"key-{number}", "x", time_ms)
    with app:
        app.wait_until_idle()
        placed = []
        for topic in ("chosen-topic", "fixed-topic"):
            transport = app.streams.connection.open_transport()
            placed.append(
                {
                    (key, columns.partition)
                    for columns in app.streams.read_all(transport, topic)
                    for key in columns.keys
                }
            )
    assert placed[0] == placed[1]
    assert len(placed[0]) == 80


def test_a_chosen_topic_may_depend_on_where_the_record_was_read() -> None:
    seen: list[RecordMetadata] = []

    def choose(key: str, value: str, context: RecordMetadata) -> str:
        seen.append(context)
        return "out"

    builder = StreamsBuilder()
    builder.stream("in").to(choose)
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_input("a", "b", 7, [("h", b"1")])
    assert seen == [RecordMetadata("in", 0, 0, 7, [("h", b"1")])]


@pytest.mark.parametrize("windows", [{"session": "10ms"}, {"sliding": "10ms"}])
def test_what_left_a_full_cache_is_still_found(windows: dict[str, Any]) -> None:
    """Emptying a cache writes what is newer than anything that was in the store."""
    results = []
    for cache_bytes in (4_000, 10_000_000):
        builder = StreamsBuilder()
        groups = builder.stream("in", key=str, value=str).group_by_key()
        counts = groups.windowed_by(**windows, grace="1s").count(store="counts")
        counts.to_stream().to("out")
        harness = TaskHarness(builder.build(), batch_size=100, cache_max_bytes=cache_bytes)
        harness.run({"in": [(b"%d" % (time % 10), b"", time, ()) for time in range(20, 120)]})
        results.append(harness.store("counts"))
        harness.close()
    assert results[0] == results[1]


def test_a_table_of_values_that_can_change_is_read_through_a_cache_of_any_size() -> None:
    results = []
    for cache_bytes in (4_000, 40_000, 10_000_000):
        builder = StreamsBuilder()
        rows = builder.table("rows", key=str, value=dict[str, int], store="rows")
        stream = builder.stream("in", key=str, value=str)
        stream.join(rows, lambda text, row: f"{text}:{row['n']}").to("joined")
        stream.group_by_key().count(store="counts")
        totals = stream.group_by_key().aggregate(
            dict, lambda _key, text, total: total | {text: 1}, store="seen", value=dict[str, int]
        )
        totals.to_stream().to("seen-by-key")
        harness = TaskHarness(builder.build(), batch_size=50, cache_max_bytes=cache_bytes)
        keys = [b"%03d" % number for number in range(60)]
        for turn in range(3):
            start = 1_000 * turn
            updates: list[RawRecord] = [
                (key, b'{"n": %d}' % turn, start, ()) for key in keys[turn * 20 :]
            ]
            updates += [(key, None, start, ()) for key in keys[: turn * 5]]
            # Keys without a row make the caches of the counts grow first.
            asking = [b"%d-%d" % (turn, number) for number in range(40)] + keys
            asked = [(key, b"%d" % turn, start + 1 + i, ()) for i, key in enumerate(asking)]
            harness.run({"rows": updates, "in": asked})
        names = ("rows", "counts", "seen")
        stores = [sorted(harness.store(name), key=lambda row: str(row[0])) for name in names]
        results.append((harness.outputs["joined"], stores))
        harness.close()
    assert len(results[0][0]) == 60 + 55 + 50
    assert results[0] == results[1] == results[2]
