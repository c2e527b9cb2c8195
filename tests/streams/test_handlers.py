"""Handlers of errors: what they are told, what their answers do, and dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aliran.core.errors import ConfigError
from aliran.streams import (
    App,
    DeserializationError,
    ErrorHandlerContext,
    Joined,
    Materialized,
    ProcessingError,
    Processor,
    ProcessorContext,
    ProducerRecord,
    PunctuationType,
    Record,
    Response,
    StreamsBuilder,
    Suppressed,
    TopologyTestDriver,
    dead_letter,
)
from aliran.streams.handlers import HandlerFailedError


class Told:
    """A handler that remembers what it is told."""

    def __init__(self, *answers: Any) -> None:
        self.calls: list[tuple[ErrorHandlerContext, Any, Exception]] = []
        self._answers = list(answers)

    def handle(self, context: ErrorHandlerContext, record: Any, error: Exception) -> Any:
        self.calls.append((context, record, error))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def explode(value: str) -> str:
    if value == "bad":
        raise ValueError("no such thing")
    return value


def exploding() -> StreamsBuilder:
    builder = StreamsBuilder()
    stream: Any = builder.stream("in")
    stream.map_values(explode, name="exploder").to("out")
    stream.to("copy")
    return builder


HEADERS = [("trace", b"1")]


def test_processing_handler_is_told_where_and_the_record_goes_on_through_other_nodes() -> None:
    handler = Told("continue")
    with TopologyTestDriver(exploding().build(), {"on_processing_error": handler}) as driver:
        topic = driver.create_input_topic("in")
        for value in ("one", "bad", "two"):
            topic.pipe_input("k", value, 7, HEADERS)
        assert driver.create_output_topic("out").read_values_to_list() == ["one", "two"]
        assert driver.create_output_topic("copy").read_values_to_list() == ["one", "bad", "two"]
        assert driver.statistics().failed_records == 1
    ((context, record, error),) = handler.calls
    assert context == ErrorHandlerContext("in", 0, 1, HEADERS, "exploder", "0_0", 7, b"k", b"bad")
    assert record == Record("k", "bad", 7, HEADERS)
    assert isinstance(error, ValueError)


def test_other_values_of_a_flat_map_go_on() -> None:
    builder = StreamsBuilder()
    words: Any = builder.stream("in").flat_map_values(str.split)
    words.map_values(explode).to("out")
    with TopologyTestDriver(builder.build(), {"on_error": "skip"}) as driver:
        driver.create_input_topic("in").pipe_input("k", "a bad b")
        assert driver.create_output_topic("out").read_values_to_list() == ["a", "b"]


def test_the_innermost_node_is_asked_and_asked_once() -> None:
    handler = Told("fail")
    builder = StreamsBuilder()
    stream: Any = builder.stream("in").peek(lambda k, v: None).filter(lambda k, v: True)
    stream.map_values(explode, name="exploder").to("out")
    with TopologyTestDriver(builder.build(), {"on_processing_error": handler}) as driver:
        with pytest.raises(ProcessingError, match="no such thing") as caught:
            driver.create_input_topic("in").pipe_input("k", "bad")
        assert caught.value.processor == "exploder"
    assert [context.processor_node_id for context, _, _ in handler.calls] == ["exploder"]


def test_deserialization_handler() -> None:
    handler = Told("fail", "continue")
    builder = StreamsBuilder()
    builder.stream("in", value=int).to("out", value=int)
    with TopologyTestDriver(builder.build(), {"on_deserialization_error": handler}) as driver:
        with pytest.raises(DeserializationError):
            driver.pipe_raw("in", b"k", b"short", 3, HEADERS)
        driver.pipe_raw("in", b"k", b"short", 4, HEADERS)
        driver.pipe_raw("in", b"k", bytes(8), 5)
        assert driver.create_output_topic("out", value=int).read_values_to_list() == [0]
    context, record, _ = handler.calls[1]
    assert context == ErrorHandlerContext("in", 0, 1, HEADERS, None, "0_0", 4, b"k", b"short")
    assert (record.topic, record.offset, record.key, record.value) == ("in", 1, b"k", b"short")


@pytest.mark.parametrize("dynamic", [False, True])
def test_production_handler_is_told_of_what_cannot_be_serialised(dynamic: bool) -> None:
    handler = Told("continue")
    builder = StreamsBuilder()
    topic: Any = (lambda key, value, context: "out") if dynamic else "out"
    stream: Any = builder.stream("in")
    stream.map_values(lambda v: 5 if v == "bad" else v).to(topic, value=str, name="sink")
    with TopologyTestDriver(builder.build(), {"on_production_error": handler}) as driver:
        source = driver.create_input_topic("in")
        for value in ("one", "bad", "two"):
            source.pipe_input("k", value, 7)
        assert driver.create_output_topic("out").read_values_to_list() == ["one", "two"]
    ((context, record, _),) = handler.calls
    assert context == ErrorHandlerContext("in", 0, 1, (), "sink", "0_0", 7, b"k", b"bad")
    assert record == ProducerRecord("out", "k", 5, 7)


def test_what_the_production_handler_lets_pass_is_the_processing_handlers() -> None:
    production, processing = Told("fail"), Told("continue")
    builder = StreamsBuilder()
    stream: Any = builder.stream("in")
    stream.map_values(lambda v: 5, name="five").to("out", value=str)
    config = {"on_production_error": production, "on_processing_error": processing}
    with TopologyTestDriver(builder.build(), config) as driver:
        driver.create_input_topic("in").pipe_input("k", "v")
    assert [context.processor_node_id for context, _, _ in processing.calls] == ["five"]
    assert len(production.calls) == 1


class Ticker(Processor[str, str, str, str]):
    """Forwards and then raises, every 10 ms by the wall clock."""

    def init(self, context: ProcessorContext[str, str]) -> None:
        super().init(context)
        context.schedule(10, PunctuationType.WALL_CLOCK_TIME, self.tick)

    def process(self, record: Record[str, str]) -> None: ...

    def tick(self, time_ms: int) -> None:
        self.context.forward(Record("k", "bad", time_ms))
        self.context.forward(Record("k", "good", time_ms))
        raise ValueError("tick")


def test_punctuators_and_what_they_forward() -> None:
    handler = Told("continue")
    builder = StreamsBuilder()
    ticks: Any = builder.stream("in").process(Ticker, name="ticker")
    ticks.map_values(explode, name="exploder").to("out")
    with TopologyTestDriver(builder.build(), {"on_processing_error": handler}) as driver:
        driver.advance_wall_clock_time(10)
        driver.advance_wall_clock_time(10)
        assert driver.create_output_topic("out").read_values_to_list() == ["good", "good"]
    told = [(c.processor_node_id, c.topic, c.offset, c.timestamp) for c, _, _ in handler.calls]
    assert told == [
        ("exploder", None, -1, 10),
        ("ticker", None, -1, 10),
        ("exploder", None, -1, 20),
        ("ticker", None, -1, 20),
    ]
    assert handler.calls[1][1] is None


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_behind_a_cache(cache: int) -> None:
    builder = StreamsBuilder()
    counts: Any = builder.stream("in").group_by_key().count(store="counts")

    def reject_two(value: int) -> int:
        if value == 2:
            raise ValueError("two")
        return value

    counts.to_stream().map_values(reject_two, name="picky").to("out", value=int)
    handler = Told("continue")
    config = {"on_processing_error": handler, "cache_max_bytes": cache}
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("in")
        for _ in range(3):
            topic.pipe_input("k", "v", 5)
        assert driver.create_output_topic("out", value=int).read_values_to_list() == [1, 3]
    ((context, record, _),) = handler.calls
    assert (context.processor_node_id, context.timestamp, record.value) == ("picky", 5, 2)


# ---------------------------------------------------------------------------- partitioners


@pytest.mark.parametrize(
    ("chosen", "copies", "dropped"), [([0], 1, 0), ([], 0, 1), (None, 1, 0), (0, 1, 0)]
)
def test_a_partitioner_may_choose_none_or_several(chosen: Any, copies: int, dropped: int) -> None:
    builder = StreamsBuilder()
    builder.stream("in").to("out", partitioner=lambda *_: chosen)
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_input("k", "v")
        assert driver.queue_size("out") == copies
        assert driver.statistics().dropped_records == dropped


def test_a_record_goes_to_all_the_partitions_chosen() -> None:
    app = App("app", broker_config={"num.partitions": 3})
    app.stream("in").to("out", partitioner=lambda topic, key, value, count: {0, count - 1})
    app.send("in", "k", "v")
    with app:
        app.wait_until_idle()
        assert list(app.read("out")) == [("k", "v")] * 2
    with TopologyTestDriver(app.build()) as driver:
        driver.create_input_topic("in").pipe_input("k", "v")
        assert driver.queue_size("out") == 1


def test_a_partition_that_does_not_exist() -> None:
    builder = StreamsBuilder()
    builder.stream("in").to("out", partitioner=lambda *_: [0, 3])
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        with pytest.raises(ProcessingError, match="the partitioner returned 3 for topic 'out'"):
            topic.pipe_input("k", "v")


# ---------------------------------------------------------------------------- dead letters


def test_dead_letters_carry_the_input_and_kafkas_headers() -> None:
    with TopologyTestDriver(exploding().build(), {"dead_letter_topic": "dlq"}) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("k", "one", 6)
        topic.pipe_input("k", "bad", 7, HEADERS)
        letter = driver.create_output_topic("dlq").read_record()
        assert driver.create_output_topic("dlq").is_empty()
    assert (letter.key, letter.value, letter.timestamp) == ("k", "bad", 7)
    names = [name for name, _ in letter.headers]
    assert names == [
        "trace",
        "__streams.errors.exception",
        "__streams.errors.message",
        "__streams.errors.stacktrace",
        "__streams.errors.topic",
        "__streams.errors.partition",
        "__streams.errors.offset",
    ]
    told = dict(letter.headers)
    assert told["__streams.errors.exception"] == b"ValueError"
    assert told["__streams.errors.message"] == b"no such thing"
    assert b"in explode" in (told["__streams.errors.stacktrace"] or b"")
    assert told["__streams.errors.topic"] == b"in"
    assert (told["__streams.errors.partition"], told["__streams.errors.offset"]) == (b"0", b"1")


def test_dead_letters_behind_suppress_carry_what_was_held_back() -> None:
    builder = StreamsBuilder()
    table = builder.table("in", key=str, value=str)
    table.suppress(Suppressed.until_time_limit(1)).to_stream().map_values(explode).to("out")
    config = {"dead_letter_topic": "dlq", "cache_max_bytes": 0}
    with TopologyTestDriver(builder.build(), config) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("held", "bad", 7, HEADERS)
        topic.pipe_input("later", "good", 100)
        letter = driver.create_output_topic("dlq").read_record()
    assert (letter.key, letter.value, letter.timestamp) == ("held", "bad", 7)
    assert dict(letter.headers)["__streams.errors.offset"] == b"0"


def test_dead_letters_behind_a_join_with_grace_are_not_another_records() -> None:
    """The buffer of the join keeps no bytes of the input, as on the JVM: none, not others'."""
    builder = StreamsBuilder()
    store = Materialized(store="table", key=str, value=str, history_retention=5000)
    table = builder.table("table", key=str, value=str, materialized=store)
    stream = builder.stream("in", key=str, value=str)
    stream.join(table, lambda left, _: left, Joined(grace=2)).map_values(explode).to("out")
    config = {"dead_letter_topic": "dlq", "cache_max_bytes": 0}
    with TopologyTestDriver(builder.build(), config) as driver:
        driver.create_input_topic("table").pipe_input("held", "row", 1)
        topic = driver.create_input_topic("in")
        topic.pipe_input("held", "bad", 7)
        topic.pipe_input("later", "good", 100)
        letters = driver.create_output_topic("dlq", key=bytes, value=bytes)
        letter = letters.read_record()
    read: tuple[object, ...] = (letter.key, letter.value, letter.timestamp)
    assert read == (None, None, 7)
    assert dict(letter.headers)["__streams.errors.offset"] == b"0"


def test_a_response_may_choose_its_dead_letters() -> None:
    def handler(context: ErrorHandlerContext, record: Any, error: Exception) -> Response:
        if record.timestamp == 1:
            return Response.resume([])
        return Response.resume([dead_letter("mine", context, error)])

    config = {"dead_letter_topic": "dlq", "on_processing_error": handler}
    with TopologyTestDriver(exploding().build(), config) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("k", "bad", 1)
        topic.pipe_input("k", "bad", 2)
        assert driver.queue_size("dlq") == 0
        assert driver.create_output_topic("mine").read_record().timestamp == 2


# ---------------------------------------------------------------------------- wrong handlers


@pytest.mark.parametrize("answer", [None, "maybe", "retry"])
def test_an_answer_that_is_none_stops(answer: Any) -> None:
    with TopologyTestDriver(
        exploding().build(), {"on_processing_error": lambda *_: answer}
    ) as driver:
        topic = driver.create_input_topic("in")
        with pytest.raises(ProcessingError, match="on_processing_error itself failed"):
            topic.pipe_input("k", "bad")


def test_a_handler_that_raises_stops() -> None:
    def handler(*_: Any) -> str:
        raise KeyError("oops")

    with TopologyTestDriver(exploding().build(), {"on_processing_error": handler}) as driver:
        topic = driver.create_input_topic("in")
        with pytest.raises(HandlerFailedError, match=r"KeyError: 'oops'[^~]*no such thing"):
            topic.pipe_input("k", "bad")


@pytest.mark.parametrize("handler", [5, "retry", Told])
def test_what_is_no_handler_is_refused_at_once(handler: Any) -> None:
    with pytest.raises(ConfigError, match=r"on_production_error=.* is no handler"):
        App("app", on_production_error=handler)


# ---------------------------------------------------------------------------- with a broker


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_dead_letters_are_written_whether_it_goes_on_or_not(on_error: str, tmp_path: Path) -> None:
    app = App("app", data_dir=str(tmp_path), dead_letter_topic="dlq", on_error=on_error)
    app.stream("in").map_values(explode).to("out")
    app.send("in", "k", "bad")
    try:
        with app:
            app.wait_until_idle()
    except ProcessingError:
        assert on_error == "fail"
    reader = App("reader", data_dir=str(tmp_path))
    reader.stream("dlq").to("elsewhere")
    try:
        assert list(reader.read("dlq")) == [("k", "bad")]
    finally:
        reader.close()


def test_records_that_the_broker_refuses_are_the_production_handlers() -> None:
    handler = Told("continue")
    app = App("app", on_production_error=handler)
    app.stream("in").map_values(lambda v: v * 2_000_000 if v == "x" else v).to("out")
    for value in ("one", "x", "two"):
        app.send("in", "k", value)
    with app:
        app.wait_until_idle()
        assert [value for _, value in app.read("out")] == ["one", "two"]
        assert app.statistics().failed_records == 1
    ((_, record, error),) = handler.calls
    assert (record.topic, record.key, len(record.value)) == ("out", b"k", 2_000_000)
    assert "max.message.bytes" in str(error)


def test_who_skips_records_is_not_advised_to_skip_them(caplog: pytest.LogCaptureFixture) -> None:
    with TopologyTestDriver(exploding().build(), {"on_error": "skip"}) as driver:
        driver.create_input_topic("in").pipe_input("k", "bad")
    with TopologyTestDriver(exploding().build()) as driver, pytest.raises(ProcessingError) as error:
        driver.create_input_topic("in").pipe_input("k", "bad")
    assert str(error.value).endswith(
        'try: mend the function, or on_error="skip" counts such records and goes on'
    )
    assert caplog.messages[0].endswith("try: mend the function")
