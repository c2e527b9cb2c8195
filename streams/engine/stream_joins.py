"""The state of joins between two streams: what each side has seen, and what waits for a match."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aliran.core.types import Headers
from aliran.serdes import Serde
from aliran.storage.state.key_value import KeyValueBytesStore
from aliran.storage.state.window import WindowBytesStore
from aliran.streams.dsl.join_serdes import (
    KEY_PREFIX_BYTES,
    append_to_list,
    list_length,
    pack_prefix,
    unpack_list,
    unpack_prefix,
)
from aliran.streams.engine.buffers import ChangelogBuffer
from aliran.streams.plan.operators import JoinWindows

_NO_TIME = (1 << 63) - 1
"""Java's `Long.MAX_VALUE`."""


class JoinWindowTable:
    """The records of one side by key and time, every one of them. Nothing is ever held back.

    Args:
        store: Its bytes; it keeps duplicates.
        serdes: Of keys and values.
        changelog: Where puts are logged, None for nowhere.
    """

    def __init__(
        self,
        store: WindowBytesStore,
        serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
    ) -> None:
        self.key_serde: Serde[Any] = serdes[0]
        self.value_serde: Serde[Any] = serdes[1]
        self._store = store
        self._changelog = changelog

    def put(self, cell: bytes, value: Any, time: int, headers: Headers | None) -> None:
        """Remember a record; one without a value is only logged."""
        data = None if value is None else self.value_serde.serializer(value)
        key = self._store.put(cell, data, time)
        if self._changelog is not None:
            self._changelog.append(key, data, time, headers)

    def fetch(self, cell: bytes, first: int, last: int) -> list[tuple[int, Any]]:
        """Return times and values of a key's records from `first` to `last`, both inclusive."""
        deserialize = self.value_serde.deserializer
        return [
            (time, deserialize(data)) for time, data in self._store.fetch_values(cell, first, last)
        ]


class SelfJoinState:
    """What a stream that is joined with itself by one store has seen.

    Args:
        table: The store.
        windows: How far apart two records may be.
    """

    def __init__(self, table: JoinWindowTable, windows: JoinWindows) -> None:
        self._fetch = table.fetch
        self._before, self._after = windows.before_ms, windows.after_ms
        self._retention = windows.size_ms + windows.grace_ms
        self._stream_time = -1

    def pairs(self, cell: bytes, value: Any, time: int) -> Iterator[tuple[Any, Any, int]]:
        """Yield left value, right value and time of what a record gives, in Kafka's order.

        A record that is too late for its own window does not meet itself.
        """
        self._stream_time = max(self._stream_time, time)
        alone = time > self._stream_time - self._retention + 1
        before, after = self._before, self._after
        for other_time, other in self._fetch(cell, max(0, time - before), max(0, time + after)):
            yield value, other, max(time, other_time)
        for other_time, other in self._fetch(cell, max(0, time - after), max(0, time + before)):
            if alone and other_time > time:
                alone = False
                yield value, value, time
            yield other, value, max(time, other_time)
        if alone:
            yield value, value, time


class UnmatchedTable:
    """Records of both sides that found no match, until their window has closed for good.

    Kafka: the outer join store, and the `TimeTracker` that both sides of a join share.

    Args:
        store: Its bytes, by `UnmatchedKeySerde` and `UnmatchedValuesSerde`.
        key_serde: Of the records' keys.
        value_serdes: Of the left and the right stream's values.
        changelog: Where changes are logged, None for nowhere.

    Attributes:
        stream_time: The largest record time of both sides, -1 before the first.
    """

    def __init__(
        self,
        store: KeyValueBytesStore,
        key_serde: Serde[Any],
        value_serdes: tuple[Serde[Any], Serde[Any]],
        changelog: ChangelogBuffer | None,
    ) -> None:
        self.stream_time = -1
        self._store = store
        self._key_serde = key_serde
        self._left, self._right = value_serdes
        self._changelog = changelog
        # As far as known, the smallest time of a record that waits; as wrong at times as on the
        # JVM, since what is emitted when depends on it.
        self._oldest = _NO_TIME
        self._next_scan_ms = 0

    def add(self, is_left: bool, cell: bytes, value: Any, time: int) -> None:
        """Let a record wait for a match."""
        self._oldest = min(self._oldest, time)
        serde = self._left if is_left else self._right
        key = pack_prefix(time, is_left) + cell
        entry = (b"\x01" if is_left else b"\x00") + serde.serializer(value)
        self._put(key, append_to_list(self._store.get(key), entry), time)

    def matched(self, is_left: bool, cell: bytes, time: int, now: int) -> None:
        """Take the records of a key, side and time out, if any wait: they have a match.

        Args:
            is_left: The side of the records.
            cell: Their key.
            time: Their time.
            now: The time of the record that matches.
        """
        key = pack_prefix(time, is_left) + cell
        if self._store.get(key) is not None:
            self._put(key, None, now)

    def may_close(self, look_ahead_ms: int) -> bool:
        """Tell whether the window of some record may have closed.

        Args:
            look_ahead_ms: How long after a record of the side that asks a match may come, grace
                included. As on the JVM it is used for records of either side, and wraps around
                where nothing waits.
        """
        end = self._oldest + look_ahead_ms
        return (end if end <= _NO_TIME else end - (1 << 64)) < self.stream_time

    def closed(
        self, windows: JoinWindows, throttle: Throttle, now: int
    ) -> Iterator[tuple[Any, Any, Any, int]]:
        """Yield key, left value, right value and time of records whose window has closed.

        They are taken out as they are consumed. Kafka looks no more often than a wall-clock
        interval allows.
        """
        wall_clock = throttle.time_ms()
        if wall_clock < self._next_scan_ms:
            return
        self._next_scan_ms = wall_clock + throttle.interval_ms
        self._oldest = _NO_TIME
        left_open = right_open = False
        emitted: bytes | None = None
        for key, values in self._store.all():
            time, is_left = unpack_prefix(key)
            self._oldest = time
            if left_open and right_open:
                break
            look_ahead = windows.after_ms if is_left else windows.before_ms
            if time + look_ahead + windows.grace_ms >= self.stream_time:
                left_open, right_open = left_open or is_left, right_open or not is_left
                if left_open and right_open and list_length(values) > 1:
                    break  # Kafka's iterator gives each value of a key, and stops at the second
                continue
            typed = self._key_serde.deserializer(key[KEY_PREFIX_BYTES:])
            serde = self._left if is_left else self._right
            for entry in unpack_list(values):
                value = serde.deserializer(entry[1:])
                yield (typed, value, None, time) if is_left else (typed, None, value, time)
                if emitted is not None and emitted != key:
                    self._put(emitted, None, now)
                emitted = key
        if emitted is not None:
            self._put(emitted, None, now)

    def _put(self, key: bytes, value: bytes | None, time: int) -> None:
        self._store.put(key, value)
        if self._changelog is not None:
            self._changelog.append(key, value, time)


class Throttle:
    """How often a join may look for records whose window has closed.

    Args:
        interval_ms: Wall-clock time between two looks.
        time_ms: Gives the wall-clock time.
    """

    __slots__ = ("interval_ms", "time_ms")

    def __init__(self, interval_ms: int, time_ms: Callable[[], int]) -> None:
        self.interval_ms: int = interval_ms
        self.time_ms: Callable[[], int] = time_ms
