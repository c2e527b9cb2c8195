"""`SolrSink`: records become documents of a collection, by its `/update` interface."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import json_payload, text
from aliran.connectors.records import SinkRecord
from aliran.connectors.web.bisect import deliver
from aliran.connectors.web.calls import Calls

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class SolrConfig(HttpOptions):
    """Where documents go, and how."""

    solr_url: Annotated[
        str,
        Option("The server, such as http://solr.example.org:8983/solr.",
               importance=Importance.HIGH, validator=check_url),
    ]  # fmt: skip
    solr_collection: Annotated[
        str, Option("The collection; ${topic} stands for the topic.", importance=Importance.HIGH)
    ] = "${topic}"
    solr_id_field: Annotated[str, Option("The field of the document's id.")] = "id"
    write_mode: Annotated[
        Literal["add", "atomic"],
        Option("add: the whole document; atomic: its fields are set in what is there."),
    ] = "add"
    commit_within_ms: Annotated[
        int, Option("After how long documents can be found.", validator=at_least(1))
    ] = 1_000
    batch_size: Annotated[
        int, Option("The most documents of a request.", validator=between(1, 100_000))
    ] = 500
    max_retries: Annotated[
        int, Option("How often a request may fail; -1 for any number.", validator=at_least(-1))
    ] = -1
    retry_backoff_ms: Annotated[
        int, Option("The wait before it is made again.", validator=at_least(1))
    ] = 1_000

    def url(self, topic: str, path: str) -> str:
        """Return an address of the collection of a topic."""
        collection = self.solr_collection.replace("${topic}", topic)
        return f"{self.solr_url.rstrip('/')}/{collection}/{path}"


class SolrSinkTask(MessageSinkTask):
    """Writes batches in their order; the same batch again changes nothing."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = config = instance_of(SolrConfig, props)
        self._calls = Calls(config.client(), config.max_retries, config.retry_backoff_ms)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records, those of a topic together."""
        by_topic: dict[str, list[tuple[SinkRecord, bytes]]] = {}
        for record in records:
            try:
                row = record, self._command(record)
            except DataError as error:
                self.refuse(record, error)
            else:
                by_topic.setdefault(record.topic or "", []).append(row)
        try:
            for topic, rows in by_topic.items():
                for start in range(0, len(rows), self._config.batch_size):
                    self._write(topic, rows[start : start + self._config.batch_size])
        except Retry as retry:
            self.context.timeout(int(retry.after * 1000))
            raise

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_calls"):
            self._calls.close()

    def _command(self, record: SinkRecord) -> bytes:
        """Return a command of Solr's JSON: names may repeat in it, and their order counts."""
        config = self._config
        if record.value is None:
            if record.key is None:
                raise DataError("it has neither a key nor a value: nothing says what to delete")
            deleted = {"id": text(record.key_schema, record.key)}
            return b'"delete":' + json.dumps(deleted).encode()
        document = json.loads(json_payload(record.value_schema, record.value))
        if not isinstance(document, dict):
            raise DataError("a document must have fields")
        if record.key is not None:
            document[config.solr_id_field] = text(record.key_schema, record.key)
        if config.solr_id_field not in document:
            raise DataError(f"it has neither a key nor a field {config.solr_id_field}")
        if config.write_mode == "atomic":
            document = {
                name: value if name == config.solr_id_field else {"set": value}
                for name, value in document.items()
            }
        return b'"add":{"doc":' + json.dumps(document).encode() + b"}"

    def _write(self, topic: str, rows: Sequence[tuple[SinkRecord, bytes]]) -> None:
        config = self._config
        params = {"commitWithin": config.commit_within_ms, "overwrite": "true"}

        def send(some: Sequence[tuple[SinkRecord, bytes]]) -> str | None:
            body = b"{" + b",".join(command for _, command in some) + b"}"
            response = self._calls.send(
                "POST", config.url(topic, "update"), content=body, headers=_JSON, params=params
            )
            if response.status_code == 400:
                return told_by(response)
            if not response.is_success:
                raise ConnectError(told_by(response))
            self._calls.succeeded()
            return None

        deliver(rows, send, lambda row, why: self.refuse(row[0], ConnectError(why)))


class SolrSink(MessageSink):
    """As many tasks as may be."""

    settings = SolrConfig
    task: ClassVar[type[Any]] = SolrSinkTask

    def try_out(self, config: SolrConfig) -> None:
        """Ask the server, and the collection where it is one, how it is."""
        url = f"{config.solr_url.rstrip('/')}/admin/info/system"
        if "${topic}" not in config.solr_collection:
            url = config.url("", "admin/ping")
        calls = Calls(config.client(), 0, config.retry_backoff_ms)
        try:
            response: Any = calls.send("GET", url)
        finally:
            calls.close()
        if not response.is_success:
            raise ConnectError(told_by(response))
