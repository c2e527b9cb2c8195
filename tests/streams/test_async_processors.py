"""`async def` processors: bounded, in order for each key, ended before anything is committed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from aliran.core.types import Columns
from aliran.streams import App, KeyValue, Record, TopologyTestDriver
from aliran.streams.errors import IllegalStateError, ProcessingError
from aliran.streams.handlers import ErrorHandlerContext, Response


def shop(**settings: Any) -> App:
    return App("shop", **settings)


def many(app: App, *records: tuple[str | None, str], config: Any = None) -> TopologyTestDriver:
    """Pipe records as one batch, as the runtime does, and process them at one go."""
    driver = TopologyTestDriver(app.build(), config)
    size = len(records)
    keys = [None if key is None else key.encode() for key, _ in records]
    values: list[bytes | None] = [value.encode() for _, value in records]
    driver._task.add(Columns("in", 0, range(size), keys, values, list(range(size))))
    try:
        driver._task.process()
        driver._commit()
    except BaseException:
        driver.close()
        raise
    return driver


def output(driver: TopologyTestDriver, topic: str = "out") -> list[Any]:
    with driver:
        return driver.create_output_topic(topic).read_key_values_to_list()


def test_one_at_a_time() -> None:
    app = shop()
    steps = []

    @app.processor("in", to="out")
    async def work(key: str, value: str) -> str:
        steps.append(f"begin {value}")
        await asyncio.sleep(0)
        steps.append(f"end {value}")
        return value.upper()

    assert output(many(app, ("a", "x"), ("b", "y"))) == [("a", "X"), ("b", "Y")]
    assert steps == ["begin x", "end x", "begin y", "end y"]


def test_several_keys_at_a_time_each_in_order() -> None:
    app = shop()
    under_way: dict[str, int] = defaultdict(int)
    seen: dict[str, list[str]] = defaultdict(list)
    most = 0
    rng = random.Random(1)

    @app.processor("in", to="out", concurrency=4)
    async def work(key: str, value: str) -> str:
        nonlocal most
        under_way[key] += 1
        most = max(most, sum(under_way.values()))
        for _ in range(rng.randrange(6)):
            assert under_way[key] == 1
            await asyncio.sleep(0)
        seen[key].append(value)
        under_way[key] -= 1
        return value

    records = [(rng.choice("abcdefgh"), str(number)) for number in range(200)]
    assert output(many(app, *records)) == records  # whoever was done first
    assert most == 4
    for key in "abcdefgh":
        assert seen[key] == [value for each, value in records if each == key]


def test_records_without_a_key_do_not_wait_for_each_other() -> None:
    app = shop()
    gate = []

    @app.processor("in", to="out", concurrency=3)
    async def meet(value: str) -> str:
        gate.append(value)
        while len(gate) < 3:
            await asyncio.sleep(0)
        return value

    assert output(many(app, (None, "a"), (None, "b"), (None, "c"))) == [
        (None, "a"),
        (None, "b"),
        (None, "c"),
    ]


def test_an_async_generator_and_an_iterator_give_several() -> None:
    app = shop()

    @app.processor("in", to="out")
    async def twice(key: str, value: str) -> AsyncIterator[KeyValue[str, str]]:
        yield KeyValue(key, value)
        await asyncio.sleep(0)
        yield KeyValue(value, key)

    @app.processor(twice, to="more", concurrency=2)
    async def letters(value: str) -> Iterator[str]:
        await asyncio.sleep(0)
        return iter(value)

    with many(app, ("k", "ab")) as driver:
        assert output(driver) == [("k", "ab"), ("ab", "k")]
        more = driver.create_output_topic("more").read_key_values_to_list()
        assert more == [("k", "a"), ("k", "b"), ("ab", "k")]


def test_stores_keep_the_time_and_the_place_of_each_record() -> None:
    app = shop()
    last = app.store("last", value=str)

    @app.processor("in", stores=[last], concurrency=8)
    async def keep(key: str, value: str) -> None:
        for _ in range(8 - int(value)):  # later records are done first
            await asyncio.sleep(0)
        last[key] = value

    records = [(key, str(number)) for number, key in enumerate("abcdef")]
    with many(app, *records, config=app.config) as driver:
        rows = driver.create_output_topic("shop-last-changelog").read_records_to_list()
    times = {row.key: row.timestamp for row in rows}
    assert times == {key: number for number, key in enumerate("abcdef")}


def test_an_unstored_change_of_one_call_is_not_blamed_on_another() -> None:
    app = shop()
    carts = app.store("carts", value=list[str], default=list)

    @app.processor("in", stores=[carts], concurrency=2, to="out")
    async def add(key: str, item: str) -> int:
        cart = carts[key]
        cart.append(item)
        await asyncio.sleep(0)
        if key == "a":
            carts[key] = cart
        return len(cart)

    with pytest.raises(ProcessingError, match=r"'add' .* 'carts'") as caught:
        many(app, ("a", "x"), ("b", "y"))
    assert caught.value.offset == 1


# ---------------------------------------------------------------- errors


async def fail_on_bad(key: str, value: str) -> str:
    for _ in range(int(key)):
        await asyncio.sleep(0)
    if value == "bad":
        raise ValueError("cannot")
    return value


RECORDS = (("3", "a"), ("9", "bad"), ("1", "b"), ("2", "bad"), ("0", "c"))


@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_an_error_names_function_and_record(concurrency: int) -> None:
    app = shop()
    app.processor("in", to="out", concurrency=concurrency)(fail_on_bad)
    with pytest.raises(ProcessingError, match=r"'fail_on_bad' failed to .*ValueError: c") as caught:
        many(app, *RECORDS)
    error = caught.value
    assert (error.processor, error.topic, error.offset) == ("fail_on_bad", "in", 1)
    assert "value: b'bad'" in str(error)
    assert "test_async_processors.py" in str(error)


@pytest.mark.parametrize("concurrency", [1, 2, 8])
def test_the_handler_is_asked_with_node_and_record(concurrency: int) -> None:
    app = shop()
    asked = []

    def handler(context: ErrorHandlerContext, record: Record[Any, Any], error: Exception) -> Any:
        asked.append((context.processor_node_id, context.offset, record.key, str(error)))
        return Response.resume()

    app.processor("in", to="out", concurrency=concurrency)(fail_on_bad)
    config = {"on_processing_error": handler, "dead_letter_topic": "dead"}
    assert output(many(app, *RECORDS, config=config)) == [("3", "a"), ("1", "b"), ("0", "c")]
    assert asked == [("fail_on_bad", 1, "9", "cannot"), ("fail_on_bad", 3, "2", "cannot")]


def test_an_error_further_down_is_of_the_record_that_caused_it() -> None:
    app = shop()

    @app.processor("in", concurrency=4)
    async def wait(key: str, value: str) -> str:
        await asyncio.sleep(0)
        return value

    wait.stream().map_values(int, name="to_int").to("out", value=int)
    with pytest.raises(ProcessingError, match="'to_int'") as caught:
        many(app, ("a", "1"), ("b", "two"), ("c", "3"))
    assert caught.value.offset == 1


def test_what_is_under_way_is_cancelled_after_an_error() -> None:
    app = shop()
    ended = []

    @app.processor("in", concurrency=3)
    async def work(key: str, value: str) -> None:
        try:
            await asyncio.sleep(0 if value == "bad" else 3600)
            raise ValueError("cannot")
        except asyncio.CancelledError:
            ended.append(value)
            raise

    with pytest.raises(ProcessingError, match="cannot"):
        many(app, ("a", "bad"), ("b", "one"), ("c", "two"))
    assert ended == ["one", "two"]


def test_a_function_that_is_cancelled() -> None:
    app = shop()

    @app.processor("in")
    async def work(value: str) -> None:
        raise asyncio.CancelledError

    with pytest.raises(ProcessingError, match="'work' was cancelled before it ended"):
        many(app, ("a", "x"))


def test_all_functions_of_a_thread_share_a_loop_which_is_closed() -> None:
    app = shop()
    loops = []

    @app.processor("in")
    async def first(value: str) -> str:
        loops.append(asyncio.get_running_loop())
        return value

    @app.processor(first)
    async def second(value: str) -> None:
        loops.append(asyncio.get_running_loop())

    many(app, ("a", "x")).close()
    assert loops[0] is loops[1]
    assert loops[0].is_closed()


def test_inside_of_a_running_loop() -> None:
    app = shop()

    @app.processor("in")
    async def work(value: str) -> None: ...

    async def main() -> None:
        TopologyTestDriver(app.build())

    with pytest.raises(ProcessingError, match=r"asyncio\.to_thread") as caught:
        asyncio.run(main())
    assert isinstance(caught.value.__cause__, IllegalStateError)


# ---------------------------------------------------------------- beside caches and timers


def test_updates_that_a_cache_held_back_are_awaited_within_the_commit() -> None:
    app = shop()
    counts = app.stream("in").group_by_key().count(store="counts").to_stream()

    @app.processor(counts, to="out", concurrency=4)
    async def show(key: str, count: int) -> str:
        await asyncio.sleep(0)
        return f"{key}{count}"

    config = {"cache_max_bytes": 1_000_000}
    driver = many(app, ("a", "x"), ("b", "x"), ("a", "x"), config=config)
    assert output(driver) == [("a", "a2"), ("b", "b1")]


def test_a_timer_awaits_its_function() -> None:
    app = shop()
    seen = app.store("seen", value=int, default=int)

    @app.processor("in", stores=[seen], concurrency=2)
    async def see(key: str, value: str) -> None:
        seen[key] += 1

    @app.timer("1s", stores=[seen], to="out")
    async def report() -> AsyncIterator[KeyValue[str, str]]:
        for key, count in seen.items():
            await asyncio.sleep(0)
            yield KeyValue(key, str(count))

    driver = many(app, ("a", "x"), ("b", "x"), ("a", "x"))
    driver.advance_wall_clock_time("1s")
    assert output(driver) == [("a", "2"), ("b", "1")]
