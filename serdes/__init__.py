"""Between values and bytes: serdes by type, JSON, windowed keys."""

from aliran.serdes.base import Serde, SerdeLike
from aliran.serdes.builtin import (
    BooleanSerde,
    BytesSerde,
    DoubleSerde,
    Float32Serde,
    Int16Serde,
    Int32Serde,
    IntegerSerde,
    LongSerde,
    StringSerde,
    UuidSerde,
)
from aliran.serdes.errors import SerializationError, UnknownSerdeError
from aliran.serdes.inference import serde_for
from aliran.serdes.json import JsonSerde, PydanticSerde, StructSerde
from aliran.serdes.windowed import (
    NumberedWindow,
    NumberedWindowSerde,
    SessionWindowedSerde,
    Windowed,
    WindowedSerde,
)

__all__ = [
    "BooleanSerde",
    "BytesSerde",
    "DoubleSerde",
    "Float32Serde",
    "Int16Serde",
    "Int32Serde",
    "IntegerSerde",
    "JsonSerde",
    "LongSerde",
    "NumberedWindow",
    "NumberedWindowSerde",
    "PydanticSerde",
    "Serde",
    "SerdeLike",
    "SerializationError",
    "SessionWindowedSerde",
    "StringSerde",
    "StructSerde",
    "UnknownSerdeError",
    "UuidSerde",
    "Windowed",
    "WindowedSerde",
    "serde_for",
]
