"""The root of every error that Aliran raises on purpose."""

from __future__ import annotations


class AliranError(Exception):
    """Root of all errors of Aliran; every package derives its own from it.

    The message says what happened, where, and what to try. `retriable` says whether the same call
    may succeed later without anybody changing anything.
    """

    retriable = False


class ConfigError(AliranError):
    """A setting is unknown or has a value that cannot be used."""
