"""Input and circumstances that no application can handle: each has an answer to act on."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aliran.core.errors import AliranError
from aliran.core.types import Columns
from aliran.streams import (
    App,
    DeserializationError,
    FixedKeyProcessor,
    FixedKeyRecord,
    ProcessingError,
    Processor,
    ProcessorContext,
    PunctuationType,
    Record,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)


def send_raw(app: App, topic: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
    """Write records of bytes to partition 0."""
    transport = app.streams.connection.open_transport()
    app.streams.partitions_of(transport, topic)
    keys: list[bytes | None] = [key for key, _ in rows]
    values: list[bytes | None] = [value for _, value in rows]
    transport.send(Columns(topic, 0, (), keys, values, list(range(len(rows)))))
    transport.flush()
    transport.close()


def failure_of(app: App) -> AliranError:
    """Run until the application fails."""
    with app, pytest.raises(AliranError) as caught:
        app.wait_until_idle()
    return caught.value


# ---------------------------------------------------------------------------- records


def number_app(**settings: Any) -> App:
    app = App("numbers", **settings)
    stream = app.stream("in", key=str, value=int)
    stream.group_by_key().reduce(lambda one, two: one + two, store="sums").to_stream().to("out")
    return app


ROWS = [(b"a", bytes(7) + b"\x01"), (b"a", b"nonsense!" * 50), (b"a", bytes(7) + b"\x02")]


def test_a_value_that_does_not_decode_stops_it(tmp_path: Path) -> None:
    app = number_app(data_dir=str(tmp_path))
    assert app.bootstrap_servers
    send_raw(app, "in", ROWS)
    error = failure_of(app)
    assert isinstance(error, DeserializationError)
    assert (error.topic, error.partition, error.offset) == ("in", 0, 1)
    for word in (
        "topic in, partition 0, offset 1",
        "b'nonsense!nonsense!",
        "450 bytes",
        "on_error",
    ):
        assert word in str(error)
    assert app.statistics().commits >= 0

    # Nothing after the last commit is lost: it stops there again, and goes on once told to skip.
    assert isinstance(failure_of(number_app(data_dir=str(tmp_path))), DeserializationError)
    with number_app(data_dir=str(tmp_path), on_error="skip") as mended:
        mended.wait_until_idle()
        assert mended.statistics().failed_records == 1
        assert list(mended.read("out", value=int))[-1] == ("a", 3)


def test_a_key_that_does_not_decode_can_be_skipped() -> None:
    app = App("words", on_error="skip")
    app.stream("in").map_values(str.upper).map(lambda k, v: (k, v)).to("out")
    assert app.bootstrap_servers
    send_raw(app, "in", [(b"a", b"one"), (b"\xff", b"two"), (b"b", b"three")])
    with app:
        app.wait_until_idle()
        assert list(app.read("out")) == [("a", "ONE"), ("b", "THREE")]


def test_undecodable_records_are_skipped_in_front_of_an_extractor_too() -> None:
    app = App("times", on_error="skip")
    source = app.stream("in", value=int, timestamp_extractor=lambda record, _: record.value)
    source.to("out")
    assert app.bootstrap_servers
    send_raw(app, "in", ROWS)
    with app:
        app.wait_until_idle()
        assert [value for _, value in app.read("out", value=int)] == [1, 2]
        assert app.statistics().failed_records == 1


def explode(value: str) -> str:
    if value == "bad":
        raise ValueError("no such thing")
    return value


def test_a_function_that_raises_names_processor_and_line() -> None:
    builder = StreamsBuilder()
    builder.stream("in").map_values(explode, name="exploder").to("out")
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("a", "good")
        with pytest.raises(ProcessingError) as caught:
            topic.pipe_input("k", "bad", 7)
    message = str(caught.value)
    line = explode.__code__.co_firstlineno + 2
    assert caught.value.processor == "exploder"
    assert f"{__file__}:{line} in explode" in message
    for word in ("'exploder'", "ValueError: no such thing", "offset 1", "b'k'", "b'bad'"):
        assert word in message


AGGREGATIONS: dict[str, Callable[[Any], Any]] = {
    "reduce": lambda g: g.reduce(lambda a, v: a + explode(v), store="s"),
    "aggregate": lambda g: g.aggregate(
        lambda: "", lambda k, v, a: a + explode(v), store="s", value=str
    ),
}


@pytest.mark.parametrize("cache", [0, 1_000_000])
@pytest.mark.parametrize("windowed", [False, True])
@pytest.mark.parametrize("kind", sorted(AGGREGATIONS))
def test_an_aggregate_survives_a_function_that_raises(
    kind: str, windowed: bool, cache: int
) -> None:
    builder = StreamsBuilder()
    group: Any = builder.stream("in").group_by_key()
    table = AGGREGATIONS[kind](group.windowed_by(1_000) if windowed else group)
    table.to_stream(lambda key, value: "key").to("out", key=str, value=str)
    config = {"on_error": "skip", "cache_max_bytes": cache}
    with TopologyTestDriver(builder.build(), config) as driver:
        topic, out = driver.create_input_topic("in"), driver.create_output_topic("out")
        for value in ("1", "2", "bad", "3", "bad", "bad", "4"):
            topic.pipe_input("a", value, 1)
        assert out.read_values_to_list() == ["1", "12", "123", "1234"]
        assert driver.statistics().failed_records == 3


# ---------------------------------------------------------------------------- serializers and keys


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_a_serializer_that_does_not_fit(cache: int) -> None:
    app = App("misfit", cache_max_bytes=cache)
    counts: Any = app.stream("in").group_by_key().count(store="counts").to_stream()
    counts.to("out", value=str, name="sink")
    app.send("in", "a", "1")
    message = str(failure_of(app))
    assert "'sink'" in message
    assert "int" in message
    assert "value=" in message


def test_an_aggregate_of_another_type_than_its_store() -> None:
    app = App("misfit")
    app.stream("in").group_by_key().aggregate(lambda: "", lambda k, v, a: 5, store="things")
    app.send("in", "a", "1")
    message = str(failure_of(app))
    assert "'things'" in message
    assert "StringSerde" in message
    assert "serdes/base.py" not in message


def test_none_where_a_key_is_needed_drops_the_record() -> None:
    builder = StreamsBuilder()
    table = builder.table("rows")
    stream = builder.stream("in").select_key(lambda k, v: None, name="nothing")
    stream.group_by_key().count(store="counts").to_stream().to("out")
    keyless: Any = builder.stream("other").map(lambda k, v: (None, v))
    keyless.join(table, lambda a, b: a).to("joined")
    with TopologyTestDriver(builder.build()) as driver:
        driver.create_input_topic("in").pipe_input("a", "1")
        driver.create_input_topic("other").pipe_input("a", "1")
        assert driver.queue_size("out") == 0
        assert driver.queue_size("joined") == 0


def test_keys_that_cannot_be_hashed_are_told_apart_by_their_bytes() -> None:
    builder = StreamsBuilder()
    keyed = builder.stream("in").select_key(lambda k, v: {"first": v[0]})
    counts = keyed.group_by_key(key=dict).count(store="counts")
    counts.to_stream().to("out", key=dict, value=int)
    with TopologyTestDriver(builder.build()) as driver:
        topic = driver.create_input_topic("in")
        for value in ("ax", "b", "ay"):
            topic.pipe_input("k", value)
        out = driver.create_output_topic("out", key=dict, value=int)
        found = [(json.dumps(key), count) for key, count in out.read_key_values_to_list()]
    assert found == [('{"first": "a"}', 1), ('{"first": "b"}', 1), ('{"first": "a"}', 2)]


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_keys_that_are_equal_but_not_the_same(cache: int) -> None:
    keys = {"int": 1, "float": 1.0, "again": 1}
    builder = StreamsBuilder()
    keyed = builder.stream("in").select_key(lambda k, v: keys[v])
    keyed.group_by_key(key=float).count(store="floats").to_stream().to("out", key=float)
    with TopologyTestDriver(builder.build(), {"cache_max_bytes": cache}) as driver:
        topic = driver.create_input_topic("in")
        for value in keys:
            topic.pipe_input("k", value)
        out = driver.create_output_topic("out", key=float, value=int)
        assert out.read_key_values_to_list() == [(1.0, 1), (1.0, 2), (1.0, 3)]


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_what_equals_a_whole_number_is_not_taken_for_one(cache: int) -> None:
    keys = {"int": 1, "float": 1.0, "bool": True}
    builder = StreamsBuilder()
    keyed = builder.stream("in").select_key(lambda k, v: keys[v])
    keyed.group_by_key(key=int).count(store="ints")
    with TopologyTestDriver(builder.build(), {"cache_max_bytes": cache}) as driver:
        topic = driver.create_input_topic("in")
        topic.pipe_input("k", "int")
        for kind in ("float", "bool"):
            with pytest.raises(ProcessingError, match=kind):
                topic.pipe_input("k", kind)


class Rekey(FixedKeyProcessor[str, str, str]):
    def process(self, record: FixedKeyRecord[str, str]) -> None:
        other: Any = Record("other", record.value, record.timestamp)
        self.context.forward(other)


def test_process_values_must_keep_keys() -> None:
    builder = StreamsBuilder()
    builder.stream("in").process_values(Rekey, name="rekey").to("out")
    with (
        TopologyTestDriver(builder.build()) as driver,
        pytest.raises(ProcessingError, match="must keep keys"),
    ):
        driver.create_input_topic("in").pipe_input("a", "1")


def test_a_record_too_large_for_a_topic() -> None:
    app = App("large", broker_config={"message.max.bytes": 100_000})
    app.stream("in").map_values(lambda v: v * 1000).to("out")
    app.send("in", "a", "x")
    app.send("in", "a", "x" * 1000)
    message = str(failure_of(app))
    assert "out" in message
    assert "max.message.bytes" in message or "message.max.bytes" in message


# ---------------------------------------------------------------------------- topics


def test_sources_that_are_not_copartitioned() -> None:
    app = App("joined")
    app.stream("left").join(app.table("right"), lambda one, two: one).to("out")
    app.broker.broker.topics.create("left", partitions=2)
    app.broker.broker.topics.create("right", partitions=3)
    with pytest.raises(TopologyError, match="left has 2, right has 3"):
        app.start()
    app.close()


def test_a_source_topic_that_is_missing() -> None:
    app = App("missing", broker_config={"auto.create.topics.enable": False})
    app.stream("nowhere").to("out")
    with pytest.raises(AliranError, match=r"nowhere.*aliran topics create nowhere"):
        app.start()
    app.close()


def test_a_sink_topic_that_is_missing() -> None:
    app = App("missing", broker_config={"auto.create.topics.enable": False})
    app.stream("in").to("nowhere")
    app.broker.broker.topics.create("in", partitions=1)
    error = failure_of(app)
    assert "'nowhere'" in str(error)
    assert "aliran topics create nowhere" in str(error)


def test_a_chosen_topic_that_is_missing() -> None:
    app = App("missing", broker_config={"auto.create.topics.enable": False})
    app.stream("in").to(lambda key, value, context: "nowhere", name="chooser")
    app.broker.broker.topics.create("in", partitions=1)
    app.send("in", "a", "1")
    error = failure_of(app)
    assert "'nowhere'" in str(error)
    assert "'chooser'" in str(error)


def test_an_internal_topic_with_another_number_of_partitions() -> None:
    app = App("counts")
    app.stream("in").group_by_key().count(store="counts")
    app.broker.broker.topics.create("in", partitions=2)
    app.broker.broker.topics.create("counts-counts-changelog", partitions=5)
    with pytest.raises(TopologyError, match=r"counts-counts-changelog has 5 partitions.* needs 2"):
        app.start()
    app.close()


# ---------------------------------------------------------------------------- directories


def count_app(**settings: Any) -> App:
    app = App("counts", **settings)
    app.stream("in").group_by_key().count(store="counts").to_stream().to("out")
    return app


def test_a_state_directory_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("a file")
    error = failure_of(count_app(state_dir=str(path)))
    assert str(path) in str(error)
    assert "state_dir" in str(error)


def test_a_state_directory_in_use(tmp_path: Path) -> None:
    with count_app(state_dir=str(tmp_path)) as first:
        first.wait_until_running()
        error = failure_of(count_app(state_dir=str(tmp_path)))
        assert str(tmp_path) in str(error)
        first.wait_until_idle()


def test_a_data_directory_in_use(tmp_path: Path) -> None:
    with count_app(data_dir=str(tmp_path)), pytest.raises(AliranError, match=str(tmp_path)):
        count_app(data_dir=str(tmp_path)).start()


def test_damaged_state_says_what_to_delete_and_is_restored_then(tmp_path: Path) -> None:
    with count_app(data_dir=str(tmp_path)) as app:
        for number in range(100):
            app.send("in", f"key-{number}", "x")
        app.wait_until_idle()
    state = tmp_path / "state" / "counts" / "0_0"
    for path in state.iterdir():
        if path.suffix == ".sst" or path.name.startswith("MANIFEST"):
            path.write_bytes(os.urandom(path.stat().st_size))
    error = failure_of(count_app(data_dir=str(tmp_path)))
    assert str(state) in str(error)
    assert "Delete the directory" in str(error)
    again = count_app(data_dir=str(tmp_path))
    again.bootstrap_servers  # noqa: B018  (starts the broker alone)
    again.streams.clean_up()
    with again:
        again.send("in", "key-5", "x")
        again.wait_until_idle()
        assert dict(again.read("out", value=int))["key-5"] == 2


# ---------------------------------------------------------------------------- own processors


class Forwards(Processor[str, str, str, str]):
    """Forwards what it gets, at a time that is none."""

    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record.with_timestamp(None))  # type: ignore[arg-type]


class MissesAStore(Processor[str, str, str, str]):
    def init(self, context: ProcessorContext[str, str]) -> None:
        context.get_state_store("sums")


class SchedulesByName(Processor[str, str, str, str]):
    def init(self, context: ProcessorContext[str, str]) -> None:
        context.schedule("1s", "stream-time", print)  # type: ignore[arg-type]


class SchedulesNothing(Processor[str, str, str, str]):
    def init(self, context: ProcessorContext[str, str]) -> None:
        context.schedule("1s", PunctuationType.STREAM_TIME, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("supplier", "expected"),
    [
        (Forwards, "forwards a record of the time None"),
        (MissesAStore, r"as in process\(MyProcessor, 'sums'\)"),
        (SchedulesByName, "takes PunctuationType.STREAM_TIME or"),
        (SchedulesNothing, r"schedule takes a function punctuator\(time_ms\); got None"),
        (lambda: None, "its supplier gave None, which is no Processor"),
        (lambda: Forwards, "its supplier gave <class .*, which is no Processor"),
        (object, "its supplier gave <object .*, which is no Processor"),
        (lambda: 1 / 0, "its supplier raised ZeroDivisionError"),
    ],
)
def test_a_processor_that_cannot_work(supplier: Any, expected: str) -> None:
    app = App("own")
    app.stream("in").process(supplier).to("out")
    app.send("in", "key", "value")
    assert re.search(expected, str(failure_of(app)))


@pytest.mark.parametrize("chosen", [99, -1, "0"])
def test_a_partitioner_that_chooses_no_partition(chosen: Any) -> None:
    app = App("partitioner")
    app.stream("in").to("out", partitioner=lambda topic, key, value, count: chosen)
    app.send("in", "key", "value")
    message = str(failure_of(app))
    assert f"the partitioner returned {chosen!r} for topic 'out'" in message
    assert "offset 0" in message


def test_a_value_that_is_no_text_is_named_by_its_type() -> None:
    app = App("no-text")
    app.stream("in").map_values(len).to("out", value=str)  # type: ignore[arg-type]
    app.send("in", "key", "value")
    assert "it is of type int, not str" in str(failure_of(app))


def test_a_function_that_ends_the_process_is_told_so() -> None:
    app = App("exits")
    app.stream("in").foreach(lambda key, value: sys.exit(3))
    app.send("in", "key", "value")
    message = str(failure_of(app))
    assert "exits was ended by SystemExit(3)" in message
