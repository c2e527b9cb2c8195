"""The options of `HttpSource`. Names: castorm's `HttpSourceConnector`, where it has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.http.client import (
    HttpOptions,
    check_headers,
    check_pairs,
    check_url,
    pairs_in,
)
from aliran.connectors.config.definition import ConfigValue, Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, invalid, not_empty
from aliran.connectors.errors import ConfigError

_PLACE = re.compile(r"\$\{(?:offset\.)?([\w-]+)\}")
TEMPLATES = ("http.request.url", "http.request.params", "http.request.body", "http.request.headers")


@dataclass(frozen=True, kw_only=True)
class HttpSourceConfig(HttpOptions):
    """The options."""

    kafka_topic: Annotated[
        str,
        Option("The topic for the records.", importance=Importance.HIGH, validator=not_empty),
    ]
    http_request_url: Annotated[
        str,
        Option(
            "The address. In it, in parameters, headers and body, ${offset.NAME} stands for a "
            "field of the offset.",
            importance=Importance.HIGH, validator=check_url,
        ),
    ]  # fmt: skip
    http_request_method: Annotated[str, Option("The method.")] = "GET"
    http_request_headers: Annotated[
        list[str], Option("Headers, `Name: value` each.", validator=check_headers)
    ] = field(default_factory=list)
    http_request_params: Annotated[
        str, Option("Parameters that are added to the address: name=value&name=value.")
    ] = ""
    http_request_body: Annotated[str | None, Option("The body.")] = None
    http_timer_interval_millis: Annotated[
        int, Option("How long to wait between two rounds of requests.", validator=at_least(0))
    ] = 60_000
    http_response_list_pointer: Annotated[
        str,
        Option("JSON pointer to the list of records, such as /data/items; empty for all of it."),
    ] = ""
    http_response_record_pointer: Annotated[
        str, Option("JSON pointer within an item to the record's value; empty for all of it.")
    ] = ""
    http_response_record_key_pointer: Annotated[
        str | None, Option("JSON pointer within an item to the record's key.")
    ] = None
    http_response_record_timestamp_pointer: Annotated[
        str | None,
        Option("JSON pointer within an item to its time: milliseconds, or ISO 8601."),
    ] = None
    http_response_record_offset_pointer: Annotated[
        list[str],
        Option(
            "Fields of the offset, such as since=/updated_at: the last item's are what "
            "${offset.since} stands for in the next round. Items that were read with the same "
            "fields and are the same are left out.",
            importance=Importance.HIGH, validator=check_pairs,
        ),
    ] = field(default_factory=list)  # fmt: skip
    http_offset_initial: Annotated[
        list[str],
        Option("Fields of the offset for the first round, name=value.", validator=check_pairs),
    ] = field(default_factory=list)
    http_pagination: Annotated[
        Literal["none", "link", "page", "offset", "cursor"],
        Option(
            "How the next page is found: link: the header Link (rel=next), or the address that "
            "http.pagination.next.pointer finds; page, offset: a parameter that counts pages or "
            "items; cursor: a parameter with what http.pagination.next.pointer finds.",
            group="Pages",
        ),
    ] = "none"  # fmt: skip
    http_pagination_next_pointer: Annotated[
        str | None,
        Option("JSON pointer to the next page's address or cursor.", group="Pages"),
    ] = None
    http_pagination_parameter: Annotated[
        str | None,
        Option("The parameter's name; page, offset or cursor if none is given.", group="Pages"),
    ] = None
    http_pagination_start: Annotated[
        int | None, Option("The first page (1 if not given) or offset (0).", group="Pages")
    ] = None
    http_pagination_size: Annotated[
        int | None,
        Option("Items of a full page: a shorter one is the last.", group="Pages"),
    ] = None
    http_pagination_size_parameter: Annotated[
        str | None, Option("The parameter that asks for that size.", group="Pages")
    ] = None
    http_pagination_max_pages: Annotated[
        int, Option("The most pages of one round.", validator=at_least(1), group="Pages")
    ] = 100_000
    http_etag_enabled: Annotated[
        bool, Option("Ask with If-None-Match and If-Modified-Since whether anything is new.")
    ] = True
    retry_backoff_ms: Annotated[
        int,
        Option(
            "How long to wait after 408, 425, 429, 5xx or no answer, where the server does not "
            "say (Retry-After).",
            validator=at_least(0),
        ),
    ] = 3000


def expand(template: str, fields: Mapping[str, Any]) -> str:
    """Return a text with fields of the offset in place of `${offset.NAME}`."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in fields:
            raise ConfigError(
                f"{found[0]} in {template!r}: no such field; set it in http.offset.initial"
            )
        return str(fields[found[1]])

    return _PLACE.sub(value, template)


def look_at_pages(found: dict[str, ConfigValue]) -> None:
    """Note options that do not fit each other."""

    def blame(name: str, why: str) -> None:
        found[name].errors.append(str(invalid(name, found[name].value, why)))

    pages, pointer = found["http.pagination"].value, "http.pagination.next.pointer"
    if pages == "cursor" and not found[pointer].value:
        blame(pointer, "it is needed for http.pagination=cursor")
    if pages in {"none", "page", "offset"} and found[pointer].value:
        blame(pointer, f"it does nothing for http.pagination={pages}")
    initial = pairs_in(found["http.offset.initial"].value or [])
    for name in TEMPLATES:
        text = found[name].value or ""
        text = ",".join(text) if isinstance(text, list) else text
        missing = sorted(set(_PLACE.findall(text)) - set(initial))
        if missing:
            blame(name, f"http.offset.initial must say what {', '.join(missing)} is at first")
