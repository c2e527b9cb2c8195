"""Which columns are wanted, and what is hidden of their values.

Debezium: `ColumnMappers` (`column.mask.…`, `column.truncate.…`), `column.include.list`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from aliran.connectors.builtin.cdc.naming import pattern_of, selector
from aliran.connectors.errors import ConfigError

Change: TypeAlias = Callable[[str], str]
"""Turns a text into what is shown of it."""

_STARS = re.compile(r"column\.mask\.with\.(\d+)\.chars")
_TRUNCATE = re.compile(r"column\.truncate\.to\.(\d+)\.chars")
_HASH = re.compile(r"column\.mask\.hash\.(v2\.)?([^.]+)\.with\.salt\.(.+)")


class ColumnRules:
    """What a configuration says about columns, by names such as `schema.table.column`.

    Args:
        props: The configuration.
        include: `column.include.list`.
        exclude: `column.exclude.list`.

    Raises:
        ConfigError: A pattern, a length or a hash is wrong.
    """

    def __init__(
        self, props: Mapping[str, Any], include: Sequence[str], exclude: Sequence[str]
    ) -> None:
        self.wants: Callable[[str], bool] = selector("column", include, exclude)
        self._changes: list[tuple[re.Pattern[str], Change]] = []
        for option, value in props.items():
            change = _change(option)
            pattern = None if change is None else pattern_of(option, str(value).split(","))
            if change is not None and pattern is not None:
                self._changes.append((pattern, change))

    def change_of(self, column: str) -> Change | None:
        """Return what is done with the texts of a column, None for nothing."""
        for pattern, change in self._changes:
            if pattern.fullmatch(column):
                return change
        return None


def _change(option: str) -> Change | None:
    if found := _STARS.fullmatch(option):
        stars = "*" * int(found[1])
        return lambda _text: stars
    if found := _TRUNCATE.fullmatch(option):
        length = int(found[1])
        if not length:
            raise ConfigError.of(option, "", "the length must be at least 1")
        return lambda text: text[:length]
    if found := _HASH.fullmatch(option):
        return _hashing(option, found[2], found[3], java=not found[1])
    return None


def _hashing(option: str, algorithm: str, salt: str, *, java: bool) -> Change:
    """Return the hash of Debezium: without "v2." over the text as Java serializes it."""
    name = algorithm.replace("-", "").lower()
    if name not in hashlib.algorithms_available:
        raise ConfigError.of(option, algorithm, "there is no such hash")

    def change(text: str) -> str:
        data = text.encode()
        if java:
            data = b"\xac\xed\x00\x05t" + len(data).to_bytes(2, "big") + data
        return hashlib.new(name, salt.encode() + data, usedforsecurity=False).hexdigest()

    return change
