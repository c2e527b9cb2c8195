"""The options of the source, with Confluent's names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.sql.connection import ConnectionConfig
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, invalid
from aliran.connectors.errors import ConfigError

Granularity = Literal[
    "connect_logical", "micros_long", "micros_string", "micros_iso_datetime_string",
    "nanos_long", "nanos_string", "nanos_iso_datetime_string",
]  # fmt: skip


def _check_patterns(name: str, value: Any) -> None:
    for one in value:
        try:
            re.compile(one)
        except re.error as error:
            raise invalid(name, one, f"it is no regular expression: {error}") from None


def _check_kinds(name: str, value: Any) -> None:
    if wrong := [one for one in value if one.upper() not in {"TABLE", "VIEW"}]:
        raise invalid(name, ",".join(wrong), "it may be TABLE, VIEW or both")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSourceConfig(ConnectionConfig):
    """The options."""

    topic_prefix: Annotated[
        str,
        Option("What stands before the table's name in the topic's; with query: the topic.",
               importance=Importance.HIGH, group="Connector"),
    ]  # fmt: skip
    mode: Annotated[
        Literal["bulk", "incrementing", "timestamp", "timestamp+incrementing"],
        Option("How new rows are found.", importance=Importance.HIGH, group="Mode"),
    ] = "bulk"
    incrementing_column_name: Annotated[
        str, Option("The column that grows with each row; found out if empty.", group="Mode")
    ] = ""
    timestamp_column_name: Annotated[
        list[str],
        Option("The columns with the time of the last change; the first that is not null counts.",
               group="Mode"),
    ] = field(default_factory=list)  # fmt: skip
    timestamp_initial: Annotated[
        int | None,
        Option("Where to begin, in milliseconds since 1970; -1 for now.", group="Mode"),
    ] = None
    timestamp_delay_interval_ms: Annotated[
        int,
        Option("How old a time must be before its row is read, so that slower transactions are "
               "waited for.", validator=at_least(0), group="Mode"),
    ] = 0  # fmt: skip
    incrementing_delay_interval_ms: Annotated[
        int,
        Option("How long ago a number must have been given out before its row is read, so that "
               "slower transactions are waited for.", validator=at_least(0), group="Mode"),
    ] = 0  # fmt: skip
    validate_non_null: Annotated[
        bool, Option("Whether columns of the mode must be NOT NULL.", group="Mode")
    ] = True
    query: Annotated[
        str | None, Option("A SELECT that is read in place of tables.", group="Mode")
    ] = None
    query_suffix: Annotated[str, Option("What stands behind each query.", group="Mode")] = ""
    query_retry_attempts: Annotated[
        int,
        Option("How often a query that may succeed later is tried again; -1 without end.",
               validator=at_least(-1), group="Mode"),
    ] = -1  # fmt: skip
    table_include_list: Annotated[
        list[str],
        Option("Regular expressions of tables, with or without their schema.",
               validator=_check_patterns, group="Tables"),
    ] = field(default_factory=list)  # fmt: skip
    table_exclude_list: Annotated[
        list[str],
        Option("Regular expressions of tables to be left out.",
               validator=_check_patterns, group="Tables"),
    ] = field(default_factory=list)  # fmt: skip
    table_whitelist: Annotated[
        list[str], Option("Names of tables, with or without their schema.", group="Tables")
    ] = field(default_factory=list)
    table_blacklist: Annotated[
        list[str], Option("Names of tables to be left out.", group="Tables")
    ] = field(default_factory=list)
    table_types: Annotated[
        list[str], Option("TABLE, VIEW or both.", validator=_check_kinds, group="Tables")
    ] = field(default_factory=lambda: ["TABLE"])
    catalog_pattern: Annotated[
        str | None, Option("The database of MySQL whose tables are read.", group="Tables")
    ] = None
    schema_pattern: Annotated[
        str | None, Option("The schema whose tables are read; all if empty.", group="Tables")
    ] = None
    table_poll_interval_ms: Annotated[
        int,
        Option("How often to look for new tables.", validator=at_least(1), group="Tables"),
    ] = 60_000
    poll_interval_ms: Annotated[
        int, Option("How often each table is read.", validator=at_least(1), group="Connector")
    ] = 5000
    batch_max_rows: Annotated[
        int, Option("The most rows that are read at once.", validator=at_least(1),
                    group="Connector")
    ] = 100  # fmt: skip
    numeric_mapping: Annotated[
        Literal["none", "precision_only", "best_fit", "best_fit_eager_double"],
        Option("Whether decimals become integers or floats where they fit.", group="Types"),
    ] = "none"
    timestamp_granularity: Annotated[
        Granularity, Option("How times with a date are written.", group="Types")
    ] = "connect_logical"
    transaction_isolation_mode: Annotated[
        Literal["DEFAULT", "READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ",
                "SERIALIZABLE", "SQL_SERVER_SNAPSHOT"],
        Option("The isolation of the transactions that read.", group="Connector"),
    ] = "DEFAULT"  # fmt: skip

    @property
    def by_time(self) -> bool:
        """Whether rows are found by a time."""
        return self.mode.startswith("timestamp")

    @property
    def by_number(self) -> bool:
        """Whether rows are found by a number."""
        return self.mode.endswith("incrementing")

    @property
    def times(self) -> list[str]:
        """The columns with times."""
        return [one for one in self.timestamp_column_name if one]

    @property
    def isolation(self) -> str | None:
        """The isolation, as SQLAlchemy calls it."""
        mode = self.transaction_isolation_mode
        named = {"DEFAULT": None, "SQL_SERVER_SNAPSHOT": "SNAPSHOT"}
        return named.get(mode, mode.replace("_", " "))

    def problems(self) -> dict[str, str]:
        """Return what does not go together, by option."""
        found: dict[str, str] = {}
        lists = (
            self.table_include_list, self.table_exclude_list, self.table_whitelist,
            self.table_blacklist,
        )  # fmt: skip
        chosen = [one for one in lists if one and one != [""]]
        if self.query and chosen:
            found["query"] = "query may not be combined with lists of tables"
        if len(chosen) > 1 and not (self.table_include_list and self.table_exclude_list):
            found["table.whitelist"] = "only one kind of list of tables may be given"
        if self.by_time and not self.times:
            found["timestamp.column.name"] = f"mode={self.mode} needs the columns with times"
        if self.query and self.by_number and not self.incrementing_column_name:
            found["incrementing.column.name"] = "of a query it cannot be found out"
        if not self.by_time and self.times:
            found["timestamp.column.name"] = f"mode={self.mode} uses no times"
        if not self.by_number and self.incrementing_column_name:
            found["incrementing.column.name"] = f"mode={self.mode} uses no number"
        return found

    def checked(self) -> SqlSourceConfig:
        """Return itself if the options go together.

        Raises:
            ConfigError: They do not.
        """
        for name, text in self.problems().items():
            raise ConfigError(f"{name}: {text}")
        return self
