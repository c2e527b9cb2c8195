"""Pieces that several commands share: options of the form NAME=VALUE, errors."""

from __future__ import annotations

from collections.abc import Sequence

from aliran.core.errors import AliranError


class CommandError(AliranError):
    """A command cannot do what it was asked; the message says why and what to try."""


def key_values(words: Sequence[str], option: str) -> dict[str, str]:
    """Read `NAME=VALUE` words.

    Args:
        words: As they were given.
        option: The option they belong to, for the message.

    Raises:
        CommandError: A word has no name or no `=`.
    """
    settings = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise CommandError(f"{option} {word!r} is not NAME=VALUE, for example num.partitions=4")
        settings[name.strip()] = text.strip()
    return settings
