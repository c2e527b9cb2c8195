"""One processor without a topology: what it forwards, schedules and asks for."""

from __future__ import annotations

import pytest

from aliran.streams import (
    CapturedForward,
    FixedKeyProcessor,
    FixedKeyRecord,
    Processor,
    ProcessorContext,
    ProcessorTestContext,
    PunctuationType,
    Record,
    RecordMetadata,
    Stores,
    StreamsError,
)


class Totals(Processor[str, int, str, int]):
    """Sums by key; forwards all sums every ten seconds and, where they get large, at once."""

    def init(self, context: ProcessorContext[str, int]) -> None:
        super().init(context)
        self.sums = context.get_state_store("sums")
        self.timer = context.schedule("10s", PunctuationType.STREAM_TIME, self.flush)

    def process(self, record: Record[str, int]) -> None:
        total = (self.sums.get(record.key) or 0) + record.value
        self.sums.put(record.key, total)
        if total > 100:
            self.context.forward(record.with_value(total), "alerts")
            self.context.commit()

    def flush(self, time_ms: int) -> None:
        for key, total in self.sums.all():
            self.context.forward(Record(key, total, time_ms))


def started() -> tuple[ProcessorTestContext, Totals]:
    context = ProcessorTestContext(task_id="0_3")
    context.add_state_store(Stores.in_memory_key_value_store("sums", value=int))
    processor = Totals()
    processor.init(context)
    return context, processor


def test_forwards_and_commits_are_kept() -> None:
    context, processor = started()
    processor.process(Record("a", 60, 1))
    assert (context.forwarded(), context.committed) == ([], False)
    processor.process(Record("a", 60, 2))
    assert context.forwarded() == [CapturedForward(Record("a", 120, 2), "alerts")]
    assert context.forwarded("alerts") == context.forwarded()
    assert context.forwarded("others") == []
    assert context.committed
    context.reset_forwards()
    assert context.forwarded() == []


def test_punctuators_are_called_by_the_test() -> None:
    context, processor = started()
    processor.process(Record("a", 5, 1))
    (timer,) = context.scheduled_punctuators()
    assert (timer.interval_ms, timer.start_ms) == (10_000, None)
    assert timer.punctuation_type is PunctuationType.STREAM_TIME
    timer.punctuator(10_000)
    assert [each.record for each in context.forwarded("any child")] == [Record("a", 5, 10_000)]
    processor.timer.cancel()
    assert timer.cancelled


def test_what_the_processor_is_told() -> None:
    context, _ = started()
    assert (context.application_id, context.task_id) == ("test-application", "0_3")
    assert context.record_metadata() is None
    context.set_record_metadata("in", 3, 17, 5)
    assert context.record_metadata() == RecordMetadata("in", 3, 17, 5)
    context.stream_time_ms, context.system_time_ms = 7, 8
    assert (context.current_stream_time_ms(), context.current_system_time_ms()) == (7, 8)


class Doubles(FixedKeyProcessor[str, int, int]):
    def process(self, record: FixedKeyRecord[str, int]) -> None:
        self.context.forward(record.with_value(record.value * 2))


def test_processors_that_keep_keys() -> None:
    context, processor = ProcessorTestContext(), Doubles()
    processor.init(context)
    processor.process(FixedKeyRecord("a", 2, 1))
    assert [each.record.value for each in context.forwarded()] == [4]


def test_mistakes() -> None:
    context = ProcessorTestContext()
    with pytest.raises(StreamsError, match=r"no store 'sums' here: call context.add_state_store"):
        Totals().init(context)
    with pytest.raises(StreamsError, match="forward takes a Record, got 'x'"):
        context.forward("x")
    with pytest.raises(StreamsError, match="at least 1 ms"):
        context.schedule(0, PunctuationType.STREAM_TIME, print)
    with pytest.raises(StreamsError, match="takes a PunctuationType"):
        context.schedule(1, "stream", print)  # type: ignore[arg-type]


def test_a_store_of_ones_own() -> None:
    class Mine:
        name = "sums"

    context, mine = ProcessorTestContext(), Mine()
    assert context.add_state_store(mine) is mine
    assert context.get_state_store("sums") is mine
