"""From librdkafka's messages to columns."""

from __future__ import annotations

from typing import Any, TypeAlias

from confluent_kafka import Message

from aliran.core.types import Columns

Messages: TypeAlias = list["Message[bytes, bytes]"]


def to_columns(messages: Messages) -> list[Columns]:
    """Return `messages`, none of which is an error, as one `Columns` a partition."""
    places: list[Any] = [  # pairs of str and int, since these messages are records
        (message.topic(), message.partition()) for message in messages
    ]
    if len(set(places)) == 1:
        return [_as_columns(places[0], messages)]
    groups: dict[tuple[str, int], Messages] = {}
    for place, message in zip(places, messages, strict=True):
        groups.setdefault(place, []).append(message)
    return [_as_columns(place, group) for place, group in groups.items()]


def _as_columns(place: tuple[str, int], messages: Messages) -> Columns:
    offsets: Any = [message.offset() for message in messages]
    if offsets[-1] - offsets[0] + 1 == len(offsets):
        offsets = range(offsets[0], offsets[-1] + 1)
    headers: list[Any] = [message.headers() for message in messages]
    return Columns(
        *place,
        offsets,
        [message.key() for message in messages],
        [message.value() for message in messages],
        [message.timestamp()[1] for message in messages],
        [pairs or [] for pairs in headers] if any(headers) else None,
    )


def before(columns: Columns, end: int) -> Columns:
    """Return the records whose offset lies before `end`."""
    count = len(columns)
    while count and columns.offsets[count - 1] >= end:
        count -= 1
    if count == len(columns):
        return columns
    return Columns(
        columns.topic,
        columns.partition,
        columns.offsets[:count],
        columns.keys[:count],
        columns.values[:count],
        columns.timestamps[:count],
        None if columns.headers is None else columns.headers[:count],
    )
