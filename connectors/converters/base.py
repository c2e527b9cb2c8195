"""What a converter is. Kafka: `Converter`, `HeaderConverter`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, ConfigKey, Importance
from aliran.connectors.data.schema import Schema, SchemaAndValue

_USE = ConfigKey(
    "converter.type",
    documentation="What it converts: key, value or header. The worker says it.",
    importance=Importance.LOW,
)


class Converter(ABC):
    """Turns Connect's data into bytes and back, for keys, values and headers.

    Attributes:
        java_class: Kafka's name of the class, for programs that were written for Kafka Connect.
    """

    java_class: ClassVar[str]
    definition: ClassVar[ConfigDef] = ConfigDef()

    def config(self) -> ConfigDef:
        """Return the settings that there are."""
        return ConfigDef([_USE, *self.definition.keys.values()])

    def configure(self, settings: Mapping[str, Any], *, is_key: bool = False) -> None:
        """Take the settings, with the worker's prefix taken away; what is not known is ignored.

        Raises:
            ConfigError: One is wrong.
        """
        del is_key
        self.definition.parse(settings)

    @abstractmethod
    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return a key or value as bytes, None for a tombstone.

        Raises:
            DataError: It cannot be written.
        """

    @abstractmethod
    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return the key or value of bytes.

        Raises:
            DataError: They cannot be understood.
        """

    def from_connect_header(
        self, topic: str, key: str, schema: Schema | None, value: Any
    ) -> bytes | None:
        """Return a header's value as bytes. `key` is the header's name."""
        del key
        return self.from_connect_data(topic, schema, value)

    def to_connect_header(self, topic: str, key: str, data: bytes | None) -> SchemaAndValue:
        """Return the value of a header's bytes. `key` is the header's name."""
        del key
        return self.to_connect_data(topic, data)

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what is held."""
