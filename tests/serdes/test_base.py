"""Making a serde from functions or by subclassing."""

from __future__ import annotations

import pickle

import pytest

from aliran.serdes import Serde, SerializationError, StringSerde


def test_a_serde_from_two_functions() -> None:
    serde = Serde(pickle.dumps, pickle.loads, name="PickleSerde")
    assert serde.deserialize(serde.serialize({"a": (1, 2)})) == {"a": (1, 2)}
    with pytest.raises(SerializationError, match=r"PickleSerde cannot deserialize 1 bytes"):
        serde.deserialize(b"x")


class Celsius(Serde[float]):
    def serialize(self, value: float | None) -> bytes | None:
        return None if value is None else f"{value}°C".encode()

    def deserialize(self, data: bytes | None) -> float | None:
        return None if data is None else float(data.decode().removesuffix("°C"))


def test_a_subclass_that_overrides_the_methods_has_the_bare_callables_too() -> None:
    serde = Celsius()
    assert serde.serializer(1.5) == "1.5°C".encode()
    assert serde.deserializer("1.5°C".encode()) == 1.5
    assert serde.name == "Celsius"


def test_a_serde_without_functions_is_refused_when_made() -> None:
    with pytest.raises(TypeError, match="pass a serializer function or override serialize"):
        Serde[int]()
    with pytest.raises(TypeError, match="pass a deserializer function or override deserialize"):
        Serde(str.encode)


def test_a_serializer_method_that_returns_none_is_an_error() -> None:
    class Broken(Serde[int]):
        def serialize(self, value: int | None) -> bytes | None:
            return None

        def deserialize(self, data: bytes | None) -> int | None:
            return None

    with pytest.raises(SerializationError, match="returned None"):
        Broken().serializer(1)


def test_the_cause_is_kept_and_errors_of_serdes_pass_unchanged() -> None:
    serde = StringSerde()
    with pytest.raises(SerializationError) as caught:
        serde.deserialize(b"\xff")
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    original = SerializationError("mine")
    assert serde.deserialization_error(b"", original) is original
    assert serde.serialization_error("", original) is original
    assert repr(serde) == "StringSerde()"


def test_a_method_wins_over_the_function_of_a_base_class() -> None:
    class Shouting(StringSerde):
        def serialize(self, value: str | None) -> bytes | None:
            return super().serialize(None if value is None else value.upper())

    serde = Shouting()
    assert serde.serialize("tea") == b"TEA"
    assert serde.serializer("tea") == b"TEA"  # what the stream engine calls
    assert serde.inline_serialize is None
    assert serde.deserializer(b"TEA") == "TEA"
    assert serde.inline_deserialize is not None
