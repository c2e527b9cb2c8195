"""Which records a transformation gets: `HasHeaderKey`, `RecordIsTombstone`, `TopicNameMatches`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.config.values import not_empty
from aliran.connectors.records import ConnectRecord
from aliran.connectors.transforms.base import PACKAGE, text
from aliran.connectors.transforms.java_regex import check_regex, compile_regex


class Predicate(ABC):
    """Says yes or no to a record. Kafka: `Predicate`.

    Attributes:
        java_class: Kafka's name of the class.
        definition: The settings that there are.
    """

    java_class: ClassVar[str]
    definition: ClassVar[ConfigDef] = ConfigDef()

    def config(self) -> ConfigDef:
        """Return the settings that there are."""
        return self.definition

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take the settings, without the prefix `predicates.x.`."""
        self.definition.parse(settings)

    @abstractmethod
    def test(self, record: ConnectRecord) -> bool:
        """Return whether it is so."""

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what is held."""


class HasHeaderKey(Predicate):
    """Whether a record has a header of a name."""

    java_class = PACKAGE + "predicates.HasHeaderKey"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [text("name", "The header.", validator=not_empty, importance=Importance.MEDIUM)]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `name`."""
        self._name = self.definition.parse(settings)["name"]

    def test(self, record: ConnectRecord) -> bool:
        """Return whether the header is there."""
        return any(each.key == self._name for each in record.headers)


class RecordIsTombstone(Predicate):
    """Whether a record has no value."""

    java_class = PACKAGE + "predicates.RecordIsTombstone"

    def test(self, record: ConnectRecord) -> bool:
        """Return whether the value is None."""
        return record.value is None


def _check_pattern(name: str, value: Any) -> None:
    not_empty(name, value)
    check_regex(name, value)


class TopicNameMatches(Predicate):
    """Whether the topic's name matches a pattern of Java in full."""

    java_class = PACKAGE + "predicates.TopicNameMatches"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text(
                "pattern",
                "A pattern of Java.",
                validator=_check_pattern,
                importance=Importance.MEDIUM,
            )
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `pattern`."""
        self._pattern = compile_regex(self.definition.parse(settings)["pattern"])

    def test(self, record: ConnectRecord) -> bool:
        """Return whether it matches."""
        return record.topic is not None and self._pattern.fullmatch(record.topic) is not None
