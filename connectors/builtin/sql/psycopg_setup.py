"""What new connections of psycopg are told; this module alone imports it."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.string import TextLoader

_AS_TEXT = (
    "json", "jsonb", "uuid", "inet", "cidr", "interval", "timetz",
    "int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange",
)  # fmt: skip


class _Cursor(psycopg.ServerCursor[Any]):
    """A server's cursor that may be forgotten: SQLAlchemy leaves those open that are lost."""

    def __del__(self, *_: Any) -> None:
        """Say nothing."""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Have what is written as text read as text, in PostgreSQL's own form."""
    connection.server_cursor_factory = _Cursor
    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)
