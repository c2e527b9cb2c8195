"""The options of `MongoDbSource`, named as MongoDB's Kafka connector names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.mongodb.client import LOCAL, from_json
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid

_HIGH = Importance.HIGH


def json_option(name: str, value: Any) -> None:
    """Check that an option is JSON."""
    if value:
        from_json(name, str(value))


def _formatter(name: str, value: Any) -> None:
    if str(value).rpartition(".")[2] not in {"DefaultJson", "ExtendedJson", "SimplifiedJson"}:
        raise invalid(name, value, "DefaultJson, ExtendedJson or SimplifiedJson")


@dataclass(frozen=True, slots=True)
class MongoDbSourceConfig:
    """The options."""

    connection_uri: Annotated[
        Password,
        Option("Where MongoDB is, as mongodb://…; a secret, since a password may be in it.",
               importance=_HIGH),
    ] = LOCAL  # fmt: skip
    database: Annotated[
        str, Option("The database to watch; all if it is empty.", importance=_HIGH)
    ] = ""
    collection: Annotated[
        str, Option("The collection to watch; all of the database if it is empty.")
    ] = ""
    pipeline: Annotated[
        str,
        Option("Stages of an aggregation that changes go through, as JSON.",
               validator=json_option),
    ] = "[]"  # fmt: skip
    topic_prefix: Annotated[str, Option("Comes before <database>.<collection>.")] = ""
    topic_suffix: Annotated[str, Option("Comes behind it.")] = ""
    topic_separator: Annotated[str, Option("Parts the names of topics.")] = "."
    publish_full_document_only: Annotated[
        bool, Option("Send the document alone, and not the whole change.", importance=_HIGH)
    ] = False
    publish_full_document_only_tombstone_on_delete: Annotated[
        bool, Option("With that: send a null value for a document that was deleted.")
    ] = False
    change_stream_full_document: Annotated[
        Literal["", "default", "updateLookup", "whenAvailable", "required"],
        Option("Whether updates have the whole document; publish.full.document.only asks for "
               "updateLookup."),
    ] = ""  # fmt: skip
    change_stream_full_document_before_change: Annotated[
        Literal["", "default", "off", "whenAvailable", "required"],
        Option("Whether changes have the document before."),
    ] = ""
    change_stream_show_expanded_events: Annotated[
        bool, Option("Whether changes of indexes and the like are told (MongoDB 6).")
    ] = False
    change_stream_document_key_as_key: Annotated[
        bool, Option("Take the document's key as the record's key, else the change's token.")
    ] = True
    output_format_key: Annotated[
        Literal["json", "bson"], Option("How keys are sent: as text, or as bytes of BSON.")
    ] = "json"
    output_format_value: Annotated[
        Literal["json", "bson"], Option("How values are sent.")
    ] = "json"  # fmt: skip
    output_json_formatter: Annotated[
        str,
        Option("How JSON is written: DefaultJson, ExtendedJson or SimplifiedJson (or MongoDB's "
               "class of that name).", validator=_formatter),
    ] = "DefaultJson"  # fmt: skip
    startup_mode: Annotated[
        Literal["latest", "copy_existing", "timestamp"],
        Option("What comes first: changes from now on, the documents that are there, or changes "
               "from a time on.", importance=_HIGH),
    ] = "latest"  # fmt: skip
    startup_mode_timestamp_start_at_operation_time: Annotated[
        int | None, Option("That time, in seconds since 1970.")
    ] = None
    startup_mode_copy_existing_namespace_regex: Annotated[
        str, Option("A pattern of <database>.<collection> to copy; all that are watched if empty.")
    ] = ""
    startup_mode_copy_existing_pipeline: Annotated[
        str, Option("A condition on copied documents, as JSON, such as {\"a\": 1}.",
                    validator=json_option)
    ] = "{}"  # fmt: skip
    poll_max_batch_size: Annotated[
        int, Option("Records of a batch, at most.", validator=at_least(1))
    ] = 1000
    poll_await_time_ms: Annotated[
        int, Option("The longest wait for a change.", validator=at_least(1))
    ] = 1000
    batch_size: Annotated[
        int, Option("Changes of one answer of the server; 0 leaves it to the server.",
                    validator=at_least(0))
    ] = 0  # fmt: skip
    heartbeat_interval_ms: Annotated[
        int,
        Option("How often a record has the resume token while nothing changes; 0 for never.",
               validator=at_least(0)),
    ] = 10_000  # fmt: skip
    heartbeat_topic_name: Annotated[str, Option("Where such records go.")] = "__mongodb_heartbeats"
    offset_partition_name: Annotated[
        str, Option("Another name of the source partition, so that an old offset is not found.")
    ] = ""
