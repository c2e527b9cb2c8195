"""`HttpSource`: asks an address again and again; items of its JSON answers become records.

An offset is the fields of the last item (`http.response.record.offset.pointer`) and, within a round
of several pages, the page. A round that was cut short goes on at the page it had come to.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.http.client import (
    headers_in,
    look_at_auth,
    pairs_in,
    retry_after,
    told_by,
)
from aliran.connectors.builtin.http.polling_config import HttpSourceConfig, expand, look_at_pages
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.messaging.values import at_pointer, milliseconds, plain_key
from aliran.connectors.records import SourceRecord

OWN = "aliran"
"""What an offset says beside the fields: the page, the last items, the ETag."""
_LATER = {408, 425, 429, 500, 502, 503, 504}
_MOST_SEEN = 10_000
_MISSING = object()


@dataclass(slots=True)
class _Progress:
    """How far it has come.

    Attributes:
        fields: Those of the last item.
        since: Those that this round asks with.
        at: The page, None for the first.
        seen: Items with the same fields as the last one, by their hash.
        tags: The address, ETag and Last-Modified of the last whole answer.
    """

    fields: dict[str, Any]
    since: dict[str, Any]
    at: Any = None
    seen: dict[str, None] = field(default_factory=dict)
    tags: list[str | None] | None = None

    def offset(self) -> dict[str, Any]:
        """Return what is stored within a page; after a crash it is read again from there."""
        return {**self.fields, OWN: json.dumps({"since": self.since, "at": self.at})}

    def end_of_page(self, following: Any) -> dict[str, Any]:
        """Return what is stored behind a page; `following` is None at the end of a round."""
        own: dict[str, Any] = {"seen": list(self.seen), "tags": self.tags}
        if following is not None:
            own = {"seen": own["seen"], "since": self.since, "at": following}
        return {**self.fields, OWN: json.dumps(own)}


class Pages:
    """Makes requests, and understands answers.

    Args:
        config: The options.
    """

    def __init__(self, config: HttpSourceConfig) -> None:
        self._config = config
        self._client = config.client()
        self._pointers = pairs_in(config.http_response_record_offset_pointer)

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def ask(
        self, since: Mapping[str, Any], at: Any, tags: Sequence[str | None] | None
    ) -> httpx.Response:
        """Return the answer for a page.

        Raises:
            Retry: There is none now.
            ConnectError: The server refuses.
        """
        config = self._config
        url = expand(config.http_request_url, since)
        params = httpx.QueryParams(expand(config.http_request_params, since))
        if config.http_pagination == "link" and at is not None:
            url, params = str(httpx.URL(url).join(at)), httpx.QueryParams()
        elif config.http_pagination in {"page", "offset", "cursor"}:
            position = self.first if at is None else at
            if position is not None:
                name = config.http_pagination_parameter or config.http_pagination
                params = params.set(name, position)
            if config.http_pagination_size_parameter is not None:
                params = params.set(
                    config.http_pagination_size_parameter, config.http_pagination_size or 100
                )
        headers = {
            name: expand(value, since)
            for name, value in headers_in(config.http_request_headers).items()
        }
        target = httpx.URL(url)
        target = target.copy_with(params=target.params.merge(params)) if params else target
        if tags is not None and tags[0] == str(target):
            known = zip(("If-None-Match", "If-Modified-Since"), tags[1:], strict=True)
            headers |= {name: value for name, value in known if value}
        body = config.http_request_body
        return self._send(target, headers, None if body is None else expand(body, since))

    def _send(self, url: httpx.URL, headers: dict[str, str], body: str | None) -> httpx.Response:
        config = self._config
        backoff = config.retry_backoff_ms / 1000
        try:
            response = self._client.request(
                config.http_request_method.upper(), url, headers=headers, content=body
            )
        except httpx.TransportError as error:
            raise Retry(
                f"{url.copy_with(query=None)} does not answer: {error}", after=backoff
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectError(f"{url.copy_with(query=None)} cannot be read: {error}") from error
        if response.status_code in _LATER or response.status_code >= 500:
            raise Retry(told_by(response), after=retry_after(response, backoff))
        if response.status_code != 304 and not response.is_success:
            raise ConnectError(told_by(response))
        return response

    @property
    def first(self) -> int | None:
        """The first page or offset, None for cursors."""
        start = self._config.http_pagination_start
        default = {"page": 1, "offset": 0}.get(self._config.http_pagination)
        return default if start is None else start

    def items(self, response: httpx.Response) -> tuple[Any, list[Any]]:
        """Return the body and its items.

        Raises:
            DataError: They cannot be found.
        """
        if response.status_code == 204 or not response.content:
            return None, []
        where = response.request.url.copy_with(query=None)
        try:
            body = response.json()
        except ValueError as error:
            raise DataError(
                f"{where} answers no JSON: {error} in {response.text[:64]!r}"
            ) from error
        pointer = self._config.http_response_list_pointer
        found = at_pointer(body, pointer, _MISSING)
        if found is _MISSING:
            raise DataError(
                f"{where}: nothing is at http.response.list.pointer={pointer} of the answer "
                f"{response.text[:100]!r}"
            )
        if found is None:
            return body, []
        return body, found if isinstance(found, list) else [found]

    def after(self, at: Any, response: httpx.Response, body: Any, count: int) -> Any:
        """Return where the next page is, None if there is none."""
        config = self._config
        kind, pointer = config.http_pagination, config.http_pagination_next_pointer
        if kind in {"link", "cursor"}:
            found = response.links.get("next", {}).get("url") if kind == "link" else None
            if pointer is not None:
                found = at_pointer(body, pointer)
            return None if found in (None, "", at) else found
        size = config.http_pagination_size
        if kind == "none" or not count or (size is not None and count < size):
            return None
        here: int = (self.first or 0) if at is None else at
        return here + (1 if kind == "page" else count)

    def fields(self, item: Any) -> dict[str, Any]:
        """Return the fields of the offset behind an item."""
        found = {}
        for name, pointer in self._pointers.items():
            found[name] = at_pointer(item, pointer, _MISSING)
            if found[name] is _MISSING or isinstance(found[name], (dict, list)):
                raise DataError(
                    f"{self._config.http_request_url}: no text or number is at {pointer}, which is "
                    f"to be the offset's field {name}, in {json.dumps(item)[:100]}"
                )
        return found


class HttpSourceTask(SourceTask):
    """Asks a page at a time."""

    def start(self, props: Mapping[str, str]) -> None:
        """Find out how far earlier runs have come."""
        self._config = config = instance_of(HttpSourceConfig, props)
        self._stopping = threading.Event()
        self._pages = Pages(config)
        self._partition = {"endpoint": config.http_request_url}
        stored = self.context.offset_storage_reader.offset(self._partition) or {}
        own = json.loads(stored.pop(OWN, "{}"))
        fields = {**pairs_in(config.http_offset_initial), **stored}
        self._state = _Progress(
            fields, own.get("since", fields), own.get("at"),
            dict.fromkeys(own.get("seen", ())), own.get("tags"),
        )  # fmt: skip
        self._number = 0
        self._next_round = 0.0

    def poll(self) -> list[SourceRecord] | None:
        """Return the records of the next page, or wait a moment if it is not time."""
        wait = self._next_round - time.monotonic()
        if wait > 0:
            self._stopping.wait(min(wait, 0.5))
            return None
        state = self._state
        tags = state.tags if self._config.http_etag_enabled and state.at is None else None
        response = self._pages.ask(state.since, state.at, tags)
        if response.status_code == 304:
            self._end_round()
            return None
        body, items = self._pages.items(response)
        following = self._pages.after(state.at, response, body, len(items))
        self._number += 1
        last = following is None or self._number >= self._config.http_pagination_max_pages
        if last:
            headers = response.headers
            state.tags = None
            if state.at is None and ("ETag" in headers or "Last-Modified" in headers):
                asked = response.history[0] if response.history else response
                state.tags = [str(asked.request.url), headers.get("ETag"),
                              headers.get("Last-Modified")]  # fmt: skip
        records = self._records(items, None if last else following)
        state.at = following
        if last:
            self._end_round()
        return records

    def _end_round(self) -> None:
        self._state.at = None
        self._state.since = dict(self._state.fields)
        self._number = 0
        self._next_round = time.monotonic() + self._config.http_timer_interval_millis / 1000

    def _records(self, items: list[Any], following: Any) -> list[SourceRecord]:
        config, state = self._config, self._state
        incremental = bool(config.http_response_record_offset_pointer)
        kept = []
        for item in items:
            fields = self._pages.fields(item)
            if incremental:
                digest = _digest(item)
                if any(state.fields.get(name) != value for name, value in fields.items()):
                    state.seen = {}
                elif digest in state.seen:
                    continue  # read before: the server gives items from an offset on, it included
                state.seen[digest] = None
                if len(state.seen) > _MOST_SEEN:
                    del state.seen[next(iter(state.seen))]
                state.fields = {**state.fields, **fields}
            kept.append((item, state.offset()))
        if kept:
            kept[-1] = kept[-1][0], state.end_of_page(following)
        return [self._record(item, offset) for item, offset in kept]

    def _record(self, item: Any, offset: dict[str, Any]) -> SourceRecord:
        config = self._config
        key, moment = plain_key(None), None
        if config.http_response_record_key_pointer is not None:
            key = plain_key(at_pointer(item, config.http_response_record_key_pointer))
        if config.http_response_record_timestamp_pointer is not None:
            moment = milliseconds(at_pointer(item, config.http_response_record_timestamp_pointer))
        return SourceRecord(
            topic=config.kafka_topic,
            key_schema=key.schema,
            key=key.value,
            value=at_pointer(item, config.http_response_record_pointer),
            timestamp=moment,
            source_partition=self._partition,
            source_offset=offset,
        )

    def stop(self) -> None:
        """Let `poll` return."""
        if hasattr(self, "_stopping"):
            self._stopping.set()

    def close(self) -> None:
        """Close connections."""
        if hasattr(self, "_pages"):
            self._pages.close()


def _digest(item: Any) -> str:
    text = json.dumps(item, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.blake2b(text, digest_size=9).hexdigest()


class HttpSource(MessageSource):
    """One address, one task."""

    settings: ClassVar[type[Any]] = HttpSourceConfig
    task: ClassVar[type[SourceTask]] = HttpSourceTask

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        look_at_auth(found)
        look_at_pages(found)
        return found

    def try_out(self, config: HttpSourceConfig) -> None:
        """Ask for the first page."""
        pages = Pages(config)
        try:
            response = pages.ask(pairs_in(config.http_offset_initial), None, None)
            _, items = pages.items(response)
            for item in items[:1]:
                pages.fields(item)
        finally:
            pages.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that offsets are fields with plain values."""
        for partition, offset in offsets:
            if set(partition) != {"endpoint"}:
                raise ConnectError(f"the partition must be {{'endpoint': URL}}: {partition}")
            for name, value in (offset or {}).items():
                if name != OWN and not isinstance(value, (str, int, float)):
                    raise ConnectError(f"the field {name} must be a text or a number: {value!r}")
        return True
