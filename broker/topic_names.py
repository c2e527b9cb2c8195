"""What a topic may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aliran.broker.errors import InvalidTopicError

INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state"})
"""Topics the broker keeps for itself; clients may read them but not write or delete them."""

MAX_NAME_LENGTH = 249
_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def check_topic_name(name: str) -> None:
    """Check that `name` may be a topic's name.

    Raises:
        InvalidTopicError: It may not; the message says why. Kafka: `Topic.validate`.
    """
    if not name:
        complaint = "Topic name is invalid: the empty string is not allowed"
    elif name in (".", ".."):
        complaint = 'Topic name cannot be "." or ".."'
    elif len(name) > MAX_NAME_LENGTH:
        complaint = (
            f"Topic name is invalid: the length of '{name}' is longer than the max allowed length "
            f"{MAX_NAME_LENGTH}"
        )
    elif _LEGAL_NAME.fullmatch(name) is None:
        complaint = (
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'"
        )
    else:
        return
    raise InvalidTopicError(complaint)


def colliding_name(name: str, others: Iterable[str]) -> str | None:
    """Return the name among `others` that differs from `name` in '.' and '_' only, or None.

    Kafka: `Topic.hasCollision`.
    """
    if "." not in name and "_" not in name:
        return None
    metric_name = name.replace(".", "_")
    return next((other for other in others if other.replace(".", "_") == metric_name), None)
