"""Wrapping all processors, those of the DSL among them (KIP-1112)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aliran.streams import (
    Processor,
    ProcessorContext,
    Record,
    StreamsBuilder,
    TopologyError,
    TopologyTestDriver,
)


class Counting(Processor[Any, Any, Any, Any]):
    """Counts the records that pass a processor."""

    def __init__(self, name: str, inner: Any, seen: dict[str, int]) -> None:
        self._name, self._inner, self._seen = name, inner, seen

    def init(self, context: ProcessorContext[Any, Any]) -> None:
        self._seen[self._name] = 0
        self._inner.init(context)

    def process(self, record: Record[Any, Any]) -> None:
        self._seen[self._name] += 1
        self._inner.process(record)

    def close(self) -> None:
        self._inner.close()


class Twice(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record)
        self.context.forward(record)


@pytest.mark.parametrize("cache", [0, 1_000_000])
def test_every_processor_is_wrapped_and_results_stay(cache: int) -> None:
    seen: dict[str, int] = {}

    def wrapper(name: str, supplier: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: Counting(name, supplier(), seen)

    builder = StreamsBuilder()
    stream: Any = builder.stream("in").filter(lambda k, v: v != "no", name="filter")
    counts = stream.process(Twice, name="twice").group_by_key().count(name="count", store="s")
    even = counts.filter(lambda k, v: v % 4 == 0, name="even").to_stream(name="stream")
    even.to("out", value=int)

    def outputs(config: dict[str, Any]) -> list[Any]:
        with TopologyTestDriver(builder.build(), {"cache_max_bytes": cache, **config}) as driver:
            topic = driver.create_input_topic("in")
            for key, value in (("a", "x"), ("a", "no"), ("a", "y"), ("b", "x"), ("a", "z")):
                topic.pipe_input(key, value, 5)
            return driver.create_output_topic("out", value=int).read_records_to_list()

    assert outputs({"processor_wrapper": wrapper}) == outputs({})
    assert seen["filter"] == 5
    assert seen["twice"] == 4
    assert seen["count"] == 8
    assert seen["even"] == 8
    assert 0 < seen["stream"] < 8


def test_a_wrapper_must_return_a_supplier() -> None:
    builder = StreamsBuilder()
    builder.stream("in").filter(lambda k, v: True).to("out")
    wrong: Any = lambda name, supplier: None  # noqa: E731
    with pytest.raises(TopologyError, match="processor_wrapper returned None"):
        TopologyTestDriver(builder.build(), {"processor_wrapper": wrong})
