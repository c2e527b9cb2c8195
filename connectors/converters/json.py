"""JSON, with the schema beside the payload or without. Kafka: `JsonConverter`.

A schema's reader and writer are functions that are put together once and kept by schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import msgspec

from aliran.connectors.config.definition import ConfigDef, ConfigKey, Importance, Width
from aliran.connectors.config.values import Type as Kind
from aliran.connectors.config.values import one_of
from aliran.connectors.converters import json_text
from aliran.connectors.converters.base import Converter
from aliran.connectors.converters.json_reader import JsonReader, Reader
from aliran.connectors.converters.json_schema import schema_of, schema_text
from aliran.connectors.converters.json_writer import JsonWriter, Writer
from aliran.connectors.data.schema import NULL, Schema, SchemaAndValue
from aliran.connectors.errors import DataError

_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_K = TypeVar("_K")
_V = TypeVar("_V")


class _Recent(dict[_K, _V]):
    """A dict that forgets what came first when it is full."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = max(size, 1)

    def keep(self, key: _K, value: _V) -> _V:
        if len(self) >= self._size:
            del self[next(iter(self))]
        self[key] = value
        return value


class JsonConverter(Converter):
    """Data as JSON: `{"schema":…,"payload":…}`, or with `schemas.enable=false` the payload."""

    java_class = "org.apache.kafka.connect.json.JsonConverter"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            ConfigKey(
                "schemas.enable",
                Kind.BOOLEAN,
                default=True,
                importance=Importance.HIGH,
                documentation="Whether the schema is written beside each key or value.",
                group="Schemas",
                order=0,
                width=Width.MEDIUM,
                display_name="Enable Schemas",
            ),
            ConfigKey(
                "schemas.cache.size",
                Kind.INT,
                default=1000,
                importance=Importance.HIGH,
                documentation="How many schemas are kept.",
                group="Schemas",
                order=1,
                width=Width.MEDIUM,
                display_name="Schema Cache Size",
            ),
            ConfigKey(
                "schema.content",
                default=None,
                importance=Importance.HIGH,
                documentation="The schema of all messages, in JSON, where they bring none.",
                group="Schemas",
                order=2,
                width=Width.MEDIUM,
                display_name="Schema Content",
            ),
            ConfigKey(
                "decimal.format",
                default="BASE64",
                importance=Importance.LOW,
                validator=one_of("BASE64", "NUMERIC", ignore_case=True),
                documentation="How decimals are written: BASE64 or NUMERIC.",
                group="Serialization",
                order=0,
                width=Width.MEDIUM,
                display_name="Decimal Format",
            ),
            ConfigKey(
                "replace.null.with.default",
                Kind.BOOLEAN,
                default=True,
                importance=Importance.LOW,
                documentation="Whether None becomes the default where there is one.",
                group="Serialization",
                order=1,
                width=Width.MEDIUM,
                display_name="Replace null with default",
            ),
        ]
    )

    def __init__(self) -> None:
        self._start({})

    def configure(self, settings: Mapping[str, Any], *, is_key: bool = False) -> None:
        """Take the settings."""
        del is_key
        self._start(settings)

    def _start(self, settings: Mapping[str, Any]) -> None:
        parsed = self.definition.parse(settings)
        self._schemas = bool(parsed["schemas.enable"])
        replace = bool(parsed["replace.null.with.default"])
        self._reader = JsonReader(replace)
        numeric = parsed["decimal.format"].upper() == "NUMERIC"
        self._writer = JsonWriter(numeric=numeric, replace=replace)
        size = parsed["schemas.cache.size"]
        self._writers: _Recent[Schema | None, tuple[str, Writer]] = _Recent(size)
        self._last: tuple[Schema | None, str, Writer] = (None, *self._made(None))
        self._readers: _Recent[bytes, tuple[Schema | None, Reader]] = _Recent(size)
        self._content: tuple[Schema, Reader] | None = None
        content = parsed["schema.content"]
        if content:
            schema = schema_of(json_text.read(content.encode()), self._reader)
            assert schema is not None
            self._content = schema, self._reader.of(schema)

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the JSON."""
        if schema is None and value is None:
            return None
        last, head, write = self._last
        if last is not schema:
            head, write = self._writers.get(schema) or self._writers.keep(
                schema, self._made(schema)
            )
            self._last = schema, head, write
        payload = write(value)
        text = f"{head}{payload}}}" if self._schemas else payload
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                "Converting Kafka Connect data to byte[] failed due to serialization error: "
                f"{error}"
            ) from error

    def _made(self, schema: Schema | None) -> tuple[str, Writer]:
        head = f'{{"schema":{schema_text(schema, self._writer)},"payload":'
        return head, self._writer.of(schema)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return what the JSON says."""
        if data is None:
            return NULL
        if not self._schemas:
            return SchemaAndValue(None, self._reader.of(None)(json_text.read(data)))
        if self._content is not None:
            return SchemaAndValue(self._content[0], self._content[1](json_text.read(data)))
        try:
            envelope = _ENVELOPE.decode(data)
            schema_data, payload_data = envelope["schema"], envelope["payload"]
            if len(envelope) != 2:
                raise KeyError
            payload = json_text.read(payload_data)
        except (KeyError, msgspec.DecodeError):
            return self._slowly(json_text.read(data))
        key = bytes(schema_data)
        known = self._readers.get(key)
        if known is None:
            schema = schema_of(json_text.read(key), self._reader)
            known = self._readers.keep(key, (schema, self._reader.of(schema)))
        return SchemaAndValue(known[0], known[1](payload))

    def _slowly(self, node: Any) -> SchemaAndValue:
        if not isinstance(node, dict) or node.keys() != {"schema", "payload"}:
            raise DataError(
                'JsonConverter with schemas.enable requires "schema" and "payload" fields and may '
                "not contain additional fields. If you are trying to deserialize plain JSON data, "
                "set schemas.enable=false in your converter configuration."
            )
        schema = schema_of(node["schema"], self._reader)
        return SchemaAndValue(schema, self._reader.of(schema)(node["payload"]))
