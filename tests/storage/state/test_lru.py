"""Stores that keep what was used last."""

from __future__ import annotations

import pytest

from aliran.core.errors import ConfigError
from aliran.storage.state import LruBytesStore


def test_what_was_used_longest_ago_goes() -> None:
    gone: list[bytes] = []
    store = LruBytesStore("lru", 2)
    store.on_evict = gone.append
    store.put_all([(b"a", b"1"), (b"b", b"1")])
    assert store.get(b"a") == b"1"
    assert list(store.all()) == [(b"a", b"1"), (b"b", b"1")]  # looking at all is no use of any
    store.put(b"c", b"1")
    assert gone == [b"b"]
    assert store.put_if_absent(b"a", b"2") == b"1"
    store.put(b"d", b"1")
    assert gone == [b"b", b"c"]
    assert store.delete(b"a") == b"1"
    assert store.get(b"a") is None
    assert store.approximate_num_entries() == 1


def test_ranges_are_in_byte_order() -> None:
    store = LruBytesStore("lru", 9)
    store.put_all((key, key) for key in (b"c", b"a", b"ab", b"b"))
    assert [key for key, _ in store.range(b"ab", b"b")] == [b"ab", b"b"]
    assert [key for key, _ in store.reverse_all()] == [b"c", b"b", b"ab", b"a"]
    assert [key for key, _ in store.prefix_scan(b"a")] == [b"a", b"ab"]


def test_restoring_evicts_in_silence() -> None:
    store = LruBytesStore("lru", 1, timestamped=True)
    gone: list[bytes] = []
    store.on_evict = gone.append
    store.restore([b"a", b"b", b"c"], [b"1", b"2", None], [1, 258, 3])
    assert list(store.all()) == [(b"b", b"\x00\x00\x00\x00\x00\x00\x01\x022")]
    assert (gone, store.staged) == ([], {})
    store.put(b"c", b"3")
    assert gone == [b"b"]


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot keep -1 entries"):
        LruBytesStore("lru", -1)
