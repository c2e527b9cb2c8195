"""The options, by the names of Confluent's connector."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import httpx

from aliran.connectors.builtin.http.client import HttpOptions, check_url
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between, invalid


def _check_mapping(name: str, value: Any) -> None:
    """Check that each is `topic:index`."""
    for one in value:
        if one.count(":") != 1 or not all(one.split(":")):
            raise invalid(name, value, f"{one!r} is no topic:index")


@dataclass(frozen=True, kw_only=True)
class ElasticsearchConfig(HttpOptions):
    """Where documents go, and how."""

    connection_url: Annotated[
        str,
        Option(
            "The address of the cluster, such as https://search.example.org:9200.",
            importance=Importance.HIGH,
            validator=check_url,
        ),
    ]
    connection_username: Annotated[str | None, Option("The user.", group="Who")] = None
    connection_password: Annotated[Password | None, Option("Its password.", group="Who")] = None
    topic_to_external_resource_mapping: Annotated[
        list[str],
        Option(
            "Indexes of topics, as topic:index; others are the topic's name in lower case.",
            validator=_check_mapping,
        ),
    ] = field(default_factory=list)
    key_ignore: Annotated[
        bool,
        Option("Whether a document's id is topic+partition+offset in place of the record's key."),
    ] = False
    write_method: Annotated[
        Literal["insert", "upsert"],
        Option("insert: the whole document; upsert: its fields are merged into what is there."),
    ] = "insert"
    behavior_on_null_values: Annotated[
        Literal["ignore", "delete", "fail"],
        Option("What a record without a value does: nothing, delete the document, or fail."),
    ] = "fail"
    behavior_on_malformed_documents: Annotated[
        Literal["ignore", "warn", "fail"],
        Option("What happens to a document that is refused, where there is no dead-letter topic."),
    ] = "fail"
    batch_size: Annotated[
        int, Option("The most documents of a request.", validator=between(1, 1_000_000))
    ] = 2000
    max_retries: Annotated[
        int, Option("How often a request may fail; -1 for any number.", validator=at_least(-1))
    ] = -1
    retry_backoff_ms: Annotated[
        int, Option("The wait before it is made again.", validator=at_least(1))
    ] = 1000

    def auth(self) -> httpx.Auth | None:
        """Return what shows who asks."""
        if self.connection_username is None:
            return super().auth()
        password = self.connection_password
        return httpx.BasicAuth(self.connection_username, password.value if password else "")

    def index_of(self, topic: str) -> str:
        """Return the index of a topic's documents."""
        known = dict(one.split(":") for one in self.topic_to_external_resource_mapping)
        return known.get(topic, topic.lower())
