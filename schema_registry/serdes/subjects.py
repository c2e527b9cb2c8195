"""Under which subject a schema is registered. Confluent: the subject name strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from aliran.core.errors import ConfigError
from aliran.schema_registry.client.errors import RegistryAnswerError
from aliran.schema_registry.client.synchronous import SchemaRegistryClient

SubjectStrategy: TypeAlias = (
    Literal["topic", "record", "topic_record", "associated"]
    | Callable[[str, bool, str | None], str]
)
"""`topic`: `orders-value`. `record`: the full name of the schema's type. `topic_record`: both.
`associated`: what the registry binds to the topic, else as `topic`. Or
`subject(topic, is_key, record_name)`.
"""


def subject_name(
    strategy: SubjectStrategy,
    topic: str | None,
    record: str | None,
    *,
    is_key: bool,
    client: SchemaRegistryClient,
) -> str:
    """Return the subject of a schema.

    Raises:
        ConfigError: The strategy needs a topic or a name, and there is none.
    """
    if strategy == "record":
        return _needed(record, "record", "a schema with a name: an Avro record, a title, a message")
    known = _needed(topic, str(strategy), "a topic: serde.for_topic('orders', is_key=False)")
    if callable(strategy):
        return strategy(known, is_key, record)
    if strategy == "topic_record":
        return f"{known}-{_needed(record, strategy, 'a schema with a name')}"
    if strategy == "associated":
        found = _associated(client, known, is_key=is_key)
        if found is not None:
            return found
    elif strategy != "topic":
        raise ConfigError(
            f"there is no subject strategy {strategy!r}: topic, record, topic_record, associated, "
            "or a function (topic, is_key, record name) -> subject"
        )
    return f"{known}-{'key' if is_key else 'value'}"


def _needed(found: str | None, strategy: str, what: str) -> str:
    if not found:
        raise ConfigError(f"the subject strategy {strategy!r} needs {what}")
    return found


def _associated(client: SchemaRegistryClient, topic: str, *, is_key: bool) -> str | None:
    try:
        found = client.associated_subjects(topic)
    except RegistryAnswerError as error:
        if error.status == 404:  # older registries have no associations at all
            return None
        raise
    kind = "key" if is_key else "value"
    subjects = [each["subject"] for each in found if each.get("associationType") == kind]
    return str(subjects[0]) if subjects else None
