"""Stores as users of the Processor API and of the test driver see them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aliran.serdes import SerializationError, Windowed, serde_for
from aliran.storage.state import (
    KeyValueBytesStore,
    KeyValueStore,
    MemoryStateDatabase,
    ReadOnlyKeyValueStore,
    ReadOnlyWindowStore,
    StateError,
    TimestampedKeyValueStore,
    TimestampedWindowStore,
    ValueAndTimestamp,
    WindowBytesStore,
    WindowStore,
    WithoutTimestampSerde,
    commit_changes,
    window_changelog_key,
)


class Cart(msgspec.Struct):
    items: list[str]


class Changes:
    """Collects what a store logs."""

    def __init__(self) -> None:
        self.logged: list[tuple[bytes, bytes | None, int]] = []

    def __call__(self, key: bytes, value: bytes | None, timestamp: int) -> None:
        self.logged.append((key, value, timestamp))


def bytes_store(**options: Any) -> KeyValueBytesStore:
    return KeyValueBytesStore("carts", MemoryStateDatabase(["carts"]), **options)


def window_store(**options: Any) -> WindowBytesStore:
    return WindowBytesStore("w", MemoryStateDatabase(["w"]), 10**6, 10, **options)


def test_values_are_typed_and_every_change_is_logged() -> None:
    changes = Changes()
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(int), changes, lambda: 77)
    store.put("a", 1)
    store["b"] = 2
    store.put_all([("c", 3), ("d", None)])
    assert store.put_if_absent("a", 9) == 1
    assert store.put_if_absent("e", 5) is None
    assert store.delete("b") == 2
    assert store.delete("b") is None
    one, two, three, five = (number.to_bytes(8, "big") for number in (1, 2, 3, 5))
    assert changes.logged == [
        (b"a", one, 77),
        (b"b", two, 77),
        (b"c", three, 77),
        (b"d", None, 77),
        (b"e", five, 77),
        (b"b", None, 77),
        (b"b", None, 77),
    ]
    assert list(store.all()) == [("a", 1), ("c", 3), ("e", 5)]


def test_it_can_be_used_like_a_dict() -> None:
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(int))
    store["a"] = 1
    store["b"] = 2
    assert store["a"] == 1
    assert "a" in store
    assert "z" not in store
    assert list(store) == ["a", "b"]
    del store["a"]
    assert "a" not in store
    with pytest.raises(KeyError, match="a"):
        store["a"]
    with pytest.raises(KeyError, match="a"):
        del store["a"]
    assert store.name == "carts"


def test_changing_what_was_read_changes_nothing_in_the_store() -> None:
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(Cart))
    cart = Cart(["apple"])
    store.put("ann", cart)
    cart.items.append("pear")
    store["ann"].items.append("plum")
    assert store["ann"] == Cart(["apple"])


def test_ranges_and_prefixes_take_typed_keys() -> None:
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(int))
    for number, key in enumerate(["aa", "ab", "b", "c"]):
        store[key] = number
    assert list(store.range("ab", "b")) == [("ab", 1), ("b", 2)]
    assert list(store.reverse_range(None, "b")) == [("b", 2), ("ab", 1), ("aa", 0)]
    assert next(iter(store.reverse_all())) == ("c", 3)
    assert list(store.prefix_scan("a")) == [("aa", 0), ("ab", 1)]
    assert list(store.prefix_scan(b"b", serde_for(bytes))) == [("b", 2)]
    assert store.approximate_num_entries() == 4


def test_a_value_of_another_type_is_refused_and_not_stored() -> None:
    changes = Changes()
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(int), changes)
    with pytest.raises(SerializationError, match="IntegerSerde cannot serialize a value"):
        store.put("a", "1")  # type: ignore[arg-type]
    with pytest.raises(SerializationError, match="StringSerde"):
        store.put(b"a", 1)  # type: ignore[arg-type]
    assert list(store.all()) == []
    assert changes.logged == []


def test_none_is_no_key() -> None:
    store = KeyValueStore(bytes_store(), serde_for(str), serde_for(int))
    windows = WindowStore(window_store(), serde_for(str), serde_for(int))
    for call in (
        lambda: store.get(None),  # type: ignore[arg-type]
        lambda: store.put(None, 1),  # type: ignore[arg-type]
        lambda: windows.put(None, 1, 0),  # type: ignore[arg-type]
        lambda: windows.fetch(None, 0),  # type: ignore[call-overload]
    ):
        with pytest.raises(StateError, match="None cannot be a key; skip records without key"):
            call()


def test_timestamped_values_are_logged_plain_under_their_own_time() -> None:
    changes = Changes()
    inner = bytes_store(timestamped=True)
    store = TimestampedKeyValueStore(inner, serde_for(str), serde_for(int), changes, lambda: 99)
    store.put("a", ValueAndTimestamp(1, 258))
    store.put("a", None)
    store["b"] = ValueAndTimestamp(2, -1)
    value = (1).to_bytes(8, "big")
    assert changes.logged[:2] == [(b"a", value, 258), (b"a", None, 99)]
    assert store.get("a") is None
    assert store["b"] == ValueAndTimestamp(2, -1)
    assert inner.staged[b"b"] == b"\xff" * 8 + (2).to_bytes(8, "big")


def test_what_is_logged_restores_the_same_timestamped_store() -> None:
    changes = Changes()
    first = bytes_store(timestamped=True)
    store = TimestampedKeyValueStore(first, serde_for(str), serde_for(int), changes)
    for number in range(5):
        store.put("abcab"[number], ValueAndTimestamp(number, number * 10))
    second = bytes_store(timestamped=True)
    keys, values, times = zip(*changes.logged, strict=True)
    second.restore(keys, values, times)
    assert list(second.all()) == list(first.all())


def test_a_plain_store_is_no_timestamped_one() -> None:
    with pytest.raises(StateError, match="timestamped=True"):
        TimestampedKeyValueStore(bytes_store(), serde_for(str), serde_for(int))
    with pytest.raises(StateError, match="timestamped=True"):
        TimestampedWindowStore(window_store(), serde_for(str), serde_for(int))


def test_read_only_views_show_staged_values_without_timestamps() -> None:
    inner = bytes_store(timestamped=True)
    store = TimestampedKeyValueStore(inner, serde_for(str), serde_for(int))
    store.put("a", ValueAndTimestamp(5, 10))
    serde = WithoutTimestampSerde(serde_for(int))
    view = ReadOnlyKeyValueStore(inner, serde_for(str), serde)
    assert view.get("a") == 5
    assert dict(view.all()) == {"a": 5}
    assert not hasattr(view, "put")
    commit_changes([inner], inner.database, {})
    assert view["a"] == 5
    with pytest.raises(SerializationError, match="this view only reads"):
        serde.serialize(5)


def test_windows_are_typed_and_logged_under_kafkas_key() -> None:
    changes = Changes()
    store = WindowStore(window_store(), serde_for(str), serde_for(int), changes, lambda: 7)
    store.put("a", 1, 10)
    store.put("a", 2, 20)
    store.put("b", 3, 20)
    store.put("b", None, 30)
    assert changes.logged[0] == (window_changelog_key(b"a", 10), (1).to_bytes(8, "big"), 7)
    assert changes.logged[3] == (window_changelog_key(b"b", 30), None, 7)
    assert store.fetch("a", 10) == 1
    assert store.fetch("a", 11) is None
    assert list(store.fetch("a", 0, 100)) == [(10, 1), (20, 2)]
    assert list(store.backward_fetch("a", 0, 100)) == [(20, 2), (10, 1)]
    a10, a20, b20 = Windowed("a", 10, 20), Windowed("a", 20, 30), Windowed("b", 20, 30)
    assert list(store.fetch("a", "b", 0, 100)) == [(a10, 1), (a20, 2), (b20, 3)]
    assert list(store.fetch(None, "a", 15, 100)) == [(a20, 2)]
    assert list(store.backward_fetch("a", None, 0, 100)) == [(b20, 3), (a20, 2), (a10, 1)]
    assert list(store.fetch_all(20, 20)) == [(a20, 2), (b20, 3)]
    assert list(store.backward_fetch_all(0, 10)) == [(a10, 1)]
    assert list(store.all()) == [(a10, 1), (a20, 2), (b20, 3)]
    assert next(iter(store.backward_all())) == (b20, 3)
    assert list(store) == [a10, a20, b20]


def test_a_fetch_with_too_many_or_too_few_bounds_is_refused() -> None:
    store = WindowStore(window_store(), serde_for(str), serde_for(int))
    with pytest.raises(TypeError, match="two, three or four"):
        store.fetch("a")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="needs two times"):
        store.backward_fetch("a", 1)  # type: ignore[call-overload]


def test_timestamped_windows_and_their_read_only_view() -> None:
    changes = Changes()
    inner = window_store(timestamped=True)
    store = TimestampedWindowStore(inner, serde_for(str), serde_for(int), changes, lambda: 9)
    store.put("a", ValueAndTimestamp(1, 13), 10)
    store.put("a", None, 20)
    assert store.fetch("a", 10) == ValueAndTimestamp(1, 13)
    assert changes.logged == [
        (window_changelog_key(b"a", 10), (1).to_bytes(8, "big"), 13),
        (window_changelog_key(b"a", 20), None, 9),
    ]
    view = ReadOnlyWindowStore(inner, serde_for(str), WithoutTimestampSerde(serde_for(int)))
    assert list(view.all()) == [(Windowed("a", 10, 20), 1)]
    assert not hasattr(view, "put")
