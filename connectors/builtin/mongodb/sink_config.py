"""The options of `MongoDbSink`, named as MongoDB's Kafka connector names them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.mongodb.client import LOCAL
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, Validator, at_least, invalid

_HIGH = Importance.HIGH
_PACKAGE = "com.mongodb.kafka.connect.sink."
_IDS = _PACKAGE + "processor.id.strategy."
_WRITES = _PACKAGE + "writemodel.strategy."
_Projection = Literal["none", "allowlist", "blocklist"]


def _class(*names: str) -> Validator:
    def check(option: str, value: Any) -> None:
        if value and str(value).rpartition(".")[2] not in names:
            raise invalid(option, value, f"one of {', '.join(names)}")

    return check


_WRITE_NAMES = (
    "DefaultWriteModelStrategy", "ReplaceOneDefaultStrategy", "ReplaceOneBusinessKeyStrategy",
    "InsertOneDefaultStrategy", "UpdateOneDefaultStrategy", "UpdateOneTimestampsStrategy",
    "UpdateOneBusinessKeyTimestampStrategy", "DeleteOneDefaultStrategy",
    "DeleteOneBusinessKeyStrategy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MongoDbSinkConfig:
    """The options."""

    database: Annotated[str, Option("The database.", importance=_HIGH)]
    connection_uri: Annotated[
        Password,
        Option("Where MongoDB is, as mongodb://…; a secret, since a password may be in it.",
               importance=_HIGH),
    ] = LOCAL  # fmt: skip
    collection: Annotated[
        str, Option("The collection; empty for one that is named like the topic.", importance=_HIGH)
    ] = ""
    writemodel_strategy: Annotated[
        str,
        Option("How records are written: " + ", ".join(_WRITE_NAMES) + ".",
               validator=_class(*_WRITE_NAMES)),
    ] = _WRITES + "DefaultWriteModelStrategy"  # fmt: skip
    delete_on_null_values: Annotated[
        bool, Option("Whether a null value deletes the document of its key.")
    ] = False
    delete_writemodel_strategy: Annotated[
        str,
        Option("How: DeleteOneDefaultStrategy or DeleteOneBusinessKeyStrategy.",
               validator=_class("DeleteOneDefaultStrategy", "DeleteOneBusinessKeyStrategy")),
    ] = _WRITES + "DeleteOneDefaultStrategy"  # fmt: skip
    document_id_strategy: Annotated[
        str,
        Option("Where _id comes from: BsonOidStrategy, UuidStrategy, KafkaMetaDataStrategy, "
               "FullKeyStrategy, PartialKeyStrategy, PartialValueStrategy, "
               "ProvidedInKeyStrategy or ProvidedInValueStrategy.",
               validator=_class("BsonOidStrategy", "UuidStrategy", "KafkaMetaDataStrategy",
                                "FullKeyStrategy", "PartialKeyStrategy", "PartialValueStrategy",
                                "ProvidedInKeyStrategy", "ProvidedInValueStrategy")),
    ] = _IDS + "BsonOidStrategy"  # fmt: skip
    document_id_strategy_overwrite_existing: Annotated[
        bool, Option("Whether an _id that the value has is replaced.")
    ] = False
    document_id_strategy_partial_key_projection_type: Annotated[
        _Projection, Option("Whether the list allows or blocks fields of keys.")
    ] = "none"
    document_id_strategy_partial_key_projection_list: Annotated[
        list[str], Option("The fields, for PartialKeyStrategy.")
    ] = field(default_factory=list)
    document_id_strategy_partial_value_projection_type: Annotated[
        _Projection, Option("Whether the list allows or blocks fields of values.")
    ] = "none"
    document_id_strategy_partial_value_projection_list: Annotated[
        list[str], Option("The fields, for PartialValueStrategy.")
    ] = field(default_factory=list)
    change_data_capture_handler: Annotated[
        str,
        Option("Applies changes: ChangeStreamHandler those of MongoDbSource; RdbmsHandler, "
               "PostgresHandler, MysqlHandler and MongoDbHandler those of Debezium.",
               validator=_class("ChangeStreamHandler", "RdbmsHandler", "PostgresHandler",
                                "MysqlHandler", "MongoDbHandler")),
    ] = ""  # fmt: skip
    max_batch_size: Annotated[
        int, Option("Writes of one request, at most; 0 for all that come.", validator=at_least(0))
    ] = 0
    bulk_write_ordered: Annotated[
        bool, Option("Whether writes are applied in their order; a bad one is reported either way.")
    ] = True
