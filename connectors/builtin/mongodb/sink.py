"""`MongoDbSink`: topics → documents. MongoDB: `MongoSinkConnector`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bson.errors import InvalidDocument
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure

from aliran.connectors.builtin.mongodb.client import client, errors, place
from aliran.connectors.builtin.mongodb.models import Write, Writes
from aliran.connectors.builtin.mongodb.sink_config import MongoDbSinkConfig
from aliran.connectors.config.typed import instance_of
from aliran.connectors.errors import DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

_UNFIT = (InvalidDocument, DocumentTooLarge, OverflowError)
_Row = tuple[SinkRecord, Write]


class MongoDbSinkTask(MessageSinkTask):
    """Writes each batch with one request a collection."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = instance_of(MongoDbSinkConfig, props)
        self._client = client(self._config.connection_uri)
        self._writes = Writes(self._config)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records."""
        by_collection: dict[str, list[_Row]] = {}
        for record in records:
            try:
                write = self._writes.of(record)
            except DataError as error:
                self.refuse(record, error)
                continue
            if write is not None:
                name = self._config.collection or record.topic or ""
                by_collection.setdefault(name, []).append((record, write))
        for name, rows in by_collection.items():
            size = self._config.max_batch_size or len(rows)
            for start in range(0, len(rows), size):
                self._write(name, rows[start : start + size])

    def _write(self, name: str, rows: list[_Row]) -> None:
        """Write rows; those that MongoDB refuses are reported, and the rest is written."""
        config = self._config
        collection: Any = self._client[config.database][name]
        while rows:
            with errors(f"writing to {config.database}.{name}"):
                try:
                    collection.bulk_write(
                        [write for _, write in rows], ordered=config.bulk_write_ordered
                    )
                    return
                except BulkWriteError as error:
                    failed = self._failed(error)
                except _UNFIT:
                    self._one_by_one(collection, rows)
                    return
            for number in sorted(failed):
                record = rows[number][0]
                self.refuse(record, DataError(f"MongoDB refuses it: {failed[number]}"))
            if not config.bulk_write_ordered:
                return
            rows = rows[max(failed) + 1 :]

    @staticmethod
    def _failed(error: BulkWriteError) -> dict[int, str]:
        """Return why which writes failed.

        Raises:
            OperationFailure: It is not about single writes.
        """
        details: Mapping[str, Any] = error.details or {}
        found = {one["index"]: one.get("errmsg", "") for one in details.get("writeErrors", ())}
        if not found:
            first = (details.get("writeConcernErrors") or [{}])[0]
            raise OperationFailure(first.get("errmsg", str(error)), first.get("code")) from error
        return found

    def _one_by_one(self, collection: Any, rows: list[_Row]) -> None:
        """Write a batch of which a document cannot even be sent."""
        for record, write in rows:
            try:
                collection.bulk_write([write])
            except _UNFIT as error:
                self.refuse(record, DataError(f"it cannot be sent to MongoDB: {error}"))
            except BulkWriteError as error:
                told = next(iter(self._failed(error).values()))
                self.refuse(record, DataError(f"MongoDB refuses it: {told}"))

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do nothing: `put` returns when all is written."""

    def stop(self) -> None:
        """Disconnect."""
        if hasattr(self, "_client"):
            self._client.close()


class MongoDbSink(MessageSink):
    """As many tasks as may be."""

    settings = MongoDbSinkConfig
    task: ClassVar[type[Any]] = MongoDbSinkTask

    def try_out(self, config: MongoDbSinkConfig) -> None:
        """Log in."""
        told = f"connecting to {place(config.connection_uri)}"
        with client(config.connection_uri) as made, errors(told):
            made.admin.command("ping")
