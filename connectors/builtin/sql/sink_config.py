"""The options of the sink, with Confluent's names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from aliran.connectors.builtin.sql.connection import ConnectionConfig
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty
from aliran.connectors.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSinkConfig(ConnectionConfig):
    """The options."""

    insert_mode: Annotated[
        Literal["insert", "upsert", "update"],
        Option("Whether rows are added, added or changed, or changed.",
               importance=Importance.HIGH, group="Writes"),
    ] = "insert"  # fmt: skip
    batch_size: Annotated[
        int,
        Option("The most records in a transaction.", validator=at_least(1), group="Writes"),
    ] = 3000
    delete_enabled: Annotated[
        bool,
        Option("Whether a null value deletes the row; wants pk.mode=record_key.", group="Writes"),
    ] = False
    table_name_format: Annotated[
        str,
        Option("The table of a topic; ${topic} stands for the topic.",
               validator=not_empty, group="Data mapping"),
    ] = "${topic}"  # fmt: skip
    pk_mode: Annotated[
        Literal["none", "kafka", "record_key", "record_value"],
        Option("Where the primary key comes from.", importance=Importance.HIGH,
               group="Data mapping"),
    ] = "none"  # fmt: skip
    pk_fields: Annotated[
        list[str],
        Option("The columns of the primary key; what that means depends on pk.mode.",
               group="Data mapping"),
    ] = field(default_factory=list)  # fmt: skip
    fields_whitelist: Annotated[
        list[str],
        Option("The fields of the value that are written, beside the key; all if empty.",
               group="Data mapping"),
    ] = field(default_factory=list)  # fmt: skip
    replace_null_with_default: Annotated[
        bool, Option("Whether a null is replaced by its field's default.", group="Data mapping")
    ] = True
    date_timezone_mode: Annotated[
        Literal["db_timezone", "utc"],
        Option("The zone in which the midnight of a date is looked at.", group="Data mapping"),
    ] = "db_timezone"
    auto_create: Annotated[
        bool, Option("Whether missing tables are made.", group="DDL support")
    ] = False
    auto_evolve: Annotated[
        bool, Option("Whether missing columns are added.", group="DDL support")
    ] = False
    max_retries: Annotated[
        int,
        Option("How often a batch is tried again on an error that may pass; a database that is "
               "away is waited for without end.", validator=at_least(0), group="Retries"),
    ] = 10  # fmt: skip
    retry_backoff_ms: Annotated[
        int, Option("Milliseconds between two tries.", validator=at_least(0), group="Retries")
    ] = 3000
    aliran_offsets_table: Annotated[
        str,
        Option("A table for offsets, written with the data: each record counts exactly once.",
               group="Delivery"),
    ] = ""  # fmt: skip

    def problems(self) -> dict[str, str]:
        """Return what does not go together, by option."""
        found: dict[str, str] = {}
        if self.delete_enabled and self.pk_mode != "record_key":
            found["delete.enabled"] = (
                "Primary key mode must be 'record_key' when delete support is enabled"
            )
        if self.insert_mode != "insert" and self.pk_mode == "none":
            found["pk.mode"] = f"insert.mode={self.insert_mode} needs a primary key: set pk.mode"
        fields = [one for one in self.pk_fields if one]
        if self.pk_mode == "none" and fields:
            found["pk.fields"] = "pk.mode=none has no primary key"
        if self.pk_mode == "kafka" and len(fields) not in {0, 3}:
            found["pk.fields"] = (
                "pk.mode=kafka wants none, or names for topic, partition and offset"
            )
        if self.insert_mode == "upsert" and self.pk_mode == "kafka" and self.delete_enabled:
            found["pk.mode"] = "pk.mode=kafka gives each record a row of its own"
        return found

    def checked(self) -> SqlSinkConfig:
        """Return itself if the options go together.

        Raises:
            ConfigError: They do not.
        """
        for name, text in self.problems().items():
            raise ConfigError(f"{name}: {text}")
        return self
