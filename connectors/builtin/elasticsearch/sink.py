"""`ElasticsearchSink`: records become documents. Confluent: `ElasticsearchSinkConnector`.

A document's version is the record's offset, so that a batch that is written again after a crash
cannot put an older document in the place of a newer one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.builtin.elasticsearch.config import ElasticsearchConfig
from aliran.connectors.builtin.http.client import told_by
from aliran.connectors.config.typed import instance_of
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import json_payload, text
from aliran.connectors.records import SinkRecord
from aliran.connectors.web.calls import LATER, Calls

logger: logging.Logger = logging.getLogger("aliran.connectors")

_BULK = {"Content-Type": "application/x-ndjson"}


class ElasticsearchSinkTask(MessageSinkTask):
    """Writes batches through `_bulk`, and looks at each item of the answer."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = config = instance_of(ElasticsearchConfig, props)
        self._calls = Calls(config.client(), config.max_retries, config.retry_backoff_ms)
        self._url = config.connection_url.rstrip("/") + "/_bulk"
        self._done: set[tuple[str | None, int | None, int | None]] = set()

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write what was not written in an earlier attempt."""
        rows: list[tuple[SinkRecord, bytes]] = []
        for record in records:
            if _id(record) in self._done:
                continue
            try:
                lines = self._lines(record)
            except DataError as error:
                self._reject(record, error)
            else:
                if lines is not None:
                    rows.append((record, lines))
        try:
            for start in range(0, len(rows), self._config.batch_size):
                self._write(rows[start : start + self._config.batch_size])
        except Retry as retry:
            self.context.timeout(int(retry.after * 1000))
            raise
        self._done.clear()

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_calls"):
            self._calls.close()

    # ------------------------------------------------------------------ what is written

    def _lines(self, record: SinkRecord) -> bytes | None:
        """Return the lines of a record, None if there is nothing to be done."""
        config = self._config
        where: dict[str, Any] = {
            "_index": config.index_of(record.topic or ""),
            "_id": self._document_id(record),
        }
        if record.value is None:
            if config.behavior_on_null_values == "ignore":
                return None
            if config.behavior_on_null_values == "fail":
                raise DataError("it has no value, and behavior.on.null.values is fail")
            return _json({"delete": {**where, **self._version(record)}}) + b"\n"
        document = json_payload(record.value_schema, record.value)
        if not document.startswith(b"{"):
            raise DataError("a document must have fields; the value is none of an object's")
        if config.write_method == "upsert":
            line = _json({"update": where})
            document = b'{"doc":' + document + b',"doc_as_upsert":true}'
        else:
            line = _json({"index": {**where, **self._version(record)}})
        return line + b"\n" + document + b"\n"

    def _document_id(self, record: SinkRecord) -> str:
        if self._config.key_ignore:
            return f"{record.topic}+{record.kafka_partition}+{record.kafka_offset}"
        if record.key is None:
            raise DataError("it has no key for the document's id; key.ignore=true needs none")
        return text(record.key_schema, record.key)

    def _version(self, record: SinkRecord) -> dict[str, Any]:
        if self._config.key_ignore or self._config.write_method == "upsert":
            return {}
        return {"version": record.kafka_offset, "version_type": "external"}

    # ------------------------------------------------------------------ what is answered

    def _write(self, rows: list[tuple[SinkRecord, bytes]]) -> None:
        body = b"".join(lines for _, lines in rows)
        response = self._calls.send("POST", self._url, content=body, headers=_BULK)
        if not response.is_success:
            raise ConnectError(told_by(response))
        try:
            items = [next(iter(item.values())) for item in response.json()["items"]]
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise ConnectError(f"{self._url} does not answer as _bulk does: {error!r}") from error
        busy: list[str] = []
        for (record, _), item in zip(rows, items, strict=True):
            status = int(item["status"])
            if status in LATER:
                busy.append(str(item.get("error")))
                continue
            self._done.add(_id(record))
            # 409: a newer one is there; 404: it was deleted before
            if status >= 300 and status not in {404, 409}:
                self._reject(record, ConnectError(f"status {status}: {_why(item)}"))
        if busy:
            raise self._calls.again(f"{len(busy)} documents could not be written now: {busy[0]}")
        self._calls.succeeded()

    def _reject(self, record: SinkRecord, error: Exception) -> None:
        behavior = self._config.behavior_on_malformed_documents
        if self.context.errant_record_reporter is None and behavior != "fail":
            if behavior == "warn":
                logger.warning("%s is left out: %s", record.place, error)
            return
        self.refuse(record, error)


def _why(item: Mapping[str, Any]) -> str:
    error = item.get("error")
    return f"{error.get('type')}: {error.get('reason')}" if isinstance(error, dict) else str(error)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _id(record: SinkRecord) -> tuple[str | None, int | None, int | None]:
    return record.original_topic, record.original_kafka_partition, record.original_kafka_offset


class ElasticsearchSink(MessageSink):
    """As many tasks as may be."""

    settings = ElasticsearchConfig
    task: ClassVar[type[Any]] = ElasticsearchSinkTask

    def try_out(self, config: ElasticsearchConfig) -> None:
        """Ask the cluster who it is."""
        calls = Calls(config.client(), 0, config.retry_backoff_ms)
        try:
            response = calls.send("GET", config.connection_url)
        finally:
            calls.close()
        if not response.is_success:
            raise ConnectError(told_by(response))
