"""What a decorator of `App` makes of a function."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar, overload

from aliran.streams.dsl.kstream import KStream
from aliran.streams.processor import KeyValue, Record

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class StreamFunction(Generic[P, R_co]):
    """A decorated function: called directly it is the function; the topology calls it by its node.

    Pass it as the topic of another `@app.processor`, or go on by the DSL with `stream()`.
    """

    def __init__(self, function: Callable[P, R_co], stream: KStream[Any, Any]) -> None:
        functools.update_wrapper(self, function)
        self.__name__: str
        self._function = function
        self._stream = stream

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function itself."""
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        """Name of the function's node in the topology."""
        return self._stream.name

    @overload
    def stream(self: StreamFunction[P, Iterator[KeyValue[K, V]]]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, KeyValue[K, V]]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, KeyValue[K, V] | None]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, Record[K, V]]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, AsyncIterator[KeyValue[K, V]]]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, Awaitable[KeyValue[K, V]]]) -> KStream[K, V]: ...
    @overload
    def stream(self: StreamFunction[P, Iterator[V]]) -> KStream[Any, V]: ...
    @overload
    def stream(self: StreamFunction[P, AsyncIterator[V]]) -> KStream[Any, V]: ...
    @overload
    def stream(self: StreamFunction[P, Awaitable[V]]) -> KStream[Any, V]: ...
    @overload
    def stream(self: StreamFunction[P, V]) -> KStream[Any, V]: ...
    def stream(self) -> KStream[Any, Any]:
        """Return what the function gives, as a stream of the DSL."""
        return self._stream
