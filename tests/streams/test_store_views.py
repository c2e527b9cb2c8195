"""Stores as functions see them: dict-like, write-through, and nothing is lost silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pytest

from aliran.serdes import Windowed
from aliran.streams import App, KeyValue, TopologyError, TopologyTestDriver
from aliran.streams.decorated.frozen_types import is_frozen
from aliran.streams.errors import IllegalStateError, ProcessingError, UnstoredChangeError


@dataclass
class Cart:
    items: list[str] = field(default_factory=list)


class Point(msgspec.Struct, frozen=True):
    x: int
    tags: tuple[str, ...] = ()


class Named(NamedTuple):
    name: str
    parts: list[str]


def run(app: App, *values: str) -> TopologyTestDriver:
    driver = TopologyTestDriver(app.build())
    driver.create_input_topic("in").pipe_key_value_list((value, value) for value in values)
    return driver


def in_function(act: Callable[[Any], Any], **store: Any) -> Any:
    """Return what `act(view)` returns inside of a function that names the store."""
    app = App("views")
    view = app.store("things", **store)
    got = []
    app.processor("in", stores=[view], name="f")(lambda value: got.append(act(view)))
    run(app, "a").close()
    return got[0]


# ---------------------------------------------------------------- like a dict


def test_reading_and_writing() -> None:
    def act(things: Any) -> Any:
        things["a"] = 1
        things["a"] += 2
        things["b"] = 5
        del things["b"]
        return things["a"], "a" in things, "b" in things, things.get("b"), things.get("b", 9)

    assert in_function(act, value=int) == (3, True, False, None, 9)


def test_what_is_missing() -> None:
    def act(things: Any) -> Any:
        for action in (things.__getitem__, things.pop, things.__delitem__):
            with pytest.raises(KeyError):
                action(1)
        return things.pop(1, "other")

    assert in_function(act, key=int, value=int) == "other"


def test_the_default_is_not_stored_by_reading() -> None:
    assert in_function(lambda t: (t["a"], "a" in t, t.get("a")), value=int, default=int) == (
        0,
        False,
        None,
    )


def test_scans() -> None:
    def act(things: Any) -> Any:
        for number in (3, 1, 2, 10):
            things[f"k{number}"] = number
        return (
            list(things),
            list(things.values()),
            list(things.items())[:1],
            list(things.range("k1", "k2")),
            list(things.range(last="k10")),
            list(things.reverse_range("k2")),
            list(things.prefix_scan("k1")),
        )

    assert in_function(act, value=int) == (
        ["k1", "k10", "k2", "k3"],
        [1, 10, 2, 3],
        [("k1", 1)],
        [("k1", 1), ("k10", 10), ("k2", 2)],
        [("k1", 1), ("k10", 10)],
        [("k3", 3), ("k2", 2)],
        [("k1", 1), ("k10", 10)],
    )


@pytest.mark.parametrize("persistent", [True, False])
def test_each_update_is_in_the_changelog_with_the_time_of_its_record(persistent: bool) -> None:
    app = App("views")
    counts = app.store("counts", value=int, default=int, persistent=persistent)

    @app.processor("in", stores=[counts])
    def count(value: str) -> None:
        counts[value] += 1
        if counts[value] == 2:
            del counts[value]

    with TopologyTestDriver(app.build()) as driver:
        driver.create_input_topic("in").pipe_input("x", "w", 5)
        driver.create_input_topic("in").pipe_input("x", "w", 6)
        log = driver.create_output_topic("test-application-counts-changelog", value=int)
        rows = [(each.key, each.value, each.timestamp) for each in log.read_records_to_list()]
        assert rows == [("w", 1, 5), ("w", 2, 6), ("w", None, 6)]
        assert list(driver.get_state_store("counts").all()) == []


def test_the_driver_sees_what_functions_store() -> None:
    app = App("views")
    counts = app.store("counts", value=int, default=int)

    @app.processor("in", stores=[counts])
    def count(value: str) -> None:
        counts[value] += 1

    with run(app, "a", "b", "a") as driver:
        assert dict(driver.get_key_value_store("counts").all()) == {"a": 2, "b": 1}


# ---------------------------------------------------------------- windows


def test_a_window_store_counts_by_the_time_of_the_record() -> None:
    app = App("views")
    minutes = app.window_store("minutes", "1m", value=int, default=int, retention="1h")

    @app.processor("in", stores=[minutes], to="out")
    def count(word: str) -> int:
        minutes[word] += 1
        return minutes[word]

    @app.timer("1h", stores=[minutes], to="all")
    def everything() -> list[list[int]]:
        assert "a" not in minutes  # the window of the timer's time
        one = minutes.fetch("a", 0, 60_000)
        rows = (minutes.items(), minutes.fetch_all(60_000, 60_000), one)
        return [[w.start_ms for w, _ in each] for each in rows]

    with TopologyTestDriver(app.build(), initial_wall_clock_time_ms=7_200_000) as driver:
        words = driver.create_input_topic("in")
        for word, time_ms in (("a", 0), ("a", 59_999), ("b", 60_000), ("a", 60_001), ("a", 1)):
            words.pipe_input(word, word, time_ms)
        out = driver.create_output_topic("out", value=int)
        assert out.read_values_to_list() == [1, 2, 1, 1, 3]
        driver.advance_wall_clock_time("1h")
        every = driver.create_output_topic("all", value=list[list[int]]).read_value()
        assert every == [[0, 60_000, 60_000], [60_000, 60_000], [0, 60_000]]
        rows = dict(driver.get_window_store("minutes").all())
        assert rows[Windowed("a", 0, 60_000)] == 3


# ---------------------------------------------------------------- changed and not stored


def cart_app(change: Callable[[Any, str], Any], **settings: Any) -> App:
    app = App("views", **settings)
    carts = app.store("carts", value=Cart, default=Cart)
    app.processor("in", stores=[carts], name="shop")(lambda item: change(carts, item))
    return app


def store_first(carts: Any, item: str) -> None:
    carts["me"] = Cart([item])


def set_then_change(carts: Any, item: str) -> None:
    cart = Cart()
    carts["me"] = cart
    cart.items.append(item)


def scan_and_change(carts: Any, item: str) -> None:
    for _, cart in list(carts.items()):
        cart.items.append(item)
    if "me" not in carts:
        carts["me"] = Cart()


def get_and_change(carts: Any, item: str) -> None:
    cart = carts.get("me", None)
    if cart is None:
        carts["me"] = Cart()
    else:
        cart.items.append(item)


@pytest.mark.parametrize(
    "change",
    [
        lambda carts, item: carts["me"].items.append(item),  # of a default
        set_then_change,
        scan_and_change,
        get_and_change,
    ],
)
def test_a_change_that_is_not_stored_is_an_error(change: Any) -> None:
    app = cart_app(change)
    with pytest.raises(ProcessingError, match=r"'shop' changed a value of the store 'carts'") as e:
        run(app, "apple", "pear")
    assert isinstance(e.value.__cause__, UnstoredChangeError)
    assert "carts[key] = value" in str(e.value)


def store_it(carts: Any, item: str) -> None:
    cart = carts["me"]
    cart.items.append(item)
    carts["me"] = cart


def store_a_copy(carts: Any, item: str) -> None:
    cart = carts["me"]
    cart.items.append(item)
    carts["me"] = Cart([*cart.items])


def change_what_was_taken_out(carts: Any, item: str) -> None:
    cart = carts.pop("me", Cart())
    cart.items.append(item)
    carts["me"] = cart


@pytest.mark.parametrize("change", [store_it, store_a_copy, change_what_was_taken_out])
def test_a_change_that_is_stored(change: Any) -> None:
    with run(cart_app(change), "apple", "pear") as driver:
        assert driver.get_state_store("carts").get("me") == Cart(["apple", "pear"])


def test_what_is_only_read_may_be_anything() -> None:
    app = App("views")
    sets = app.store("sets", value=set[str])

    @app.processor("in", stores=[sets])
    def collect(item: str) -> None:
        sets["all"] = sets.get("all", set()) | {item}
        assert item in sets["all"]

    with run(app, *"abcdefgh") as driver:
        assert driver.get_state_store("sets").get("all") == set("abcdefgh")


def test_the_handler_is_asked_about_an_unstored_change() -> None:
    app = cart_app(lambda carts, item: item == "bad" and carts["me"].items.append(item))
    with TopologyTestDriver(app.build(), {"on_error": "skip"}) as driver:
        driver.create_input_topic("in").pipe_value_list(["good", "bad", "good"])
        assert driver.statistics().failed_records == 1


def test_frozen_types() -> None:
    assert all(map(is_frozen, (int, str, bytes, float, bool, Point)))
    assert not any(map(is_frozen, (list, dict, Cart, Named, Counter)))


# ---------------------------------------------------------------- outside


def test_outside_of_a_function_a_store_is_not_there() -> None:
    app = App("views")
    counts = app.store("counts", value=int, default=int)
    for action in (lambda: counts["a"], lambda: list(counts), lambda: counts.pop("a")):
        with pytest.raises(IllegalStateError, match=r"stores=\[counts\].*TopologyTestDriver\.get"):
            action()
    with pytest.raises(IllegalStateError):
        counts["a"] = 1


def test_a_store_that_the_function_does_not_name() -> None:
    app = App("views")
    counts = app.store("counts", value=int, default=int)

    @app.processor("in")
    def count(value: str) -> KeyValue[str, int]:
        return KeyValue(value, counts[value])

    with pytest.raises(ProcessingError, match="'count' does not name the store 'counts': add it"):
        run(app, "a")


def test_options_of_stores() -> None:
    app = App("views")
    plain = app.store("plain", value=int, logging=False)
    cleaned = app.window_store("w", "1m", value=int, changelog_config={"segment.ms": "1000"})
    assert not plain.spec.logging
    assert cleaned.spec.changelog_config == {"segment.ms": "1000"}
    assert repr(cleaned) == "WindowView('w')"
    with pytest.raises(TopologyError, match="retention must be at least"):
        app.window_store("short", "1m", value=int, retention="1s")
