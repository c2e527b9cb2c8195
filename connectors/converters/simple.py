"""Converters of one type each: texts, bytes, booleans, numbers; and headers by their look."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, ConfigKey, Importance, Width
from aliran.connectors.converters.base import Converter
from aliran.connectors.data import builder
from aliran.connectors.data.java import class_text, to_single
from aliran.connectors.data.parsing import parse_string
from aliran.connectors.data.schema import NULL, Schema, SchemaAndValue, Type
from aliran.connectors.data.struct import value_text
from aliran.connectors.data.values import convert_to_string
from aliran.connectors.errors import DataError

_BYTES = (bytes, bytearray, memoryview)


class StringConverter(Converter):
    """Any value as the text that Java gives for it; reads texts. Kafka: `StringConverter`."""

    java_class = "org.apache.kafka.connect.storage.StringConverter"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            ConfigKey(
                "converter.encoding",
                default="UTF-8",
                documentation="The character set of texts.",
                importance=Importance.HIGH,
                width=Width.MEDIUM,
                display_name="Encoding",
            )
        ]
    )

    def __init__(self) -> None:
        self._encoding = "UTF-8"

    def configure(self, settings: Mapping[str, Any], *, is_key: bool = False) -> None:
        """Take `converter.encoding`."""
        del is_key
        self._encoding = self.definition.parse(settings)["converter.encoding"]

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the text of a value."""
        if value is None:
            return None
        text = value if type(value) is str else value_text(schema, value)
        try:
            return text.encode(self._encoding, "replace")
        except LookupError as error:
            raise DataError(f"Failed to serialize to a string: {error}") from error

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return the text; what is no text in the encoding becomes U+FFFD."""
        schema = builder.OPTIONAL_STRING_SCHEMA
        try:
            text = None if data is None else data.decode(self._encoding, "replace")
        except LookupError as error:
            raise DataError(f"Failed to deserialize string: {error}") from error
        return SchemaAndValue(schema, text)


class ByteArrayConverter(Converter):
    """Bytes as they are. Kafka: `ByteArrayConverter`."""

    java_class = "org.apache.kafka.connect.converters.ByteArrayConverter"

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the bytes."""
        if schema is not None and schema.type is not Type.BYTES:
            raise DataError(f"Invalid schema type for ByteArrayConverter: {schema.type}")
        if value is None:
            return None
        if not isinstance(value, _BYTES):
            raise DataError(
                f"ByteArrayConverter is not compatible with objects of type {class_text(value)}"
            )
        return bytes(value)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return the bytes."""
        return SchemaAndValue(builder.OPTIONAL_BYTES_SCHEMA, data)


class BooleanConverter(Converter):
    """Booleans as one byte. Kafka: `BooleanConverter`."""

    java_class = "org.apache.kafka.connect.converters.BooleanConverter"

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the byte."""
        if schema is not None and schema.type is not Type.BOOLEAN:
            raise DataError(f"Invalid schema type for BooleanConverter: {schema.type}")
        if value is None:
            return None
        if not isinstance(value, bool):
            raise DataError(
                f"BooleanConverter is not compatible with objects of type {class_text(value)}"
            )
        return b"\x01" if value else b"\x00"

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return the boolean."""
        if data not in {None, b"\x00", b"\x01"}:
            raise DataError(
                f"Failed to deserialize boolean: {len(data or b'')} bytes, not one of 0 or 1"
            )
        return SchemaAndValue(
            builder.OPTIONAL_BOOLEAN_SCHEMA, None if data is None else data == b"\x01"
        )


class _NumberConverter(Converter):
    """Numbers of one width, big-endian."""

    _name: str
    _layout: struct.Struct
    _schema: Schema

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the number's bytes."""
        if value is None:
            return None
        other = schema is not None and schema.type is not self._schema.type
        if other or not self._schema.accepts_class_of(value):
            raise DataError(
                f"Failed to serialize to {self._name} (was {class_text(value)}): "
                f"the schema is {schema}, the value {value!r}"
            )
        if self._schema.type is Type.FLOAT32:
            value = to_single(value)
        return self._layout.pack(value)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return the number."""
        if data is None:
            return SchemaAndValue(self._schema, None)
        if len(data) != self._layout.size:
            raise DataError(
                f"Failed to deserialize {self._name}: size of data received is "
                f"{len(data)}, not {self._layout.size}"
            )
        return SchemaAndValue(self._schema, self._layout.unpack(data)[0])


class ShortConverter(_NumberConverter):
    """16-bit integers. Kafka: `ShortConverter`."""

    java_class = "org.apache.kafka.connect.converters.ShortConverter"
    _name, _layout, _schema = "short", struct.Struct(">h"), builder.OPTIONAL_INT16_SCHEMA


class IntegerConverter(_NumberConverter):
    """32-bit integers. Kafka: `IntegerConverter`."""

    java_class = "org.apache.kafka.connect.converters.IntegerConverter"
    _name, _layout, _schema = "integer", struct.Struct(">i"), builder.OPTIONAL_INT32_SCHEMA


class LongConverter(_NumberConverter):
    """64-bit integers. Kafka: `LongConverter`."""

    java_class = "org.apache.kafka.connect.converters.LongConverter"
    _name, _layout, _schema = "long", struct.Struct(">q"), builder.OPTIONAL_INT64_SCHEMA


class FloatConverter(_NumberConverter):
    """Floats of single precision. Kafka: `FloatConverter`."""

    java_class = "org.apache.kafka.connect.converters.FloatConverter"
    _name, _layout, _schema = "float", struct.Struct(">f"), builder.OPTIONAL_FLOAT32_SCHEMA


class DoubleConverter(_NumberConverter):
    """Floats. Kafka: `DoubleConverter`."""

    java_class = "org.apache.kafka.connect.converters.DoubleConverter"
    _name, _layout, _schema = "double", struct.Struct(">d"), builder.OPTIONAL_FLOAT64_SCHEMA


class SimpleHeaderConverter(Converter):
    """Headers as texts that show their type. Kafka: `SimpleHeaderConverter`."""

    java_class = "org.apache.kafka.connect.storage.SimpleHeaderConverter"

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return a header's text."""
        text = convert_to_string(schema, value)
        return None if text is None else text.encode("utf-8", "replace")

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return what a header's text means."""
        return NULL if data is None else parse_string(data.decode("utf-8", "replace"))
