"""Converters whose schemas are in a schema registry: `AvroConverter` and its kin.

Their options stand here; what they need is imported when one is configured, since each needs
packages that are an extra.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, ConfigKey
from aliran.connectors.config.values import one_of
from aliran.connectors.converters.base import Converter
from aliran.connectors.converters.registry.options import ANNOTATED, CONNECTION, flag
from aliran.connectors.data.schema import Schema, SchemaAndValue
from aliran.connectors.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from aliran.connectors.converters.registry.converter import Conversion, Format


class RegistryConverter(Converter):
    """Base of them; `configure` must be called before anything is converted."""

    definition: ClassVar[ConfigDef] = ConfigDef(CONNECTION)
    format_name: ClassVar[str]
    extra: ClassVar[str]

    def __init__(self) -> None:
        self._conversion: Conversion | None = None

    @abstractmethod
    def _make(self, settings: Mapping[str, Any]) -> Format:
        """Return what maps schemas and values; imports what it needs."""

    def configure(self, settings: Mapping[str, Any], *, is_key: bool = False) -> None:
        """Take the settings.

        Raises:
            ConfigError: One is wrong, or a package is not installed.
        """
        name = type(self).__name__
        parsed = self.definition.parse(settings)
        self.close()
        try:
            from aliran.connectors.converters.registry.converter import Conversion

            made = self._make(parsed)
            self._conversion = Conversion(name, self.format_name, made, parsed, is_key=is_key)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("aliran"):
                raise
            raise ConfigError(
                f"{name} needs {error.name}: pip install 'aliran[{self.extra}]'"
            ) from error

    def close(self) -> None:
        """Close the connections to the registry."""
        if self._conversion is not None:
            self._conversion.close()

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the data of a value; None for None.

        Raises:
            DataError: The value does not fit, or the registry refuses its schema.
            RetriableError: No registry answers.
        """
        return self._configured.from_connect_data(topic, schema, value)

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return what data says.

        Raises:
            DataError: It has no such schema in front of it, or does not fit it.
            RetriableError: No registry answers.
        """
        return self._configured.to_connect_data(topic, data)

    @property
    def _configured(self) -> Conversion:
        if self._conversion is None:
            raise ConnectError(f"{type(self).__name__} was not configured")
        return self._conversion


class AvroConverter(RegistryConverter):
    """Avro, in binary. Confluent: `AvroConverter`, `AvroData`."""

    java_class = "io.confluent.connect.avro.AvroConverter"
    format_name = "AVRO"
    extra = "avro"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            *CONNECTION,
            *ANNOTATED,
            flag("enhanced.avro.schema.support", "Keep enums, and the packages of union members."),
            flag("discard.type.doc.default", "Take neither docs nor defaults over."),
            flag("allow.optional.map.keys", "Write maps with optional keys of text as Avro maps."),
        ]
    )

    def _make(self, settings: Mapping[str, Any]) -> Format:
        """Return the mapping."""
        from aliran.connectors.converters.registry.avro import AvroFormat

        return AvroFormat(settings)


class JsonSchemaConverter(RegistryConverter):
    """JSON, checked by JSON Schema. Confluent: `JsonSchemaConverter`, `JsonSchemaData`."""

    java_class = "io.confluent.connect.json.JsonSchemaConverter"
    format_name = "JSON"
    extra = "json-schema"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            *CONNECTION,
            *ANNOTATED,
            ConfigKey(
                "decimal.format",
                default="BASE64",
                validator=one_of("BASE64", "NUMERIC", ignore_case=True),
                documentation="How decimals are written: BASE64 or NUMERIC.",
            ),
            flag("object.additional.properties", "Let objects have further properties.", on=True),
            flag("use.optional.for.nonrequired", "Properties that are not required are optional."),
            flag("json.fail.invalid.schema", "Check values before writing and after reading."),
        ]
    )

    def _make(self, settings: Mapping[str, Any]) -> Format:
        """Return the mapping."""
        from aliran.connectors.converters.registry.json_schema import JsonSchemaFormat

        return JsonSchemaFormat(settings)
