"""What a record may hold: asked before other means write it, and when it cannot be encoded."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType

from aliran.core.types import MAX_TIMESTAMP, Columns
from aliran.protocol.errors import ProtocolError

_PLAIN_TYPES = {bytes, NoneType}


def check_records(columns: Columns) -> None:
    """Refuse what `encode_batch` would refuse, for those who write by other means.

    Raises:
        ProtocolError: A record holds what cannot be encoded; it is named.
    """
    if (
        {*map(type, columns.keys), *map(type, columns.values)} <= _PLAIN_TYPES
        and set(map(type, columns.timestamps)) <= {int}
        and (columns.headers is None or all(map(are_headers, columns.headers)))
        and _fits(min(columns.timestamps, default=0))
        and _fits(max(columns.timestamps, default=0))
    ):
        return
    fault = _fault(columns.keys, columns.values, columns.timestamps, columns.headers)
    if fault is not None:
        raise fault


def unencodable(
    keys: Sequence[object],
    values: Sequence[object],
    timestamps: Sequence[object],
    headers: Sequence[object] | None,
    error: Exception,
) -> ProtocolError:
    """Return an error that names the first record at fault, or tells of `error`."""
    fault = _fault(keys, values, timestamps, headers)
    return fault or ProtocolError(f"the records cannot be encoded: {error}")


def _fault(
    keys: Sequence[object],
    values: Sequence[object],
    timestamps: Sequence[object],
    headers: Sequence[object] | None,
) -> ProtocolError | None:
    for row, (key, value, timestamp) in enumerate(zip(keys, values, timestamps, strict=True)):
        for what, data in (("key", key), ("value", value)):
            if not (data is None or isinstance(data, bytes | bytearray | memoryview)):
                return ProtocolError(
                    f"record {row} has a {what} of type {type(data).__name__}, not bytes or None: "
                    "serialise it first"
                )
        if not isinstance(timestamp, int) or not _fits(timestamp):
            return ProtocolError(
                f"record {row} has the timestamp {timestamp!r}: give whole milliseconds since the "
                "epoch that fit 64 bits"
            )
        if headers is not None and not are_headers(headers[row]):
            return ProtocolError(
                f"record {row} has the headers {headers[row]!r}: give a list of "
                "(str, bytes or None) tuples"
            )
    return None


def _fits(timestamp: int) -> bool:
    return -MAX_TIMESTAMP - 1 <= timestamp <= MAX_TIMESTAMP


def are_headers(headers: object) -> bool:
    """Return whether these are headers of a record: tuples of a text and bytes or None."""
    return isinstance(headers, Sequence) and all(
        isinstance(header, tuple)
        and len(header) == 2
        and isinstance(header[0], str)
        and (header[1] is None or isinstance(header[1], bytes))
        for header in headers
    )
