"""Records that cannot be decoded and are skipped: their times count for nothing, as on the JVM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from task_harness import RawRecord, TaskHarness

from aliran.core.types import TopicPartition
from aliran.streams import (
    Processor,
    PunctuationType,
    Record,
    StreamsBuilder,
    TopologyTestDriver,
    use_partition_time_on_invalid_timestamp,
)
from aliran.streams.handlers import ErrorHandlers
from aliran.streams.processor import ConsumerRecord

SKIP = ErrorHandlers.of("fail", deserialization="skip")

BAD = b"no number"


@pytest.fixture(params=[1, 1_000], ids=["one by one", "at one go"])
def batch_size(request: pytest.FixtureRequest) -> int:
    size: int = request.param
    return size


class Clock(Processor[str, int, str, str]):
    """Forwards what the stream time is, at each record and at each punctuation."""

    def init(self, context: Any) -> None:
        super().init(context)
        context.schedule(50, PunctuationType.STREAM_TIME, self.tick)

    def process(self, record: Record[str, int]) -> None:
        said = f"{record.value} at {self.context.current_stream_time_ms()}"
        self.context.forward(record.with_value(said))

    def tick(self, time_ms: int) -> None:
        self.context.forward(Record("", f"tick {time_ms}", time_ms))


def number(value: int, time_ms: int) -> RawRecord:
    return b"k", value.to_bytes(8, "big"), time_ms, ()


def unreadable(time_ms: int) -> RawRecord:
    return b"k", BAD, time_ms, ()


def clocks(extractor: Callable[[ConsumerRecord, int], int] | None = None) -> StreamsBuilder:
    builder = StreamsBuilder()
    source = builder.stream(["in", "other"], value=int, timestamp_extractor=extractor)
    source.process(Clock).to("out", key=str, value=str)
    return builder


def outputs(
    builder: StreamsBuilder, batch_size: int, **inputs: list[RawRecord]
) -> tuple[list[tuple[str, int]], dict[TopicPartition, int]]:
    """Return what is written, with its time, and the partition times to commit."""
    harness = TaskHarness(builder.build(), batch_size=batch_size, handlers=SKIP)
    harness.run(inputs)
    (task,) = harness.tasks
    times = {partition: at.partition_time_ms for partition, at in task.positions().items()}
    bad = sum(row[1] == BAD for rows in inputs.values() for row in rows)
    assert task.statistics.failed_records == bad
    harness.close()
    rows = harness.outputs["out"]
    return [((value or b"").decode(), time) for _, value, time, _ in rows], times


def test_an_unreadable_record_moves_neither_stream_time_nor_partition_time(
    batch_size: int,
) -> None:
    rows = [number(1, 10), unreadable(100), number(2, 20), unreadable(300)]
    written, times = outputs(clocks(), batch_size, **{"in": rows})
    assert written == [("1 at 10", 10), ("tick 10", 10), ("2 at 20", 20)]
    assert times == {TopicPartition("in", 0): 20}


def test_stream_time_is_unknown_while_nothing_could_be_read(batch_size: int) -> None:
    rows = [unreadable(100), unreadable(70), number(1, 20)]
    written, times = outputs(clocks(), batch_size, **{"in": rows})
    assert written == [("1 at 20", 20), ("tick 20", 20)]
    assert times == {TopicPartition("in", 0): 20}


def test_of_several_inputs_each_keeps_its_partition_time(batch_size: int) -> None:
    # given inputs whose records interleave
    here = [number(1, 10), unreadable(25), number(3, 30), unreadable(90)]
    there = [number(2, 20), unreadable(40), number(4, 45)]
    # when they are processed
    written, times = outputs(clocks(), batch_size, **{"in": here, "other": there})
    # then those that could be read are in order, and count alone
    assert [said for said, _ in written if "tick" not in said] == [
        "1 at 10",
        "2 at 20",
        "3 at 30",
        "4 at 45",
    ]
    assert times == {TopicPartition("in", 0): 30, TopicPartition("other", 0): 45}


def test_a_run_that_ends_early_remembers_what_it_could_not_read(batch_size: int) -> None:
    class Scheduling(Clock):
        def process(self, record: Record[str, int]) -> None:
            super().process(record)
            if record.value == 1:  # ends the run behind this record
                self.context.schedule(50, PunctuationType.STREAM_TIME, self.tick)

    builder = StreamsBuilder()
    source = builder.stream(["in", "other"], value=int)
    source.process(Scheduling).to("out", key=str, value=str)
    rows = [number(0, 5), unreadable(200), number(1, 10), number(2, 20)]
    written, times = outputs(builder, batch_size, **{"in": rows, "other": [number(3, 300)]})
    assert [said for said, _ in written if "tick" not in said] == [
        "0 at 5",
        "1 at 10",
        "2 at 20",
        "3 at 300",
    ]
    assert times[TopicPartition("in", 0)] == 20


def test_an_extractor_is_told_the_partition_time_without_it(batch_size: int) -> None:
    rows = [number(1, 10), unreadable(100), number(2, -1), number(3, 30)]
    builder = clocks(use_partition_time_on_invalid_timestamp)
    written, times = outputs(builder, batch_size, **{"in": rows})
    assert written == [("1 at 10", 10), ("tick 10", 10), ("2 at 10", 10), ("3 at 30", 30)]
    assert times == {TopicPartition("in", 0): 30}


def test_behind_an_extractor_it_holds_nothing_up(batch_size: int) -> None:
    builder = clocks(lambda record, _partition_time: record.timestamp)
    here, there = [unreadable(30), number(1, 10)], [number(2, 20)]
    written, _ = outputs(builder, batch_size, **{"in": here, "other": there})
    assert [said for said, _ in written if "tick" not in said] == ["1 at 10", "2 at 20"]


def test_a_negative_time_is_no_error_of_a_record_that_cannot_be_read(batch_size: int) -> None:
    rows = [unreadable(-1), number(1, 10), unreadable(-1)]
    written, times = outputs(clocks(), batch_size, **{"in": rows})
    assert written == [("1 at 10", 10), ("tick 10", 10)]
    assert times == {TopicPartition("in", 0): 10}


def test_a_dead_letter_has_the_time_that_the_record_was_written_with() -> None:
    # given an extractor, and a topic for what cannot be read
    builder = clocks(lambda record, _partition_time: record.timestamp + 1_000)
    config = {"on_deserialization_error": "skip", "dead_letter_topic": "dead"}
    with TopologyTestDriver(builder.build(), config) as driver:
        # when such a record comes
        driver.pipe_raw("in", b"k", (1).to_bytes(8, "big"), 7)
        driver.pipe_raw("in", b"k", BAD, 4)
        # then it is there as it came
        letter = driver.read_raw("dead")
        assert letter is not None
        assert (letter.value, letter.timestamp) == (BAD, 4)


def test_the_test_driver_says_so_too() -> None:
    with TopologyTestDriver(clocks().build(), {"on_error": "skip"}) as driver:
        out = driver.create_output_topic("out", value=str)
        driver.pipe_raw("in", b"k", BAD, 1_000)
        driver.pipe_raw("in", b"k", (1).to_bytes(8, "big"), 10)
        assert out.read_values_to_list() == ["1 at 10", "tick 10"]
