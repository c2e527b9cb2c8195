"""What a serde is: a pair of functions between values and bytes, and null on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from aliran.serdes.errors import SerializationError, refused_data, refused_value

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Serde(Generic[T]):
    """Turns values of one type into bytes and back. Kafka: `Serde`.

    Make one from two functions, or subclass it and override `serialize` and `deserialize`:

    >>> import pickle
    >>> shapes = Serde(pickle.dumps, pickle.loads, name="PickleSerde")
    >>> shapes.deserialize(shapes.serialize({"edges": 3}))
    {'edges': 3}
    >>> shapes.serialize(None) is None
    True

    Attributes:
        name: What error messages call it.
        serializer: The bare function for values that are not None. It may raise anything;
            `serialize` and the stream engine turn that into a `SerializationError`.
        deserializer: The bare function for bytes that are not None, as above.
        inline_serialize: A Python expression that does exactly what `serializer` does to the
            value written `{x}`, using builtins alone, or None. Generated code saves a call by it.
        inline_deserialize: The same for `deserializer`.
    """

    inline_serialize: str | None = None
    inline_deserialize: str | None = None

    def __init__(
        self,
        serializer: Callable[[T], bytes] | None = None,
        deserializer: Callable[[bytes], T] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.name: str = name or type(self).__name__
        self.use_functions(serializer, deserializer)

    def use_functions(
        self,
        serializer: Callable[[T], bytes] | None,
        deserializer: Callable[[bytes], T] | None,
    ) -> None:
        """Write and read by these functions; a method that a subclass overrides wins over them.

        For subclasses; see the class.
        """
        self._passed_serializer = serializer
        self._passed_deserializer = deserializer
        if serializer is None or type(self).serialize is not Serde.serialize:
            serializer, self.inline_serialize = self._overridden_serializer(), None
        if deserializer is None or type(self).deserialize is not Serde.deserialize:
            deserializer, self.inline_deserialize = self._overridden_deserializer(), None
        self.serializer: Callable[[T], bytes] = serializer
        self.deserializer: Callable[[bytes], T] = deserializer

    def serialize(self, value: T | None) -> bytes | None:
        """Return `value` as bytes; None stays None.

        Raises:
            SerializationError: The value does not fit this serde.
        """
        if value is None:
            return None
        try:
            return (self._passed_serializer or self.serializer)(value)
        except SerializationError:
            raise
        except Exception as error:
            raise self.serialization_error(value, error) from error

    def deserialize(self, data: bytes | None) -> T | None:
        """Return the value that `data` holds; None stays None.

        Raises:
            SerializationError: The bytes were not written by this serde.
        """
        if data is None:
            return None
        try:
            return (self._passed_deserializer or self.deserializer)(data)
        except SerializationError:
            raise
        except Exception as error:
            raise self.deserialization_error(data, error) from error

    @property
    def differs_by_topic(self) -> bool:
        """Whether topics have serdes of their own made of it."""
        return type(self).for_topic is not Serde.for_topic

    def for_topic(self, topic: str, *, is_key: bool) -> Serde[T]:
        """Return the serde to use for the keys or values of one topic.

        It is this one, unless a serde keeps schemas in a registry, which names them by topics. The
        stream engine asks for it; with clients of your own, call it yourself.
        """
        del topic, is_key
        return self

    def serialization_error(self, value: object, cause: Exception) -> SerializationError:
        """Return the error to raise when `serializer(value)` raised `cause`."""
        if isinstance(cause, SerializationError):
            return cause
        return refused_value(self.name, value, cause)

    def deserialization_error(self, data: object, cause: Exception) -> SerializationError:
        """Return the error to raise when `deserializer(data)` raised `cause`."""
        if isinstance(cause, SerializationError):
            return cause
        return refused_data(self.name, data, cause)

    def __repr__(self) -> str:
        return self.name if "(" in self.name else f"{self.name}()"

    def _overridden_serializer(self) -> Callable[[T], bytes]:
        # A subclass that overrides the method instead of passing a function.
        if type(self).serialize is Serde.serialize:
            raise TypeError(f"{self.name}: pass a serializer function or override serialize()")

        def serializer(value: T) -> bytes:
            data = self.serialize(value)
            if data is None:
                raise refused_value(self.name, value, "serialize() returned None")
            return data

        return serializer

    def _overridden_deserializer(self) -> Callable[[bytes], T]:
        if type(self).deserialize is Serde.deserialize:
            raise TypeError(f"{self.name}: pass a deserializer function or override deserialize()")
        # A null answer is the user's own choice of value here.
        return self.deserialize  # type: ignore[return-value]


SerdeLike: TypeAlias = Serde[T] | type[T]
"""What users may pass where a serde is wanted: the serde, or the type of the values.

`serde_for` takes a serde class too, but type checkers cannot tell it from a type of values here.
"""
