"""Serdes for plain values, byte for byte those of Kafka's `Serdes`.

| Python | serde | Kafka | bytes |
|---|---|---|---|
| bytes | BytesSerde | ByteArray | as they are |
| str | StringSerde | String | UTF-8 |
| int | IntegerSerde (= LongSerde) | Long | 8, big-endian, signed |
| int | Int32Serde, Int16Serde | Integer, Short | 4, 2 |
| float | DoubleSerde | Double | 8, IEEE 754 |
| float | Float32Serde | Float | 4 |
| bool | BooleanSerde | Boolean | 1: 0 or 1 |
| UUID | UuidSerde | UUID | its text, UTF-8 |
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aliran.serdes.base import Serde
from aliran.serdes.errors import SerializationError, refused_data, refused_value

if TYPE_CHECKING:
    from collections.abc import Callable


class BytesSerde(Serde[bytes]):
    """Bytes as they are. A bytearray or memoryview is copied; a str is refused."""

    inline_deserialize: str | None = "{x}"

    def __init__(self) -> None:
        super().__init__(_take_bytes, _same, name="BytesSerde")


class StringSerde(Serde[str]):
    """Text as UTF-8. Bytes are refused: decode them first, or use BytesSerde."""

    inline_serialize: str | None = "{x}.encode()"
    inline_deserialize: str | None = "{x}.decode()"

    def __init__(self) -> None:
        super().__init__(str.encode, bytes.decode, name="StringSerde")


class _FixedIntegerSerde(Serde[int]):
    """An integer of fixed size. Refuses bool, float and str."""

    def __init__(self, name: str, code: str) -> None:
        layout = struct.Struct(code)
        super().__init__(_int_packer(name, layout), _unpacker(name, layout), name=name)


class IntegerSerde(_FixedIntegerSerde):
    """The serde of `int`: 8 bytes, big-endian, signed, which is Kafka's `Serdes.Long`."""

    def __init__(self) -> None:
        super().__init__("IntegerSerde", ">q")


LongSerde = IntegerSerde
"""`IntegerSerde` under the name Kafka has for its format."""


class Int32Serde(_FixedIntegerSerde):
    """An int in 4 bytes, big-endian, signed: Kafka's `Serdes.Integer`."""

    def __init__(self) -> None:
        super().__init__("Int32Serde", ">i")


class Int16Serde(_FixedIntegerSerde):
    """An int in 2 bytes, big-endian, signed: Kafka's `Serdes.Short`."""

    def __init__(self) -> None:
        super().__init__("Int16Serde", ">h")


class _FixedFloatSerde(Serde[float]):
    """A float of fixed size. An int is taken as the float it equals; bool and str are refused."""

    def __init__(self, name: str, code: str) -> None:
        layout = struct.Struct(code)
        super().__init__(_float_packer(name, layout), _unpacker(name, layout), name=name)


class DoubleSerde(_FixedFloatSerde):
    """The serde of `float`: 8 bytes IEEE 754 big-endian, which is Kafka's `Serdes.Double`."""

    def __init__(self) -> None:
        super().__init__("DoubleSerde", ">d")


class Float32Serde(_FixedFloatSerde):
    """A float in 4 bytes (about 7 digits survive): Kafka's `Serdes.Float`."""

    def __init__(self) -> None:
        super().__init__("Float32Serde", ">f")


class BooleanSerde(Serde[bool]):
    """True or False in one byte: Kafka's `Serdes.Boolean`. Only real bools are taken."""

    def __init__(self) -> None:
        super().__init__(_boolean_to_byte, _byte_to_boolean, name="BooleanSerde")


class UuidSerde(Serde[UUID]):
    """A UUID as its text (`"6ba7b810-9dad-..."`), as Kafka's `Serdes.UUID` writes it."""

    def __init__(self) -> None:
        super().__init__(_uuid_to_text, _text_to_uuid, name="UuidSerde")


def _take_bytes(value: bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise refused_value("BytesSerde", value)


def _same(data: bytes) -> bytes:
    return data


def _int_packer(name: str, layout: struct.Struct) -> Callable[[int], bytes]:
    pack = layout.pack
    limit = 1 << (layout.size * 8 - 1)

    def serialize_int(value: int) -> bytes:
        if type(value) is int and -limit <= value < limit:
            return pack(value)
        # Subclasses such as IntEnum members are ints; bool is too, but nobody means it here.
        if not isinstance(value, int) or isinstance(value, bool):
            raise refused_value(name, value)
        if not -limit <= value < limit:
            raise SerializationError(
                f"{name} cannot serialize {value}, which does not fit {layout.size} bytes: take a "
                "type without a limit, such as str or a Struct, where numbers grow so large",
                serde_name=name,
                value_type="int",
            )
        return pack(int(value))

    return serialize_int


def _float_packer(name: str, layout: struct.Struct) -> Callable[[float], bytes]:
    pack = layout.pack

    def serialize_float(value: float) -> bytes:
        if type(value) is not float and (
            not isinstance(value, (int, float)) or isinstance(value, bool)
        ):
            raise refused_value(name, value)
        return pack(value)

    return serialize_float


def _unpacker(name: str, layout: struct.Struct) -> Callable[[bytes], Any]:
    unpack = layout.unpack
    size = layout.size

    def deserialize_number(data: bytes) -> Any:
        try:
            return unpack(data)[0]
        except struct.error:
            raise refused_data(name, data, f"it reads exactly {size} bytes") from None

    return deserialize_number


def _boolean_to_byte(value: bool) -> bytes:
    if value is True:
        return b"\x01"
    if value is False:
        return b"\x00"
    raise refused_value("BooleanSerde", value)


def _byte_to_boolean(data: bytes) -> bool:
    if data == b"\x01":
        return True
    if data == b"\x00":
        return False
    raise refused_data("BooleanSerde", data, "it reads one byte, 0 or 1")


def _uuid_to_text(value: UUID) -> bytes:
    if not isinstance(value, UUID):
        raise refused_value("UuidSerde", value)
    return str(value).encode()


def _text_to_uuid(data: bytes) -> UUID:
    return UUID(data.decode())
