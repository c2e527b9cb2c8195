"""Plain serdes: Kafka's bytes, strictness, and inline code that says the same."""

from __future__ import annotations

import enum
import struct
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliran.serdes import (
    BooleanSerde,
    BytesSerde,
    DoubleSerde,
    Float32Serde,
    Int16Serde,
    Int32Serde,
    IntegerSerde,
    LongSerde,
    Serde,
    SerializationError,
    StringSerde,
    UuidSerde,
)

SOME_UUID = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
ALL: list[Serde[Any]] = [
    BytesSerde(),
    StringSerde(),
    IntegerSerde(),
    Int32Serde(),
    Int16Serde(),
    DoubleSerde(),
    Float32Serde(),
    BooleanSerde(),
    UuidSerde(),
]


@pytest.mark.parametrize(
    ("serde", "value", "data"),
    [
        (BytesSerde(), b"\x00\xff", b"\x00\xff"),
        (StringSerde(), "grün", b"gr\xc3\xbcn"),
        (IntegerSerde(), 258, b"\x00\x00\x00\x00\x00\x00\x01\x02"),
        (IntegerSerde(), -1, b"\xff" * 8),
        (LongSerde(), -(2**63), b"\x80" + b"\x00" * 7),
        (Int32Serde(), 258, b"\x00\x00\x01\x02"),
        (Int16Serde(), -2, b"\xff\xfe"),
        (DoubleSerde(), 1.5, b"\x3f\xf8" + b"\x00" * 6),
        (Float32Serde(), 1.5, b"\x3f\xc0\x00\x00"),
        (BooleanSerde(), True, b"\x01"),
        (BooleanSerde(), False, b"\x00"),
        (UuidSerde(), SOME_UUID, b"6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ],
)
def test_bytes_are_those_of_kafka(serde: Serde[Any], value: object, data: bytes) -> None:
    assert serde.serialize(value) == data
    assert serde.deserialize(data) == value
    assert serde.serializer(value) == data
    assert type(serde.deserializer(data)) is type(value)


@pytest.mark.parametrize("serde", ALL, ids=lambda serde: serde.name)
def test_none_stays_none(serde: Serde[Any]) -> None:
    assert serde.serialize(None) is None
    assert serde.deserialize(None) is None


@pytest.mark.parametrize(
    ("serde", "value"),
    [
        (IntegerSerde(), True),
        (IntegerSerde(), 1.0),
        (IntegerSerde(), "1"),
        (DoubleSerde(), "1.0"),
        (DoubleSerde(), True),
        (Float32Serde(), 1e300),
        (DoubleSerde(), 10**400),
        (StringSerde(), b"bytes"),
        (StringSerde(), 1),
        (StringSerde(), "\ud800"),
        (BytesSerde(), "text"),
        (BytesSerde(), 5),
        (BooleanSerde(), 1),
        (BooleanSerde(), "true"),
        (UuidSerde(), str(SOME_UUID)),
    ],
)
def test_values_of_another_type_are_refused(serde: Serde[Any], value: object) -> None:
    with pytest.raises(SerializationError) as caught:
        serde.serialize(value)
    error = caught.value
    assert error.serde_name == serde.name
    assert error.value_type == type(value).__name__
    assert serde.name in str(error)
    assert f"pass value={type(value).__name__}" in str(error)
    assert "annotate the function's return type" in str(error)
    with pytest.raises(Exception):  # noqa: B017 - the bare callable may raise anything
        serde.serializer(value)


@pytest.mark.parametrize(
    ("serde", "value", "size"),
    [
        (IntegerSerde(), 2**63, 8),
        (Int32Serde(), 2**31, 4),
        (Int16Serde(), -(2**15) - 1, 2),
    ],
)
def test_numbers_that_are_too_large_are_refused(serde: Serde[Any], value: int, size: int) -> None:
    with pytest.raises(SerializationError) as caught:
        serde.serialize(value)
    error = caught.value
    assert error.serde_name == serde.name
    assert error.value_type == "int"
    assert f"{serde.name} cannot serialize {value}, which does not fit {size} bytes" in str(error)
    assert "take a type without a limit" in str(error)
    with pytest.raises(Exception):  # noqa: B017 - the bare callable may raise anything
        serde.serializer(value)


@pytest.mark.parametrize(
    ("serde", "data"),
    [
        (IntegerSerde(), b"1234567"),
        (IntegerSerde(), b""),
        (Int32Serde(), b"12345678"),
        (DoubleSerde(), b"123"),
        (BooleanSerde(), b"\x02"),
        (BooleanSerde(), b""),
        (StringSerde(), b"\xff\xfe"),
        (UuidSerde(), b"not-a-uuid"),
    ],
)
def test_foreign_bytes_are_refused(serde: Serde[Any], data: bytes) -> None:
    with pytest.raises(SerializationError) as caught:
        serde.deserialize(data)
    assert serde.name in str(caught.value)
    assert f"{len(data)} bytes starting {data!r}" in str(caught.value)


def test_long_data_is_shown_by_its_start_alone() -> None:
    with pytest.raises(SerializationError, match=r"1000 bytes starting b'z{32}'\.\.\.:"):
        IntegerSerde().deserialize(b"z" * 1000)


def test_deserializing_text_is_refused() -> None:
    with pytest.raises(SerializationError, match="a value of type str"):
        StringSerde().deserialize("text")  # type: ignore[arg-type]


def test_int_enum_members_and_other_buffers_are_taken() -> None:
    class Level(enum.IntEnum):
        HIGH = 3

    assert IntegerSerde().serialize(Level.HIGH) == struct.pack(">q", 3)
    assert BytesSerde().serialize(bytearray(b"ab")) == b"ab"  # type: ignore[arg-type]
    assert BytesSerde().serialize(memoryview(b"ab")) == b"ab"  # type: ignore[arg-type]
    assert DoubleSerde().serialize(2) == struct.pack(">d", 2.0)


@pytest.mark.parametrize("serde", ALL, ids=lambda serde: serde.name)
def test_inline_code_does_what_the_callables_do(serde: Serde[Any]) -> None:
    samples: dict[str, list[Any]] = {
        "BytesSerde": [b"", b"\xff"],
        "StringSerde": ["", "grün"],
        "UuidSerde": [SOME_UUID],
        "BooleanSerde": [True, False],
    }
    for value in samples.get(serde.name, [0, 1, 3]):
        data = serde.serializer(value)
        if serde.inline_serialize is not None:
            assert eval(serde.inline_serialize.format(x="v"), {"v": value}) == data
        if serde.inline_deserialize is not None:
            assert eval(serde.inline_deserialize.format(x="v"), {"v": data}) == value
    assert BytesSerde.inline_serialize is None  # it must refuse text, inline would not
    assert StringSerde.inline_serialize == "{x}.encode()"


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back(value: int) -> None:
    serde = IntegerSerde()
    assert serde.deserialize(serde.serialize(value)) == value


@given(st.floats(allow_nan=False))
def test_floats_come_back(value: float) -> None:
    serde = DoubleSerde()
    assert serde.deserialize(serde.serialize(value)) == value


@given(st.text())
def test_text_comes_back(value: str) -> None:
    serde = StringSerde()
    assert serde.deserialize(serde.serialize(value)) == value
