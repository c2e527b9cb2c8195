"""Strategies: what the `_id` of a document is, and how a record is written.

MongoDB: `sink.processor.id.strategy`, `sink.writemodel.strategy`, `sink.cdc`. They are named by
MongoDB's classes, with or without their packages.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from bson import ObjectId, json_util
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne

from aliran.connectors.builtin.mongodb.documents import document_of, projected
from aliran.connectors.builtin.mongodb.sink_config import MongoDbSinkConfig
from aliran.connectors.errors import DataError
from aliran.connectors.records import SinkRecord

Write: TypeAlias = Any
"""A write of `bulk_write`."""

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """A record's key and value as documents; None for null."""

    record: SinkRecord
    key: Document | None
    value: Document | None


def short(name: str) -> str:
    """Return a class's name without its package."""
    return name.rpartition(".")[2]


def _need(document: Document | None, what: str) -> Document:
    if document is None:
        raise DataError(f"the record has no {what}, which the strategy needs")
    return document


def _provided(document: Document | None, what: str) -> Any:
    found = _need(document, what)
    if found.get("_id") is None:
        raise DataError(f"the {what} has no _id, which document.id.strategy takes from it")
    return found["_id"]


def _place(pair: Pair) -> str:
    record = pair.record
    return (
        f"{record.original_topic}#{record.original_kafka_partition}#{record.original_kafka_offset}"
    )


def id_strategy(config: MongoDbSinkConfig) -> Callable[[Pair], Any]:
    """Return what gives the `_id` of a record."""
    key_kind, key_names = (
        config.document_id_strategy_partial_key_projection_type,
        config.document_id_strategy_partial_key_projection_list,
    )
    value_kind, value_names = (
        config.document_id_strategy_partial_value_projection_type,
        config.document_id_strategy_partial_value_projection_list,
    )
    return {
        "BsonOidStrategy": lambda _pair: ObjectId(),
        "UuidStrategy": lambda _pair: str(uuid.uuid4()),
        "KafkaMetaDataStrategy": _place,
        "FullKeyStrategy": lambda pair: _need(pair.key, "key"),
        "ProvidedInKeyStrategy": lambda pair: _provided(pair.key, "key"),
        "ProvidedInValueStrategy": lambda pair: _provided(pair.value, "value"),
        "PartialKeyStrategy": lambda pair: projected(_need(pair.key, "key"), key_kind, key_names),
        "PartialValueStrategy": lambda pair: projected(
            _need(pair.value, "value"), value_kind, value_names
        ),
    }[short(config.document_id_strategy)]


def _stamped(document: Document) -> Document:
    now = dt.datetime.now(dt.UTC)
    rest = {name: one for name, one in document.items() if name not in {"_id", "_insertedTS"}}
    return {"$set": {**rest, "_modifiedTS": now}, "$setOnInsert": {"_insertedTS": now}}


def _business(document: Document) -> tuple[Document, Document]:
    """Return what finds a document by the parts of its `_id`, and the document without it."""
    found = document.get("_id")
    if not isinstance(found, dict) or not found:
        raise DataError(
            "a business key is a document with fields: set document.id.strategy to "
            "PartialValueStrategy or PartialKeyStrategy"
        )
    return found, {name: one for name, one in document.items() if name != "_id"}


def _replace(document: Document) -> Write:
    return ReplaceOne({"_id": document["_id"]}, document, upsert=True)


def _replace_by_business_key(document: Document) -> Write:
    where, rest = _business(document)
    return ReplaceOne(where, rest, upsert=True)


def _update_by_business_key(document: Document) -> Write:
    where, rest = _business(document)
    return UpdateOne(where, _stamped(rest), upsert=True)


WRITES: dict[str, Callable[[Document], Write]] = {
    "DefaultWriteModelStrategy": _replace,
    "ReplaceOneDefaultStrategy": _replace,
    "InsertOneDefaultStrategy": InsertOne,
    "UpdateOneTimestampsStrategy": lambda one: UpdateOne(
        {"_id": one["_id"]}, _stamped(one), upsert=True
    ),
    "UpdateOneDefaultStrategy": lambda one: UpdateOne(
        {"_id": one["_id"]},
        {"$set": {name: each for name, each in one.items() if name != "_id"}},
        upsert=True,
    ),
    "ReplaceOneBusinessKeyStrategy": _replace_by_business_key,
    "UpdateOneBusinessKeyTimestampStrategy": _update_by_business_key,
    "DeleteOneDefaultStrategy": lambda one: DeleteOne({"_id": one["_id"]}),
    "DeleteOneBusinessKeyStrategy": lambda one: DeleteOne(_business(one)[0]),
}


# ---------------------------------------------------------------------- changes of other databases


def _of_debezium(pair: Pair) -> Write | None:
    """Return the write of a change by Debezium (also ours) of a table with a key."""
    value = pair.value
    if value is None:
        return None  # the tombstone behind a delete
    key = {"_id": pair.key} if pair.key else None
    op = value.get("op")
    if op == "d":
        return DeleteOne(key or _only(value.get("before"), op))
    if op not in {"c", "r", "u"}:
        raise DataError(f"the change has the operation {op!r}, not one of c, r, u, d")
    after = _only(value.get("after"), op)
    if key is None:
        if op == "u":
            raise DataError("an update of a table without a key cannot be applied")
        return InsertOne({**after})
    return ReplaceOne(key, {**after, **key}, upsert=True)


def _only(row: Any, op: str | None) -> Document:
    if not isinstance(row, dict):
        raise DataError(f"the change ({op}) has no row")
    return row


def _of_debezium_mongodb(pair: Pair) -> Write | None:
    """Return the write of a change of MongoDB by Debezium: documents come as texts."""
    value = pair.value
    if value is None:
        return None
    key = {"_id": json_util.loads(str(_need(pair.key, "key").get("id")))}
    if value.get("op") == "d":
        return DeleteOne(key)
    if not value.get("after"):
        raise DataError("the change has no `after`; set capture.mode=change_streams_update_full")
    return ReplaceOne(key, {**json_util.loads(value["after"]), **key}, upsert=True)


def _of_change_stream(pair: Pair) -> Write | None:
    """Return the write of a change as `MongoDbSource` sends it."""
    value = pair.value
    if value is None:
        return None
    kind = value.get("operationType")
    if kind not in {"insert", "replace", "update", "delete"}:
        return None  # of collections, not of documents
    key = _only(value.get("documentKey"), kind)
    if kind == "delete":
        return DeleteOne(key)
    full = value.get("fullDocument")
    if kind == "update" and full is None:
        change: Mapping[str, Any] = value.get("updateDescription") or {}
        if change.get("truncatedArrays"):
            raise DataError("arrays were cut: set change.stream.full.document=updateLookup")
        update = {
            "$set": change.get("updatedFields") or {},
            "$unset": dict.fromkeys(change.get("removedFields") or (), ""),
        }
        return UpdateOne(key, {name: one for name, one in update.items() if one})
    return ReplaceOne(key, _only(full, kind), upsert=True)


HANDLERS: dict[str, Callable[[Pair], Write | None]] = {
    "ChangeStreamHandler": _of_change_stream,
    "MongoDbHandler": _of_debezium_mongodb,
    "RdbmsHandler": _of_debezium,
    "PostgresHandler": _of_debezium,
    "MysqlHandler": _of_debezium,
}


class Writes:
    """Turns records into writes.

    Args:
        config: The options.
    """

    def __init__(self, config: MongoDbSinkConfig) -> None:
        self._config = config
        self._id = id_strategy(config)
        self._write = WRITES[short(config.writemodel_strategy)]
        self._delete = WRITES[short(config.delete_writemodel_strategy)]
        self._handler = HANDLERS.get(short(config.change_data_capture_handler))

    def of(self, record: SinkRecord) -> Write | None:
        """Return the write of a record, None for nothing to do.

        Raises:
            DataError: It is none.
        """
        pair = Pair(
            record,
            document_of(record.key_schema, record.key, "key") if self._needs_key else None,
            document_of(record.value_schema, record.value, "value"),
        )
        if self._handler is not None:
            return self._handler(pair)
        if pair.value is None:
            if not self._config.delete_on_null_values:
                return None
            return self._delete({"_id": self._id(pair)})
        document = dict(pair.value)
        if self._config.document_id_strategy_overwrite_existing or "_id" not in document:
            document["_id"] = self._id(pair)
        return self._write(document)

    @property
    def _needs_key(self) -> bool:
        return self._handler is not None or "Key" in short(self._config.document_id_strategy)
