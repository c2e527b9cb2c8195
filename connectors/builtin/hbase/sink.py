"""`HBaseSink`: records become rows of tables, by HBase's REST interface (Stargate).

A cell's timestamp is the record's time, so that a batch that is written again changes nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import json_payload, payload, text
from aliran.connectors.records import SinkRecord
from aliran.connectors.web.bisect import deliver
from aliran.connectors.web.calls import Calls

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, kw_only=True)
class HBaseConfig(HttpOptions):
    """Where rows go."""

    hbase_url: Annotated[
        str,
        Option("The REST server, such as http://hbase.example.org:8080.",
               importance=Importance.HIGH, validator=check_url),
    ]  # fmt: skip
    table_name_format: Annotated[
        str, Option("The table; ${topic} stands for the topic.", importance=Importance.HIGH)
    ] = "${topic}"
    column_family: Annotated[
        str, Option("The column family of all fields.", importance=Importance.HIGH)
    ] = "cf"
    value_column: Annotated[str, Option("The column of a value that has no fields.")] = "value"
    behavior_on_null_values: Annotated[
        Literal["ignore", "delete", "fail"],
        Option("What a record without a value does: nothing, delete the row, or fail."),
    ] = "delete"
    batch_size: Annotated[
        int, Option("The most rows of a request.", validator=between(1, 10_000))
    ] = 500
    max_retries: Annotated[
        int, Option("How often a request may fail; -1 for any number.", validator=at_least(-1))
    ] = -1
    retry_backoff_ms: Annotated[
        int, Option("The wait before it is made again.", validator=at_least(1))
    ] = 1_000

    def table(self, topic: str) -> str:
        """Return the address of the table of a topic."""
        name = self.table_name_format.replace("${topic}", topic)
        return f"{self.hbase_url.rstrip('/')}/{quote(name, safe=':')}"


class HBaseSinkTask(MessageSinkTask):
    """Writes rows in their order: a deletion stands between what was written before and after."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = config = instance_of(HBaseConfig, props)
        self._calls = Calls(config.client(), config.max_retries, config.retry_backoff_ms)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records."""
        waiting: dict[str, list[tuple[SinkRecord, dict[str, Any]]]] = {}
        try:
            for record in records:
                table = self._config.table(record.topic or "")
                rows = waiting.setdefault(table, [])
                try:
                    row = self._row(record)
                except DataError as error:
                    self.refuse(record, error)
                    continue
                if row is not None:
                    rows.append((record, row))
                elif self._config.behavior_on_null_values == "delete":
                    self._write(table, rows)
                    rows.clear()
                    self._delete(table, record)
                if len(rows) >= self._config.batch_size:
                    self._write(table, rows)
                    rows.clear()
            for table, rows in waiting.items():
                self._write(table, rows)
        except Retry as retry:
            self.context.timeout(int(retry.after * 1000))
            raise

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_calls"):
            self._calls.close()

    def _row(self, record: SinkRecord) -> dict[str, Any] | None:
        config = self._config
        if record.key is None:
            raise DataError("it has no key for the row")
        if record.value is None:
            if config.behavior_on_null_values == "fail":
                raise DataError("it has no value, and behavior.on.null.values is fail")
            return None
        found: Any = record.value
        if not isinstance(found, (str, bytes, int, float, bool)):
            found = json.loads(json_payload(record.value_schema, record.value))
        fields = found if isinstance(found, dict) else {config.value_column: found}
        cells = [
            {
                "column": _b64(f"{config.column_family}:{name}".encode()),
                "$": _b64(payload(None, value)),
                **({} if record.timestamp is None else {"timestamp": record.timestamp}),
            }
            for name, value in fields.items()
            if value is not None
        ]
        if not cells:
            raise DataError("none of its fields has a value: HBase keeps no empty rows")
        return {"key": _b64(text(record.key_schema, record.key).encode()), "Cell": cells}

    def _write(self, table: str, rows: Sequence[tuple[SinkRecord, dict[str, Any]]]) -> None:
        def send(some: Sequence[tuple[SinkRecord, dict[str, Any]]]) -> str | None:
            body = json.dumps({"Row": [row for _, row in some]}).encode()
            # The row in the path does not count where several are in the body.
            response = self._calls.send("PUT", f"{table}/rows", content=body, headers=_JSON)
            if response.status_code == 400:
                return told_by(response)
            if not response.is_success:
                raise ConnectError(told_by(response))
            self._calls.succeeded()
            return None

        deliver(list(rows), send, lambda row, why: self.refuse(row[0], ConnectError(why)))

    def _delete(self, table: str, record: SinkRecord) -> None:
        row = quote(text(record.key_schema, record.key), safe="")
        response = self._calls.send("DELETE", f"{table}/{row}")
        if not response.is_success and response.status_code != 404:
            raise ConnectError(told_by(response))


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class HBaseSink(MessageSink):
    """As many tasks as may be."""

    settings = HBaseConfig
    task: ClassVar[type[Any]] = HBaseSinkTask

    def try_out(self, config: HBaseConfig) -> None:
        """Ask the server for its version, and for the table where it is one."""
        url = f"{config.hbase_url.rstrip('/')}/version/cluster"
        if "${topic}" not in config.table_name_format:
            url = f"{config.table('')}/schema"
        calls = Calls(config.client(), 0, config.retry_backoff_ms)
        try:
            response = calls.send("GET", url, headers={"Accept": "application/json"})
        finally:
            calls.close()
        if not response.is_success:
            raise ConnectError(told_by(response))
