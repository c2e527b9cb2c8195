"""The options of `MySqlCdcSource` and `MariaDbCdcSource`, named as Debezium 3 names them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.cdc.types import BinaryMode, DecimalMode, TimeMode
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between, invalid, not_empty

_HIGH = Importance.HIGH
_CONNECTION, _EVENTS, _TABLES, _SNAPSHOT = "Connection", "Events", "Tables", "Snapshot"


def _prefix(name: str, value: Any) -> None:
    if re.fullmatch(r"[A-Za-z0-9._-]+", str(value)) is None:
        raise invalid(name, value, "only letters, digits, '.', '_' and '-' can be in topics")


def _connection(text: str, **more: Any) -> Option:
    return Option(text, group=_CONNECTION, **more)


def _events(text: str, **more: Any) -> Option:
    return Option(text, group=_EVENTS, **more)


def _tables(text: str, **more: Any) -> Option:
    return Option(text, group=_TABLES, **more)


def _snapshot(text: str, **more: Any) -> Option:
    return Option(text, group=_SNAPSHOT, **more)


_List = list[str]


@dataclass(frozen=True, slots=True)
class MySqlCdcConfig:
    """The options."""

    database_hostname: Annotated[
        str, _connection("Host of the server.", importance=_HIGH, validator=not_empty)
    ]
    database_user: Annotated[str, _connection("Who logs in.", importance=_HIGH)]
    topic_prefix: Annotated[
        str,
        _connection("Begins the names of topics.", importance=_HIGH, validator=_prefix),
    ]
    database_port: Annotated[
        int, _connection("Port of the server.", validator=between(1, 65535))
    ] = 3306
    database_password: Annotated[
        Password | None, _connection("The password.", importance=_HIGH)
    ] = None
    database_server_id: Annotated[
        int,
        _connection("This reader's number among the server's replicas, other than all of theirs; "
                    "0 for one by chance between 5400 and 6400.", validator=between(0, 2**32 - 1)),
    ] = 0  # fmt: skip
    database_ssl_mode: Annotated[
        Literal["disabled", "preferred", "required", "verify_ca", "verify_identity"],
        _connection("Whether the connection is encrypted and the server's certificate checked."),
    ] = "preferred"
    database_ssl_ca: Annotated[
        str | None, _connection("File of certificates to trust.")
    ] = None  # fmt: skip
    database_ssl_cert: Annotated[
        str | None, _connection("File of this client's certificate.")
    ] = None  # fmt: skip
    database_ssl_key: Annotated[
        str | None, _connection("File of its key.")
    ] = None  # fmt: skip
    connect_timeout_ms: Annotated[
        int, _connection("How long logging in may take.", validator=at_least(1))
    ] = 30_000
    connect_keep_alive: Annotated[
        bool, _connection("Whether the server says that it lives while nothing happens.")
    ] = True
    connect_keep_alive_interval_ms: Annotated[
        int,
        _connection("How often it does; after three times in silence the connection is made anew.",
                    validator=at_least(100)),
    ] = 10_000  # fmt: skip
    gtid_source_includes: Annotated[
        _List, _connection("Domains of GTIDs whose changes are wanted; none for all.")
    ] = field(default_factory=list)
    gtid_source_excludes: Annotated[
        _List, _connection("Domains of GTIDs whose changes are left out.")
    ] = field(default_factory=list)
    database_include_list: Annotated[
        _List, _tables("Patterns of databases to capture.")
    ] = field(default_factory=list)  # fmt: skip
    database_exclude_list: Annotated[
        _List, _tables("Patterns of databases to leave out.")
    ] = field(default_factory=list)  # fmt: skip
    table_include_list: Annotated[
        _List, _tables("Patterns of tables to capture, <database>.<table>.", importance=_HIGH)
    ] = field(default_factory=list)
    table_exclude_list: Annotated[
        _List, _tables("Patterns of tables to leave out.")
    ] = field(default_factory=list)  # fmt: skip
    column_include_list: Annotated[
        _List, _tables("Patterns of columns to show, <database>.<table>.<column>.")
    ] = field(default_factory=list)
    column_exclude_list: Annotated[
        _List, _tables("Patterns of columns to leave out.")
    ] = field(default_factory=list)  # fmt: skip
    column_mask_stars: Annotated[
        str, _tables("Columns that become that many asterisks.", name="column.mask.with.*.chars")
    ] = ""
    column_mask_hash: Annotated[
        str, _tables("Columns that become a hash.", name="column.mask.hash.*.with.salt.*")
    ] = ""
    column_truncate: Annotated[
        str, _tables("Columns that are cut to that length.", name="column.truncate.to.*.chars")
    ] = ""
    message_key_columns: Annotated[
        str, _tables("Columns that make keys, <database.table>:<column>,…;….")
    ] = ""
    snapshot_mode: Annotated[
        Literal["initial", "initial_only", "no_data", "never", "when_needed", "always", "recovery"],
        _snapshot("When the rows that are there are read.", importance=_HIGH),
    ] = "initial"
    snapshot_locking_mode: Annotated[
        Literal["minimal", "minimal_percona", "extended", "none"],
        _snapshot("Whether tables are locked for the moment in which a chunk's snapshot begins; "
                  "MariaDB needs no lock."),
    ] = "minimal"  # fmt: skip
    snapshot_fetch_size: Annotated[
        int, _snapshot("Rows of a chunk.", validator=between(1, 1_000_000))
    ] = 10_240
    snapshot_include_collection_list: Annotated[
        _List, _snapshot("Patterns of the tables to read; none for all that are captured.")
    ] = field(default_factory=list)
    tombstones_on_delete: Annotated[
        bool, _events("Whether a null value follows a delete.")
    ] = True  # fmt: skip
    skipped_operations: Annotated[
        _List, _events("Operations that give no records: c, u, d, t, or none.")
    ] = field(default_factory=lambda: ["t"])
    decimal_handling_mode: Annotated[DecimalMode, _events("How decimals are shown.")] = "precise"
    bigint_unsigned_handling_mode: Annotated[
        Literal["long", "precise"], _events("How bigint unsigned is shown.")
    ] = "long"
    time_precision_mode: Annotated[
        TimeMode, _events("How dates and times are shown.")
    ] = "adaptive_time_microseconds"  # fmt: skip
    binary_handling_mode: Annotated[
        BinaryMode, _events("How binary and blob are shown.")
    ] = "bytes"  # fmt: skip
    include_query: Annotated[
        bool, _events("Whether `source.query` has the statement, where the server logs it.")
    ] = False
    include_schema_changes: Annotated[
        bool, _events("Whether statements that change tables go into the topic <topic.prefix>.")
    ] = True
    provide_transaction_metadata: Annotated[
        bool, _events("Whether BEGIN and END are told, and each change's place between them.")
    ] = False
    event_processing_failure_handling_mode: Annotated[
        Literal["fail", "warn", "skip", "ignore"],
        _events("What becomes of a row that cannot be read: the task fails, or goes on, with or "
                "without a word in its log."),
    ] = "fail"  # fmt: skip
    heartbeat_interval_ms: Annotated[
        int,
        _events("How often a record tells how far the log was read while no captured table "
                "changes, so that its files can be purged; 0 for never.", validator=at_least(0)),
    ] = 10_000  # fmt: skip
    topic_delimiter: Annotated[str, _events("Parts the names of topics.")] = "."
    topic_heartbeat_prefix: Annotated[str, _events("Begins the name of the heartbeats' topic.")] = (
        "__debezium-heartbeat"
    )
    topic_transaction: Annotated[
        str, _events("Ends the name of the transactions' topic.")
    ] = "transaction"  # fmt: skip
    max_batch_size: Annotated[
        int, _events("Changes of a batch.", validator=between(1, 1_000_000))
    ] = 2048
    poll_interval_ms: Annotated[
        int, _events("The longest wait for a change.", validator=between(1, 10_000))
    ] = 500
