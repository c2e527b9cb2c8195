"""The options of `PostgresCdcSource`, named as Debezium 3 names them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.cdc.types import BinaryMode, DecimalMode, TimeMode
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between, invalid, not_empty

_CONNECTION, _SLOT, _DATA, _SNAPSHOT = "Connection", "Replication", "Data", "Snapshot"


def _slot_name(name: str, value: Any) -> None:
    if not re.fullmatch(r"[a-z0-9_]{1,63}", str(value)):
        raise invalid(name, value, "a slot is named with at most 63 of a-z, 0-9 and _")


def _topic_prefix(name: str, value: Any) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]+", str(value)):
        raise invalid(name, value, "topics are named with letters, digits, '.', '_' and '-'")


@dataclass(frozen=True, slots=True)
class PostgresCdcConfig:
    """The options."""

    database_hostname: Annotated[
        str,
        Option(
            "Host of the server.", importance=Importance.HIGH, validator=not_empty,
            group=_CONNECTION,
        ),
    ]  # fmt: skip
    database_user: Annotated[
        str, Option("Who logs in.", importance=Importance.HIGH, group=_CONNECTION)
    ]
    database_dbname: Annotated[
        str, Option("The database.", importance=Importance.HIGH, group=_CONNECTION)
    ]
    topic_prefix: Annotated[
        str,
        Option(
            "Begins the names of all topics, and names the server in records.",
            importance=Importance.HIGH, validator=_topic_prefix, group=_CONNECTION,
        ),
    ]  # fmt: skip
    database_port: Annotated[
        int, Option("Port of the server.", validator=between(1, 65535), group=_CONNECTION)
    ] = 5432
    database_password: Annotated[
        Password | None, Option("The password.", importance=Importance.HIGH, group=_CONNECTION)
    ] = None
    database_sslmode: Annotated[
        Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        Option("Whether the connection is encrypted, as libpq has it.", group=_CONNECTION),
    ] = "prefer"
    database_sslrootcert: Annotated[
        str | None, Option("File of the certificates to trust.", group=_CONNECTION)
    ] = None
    database_sslcert: Annotated[
        str | None, Option("File of the client's certificate.", group=_CONNECTION)
    ] = None
    database_sslkey: Annotated[
        str | None, Option("File of the client's key.", group=_CONNECTION)
    ] = None
    database_sslpassword: Annotated[
        Password | None, Option("Password of the client's key.", group=_CONNECTION)
    ] = None
    plugin_name: Annotated[
        Literal["pgoutput"], Option("The output plugin; only PostgreSQL's own.", group=_SLOT)
    ] = "pgoutput"
    slot_name: Annotated[
        str, Option("The replication slot.", validator=_slot_name, group=_SLOT)
    ] = "debezium"
    slot_drop_on_stop: Annotated[
        bool,
        Option("Drop the slot when the task ends; changes made until it starts are lost.",
               group=_SLOT),
    ] = False  # fmt: skip
    slot_max_retries: Annotated[
        int,
        Option("How often a slot that somebody else reads is asked for again.",
               validator=at_least(0), group=_SLOT),
    ] = 6  # fmt: skip
    slot_retry_delay_ms: Annotated[
        int, Option("How long to wait before that.", validator=at_least(1), group=_SLOT)
    ] = 10_000
    slot_max_lag_bytes: Annotated[
        int,
        Option("Warn in log and status when the slot keeps more WAL than this; 0 for never.",
               validator=at_least(0), group=_SLOT),
    ] = 0  # fmt: skip
    publication_name: Annotated[
        str, Option("The publication.", validator=not_empty, group=_SLOT)
    ] = "dbz_publication"
    publication_autocreate_mode: Annotated[
        Literal["all_tables", "filtered", "no_tables", "disabled"],
        Option("How a missing publication is made: of all tables, of those that the lists name, "
               "of none, or not at all.", group=_SLOT),
    ] = "all_tables"  # fmt: skip
    publish_via_partition_root: Annotated[
        bool, Option("Show changes of partitions as those of the partitioned table.", group=_SLOT)
    ] = False
    replica_identity_autoset_values: Annotated[
        list[str],
        Option("Replica identities to set: <schema.table>:<DEFAULT|FULL|NOTHING|INDEX name>,….",
               group=_SLOT),
    ] = field(default_factory=list)  # fmt: skip
    status_update_interval_ms: Annotated[
        int,
        Option("How often the server is told what is stored, and asked for the lag.",
               validator=at_least(100), group=_SLOT),
    ] = 10_000  # fmt: skip
    heartbeat_interval_ms: Annotated[
        int,
        Option("How often a message is written into the WAL, so that the slot moves on while the "
               "captured tables are quiet; 0 for never.", validator=at_least(0), group=_SLOT),
    ] = 10_000  # fmt: skip
    heartbeat_action_query: Annotated[
        str | None, Option("A statement to run with each heartbeat.", group=_SLOT)
    ] = None
    schema_include_list: Annotated[
        list[str], Option("Patterns of schemas to capture.", group=_DATA)
    ] = field(default_factory=list)
    schema_exclude_list: Annotated[
        list[str], Option("Patterns of schemas to leave out.", group=_DATA)
    ] = field(default_factory=list)
    table_include_list: Annotated[
        list[str],
        Option("Patterns of tables to capture, <schema>.<table>.", importance=Importance.HIGH,
               group=_DATA),
    ] = field(default_factory=list)  # fmt: skip
    table_exclude_list: Annotated[list[str], Option("Patterns of tables to leave out.",
                                                    group=_DATA)] = field(
        default_factory=list
    )  # fmt: skip
    column_include_list: Annotated[
        list[str], Option("Patterns of columns to show, <schema>.<table>.<column>.", group=_DATA)
    ] = field(default_factory=list)
    column_exclude_list: Annotated[
        list[str], Option("Patterns of columns to leave out.", group=_DATA)
    ] = field(default_factory=list)
    column_mask_stars: Annotated[
        str,
        Option("Columns whose texts become that many asterisks.",
               name="column.mask.with.*.chars", group=_DATA),
    ] = ""  # fmt: skip
    column_mask_hash: Annotated[
        str,
        Option("Columns whose texts become a hash.", name="column.mask.hash.*.with.salt.*",
               group=_DATA),
    ] = ""  # fmt: skip
    column_truncate: Annotated[
        str,
        Option("Columns whose texts are cut to that length.", name="column.truncate.to.*.chars",
               group=_DATA),
    ] = ""  # fmt: skip
    message_key_columns: Annotated[
        str,
        Option("Columns that make the keys of tables, <schema.table>:<column>,…;….", group=_DATA),
    ] = ""
    skipped_operations: Annotated[
        list[str],
        Option("Operations that give no records: c, u, d, t, or none.", group=_DATA),
    ] = field(default_factory=lambda: ["t"])
    tombstones_on_delete: Annotated[
        bool, Option("Whether a delete is followed by a null value.", group=_DATA)
    ] = True
    decimal_handling_mode: Annotated[
        DecimalMode, Option("How numeric and money are shown.", group=_DATA)
    ] = "precise"
    time_precision_mode: Annotated[
        TimeMode, Option("How dates and times are shown.", group=_DATA)
    ] = "adaptive"
    interval_handling_mode: Annotated[
        Literal["numeric", "string"], Option("How intervals are shown.", group=_DATA)
    ] = "numeric"
    hstore_handling_mode: Annotated[
        Literal["json", "map"], Option("How hstore is shown.", group=_DATA)
    ] = "json"
    binary_handling_mode: Annotated[
        BinaryMode, Option("How bytea is shown.", group=_DATA)
    ] = "bytes"  # fmt: skip
    money_fraction_digits: Annotated[
        int, Option("Digits behind the point of money.", validator=between(0, 10), group=_DATA)
    ] = 2
    include_unknown_datatypes: Annotated[
        bool, Option("Show columns of types that are not known, as their text's bytes.",
                     group=_DATA)
    ] = False  # fmt: skip
    unavailable_value_placeholder: Annotated[
        str,
        Option("Stands for a large value that an update did not touch and the WAL does not have.",
               group=_DATA),
    ] = "__debezium_unavailable_value"  # fmt: skip
    provide_transaction_metadata: Annotated[
        bool, Option("Tell of BEGIN and END, and of each change's place in it.", group=_DATA)
    ] = False
    topic_delimiter: Annotated[str, Option("Parts the names of topics.", group=_DATA)] = "."
    topic_heartbeat_prefix: Annotated[
        str, Option("Begins the name of the topic of heartbeats.", group=_DATA)
    ] = "__debezium-heartbeat"
    topic_transaction: Annotated[
        str, Option("Ends the name of the topic of transactions.", group=_DATA)
    ] = "transaction"
    message_prefix_include_list: Annotated[
        list[str], Option("Patterns of prefixes of logical messages to capture.", group=_DATA)
    ] = field(default_factory=list)
    message_prefix_exclude_list: Annotated[
        list[str], Option("Patterns of prefixes of logical messages to leave out.", group=_DATA)
    ] = field(default_factory=list)
    snapshot_mode: Annotated[
        Literal["initial", "initial_only", "no_data", "never", "always", "when_needed"],
        Option("When the rows that are there are read.", importance=Importance.HIGH,
               group=_SNAPSHOT),
    ] = "initial"  # fmt: skip
    snapshot_fetch_size: Annotated[
        int, Option("Rows of a chunk.", validator=between(1, 1_000_000), group=_SNAPSHOT)
    ] = 10_240
    snapshot_include_collection_list: Annotated[
        list[str],
        Option("Patterns of the tables to read; none for all that are captured.",
               group=_SNAPSHOT),
    ] = field(default_factory=list)  # fmt: skip
    incremental_snapshot_chunk_size: Annotated[
        int,
        Option("Rows of a chunk of a snapshot that a signal asks for.",
               validator=between(1, 1_000_000), group=_SNAPSHOT),
    ] = 1024  # fmt: skip
    signal_data_collection: Annotated[
        str | None,
        Option("The table, <schema>.<table>, whose new rows are signals.", group=_SNAPSHOT),
    ] = None
    max_batch_size: Annotated[
        int, Option("Changes of a batch.", validator=between(1, 1_000_000), group=_DATA)
    ] = 2048
    poll_interval_ms: Annotated[
        int, Option("The longest wait for a change.", validator=between(1, 10_000), group=_DATA)
    ] = 500
