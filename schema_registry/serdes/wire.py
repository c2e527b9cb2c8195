"""How data says which schema it was written with: a prefix, or a header of the record.

Confluent: `PrefixSchemaIdSerializer`, `HeaderSchemaIdSerializer`.

| where | bytes |
|---|---|
| in front of the data | 0, the id in four bytes |
| header `__key_schema_id` or `__value_schema_id` | 1, the GUID in 16 bytes; or 0, the id |
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aliran.serdes.errors import SerializationError

PREFIX_LENGTH = 5
KEY_HEADER = "__key_schema_id"
VALUE_HEADER = "__value_schema_id"

_SHOWN = 20


def prefix(schema_id: int) -> bytes:
    """Return what stands in front of data."""
    return b"\0" + schema_id.to_bytes(4, "big")


def schema_id_of(serde: str, data: bytes) -> int:
    """Return the id of the schema that data was written with.

    Raises:
        SerializationError: There is none in front of it.
    """
    if len(data) < PREFIX_LENGTH or data[0] != 0:
        raise SerializationError(
            f"{serde} reads data of a schema registry, which begins with a zero byte and the id of "
            f"a schema; this begins with {bytes(data[:_SHOWN])!r} ({len(data)} bytes). It was "
            "written by another serializer: read it with that one's serde"
        )
    return int.from_bytes(data[1:PREFIX_LENGTH], "big")


def header(guid: str, *, is_key: bool) -> tuple[str, bytes]:
    """Return the header that names a schema by its GUID."""
    return (KEY_HEADER if is_key else VALUE_HEADER, b"\1" + UUID(guid).bytes)


def from_headers(headers: Iterable[tuple[str, bytes | None]], *, is_key: bool) -> str | int | None:
    """Return the GUID (a text) or the id (a number) in a record's headers, None for neither."""
    wanted = KEY_HEADER if is_key else VALUE_HEADER
    for name, value in headers:
        if name == wanted and value:
            if value[0] == 1 and len(value) == 17:
                return str(UUID(bytes=bytes(value[1:])))
            if value[0] == 0 and len(value) == PREFIX_LENGTH:
                return int.from_bytes(value[1:], "big")
    return None
