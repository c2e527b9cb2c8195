"""The options of `HttpSink`. Names: Confluent's `HttpSinkConnector`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.builtin.http.client import HttpOptions, check_url, headers_in
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, invalid, one_of


def _check_codes(name: str, value: Any) -> None:
    try:
        Codes(value)
    except ValueError:
        raise invalid(
            name, value, "codes such as 429, ranges such as 500-599 or 500-, or !404"
        ) from None


class Codes:
    """Which statuses are meant: `408,429,500-599,!501`.

    Args:
        texts: Codes, ranges (an open one ends at 599), and with ! what is not meant.

    Raises:
        ValueError: One is none of these.
    """

    def __init__(self, texts: list[str]) -> None:
        self._codes: set[int] = set()
        for text in sorted(texts, key=lambda one: one.startswith("!")):
            low, dash, high = text.removeprefix("!").partition("-")
            numbers = range(int(low), int(high or 599 if dash else low) + 1)
            if text.startswith("!"):
                self._codes.difference_update(numbers)
            else:
                self._codes.update(numbers)

    def __contains__(self, status: int) -> bool:
        return status in self._codes


@dataclass(frozen=True, kw_only=True)
class HttpSinkConfig(HttpOptions):
    """The options."""

    http_api_url: Annotated[
        str,
        Option(
            "The address; ${topic}, ${key} and ${partition} stand for the record's.",
            importance=Importance.HIGH, validator=check_url,
        ),
    ]  # fmt: skip
    request_method: Annotated[
        str,
        Option("The method.", validator=one_of("POST", "PUT", "PATCH", "DELETE", ignore_case=True)),
    ] = "POST"
    headers: Annotated[str, Option("Headers, `Name:value`, parted by header.separator.")] = ""
    header_separator: Annotated[str, Option("What parts headers.")] = "|"
    headers_from_record: Annotated[
        list[str], Option("Headers of a record that are sent with it (batch.max.size=1).")
    ] = field(default_factory=list)
    request_body_format: Annotated[
        Literal["string", "json"],
        Option("string: texts and bytes as they are, anything else as JSON; json: all as JSON."),
    ] = "string"
    batch_max_size: Annotated[
        int,
        Option("The most records of a request.", importance=Importance.HIGH,
               validator=at_least(1)),
    ] = 1  # fmt: skip
    batch_prefix: Annotated[str, Option("What stands before the records of a batch.")] = ""
    batch_suffix: Annotated[str, Option("What stands behind the records of a batch.")] = ""
    batch_separator: Annotated[str, Option("What stands between two records.")] = ","
    batch_json_as_array: Annotated[
        bool,
        Option("With request.body.format=json and batch.max.size > 1 a body is a JSON array."),
    ] = True
    retry_on_status_codes: Annotated[
        list[str],
        Option(
            "Statuses after which the same request is sent again; others from 400 on are the "
            "fault of a record. Confluent's default is 400-.",
            validator=_check_codes,
        ),
    ] = field(default_factory=lambda: ["408", "425", "429", "500-599"])
    max_retries: Annotated[
        int,
        Option(
            "How often a request is sent again before it is an error; -1 for ever. Confluent's "
            "default is 10.",
            validator=at_least(-1),
        ),
    ] = -1
    retry_backoff_ms: Annotated[
        int,
        Option(
            "How long to wait before that, where the server does not say (Retry-After).",
            validator=at_least(0),
        ),
    ] = 3000
    behavior_on_null_values: Annotated[
        Literal["ignore", "delete", "fail", "send"],
        Option("A record without a value: nothing, a DELETE, an error, or an empty body."),
    ] = "ignore"
    behavior_on_error: Annotated[
        Literal["fail", "ignore", "log"],
        Option(
            "A record that is refused, where there is no dead-letter topic: the task fails, or "
            "the record is left out."
        ),
    ] = "fail"

    def fixed_headers(self) -> dict[str, str]:
        """Return the headers of every request."""
        return headers_in(self.headers.split(self.header_separator))
