"""Batches of which a server refuses something without saying what: halved until it stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def deliver(
    rows: Sequence[T], send: Callable[[Sequence[T]], str | None], refuse: Callable[[T, str], None]
) -> None:
    """Send rows in their order; those that are refused are reported, the others go through.

    Args:
        rows: What is to be sent.
        send: Sends rows; returns why they were refused, None if they were taken.
        refuse: Is told of a row that was refused alone.
    """
    if not rows:
        return
    why = send(rows)
    if why is None:
        return
    if len(rows) == 1:
        refuse(rows[0], why)
        return
    middle = len(rows) // 2
    deliver(rows[:middle], send, refuse)
    deliver(rows[middle:], send, refuse)
