"""Functions as processors: parameters, results, serdes, timers, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from aliran.serdes import StructSerde
from aliran.streams import (
    App,
    KeyValue,
    ProcessorContext,
    PunctuationType,
    Record,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)
from aliran.streams.errors import ProcessingError


class Order(msgspec.Struct):
    user: str
    cents: int


@dataclass
class Total:
    user: str
    cents: int


@pytest.fixture
def app() -> App:
    return App("shop")


def results(app: App, *records: tuple[Any, Any], topic: str = "in", **types: Any) -> list[Any]:
    """Pipe records and return what `out` gets."""
    with TopologyTestDriver(app.build()) as driver:
        source = driver.create_input_topic(
            topic, key=types.get("key", str), value=types.get("value", str)
        )
        for key, value in records:
            source.pipe_input(key, value, 7)
        out = driver.create_output_topic(
            "out", key=types.get("to_key", str), value=types.get("to_value", str)
        )
        return out.read_key_values_to_list()


# ---------------------------------------------------------------- parameters and results


def test_one_parameter_is_the_value(app: App) -> None:
    @app.processor("in", to="out")
    def shout(text: str) -> str:
        return text.upper()

    assert results(app, ("k", "a")) == [("k", "A")]


def test_two_parameters_are_key_and_value(app: App) -> None:
    @app.processor("in", to="out")
    def join(key: str, number: int) -> str:
        return f"{key}={number}"

    assert results(app, ("k", 3), value=int) == [("k", "k=3")]


def test_a_record_and_the_context_by_annotation(app: App) -> None:
    @app.processor("in", to="out")
    def stamp(context: ProcessorContext[str, str], record: Record[str, str]) -> None:
        context.forward(record.with_value(f"{record.value}@{record.timestamp}").with_key("new"))

    assert results(app, ("k", "a")) == [("new", "a@7")]


def test_parameters_with_a_default_are_left_alone(app: App) -> None:
    @app.processor("in", to="out")
    def suffixed(text: str, suffix: str = "!") -> str:
        return text + suffix

    assert results(app, ("k", "a")) == [("k", "a!")]


def test_a_generator_gives_any_number(app: App) -> None:
    @app.processor("in", to="out")
    def words(line: str) -> Iterator[str]:
        yield from line.split()

    assert results(app, ("k", "a b"), ("k", "")) == [("k", "a"), ("k", "b")]


def test_a_list_is_one_value(app: App) -> None:
    @app.processor("in", to="out")
    def words(line: str) -> list[str]:
        return line.split()

    assert results(app, ("k", "a b"), to_value=list[str]) == [("k", ["a", "b"])]


def test_none_gives_nothing_and_a_key_value_without_value_is_a_tombstone(app: App) -> None:
    @app.processor("in", to="out")
    def odd(key: str, number: int) -> KeyValue[str, int | None] | None:
        return KeyValue(key, None if number == 0 else number) if number < 2 else None

    got = results(app, ("a", 1), ("b", 2), ("c", 0), value=int, to_value=int)
    assert got == [("a", 1), ("c", None)]


def test_a_record_has_a_time_and_headers_of_its_own(app: App) -> None:
    @app.processor("in", to="out")
    def later(record: Record[str, str]) -> Record[int, str]:
        return Record(1, record.value, record.timestamp + 1, (("h", b"x"),))

    with TopologyTestDriver(app.build()) as driver:
        driver.create_input_topic("in").pipe_input("k", "a", 7)
        out = driver.create_output_topic("out", key=int)
        assert out.read_record() == Record(1, "a", 8, (("h", b"x"),))


def test_serdes_come_from_annotations(app: App) -> None:
    @app.processor("in", to="out")
    def total(user: int, order: Order) -> KeyValue[float, Total]:
        return KeyValue(user / 2, Total(order.user, order.cents))

    got = results(app, (3, Order("u", 5)), key=int, value=Order, to_key=float, to_value=Total)
    assert got == [(1.5, Total("u", 5))]


def test_serdes_may_be_given(app: App) -> None:
    @app.processor("in", to="out", key=int, value=StructSerde(Order))
    def cents(key, order):  # type: ignore[no-untyped-def]
        return f"{key + 1} {order.cents}"

    assert results(app, (1, Order("u", 5)), key=int, value=Order, to_key=int) == [(1, "2 5")]


def test_a_pydantic_model_is_read_and_written(app: App) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Point", x=(int, ...))

    def moved(point):  # type: ignore[no-untyped-def]
        return point.model_copy(update={"x": point.x + 1})

    moved.__annotations__ = {"point": model, "return": model}
    app.processor("in", to="out")(moved)
    assert results(app, ("k", model(x=1)), value=model, to_value=model) == [("k", model(x=2))]


def test_a_decorated_function_is_still_a_function(app: App) -> None:
    @app.processor("in", to="out")
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    assert (shout("a"), shout.__name__, shout.__doc__, shout.name) == (
        "A",
        "shout",
        "Shout.",
        "shout",
    )


# ---------------------------------------------------------------- topologies


def test_functions_read_what_functions_give_and_the_dsl_goes_on(app: App) -> None:
    @app.processor("in")
    def words(line: str) -> Iterator[str]:
        yield from line.split()

    @app.processor(words)
    def lengths(word: str) -> KeyValue[int, str]:
        return KeyValue(len(word), word)

    lengths.stream().group_by_key().count(store="n").to_stream().to("out")
    assert results(app, ("k", "ab cd e"), to_key=int, to_value=int) == [(2, 1), (2, 2), (1, 1)]


def test_a_stream_of_the_dsl_is_read(app: App) -> None:
    @app.processor(app.stream("in", value=int).filter(lambda key, value: value > 1), to="out")
    def double(value: int) -> int:
        return value * 2

    assert results(app, ("a", 1), ("b", 2), value=int, to_value=int) == [("b", 4)]


def test_a_key_that_stays_needs_no_repartition_topic(app: App) -> None:
    @app.processor("in")
    def same(value: str) -> str:
        return value

    @app.processor("in")
    def unknown(value: str):  # type: ignore[no-untyped-def]
        return value

    same.stream().group_by_key().count(store="same-counts")
    assert app.build().repartition_topics == ()
    unknown.stream().group_by_key().count(store="unknown-counts")
    assert len(app.build().repartition_topics) == 1


def test_several_functions_read_one_topic_and_share_a_store(app: App) -> None:
    seen = app.store("seen", value=int, default=int)

    @app.processor("in", stores=[seen])
    def first(key, value):  # type: ignore[no-untyped-def]
        seen[key] += 1

    @app.processor("in", stores=[seen], to="out")
    def second(key: str, value: int) -> int:
        seen[key] += 10
        return seen[key] * value

    got = results(app, ("a", 1), ("a", 2), value=int, to_value=int)
    assert got == [("a", 11), ("a", 44)]
    assert str(app.build().describe()) == SHARED


SHARED = """\
Topologies:
   Sub-topology: 0
    Source: first-source (topics: [in])
      --> second, first
    Processor: second (stores: [seen])
      --> second-sink
      <-- first-source
    Processor: first (stores: [seen])
      --> none
      <-- first-source
    Sink: second-sink (topic: out)
      <-- second

"""


def test_strict_naming_is_content_with_functions() -> None:
    app = App("shop", strict_naming=True)
    seen = app.store("seen", value=int, default=int)

    @app.processor("in", stores=[seen], to="out")
    def count(key: str, value: str) -> int:
        seen[key] += 1
        return seen[key]

    with TopologyTestDriver(app.build(), app.config) as driver:
        driver.create_input_topic("in").pipe_input("a", "x")
        assert driver.produced_topic_names() == {"shop-seen-changelog", "out"}


def test_the_topic_may_depend_on_the_record(app: App) -> None:
    @app.processor("in", to=lambda key, value, context: f"to-{key}")
    def same(value: str) -> str:
        return value

    with TopologyTestDriver(app.build()) as driver:
        driver.create_input_topic("in").pipe_input("a", "x")
        assert driver.create_output_topic("to-a").read_value() == "x"


# ---------------------------------------------------------------- timers


def test_a_timer_by_wall_clock_reads_a_store(app: App) -> None:
    counts = app.store("counts", value=int, default=int)

    @app.processor("in", stores=[counts])
    def count(word: str) -> None:
        counts[word] += 1

    @app.timer("10s", stores=[counts], to="out")
    def report(time_ms: int) -> Iterator[Record[str, int]]:
        for word, number in list(counts.items()):
            yield Record(word, number, time_ms)
            del counts[word]

    with TopologyTestDriver(app.build(), initial_wall_clock_time_ms=500) as driver:
        words = driver.create_input_topic("in")
        out = driver.create_output_topic("out", value=int)
        words.pipe_value_list(["b", "a", "b"])
        driver.advance_wall_clock_time("9s")
        assert out.is_empty()
        driver.advance_wall_clock_time("1s")
        assert out.read_records_to_list() == [Record("a", 1, 10_500), Record("b", 2, 10_500)]
        driver.advance_wall_clock_time("10s")
        assert out.is_empty()


def test_a_timer_by_stream_time(app: App) -> None:
    @app.processor("in")
    def nothing(value: str) -> None:
        """Be there."""

    @app.timer(10, clock=PunctuationType.STREAM_TIME, of=nothing, to="out")
    def tick() -> str:
        return "tick"

    with TopologyTestDriver(app.build()) as driver:
        for time_ms in (1, 9, 10, 35):
            driver.create_input_topic("in").pipe_input("a", "x", time_ms)
        out = driver.create_output_topic("out")
        ticks = out.read_records_to_list()
        assert [each.key for each in ticks] == [None, None, None]
        assert [each.timestamp for each in ticks] == [1, 10, 35]


def test_a_timer_may_cancel_nothing_but_forward_by_its_context(app: App) -> None:
    @app.processor("in")
    def nothing(value: str) -> None:
        """Be there."""

    @app.timer("1s", of=nothing, to="out")
    async def tick(context: ProcessorContext[str, str], time_ms: int) -> None:
        context.forward(Record("task", context.task_id, time_ms))

    with TopologyTestDriver(app.build()) as driver:
        driver.advance_wall_clock_time("1s")
        assert driver.create_output_topic("out").read_key_value() == ("task", "0_0")


# ---------------------------------------------------------------- what is refused


def three(one: str, two: str, four: str) -> None: ...
def nobody() -> None: ...
def both(value: str, record: Record[str, str]) -> None: ...
def star(*values: str) -> None: ...
def named(value: str, *, key: str) -> None: ...
def strange(value: threading_lock) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def unknown_class(value: Callable[[], int]) -> None: ...


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (three, r"processor takes f\(value\), f\(key, value\) or f\(record: Record.*three \("),
        (nobody, r"takes f\(value\).*got f\(\) -> "),
        (both, r"takes f\(value\)"),
        (star, r"takes f\(value\)"),
        (named, r"takes f\(value\)"),
        (strange, r"annotations of strange .* cannot be read: name 'threading_lock'"),
        (unknown_class, r"the value of unknown_class \(.*no serde for"),
        ("text", r"decorates a function, got 'text'"),
        (lambda value: value, r"has no name: pass name="),
    ],
)
def test_functions_that_fit_no_rule(app: App, function: Any, said: str) -> None:
    with pytest.raises(TopologyError, match=said):
        app.processor("in")(function)


def double(value: int) -> int:
    return value * 2


def test_what_does_not_fit_the_topology(app: App) -> None:
    counts = app.store("counts", value=int, default=int)
    with pytest.raises(TopologyError, match="concurrency=4 is for async def functions; double"):
        app.processor("in", concurrency=4)(double)
    with pytest.raises(TopologyError, match="concurrency is at least 1, got 0"):
        app.processor("in", concurrency=0)(double)
    with pytest.raises(TopologyError, match=r"takes a list of what store\(\)"):
        app.processor("in", stores=["counts"])(double)  # type: ignore[list-item]
    with pytest.raises(TopologyError, match=r"takes a list of what store\(\)"):
        app.processor("in", stores=counts)(double)  # type: ignore[arg-type]
    with pytest.raises(TopologyError, match="different store named 'counts'"):
        app.store("counts", value=str)
    with pytest.raises(TopologyError, match="stream of another builder"):
        app.processor(StreamsBuilder().stream("in"))(double)
    app.processor("numbers")(double)
    with pytest.raises(TopologyError, match="already a processor named 'double-source'"):
        app.processor("other")(double)


def test_two_functions_that_read_a_topic_differently(app: App) -> None:
    app.processor("in", name="first")(double)
    said = r"read in but its value differently: IntegerSerde.* in double .*, StringSerde.* in "
    with pytest.raises(TopologyError, match=said):

        @app.processor("in")
        def second(value: str) -> None: ...


def test_timers_that_cannot_run(app: App) -> None:
    counts = app.store("counts", value=int, default=int)
    with pytest.raises(TopologyError, match="which no processor above it uses: put the timer"):
        app.timer("1s", stores=[counts])(nobody)
    with pytest.raises(TopologyError, match="no task to run in: name the stores"):
        app.timer("1s")(nobody)
    with pytest.raises(TopologyError, match=r"timer takes f\(\) or f\(time_ms\)"):
        app.timer("1s", stores=[counts])(both)
    with pytest.raises(TopologyError, match="at least 1 ms"):
        app.timer(0, stores=[counts])(nobody)
    with pytest.raises(TopologyError, match=r"PunctuationType\.STREAM_TIME"):
        app.timer("1s", stores=[counts], clock="stream")(nobody)  # type: ignore[arg-type]


def test_a_function_that_gives_another_key_than_it_says(app: App) -> None:
    @app.processor("in", to="out")
    def liar(key: str, value: str) -> str:
        return KeyValue("other", value)  # type: ignore[return-value]

    with pytest.raises(ProcessingError, match=r"'liar' is annotated .*KeyValue\[K, V\]"):
        results(app, ("k", "a"))


def test_an_error_names_the_function_and_the_record(app: App) -> None:
    @app.processor("in", to="out")
    def divide(number: int) -> float:
        return 1 / number

    with pytest.raises(ProcessingError, match="'divide' failed") as caught:
        results(app, ("a", 1), ("b", 0), value=int)
    assert (caught.value.processor, caught.value.offset) == ("divide", 1)
    assert "test_decorators.py" in str(caught.value)
