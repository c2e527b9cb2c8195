"""Stores as functions see them: `counts[key] += 1` inside of a decorated function.

A view is made once, beside the topology, and used by all tasks: which task's store it stands for is
found through the call that is running (`Call`). What a view hands out is decoded afresh, so it is a
copy. A copy that a function changes and does not store would be lost; the end of the call finds
that out and raises `UnstoredChangeError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aliran.serdes import Serde, Windowed
from aliran.streams.decorated.frozen_types import is_frozen
from aliran.streams.errors import IllegalStateError, TopologyError, UnstoredChangeError
from aliran.streams.plan.operators import StoreSpec

if TYPE_CHECKING:
    from aliran.streams.runtime.context import TaskProcessorContext

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_MISSING: Any = object()


class Call:
    """One call of a function: the stores of its task, its time, and what it has read of them.

    Args:
        node: Name of the function's node.
        context: The node's context.
        stores: The stores that the function names, by name.
        time_ms: Time of the record; what the changelog gets as time of a change.
    """

    __slots__ = ("_read", "context", "node", "stores", "time_ms")

    def __init__(
        self, node: str, context: TaskProcessorContext, stores: dict[str, Any], time_ms: int
    ) -> None:
        self.node: str = node
        self.context: TaskProcessorContext = context
        self.stores: dict[str, Any] = stores
        self.time_ms: int = time_ms
        self._read: dict[tuple[str, Any], list[tuple[Any, bytes | None]]] = {}

    def again(self, time_ms: int) -> Call:
        """Return the same object for the next call of a function, which the last one has left."""
        self.time_ms = time_ms
        if self._read:
            self._read = {}
        return self

    def watch(self, view: View[Any, Any], key: Any, value: Any) -> None:
        """Remember what the value of a key looks like, unless nobody can change it."""
        if not is_frozen(type(value)):
            data = view.value_serde.serialize(value)
            self._read.setdefault((view.name, view.place(self, key)), []).append((value, data))

    def stored(self, view: View[Any, Any], key: Any) -> None:
        """Forget what was read of a key: it has a new value."""
        if self._read:
            self._read.pop((view.name, view.place(self, key)), None)

    def check(self, serde_of: Callable[[str], Serde[Any]]) -> None:
        """Refuse the call if it changed a value that it read, and did not store it.

        Raises:
            UnstoredChangeError: It did.
        """
        for (store, key), reads in self._read.items():
            for value, before in reads:
                if serde_of(store).serialize(value) != before:
                    raise UnstoredChangeError(
                        f"{self.node!r} changed a value of the store {store!r} and did not store "
                        f"it (key bytes {key!r}, value now {value!r}): what a store gives is a "
                        f"copy, so write it back, {store}[key] = value"
                    )


RUNNING: ContextVar[Call | None] = ContextVar("aliran-running-call", default=None)
"""The call that is running in this thread and coroutine."""


class View(Generic[K, V]):
    """What views of both kinds have in common; see `StoreView` and `WindowView`.

    Attributes:
        spec: The store as data, for whatever takes one: `process`, `add_state_store`.
    """

    def __init__(self, spec: StoreSpec, default: Callable[[], V] | None = None) -> None:
        self.spec: StoreSpec = spec
        self._default = default

    @property
    def name(self) -> str:
        """Name of the store."""
        return self.spec.name

    def __getitem__(self, key: K) -> V:
        """Return the value of `key`, else the default.

        Raises:
            KeyError: There is neither.
        """
        call, store = self._open()
        value = self._read(call, store, key)
        if value is None:
            if self._default is None:
                raise KeyError(key)
            value = self._default()
        call.watch(self, key, value)
        return value

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: D) -> V | D: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, or else what the caller says."""
        call, store = self._open()
        value = self._read(call, store, key)
        if value is None:
            return default
        call.watch(self, key, value)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        """Store a value; the changelog has it before the input's position is committed."""
        call, store = self._open()
        call.context.record_time_ms = call.time_ms
        self._write(call, store, key, value)
        call.stored(self, key)
        call.watch(self, key, value)

    def __delitem__(self, key: K) -> None:
        """Remove `key`.

        Raises:
            KeyError: It is not there.
        """
        self.pop(key)

    @overload
    def pop(self, key: K) -> V: ...
    @overload
    def pop(self, key: K, default: D) -> V | D: ...
    def pop(self, key: K, default: Any = _MISSING) -> Any:
        """Remove `key` and return its value, or else `default`.

        Raises:
            KeyError: It is not there, and there is no `default`.
        """
        call, store = self._open()
        value = self._read(call, store, key)
        if value is None:
            if default is _MISSING:
                raise KeyError(key)
            return default
        call.context.record_time_ms = call.time_ms
        self._write(call, store, key, None)
        call.stored(self, key)
        return value

    def __contains__(self, key: K) -> bool:
        """Return whether `key` has a value of its own, not just the default."""
        return self._read(*self._open(), key) is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    # ------------------------------------------------------------------ inside

    @property
    def value_serde(self) -> Serde[Any]:
        """The serde of the values."""
        assert self.spec.value_serde is not None
        return self.spec.value_serde

    def place(self, call: Call, key: Any) -> Any:  # noqa: ARG002
        """Return what tells the place of a key within the store from others, also of a scan."""
        assert self.spec.key_serde is not None
        return self.spec.key_serde.serialize(key)

    def _open(self) -> tuple[Call, Any]:
        call = RUNNING.get()
        if call is None:
            raise IllegalStateError(
                f"the store {self.name!r} is there only while a function runs that names it, as in "
                f"@app.processor(topic, stores=[{self.name}]). To look into it from outside, read "
                "its changelog topic or what the function sends to a topic; in tests use "
                f"TopologyTestDriver.get_state_store({self.name!r})"
            )
        store = call.stores.get(self.name)
        if store is None:
            raise TopologyError(
                f"{call.node!r} does not name the store {self.name!r}: add it to its stores=[...], "
                "so that the store is in its task"
            )
        return call, store

    def _read(self, call: Call, store: Any, key: K) -> V | None:
        raise NotImplementedError

    def _write(self, call: Call, store: Any, key: K, value: V | None) -> None:
        raise NotImplementedError

    def _handed_out(self, entries: Iterator[tuple[Any, V]]) -> Iterator[tuple[Any, V]]:
        call, _ = self._open()
        for key, value in entries:
            call.watch(self, key, value)
            yield key, value


class StoreView(View[K, V]):
    """A store of one value a key, used like a dict. Made by `App.store`.

    Ranges go by the order of the keys' bytes, both ends inclusive; None is no bound. Scans see the
    task's own part of the keys: those of its partition.
    """

    def __iter__(self) -> Iterator[K]:
        return self.keys()

    def keys(self) -> Iterator[K]:
        """Return all keys, in the order of their bytes."""
        _, store = self._open()
        return (key for key, _ in store.all())

    def values(self) -> Iterator[V]:
        """Return all values, in the order of their keys."""
        return (value for _, value in self.items())

    def items(self) -> Iterator[tuple[K, V]]:
        """Return all entries, in the order of their keys."""
        return self._handed_out(self._open()[1].all())

    def range(self, first: K | None = None, last: K | None = None) -> Iterator[tuple[K, V]]:
        """Return the entries from `first` to `last`."""
        return self._handed_out(self._open()[1].range(first, last))

    def reverse_range(self, first: K | None = None, last: K | None = None) -> Iterator[tuple[K, V]]:
        """Return the entries from `last` down to `first`."""
        return self._handed_out(self._open()[1].reverse_range(first, last))

    def prefix_scan(self, prefix: K) -> Iterator[tuple[K, V]]:
        """Return the entries whose key's bytes begin with those of `prefix`."""
        return self._handed_out(self._open()[1].prefix_scan(prefix))

    def _read(self, call: Call, store: Any, key: K) -> V | None:  # noqa: ARG002
        value: V | None = store.get(key)
        return value

    def _write(self, call: Call, store: Any, key: K, value: V | None) -> None:  # noqa: ARG002
        store.put(key, value)


class WindowView(View[K, V]):
    """A store of one value a key and window. Made by `App.window_store`.

    `view[key]` is the value in the tumbling window that the record at hand falls into; in a timer
    it is the window of the timer's time. A record whose window has expired changes nothing and is
    counted as dropped.
    """

    def fetch(self, key: K, from_ms: int, to_ms: int) -> Iterator[tuple[Windowed[K], V]]:
        """Return the values of a key, of the windows that start within the times, both inclusive.

        Args:
            key: The key.
            from_ms: The first start, in milliseconds.
            to_ms: The last start, in milliseconds.
        """
        return self._handed_out(self._open()[1].fetch(key, key, from_ms, to_ms))

    def fetch_all(self, from_ms: int, to_ms: int) -> Iterator[tuple[Windowed[K], V]]:
        """Return the values of all keys, of the windows that start within the times."""
        return self._handed_out(self._open()[1].fetch_all(from_ms, to_ms))

    def items(self) -> Iterator[tuple[Windowed[K], V]]:
        """Return all windows that have not expired."""
        return self._handed_out(self._open()[1].all())

    def _start(self, call: Call) -> int:
        return call.time_ms - call.time_ms % self.spec.window_size_ms

    def place(self, call: Call, key: Any) -> Any:
        """Return the bytes of the key and the start of its window: of a scan, or of the call."""
        if isinstance(key, Windowed):
            return super().place(call, key.key), key.start_ms
        return super().place(call, key), self._start(call)

    def _read(self, call: Call, store: Any, key: K) -> V | None:
        value: V | None = store.fetch(key, self._start(call))
        return value

    def _write(self, call: Call, store: Any, key: K, value: V | None) -> None:
        store.put(key, value, self._start(call))
