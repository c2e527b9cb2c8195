"""`SplunkSink`: records become events (HTTP event collector). Splunk: `SplunkSinkConnector`.

With acknowledgements a batch counts once the indexer says that it has been written; without, once
the collector has taken it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import httpx

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.builtin.http.client import HttpOptions, check_url, told_by
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option, instance_of
from aliran.connectors.config.values import Password, at_least, between
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import headers_of, json_payload, text
from aliran.connectors.records import SinkRecord
from aliran.connectors.web.calls import Calls


@dataclass(frozen=True, kw_only=True)
class SplunkConfig(HttpOptions):
    """Where events go, and what is said about them."""

    splunk_hec_uri: Annotated[
        str,
        Option(
            "The collector, such as https://splunk.example.org:8088.",
            importance=Importance.HIGH,
            validator=check_url,
        ),
    ]
    splunk_hec_token: Annotated[
        Password, Option("The token of the collector.", importance=Importance.HIGH)
    ]
    splunk_indexes: Annotated[str, Option("The index; empty for the token's.")] = ""
    splunk_sources: Annotated[str, Option("The source; empty for the token's.")] = ""
    splunk_sourcetypes: Annotated[str, Option("The source type; empty for the token's.")] = ""
    splunk_hec_raw: Annotated[
        bool, Option("Whether values are sent as they are, a line each (/raw), without metadata.")
    ] = False
    splunk_hec_ack_enabled: Annotated[
        bool, Option("Whether to wait until the indexer has acknowledged a batch.")
    ] = False
    splunk_hec_ack_poll_interval: Annotated[
        int, Option("Seconds between two questions about that.", validator=at_least(1))
    ] = 10
    splunk_hec_event_timeout: Annotated[
        int, Option("Seconds after which a batch is sent again.", validator=at_least(1))
    ] = 300
    splunk_hec_max_batch_size: Annotated[
        int, Option("The most events of a request.", validator=between(1, 100_000))
    ] = 500
    splunk_hec_json_event_enrichment: Annotated[
        str, Option("Fields of each event, as name=value,name=value.")
    ] = ""
    splunk_header_support: Annotated[
        bool, Option("Whether headers of records become fields of events.")
    ] = False
    splunk_hec_use_record_timestamp: Annotated[
        bool, Option("Whether an event's time is the record's.")
    ] = True
    max_retries: Annotated[
        int, Option("How often a request may fail; -1 for any number.", validator=at_least(-1))
    ] = -1
    retry_backoff_ms: Annotated[
        int, Option("The wait before it is made again.", validator=at_least(1))
    ] = 1000

    def auth(self) -> httpx.Auth:
        """Return what shows the token."""
        return _Token(self.splunk_hec_token.value)

    def url(self, path: str) -> str:
        """Return an address of the collector."""
        return f"{self.splunk_hec_uri.rstrip('/')}/services/collector{path}"


class _Token(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Any:
        """Add the token."""
        request.headers["Authorization"] = f"Splunk {self._token}"
        yield request


class SplunkSinkTask(MessageSinkTask):
    """Sends batches in their order, each once the one before has been taken."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = config = instance_of(SplunkConfig, props)
        self._calls = Calls(config.client(), config.max_retries, config.retry_backoff_ms)
        self._channel = str(uuid.uuid4())
        self._fields = dict(
            one.split("=", 1)
            for one in config.splunk_hec_json_event_enrichment.split(",")
            if "=" in one
        )
        self._done = 0

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Send what was not sent in an earlier attempt of the same batch."""
        size = self._config.splunk_hec_max_batch_size
        try:
            while self._done < len(records):
                batch = records[self._done : self._done + size]
                self._send_all(batch)
                self._done += len(batch)
        except Retry as retry:
            self.context.timeout(int(retry.after * 1000))
            raise
        self._done = 0

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_calls"):
            self._calls.close()

    # ------------------------------------------------------------------ events

    def _send_all(self, batch: Sequence[SinkRecord]) -> None:
        rows: list[tuple[SinkRecord, bytes]] = []
        for record in batch:
            if record.value is None:
                continue  # nothing happened that could be searched for
            try:
                rows.append((record, self._event(record)))
            except DataError as error:
                self.refuse(record, error)
        self._deliver(rows)

    def _deliver(self, rows: list[tuple[SinkRecord, bytes]]) -> None:
        """Send events; one that is refused is reported, and the others are sent without it."""
        while rows:
            response = self._send(rows)
            if response is None:
                return
            number = _body(response).get("invalid-event-number", -1)
            bad = 0 if len(rows) == 1 else int(number)
            if not 0 <= bad < len(rows):
                middle = len(rows) // 2  # it does not say which event it is
                self._deliver(rows[:middle])
                self._deliver(rows[middle:])
                return
            self.refuse(rows[bad][0], ConnectError(told_by(response)))
            rows = [*rows[:bad], *rows[bad + 1 :]]

    def _event(self, record: SinkRecord) -> bytes:
        config = self._config
        body = json_payload(record.value_schema, record.value)
        if config.splunk_hec_raw:
            return text(record.value_schema, record.value).encode()
        about: dict[str, Any] = {
            name: value
            for name, value in (
                ("index", config.splunk_indexes),
                ("source", config.splunk_sources),
                ("sourcetype", config.splunk_sourcetypes),
            )
            if value
        }
        if config.splunk_hec_use_record_timestamp and record.timestamp is not None:
            about["time"] = record.timestamp / 1000
        fields = dict(self._fields)
        if config.splunk_header_support:
            fields |= headers_of(record.headers)
        if fields:
            about["fields"] = fields
        start = json.dumps(about)[:-1] + (", " if about else "")
        return start.encode() + b'"event": ' + body + b"}"

    def _send(self, rows: list[tuple[SinkRecord, bytes]]) -> httpx.Response | None:
        """Send events; return the answer if it refuses some of them, None if all were taken."""
        config = self._config
        path, joint = ("/raw", b"\n") if config.splunk_hec_raw else ("/event", b"")
        headers = {"X-Splunk-Request-Channel": self._channel}
        body = joint.join(event for _, event in rows)
        response = self._calls.send("POST", config.url(path), content=body, headers=headers)
        if response.status_code == 400:
            return response
        if not response.is_success:
            raise ConnectError(told_by(response))
        if config.splunk_hec_ack_enabled:
            self._await(_body(response).get("ackId"), headers)
        self._calls.succeeded()
        return None

    def _await(self, ack_id: Any, headers: dict[str, str]) -> None:
        """Wait until the indexer has a batch.

        Raises:
            Retry: It did not come to that in time.
        """
        config = self._config
        if ack_id is None:
            raise ConnectError(
                f"{config.splunk_hec_uri} gives no ackId: allow acknowledgements for this token, "
                "or set splunk.hec.ack.enabled=false"
            )
        deadline = time.monotonic() + config.splunk_hec_event_timeout
        wait_s = 0.05
        body = json.dumps({"acks": [ack_id]}).encode()
        while time.monotonic() < deadline:
            response = self._calls.send("POST", config.url("/ack"), content=body, headers=headers)
            if _body(response).get("acks", {}).get(str(ack_id)) is True:
                return
            time.sleep(min(wait_s, max(deadline - time.monotonic(), 0)))
            wait_s = min(wait_s * 2, config.splunk_hec_ack_poll_interval)
        raise self._calls.again(
            f"a batch was not acknowledged within {config.splunk_hec_event_timeout} s"
        )


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class SplunkSink(MessageSink):
    """As many tasks as may be."""

    settings = SplunkConfig
    task: ClassVar[type[Any]] = SplunkSinkTask

    def try_out(self, config: SplunkConfig) -> None:
        """Ask the collector how it is, and whether it knows the token."""
        calls = Calls(config.client(), 0, config.retry_backoff_ms)
        try:
            response = calls.send("GET", config.url("/health"))
        finally:
            calls.close()
        if not response.is_success:
            raise ConnectError(told_by(response))
