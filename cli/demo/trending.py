"""`aliran demo trending`: write, count, rank, check, and say how to look at it.

One thread writes (and recounts on the way), the application counts in its own. Run again on the
same directory, it goes on: each partition of the input holds the first so many of its records, so
what is missing is known by counting, even after a kill -9 in the middle.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from aliran.broker.broker import Broker
from aliran.cli.demo import report
from aliran.cli.demo.feed import Feed
from aliran.cli.demo.recount import Recount
from aliran.cli.demo.screen import Screen, View, screen_for
from aliran.cli.demo.tail import Results
from aliran.cli.demo.topology import (
    MORE_THAN_LIKES,
    RANKING,
    RANKING_SIZE,
    TRENDING,
    TWEETS,
    define,
    minute_name,
)
from aliran.cli.settings import CommandError
from aliran.core.types import TopicPartition
from aliran.streams import App

APPLICATION = "trending-demo"

_MOST_PARTITIONS = 64
_PATIENCE_S = 120
_WRITE_AHEAD = 30_000  # records: the writer waits for the application beyond that
_KEEP = {
    "retention.ms": "-1"
}  # event times may be older than a week when a directory is used again


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said; see `aliran demo trending --help`."""

    data: Path | None
    tweets: int
    partitions: int
    plain: bool
    listen: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave: how many records it added and how fast, and both counts."""

    added: int
    total: int
    seconds: float
    recount: Recount
    results: Results


def run(options: Options) -> int:
    """Run the demo; returns the exit status: 0 only if the topology's counts equal the recount."""
    if options.tweets < 1:
        raise CommandError(f"--tweets {options.tweets}: at least 1 is needed")
    if not 1 <= options.partitions <= _MOST_PARTITIONS:
        raise CommandError(
            f"--partitions {options.partitions}: 1 to {_MOST_PARTITIONS} are possible"
        )
    console = Console()
    with _directory(options.data) as directory:
        app = App(
            APPLICATION,
            brokers="embedded",
            data_dir=directory,
            listen=options.listen,
            commit_interval="200ms",
        )
        define(app)
        try:
            broker = _with_topics(app, options.partitions)
            with screen_for(console, plain=options.plain) as screen:
                outcome = _replay(app, broker, options, screen)
            return report.finish(console, outcome, options.data, plain=options.plain)
        finally:
            app.close()
