"""Levels of loggers by log4j's names. Kafka: `Loggers`."""

from __future__ import annotations

import logging
import time

LEVELS: dict[str, int] = {
    "OFF": logging.CRITICAL + 10,
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": 5,
}
_NAMES = {number: name for name, number in LEVELS.items()}
_modified: dict[str, int] = {}


def known_loggers() -> dict[str, logging.Logger]:
    """Return the loggers there are, by name."""
    found = sorted(logging.Logger.manager.loggerDict.items())
    named = {name: logger for name, logger in found if isinstance(logger, logging.Logger)}
    return {"root": logging.getLogger(), **named}


def level_of(name: str, logger: logging.Logger) -> tuple[str, int | None]:
    """Return the level of a logger, and when it was set here, in milliseconds since the epoch."""
    return _NAMES.get(logger.getEffectiveLevel(), "INFO"), _modified.get(name)


def set_level(name: str, level: str) -> list[str]:
    """Set the level of a logger and of those below it; return them.

    Args:
        name: The logger; `root` for the topmost.
        level: One of LEVELS.
    """
    below = [one for one in known_loggers() if one == name or one.startswith(f"{name}.")]
    below = below or [name]
    for one in below:
        logging.getLogger(None if one == "root" else one).setLevel(LEVELS[level])
        _modified[one] = int(time.time() * 1000)
    return below
