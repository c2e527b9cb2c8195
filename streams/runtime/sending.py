"""Hands what tasks produced to the transport, and what it refuses to the production handler."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol

from aliran.clients.transport import Transport
from aliran.core.errors import AliranError
from aliran.core.types import Columns
from aliran.protocol.errors import ProtocolError
from aliran.streams.errors import ProcessingError
from aliran.streams.handlers import Result
from aliran.streams.runtime.task import StreamTask

logger: logging.Logger = logging.getLogger("aliran.streams")

_REFUSED_AT_ONCE = 1_000
"""Records sent at once where errors are handled: transports take or refuse so many together."""


class Sender(Protocol):
    """The half of a transport that takes records."""

    def send(self, columns: Columns) -> None:
        """Write records to a partition, or refuse them all."""


def send(transport: Sender, task: StreamTask, columns: Columns) -> None:
    """Send records of a task; the production handler, if there is one, decides on those refused.

    A cluster refuses records only after they were sent; such errors come out of the transport's
    `flush` and stop the application.

    Raises:
        ProcessingError: A serde gave what cannot be written.
    """
    try:
        _send(transport, task, columns)
    except ProtocolError as error:
        raise ProcessingError(
            f"cannot write to {columns.topic}-{columns.partition}: {error} (task {task.id}); look "
            "at the serdes and the processors of yours in front of it"
        ) from error


def _send(transport: Sender, task: StreamTask, columns: Columns) -> None:
    if not task.errors.guards_sinks:
        transport.send(columns)
        return
    for start in range(0, len(columns), _REFUSED_AT_ONCE):
        part = _slice(columns, start, start + _REFUSED_AT_ONCE)
        try:
            transport.send(part)
        except AliranError:  # none of them were written
            for index in range(len(part)):
                _send_one(transport, task, _slice(part, index, index + 1))


def _send_one(transport: Sender, task: StreamTask, columns: Columns) -> None:
    while True:
        try:
            transport.send(columns)
        except AliranError as error:
            result = task.errors.refused(columns, 0, error)
            if result is Result.RETRY:
                continue
            if result is Result.FAIL:
                raise
        return


def send_dead_letters(transport: Transport, tasks: Iterable[StreamTask]) -> None:
    """Write what handlers left before they stopped the application."""
    try:
        found = False
        for task in tasks:
            for columns in task.errors.drain():  # whose lists are emptied behind each
                transport.send(columns)
                found = True
        if found:
            transport.flush()
    except AliranError as error:
        logger.warning("could not write dead letters: %s", error)


def _slice(columns: Columns, start: int, end: int) -> Columns:
    headers = columns.headers
    return Columns(
        columns.topic,
        columns.partition,
        (),
        columns.keys[start:end],
        columns.values[start:end],
        columns.timestamps[start:end],
        None if headers is None else headers[start:end],
    )
