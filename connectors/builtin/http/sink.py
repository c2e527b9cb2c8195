"""`HttpSink`: records become bodies of requests. Confluent: `HttpSinkConnector`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.http.client import look_at_auth, retry_after, told_by
from aliran.connectors.builtin.http.sink_config import Codes, HttpSinkConfig
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.config.values import invalid
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSink, MessageSinkTask
from aliran.connectors.messaging.values import headers_of, json_payload, payload, text
from aliran.connectors.records import SinkRecord

_NOBODYS_FAULT = {401, 403, 405, 407}
_PLACES = ("${topic}", "${key}", "${partition}")

logger: logging.Logger = logging.getLogger("aliran.connectors")


class _Batch:
    """Records of one request, with their bodies."""

    __slots__ = ("bodies", "method", "records", "url")

    def __init__(self, method: str, url: str) -> None:
        self.method = method
        self.url = url
        self.records: list[SinkRecord] = []
        self.bodies: list[bytes] = []

    def halves(self) -> tuple[_Batch, _Batch]:
        """Return two batches with half of the records each."""
        middle = len(self.records) // 2
        first, second = _Batch(self.method, self.url), _Batch(self.method, self.url)
        first.records, second.records = self.records[:middle], self.records[middle:]
        first.bodies, second.bodies = self.bodies[:middle], self.bodies[middle:]
        return first, second


class HttpSinkTask(MessageSinkTask):
    """Sends records in their order, those of one address together."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare a client."""
        self._config = config = instance_of(HttpSinkConfig, props)
        self._client = config.client()
        self._headers = config.fixed_headers()
        self._retried = Codes(config.retry_on_status_codes)
        self._varies = any(place in config.http_api_url for place in _PLACES)
        self._as_array = (
            config.request_body_format == "json"
            and config.batch_max_size > 1
            and config.batch_json_as_array
        )
        self._sent: set[tuple[str | None, int | None, int | None]] = set()
        self._failures = 0

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Send what has not been sent in an earlier attempt."""
        for batch in self._batches([one for one in records if _id(one) not in self._sent]):
            try:
                self._send(batch)
            except Retry as retry:
                self.context.timeout(int(retry.after * 1000))
                raise
        self._sent.clear()

    def stop(self) -> None:
        """Close connections."""
        if hasattr(self, "_client"):
            self._client.close()

    # ------------------------------------------------------------------ batches

    def _batches(self, records: Sequence[SinkRecord]) -> list[_Batch]:
        config = self._config
        batches: list[_Batch] = []
        open_ones: dict[tuple[str, str], _Batch] = {}
        for record in records:
            method = config.request_method.upper()
            if record.value is None:
                if config.behavior_on_null_values == "ignore":
                    continue
                if config.behavior_on_null_values == "delete":
                    method = "DELETE"
            try:
                if record.value is None and config.behavior_on_null_values == "fail":
                    raise DataError("it has no value, and behavior.on.null.values is fail")
                url, body = self._url(record), self._body(record)
            except DataError as error:
                self._reject(record, error)
                continue
            batch = open_ones.get((method, url))
            full = batch is not None and len(batch.records) >= config.batch_max_size
            if batch is None or full or method == "DELETE":
                batch = open_ones[method, url] = _Batch(method, url)
                batches.append(batch)
            batch.records.append(record)
            batch.bodies.append(body)
        return batches

    def _url(self, record: SinkRecord) -> str:
        url = self._config.http_api_url
        if not self._varies:
            return url
        url = url.replace("${topic}", quote(record.topic or "", safe=""))
        url = url.replace("${partition}", str(record.kafka_partition))
        if "${key}" in url:
            if record.key is None:
                raise DataError("it has no key for ${key} in http.api.url")
            url = url.replace("${key}", quote(text(record.key_schema, record.key), safe=""))
        return url

    def _body(self, record: SinkRecord) -> bytes:
        if record.value is None:
            return b""
        if self._config.request_body_format == "json":
            if isinstance(record.value, bytes):
                return json_payload(None, record.value.decode("utf-8", "replace"))
            return json_payload(record.value_schema, record.value)
        return payload(record.value_schema, record.value)

    # ------------------------------------------------------------------ requests

    def _send(self, batch: _Batch) -> None:
        response = self._request(batch)
        if response.is_success:
            self._failures = 0
            self._sent.update(map(_id, batch.records))
            return
        if response.status_code in self._retried:
            wait = retry_after(response, self._config.retry_backoff_ms / 1000)
            self._again(told_by(response), wait)
        elif self._is_fault_of_records(response.status_code):
            self._failures = 0
            if len(batch.records) == 1:
                self._reject(batch.records[0], ConnectError(told_by(response)))
                self._sent.add(_id(batch.records[0]))
                return
            for half in batch.halves():
                self._send(half)
        else:
            raise ConnectError(told_by(response))

    def _is_fault_of_records(self, status: int) -> bool:
        if status == 404:
            return self._varies
        return 400 <= status < 500 and status not in _NOBODYS_FAULT

    def _request(self, batch: _Batch) -> httpx.Response:
        config = self._config
        body = b"" if batch.method == "DELETE" else self._joined(batch.bodies)
        headers = dict(self._headers)
        if config.request_body_format == "json":
            headers.setdefault("Content-Type", "application/json")
        if config.headers_from_record and len(batch.records) == 1:
            found = headers_of(batch.records[0].headers)
            headers |= {name: found[name] for name in config.headers_from_record if name in found}
        try:
            return self._client.request(batch.method, batch.url, content=body, headers=headers)
        except httpx.TransportError as error:
            self._again(f"{batch.url} does not answer: {error}", config.retry_backoff_ms / 1000)
            raise AssertionError from error  # it never comes here: that raised
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectError(f"{batch.url} cannot be used: {error}") from error

    def _joined(self, bodies: list[bytes]) -> bytes:
        config = self._config
        if self._as_array:
            return b"[" + b",".join(bodies) + b"]"
        if config.batch_max_size == 1:
            return bodies[0]
        joined = config.batch_separator.encode().join(bodies)
        return config.batch_prefix.encode() + joined + config.batch_suffix.encode()

    def _again(self, why: str, wait_s: float) -> None:
        """Have the worker put the rest again, unless that has been tried too often."""
        self._failures += 1
        most = self._config.max_retries
        if 0 <= most < self._failures:
            raise ConnectError(f"{why} (tried {self._failures} times, max.retries={most})")
        raise Retry(why, after=wait_s)

    def _reject(self, record: SinkRecord, error: Exception) -> None:
        behavior = self._config.behavior_on_error
        if self.context.errant_record_reporter is None and behavior != "fail":
            if behavior == "log":
                logger.error("%s is left out: %s", record.place, error)
            return
        self.refuse(record, error)


def _id(record: SinkRecord) -> tuple[str | None, int | None, int | None]:
    return record.original_topic, record.original_kafka_partition, record.original_kafka_offset


class HttpSink(MessageSink):
    """As many tasks as may be."""

    settings: ClassVar[type[Any]] = HttpSinkConfig
    task: ClassVar[type[SinkTask]] = HttpSinkTask

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        look_at_auth(found)
        if found["headers.from.record"].value and (found["batch.max.size"].value or 1) > 1:
            row = found["headers.from.record"]
            row.errors.append(str(invalid(row.name, row.value, "it needs batch.max.size=1")))
        return found

    def try_out(self, config: HttpSinkConfig) -> None:
        """See whether the server can be reached; what it answers to a HEAD does not matter."""
        if any(place in config.http_api_url.split("/")[2] for place in _PLACES):
            return  # which server it is depends on the record
        url = httpx.URL(config.http_api_url).copy_with(path="/", query=None)
        with config.client() as client:
            try:
                client.head(url)
            except httpx.HTTPError as error:
                raise ConnectError(f"{url} cannot be reached: {error}") from error
