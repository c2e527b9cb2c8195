"""Source partitions and offsets, of the form that Confluent's connector gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aliran.connectors.errors import ConnectError, DataError

QUERY_PARTITION = {"query": "query"}
"""The source partition of a query."""

_OFFSETS = {"incrementing", "timestamp", "timestamp_nanos"}


def partition_of(schema: str | None, table: str, *, bulk: bool) -> dict[str, str]:
    """Return the source partition of a table."""
    if bulk:
        return {"table": table}
    return {"protocol": "1", "table": f"{schema}.{table}" if schema else table}


def number_of(value: Any, name: str) -> int:
    """Return the number of a row as offsets have it.

    Args:
        value: What the column of `name` holds.
        name: The table, for messages.

    Raises:
        DataError: It is no whole number.
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        raise DataError(
            f"the incrementing column of {name} has the value {value!r}, which is no whole number"
        ) from None


def check_offsets(
    offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
) -> None:
    """Check partitions and offsets that a user wants to set.

    Raises:
        ConnectError: They are not of the form that the source writes.
    """
    for partition, offset in offsets:
        if set(partition) not in ({"protocol", "table"}, {"table"}, set(QUERY_PARTITION)):
            raise ConnectError(
                f"the partition {dict(partition)} is not of the form "
                f"{partition_of('schema', 'table', bulk=False)} or {QUERY_PARTITION}"
            )
        for name, value in (offset or {}).items():
            if name not in _OFFSETS or type(value) is not int:
                raise ConnectError(
                    f"the offset {dict(offset or {})} is not of whole numbers for "
                    f"{', '.join(sorted(_OFFSETS))}"
                )
