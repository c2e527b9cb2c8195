"""Where a record goes, or whether it goes on: `RegexRouter`, `TimestampRouter`, `Filter`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.data.date_format import DateFormat
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.transforms.base import PACKAGE, R, Transformation, text
from aliran.connectors.transforms.java_regex import check_regex, compile_regex, replace_first


class RegexRouter(Transformation):
    """Renames topics that a pattern of Java matches in full."""

    java_class = PACKAGE + "RegexRouter"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text("regex", "Regular expression to use for matching.", validator=check_regex),
            text("replacement", "Replacement string."),
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `regex` and `replacement`."""
        parsed = self.definition.parse(settings)
        self._regex, self._replacement = compile_regex(parsed["regex"]), parsed["replacement"]

    def apply(self, record: R) -> R:
        """Return the record under its new topic.

        Raises:
            DataError: The replacement names a group that is not there.
        """
        if record.topic is None or not self._regex.fullmatch(record.topic):
            return record
        return record.with_topic(replace_first(self._regex, self._replacement, record.topic))


class TimestampRouter(Transformation):
    """Names the topic by its old name and the record's time."""

    java_class = PACKAGE + "TimestampRouter"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text(
                "topic.format",
                "With ${topic} and ${timestamp}.",
                "${topic}-${timestamp}",
                importance=Importance.HIGH,
            ),
            text(
                "timestamp.format",
                "Of SimpleDateFormat, in UTC.",
                "yyyyMMdd",
                importance=Importance.HIGH,
            ),
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `topic.format` and `timestamp.format`."""
        parsed = self.definition.parse(settings)
        self._name = parsed["topic.format"]
        try:
            self._format = DateFormat(parsed["timestamp.format"])
        except ValueError as error:
            raise ConfigError.of(
                "timestamp.format", parsed["timestamp.format"], str(error)
            ) from error

    def apply(self, record: R) -> R:
        """Return the record under its new topic.

        Raises:
            DataError: It has no time.
        """
        if record.timestamp is None:
            raise DataError(f"Timestamp missing on record: {record}")
        topic = self._name.replace("${topic}", record.topic or "")
        return record.with_topic(
            topic.replace("${timestamp}", self._format.format(record.timestamp))
        )


class Filter(Transformation):
    """Drops every record; a predicate says which ones it gets."""

    java_class = PACKAGE + "Filter"

    def apply(self, record: R) -> R | None:
        """Return None."""
        return None
