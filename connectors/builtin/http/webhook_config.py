"""The options of `WebhookSource`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between, invalid


def _check_paths(name: str, value: Any) -> None:
    for one in value:
        path, _, topic = one.rpartition(":")
        if not path.startswith("/") or not topic or "*" in path[:-1]:
            raise invalid(
                name, value, "each must be /path:topic; a path may end with *, which the topic "
                "may have, too",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WebhookConfig:
    """The options."""

    port: Annotated[
        int,
        Option("The port to listen on.", importance=Importance.HIGH, validator=between(0, 65535)),
    ]
    host: Annotated[
        str, Option("The address to listen on; 0.0.0.0 for all.", importance=Importance.HIGH)
    ] = "127.0.0.1"
    topic: Annotated[
        str | None,
        Option("The topic for paths that path.topics does not name.", importance=Importance.HIGH),
    ] = None
    path_topics: Annotated[
        list[str],
        Option(
            "Topics by path, such as /orders:orders,/hooks/*:hooks-*; the first that fits counts. "
            "Others go to topic, or are answered with 404.",
            validator=_check_paths,
        ),
    ] = field(default_factory=list)
    value_format: Annotated[
        Literal["json", "string", "bytes"],
        Option("What a body is: JSON (else the answer is 400), a text, or bytes."),
    ] = "json"
    body_split: Annotated[
        Literal["none", "array", "lines"],
        Option(
            "Whether a body is one record, a JSON array of records, or a record a line. One that "
            "is no array is one record."
        ),
    ] = "none"
    key_pointer: Annotated[
        str | None, Option("JSON pointer to the key within a record, such as /id.")
    ] = None
    key_header: Annotated[str | None, Option("The header that holds the key.")] = None
    headers_include: Annotated[
        list[str], Option("Headers of a request that become headers of its records.")
    ] = field(default_factory=list)
    headers_request: Annotated[
        bool, Option("Add the headers http.method, http.path and http.query.")
    ] = False
    secret: Annotated[
        Password | None,
        Option("A secret that each request must bring.", importance=Importance.HIGH, group="Who"),
    ] = None
    secret_header: Annotated[
        str,
        Option("The header that brings it; in Authorization behind Bearer.", group="Who"),
    ] = "Authorization"
    signature_secret: Annotated[
        Password | None,
        Option(
            "The key of an HMAC of the body that each request must bring.",
            importance=Importance.HIGH, group="Who",
        ),
    ] = None  # fmt: skip
    signature_header: Annotated[str, Option("The header with the HMAC.", group="Who")] = (
        "X-Hub-Signature-256"
    )
    signature_algorithm: Annotated[
        Literal["sha256", "sha512", "sha1"], Option("The hash of the HMAC.", group="Who")
    ] = "sha256"
    signature_encoding: Annotated[
        Literal["hex", "base64"],
        Option("How it is written; `sha256=` may stand before it.", group="Who"),
    ] = "hex"
    max_body_bytes: Annotated[
        int, Option("Longer bodies are answered with 413.", validator=at_least(1), group="Limits")
    ] = 1 << 20
    max_waiting_requests: Annotated[
        int,
        Option(
            "When so many requests wait for Kafka, further ones are answered with busy.status.",
            validator=at_least(1), group="Limits",
        ),
    ] = 1000  # fmt: skip
    busy_status: Annotated[
        int,
        Option("503, or 429 for callers that know it better.", validator=between(429, 503),
               group="Limits"),
    ] = 503  # fmt: skip
    acknowledge_timeout_ms: Annotated[
        int,
        Option(
            "A request that Kafka has not acknowledged by then is answered with 503; its records "
            "may be written all the same.",
            validator=at_least(1), group="Limits",
        ),
    ] = 30_000  # fmt: skip
    ssl_certificate: Annotated[
        str | None, Option("Certificate chain in PEM; with it HTTPS is spoken.")
    ] = None
    ssl_key: Annotated[
        str | None, Option("Its private key, where the certificate's file does not hold it.")
    ] = None


class Routes:
    """Finds the topic of a path.

    Args:
        config: The options.
    """

    def __init__(self, config: WebhookConfig) -> None:
        self._exact: Mapping[str, str] = {}
        self._rest = config.topic
        rows = [one.rpartition(":")[::2] for one in config.path_topics]
        self._exact = {path: topic for path, topic in reversed(rows) if "*" not in path}
        self._prefixes = [(path[:-1], topic) for path, topic in rows if path.endswith("*")]

    def topic(self, path: str) -> str | None:
        """Return it, None for none."""
        if path in self._exact:
            return self._exact[path]
        for prefix, topic in self._prefixes:
            if path.startswith(prefix) and len(path) > len(prefix):
                return topic.replace("*", path[len(prefix) :].strip("/").replace("/", "."))
        return self._rest
