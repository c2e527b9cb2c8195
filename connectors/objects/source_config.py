"""Options that all sources of files share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aliran.connectors.config.definition import ConfigValue, Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, between, invalid, not_empty
from aliran.connectors.formats.base import Format
from aliran.connectors.formats.table import format_named, known_format, short_name


@dataclass(frozen=True, kw_only=True)
class ObjectSourceConfig:
    """The options."""

    topic: Annotated[
        str | None,
        Option("The topic for the records.", importance=Importance.HIGH, validator=not_empty),
    ] = None
    format_class: Annotated[
        str,
        Option(
            "What files hold: json, avro, parquet, bytearray, lines or csv. Text formats may be "
            "gzip'd.",
            importance=Importance.HIGH, validator=known_format,
        ),
    ] = "json"  # fmt: skip
    csv_delimiter: Annotated[str, Option("What parts the fields of a row.")] = ","
    file_pattern: Annotated[
        str,
        Option("Which names count, such as *.json or in/**; * stands for anything.",
               validator=not_empty),
    ] = "*"  # fmt: skip
    file_settled_ms: Annotated[
        int, Option("A file counts when it has not changed for so long.", validator=at_least(0))
    ] = 0
    poll_interval_ms: Annotated[
        int, Option("How often new files are looked for.", validator=at_least(10))
    ] = 5000
    record_batch_max_size: Annotated[
        int, Option("The most records that are read at once.", validator=between(1, 1_000_000))
    ] = 2000
    after_read_action: Annotated[
        Literal["none", "delete", "move"],
        Option("What becomes of a file whose records have all been acknowledged."),
    ] = "none"
    after_read_folder: Annotated[str, Option("Where `move` moves it.")] = "finished"
    behavior_on_error: Annotated[
        Literal["fail", "log"],
        Option("fail: a file that cannot be read ends the task; log: its rest is passed over."),
    ] = "fail"

    @property
    def puts_away(self) -> bool:
        """Whether files go when they have been read."""
        return self.after_read_action != "none"

    def format(self) -> Format:
        """Return the format."""
        csv = short_name(self.format_class) == "csv"
        settings: dict[str, Any] = {"delimiter": self.csv_delimiter} if csv else {}
        return format_named(self.format_class, **settings)


def need_topic(found: dict[str, ConfigValue]) -> None:
    """Add an error if there is no topic."""
    row = found["topic"]
    if not row.value and not row.errors:
        row.errors.append(str(invalid("topic", row.value, "a topic for the records is needed")))
