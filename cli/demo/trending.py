"""`aliran demo trending`: write, count, rank, check, and say how to look at it.

The calling thread writes (and recounts on the way), the application counts in its own. Run again on
the same directory, it goes on where the last run stopped, also after a kill -9 in the middle.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console

from aliran.broker.broker import Broker
from aliran.broker.errors import TopicExistsError
from aliran.cli.demo import report
from aliran.cli.demo.feed import Feed
from aliran.cli.demo.recount import Recount
from aliran.cli.demo.report import Outcome
from aliran.cli.demo.screen import Screen, View, screen_for
from aliran.cli.demo.tail import Results
from aliran.cli.demo.topology import (
    MORE_THAN_LIKES,
    RANKING,
    RANKING_SIZE,
    TRENDING,
    TWEETS,
    define,
)
from aliran.cli.settings import CommandError
from aliran.core.clock import SystemClock
from aliran.streams.app import App

APPLICATION = "trending-demo"

_MOST_PARTITIONS = 64
_PATIENCE_S = 120.0
_LOOK_S = 0.05
_COMMIT_INTERVAL = "100ms"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said; see `aliran demo trending --help`."""

    data: Path | None
    tweets: int
    partitions: int
    plain: bool
    listen: str


def run(options: Options) -> int:
    """Run the demo; returns the exit status: 0 only if all counts equal the recount."""
    _check(options)
    console = Console()
    with _directory(options.data) as directory:
        app = App(
            APPLICATION,
            brokers="embedded",
            data_dir=directory,
            listen=options.listen,
            commit_interval=_COMMIT_INTERVAL,
        )
        define(app)
        try:
            outcome = _replay(app, options, screen_for(console, plain=options.plain))
        finally:
            app.close()
    report.show_ranking(console, outcome)
    right = report.show_verdict(console, outcome, RANKING_SIZE)
    report.show_where_to_look(console, options.data)
    return 0 if right else 1


def _replay(app: App, options: Options, screen: Screen) -> Outcome:
    """Write and count until all is counted."""
    broker = app.broker.broker
    _make_topics(broker, options)
    feed = Feed(broker, options.tweets, SystemClock().time_ms())
    progress = _Progress(broker, feed, screen)
    _introduce(screen, app.broker.bootstrap_servers, feed)
    recount = Recount(MORE_THAN_LIKES)
    with screen:
        started = time.perf_counter()
        already = progress.processed()
        app.start()
        for _ in feed.run(recount):
            progress.show()
        _wait(app, progress)
        seconds = time.perf_counter() - started
        progress.show(last=True)
    total = feed.held + feed.written
    results = progress.results
    return Outcome(
        feed.written, total - already, total, seconds, results.counts, results.rankings, recount
    )


def _wait(app: App, progress: _Progress) -> None:
    """Wait until all that is written is counted, keeping the screen alive."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            app.wait_until_idle(_LOOK_S)
        except TimeoutError:
            progress.show()
            if time.monotonic() > deadline:
                raise CommandError(
                    f"the demo is not done after {_PATIENCE_S:.0f} s: is the machine very busy? "
                    "Try fewer --tweets"
                ) from None
        else:
            return


class _Progress:
    """What there is to show, read from the broker: written, committed, and the newest ranking."""

    def __init__(self, broker: Broker, feed: Feed, screen: Screen) -> None:
        self.results = Results(broker)
        self._broker = broker
        self._feed = feed
        self._screen = screen
        self._partitions = broker.topics.require(TWEETS).topic_partitions()

    def processed(self) -> int:
        """Return how many input records the application has processed and committed."""
        committed = self._broker.offsets.fetch(APPLICATION, self._partitions)
        return sum(max(entry.offset, 0) for entry in committed.values())

    def show(self, *, last: bool = False) -> None:
        """Bring the screen up to date."""
        self.results.catch_up()
        rankings = self.results.rankings
        newest = max(rankings, default=None)
        self._screen.show(
            View(
                total=self._feed.target,
                written=self._feed.held + self._feed.written,
                processed=self.processed(),
                minute_ms=None if newest is None else _start_ms(newest),
                ranking=[] if newest is None else rankings[newest],
            ),
            last=last,
        )


def _start_ms(minute: str) -> int:
    return round(datetime.fromisoformat(minute).timestamp() * 1000)


def _introduce(screen: Screen, address: str, feed: Feed) -> None:
    screen.say("Trending hashtags: real tweets (4,200, from a public data set) are replayed in a")
    screen.say("seeded order; users, likes and event times are seeded too, the data has none.")
    screen.say(f"Broker for any Kafka client meanwhile: {address}")
    if feed.held:
        screen.say(f"Going on where the last run stopped: {feed.held:,} tweets are there already")
    screen.say(f"Writing tweets {feed.held + 1:,} to {feed.target:,}")
    screen.say()


def _check(options: Options) -> None:
    if options.tweets < 1:
        raise CommandError(f"--tweets {options.tweets}: at least 1 is needed")
    if not 1 <= options.partitions <= _MOST_PARTITIONS:
        raise CommandError(f"--partitions {options.partitions}: 1 to {_MOST_PARTITIONS} can be had")


def _make_topics(broker: Broker, options: Options) -> None:
    """Create the topics that others may read; kept for ever, since event times may be old."""
    for name in (TWEETS, TRENDING, RANKING):
        try:
            broker.topics.create(name, options.partitions, {"retention.ms": "-1"})
        except TopicExistsError:
            found = broker.topics.require(name).partitions
            if found != options.partitions:
                raise CommandError(
                    f"topic {name!r} in {options.data} has {found} partitions: "
                    f"say --partitions {found}, or use another --data directory"
                ) from None


@contextmanager
def _directory(chosen: Path | None) -> Iterator[str]:
    """Yield the directory to work in; a temporary one is removed afterwards."""
    if chosen is not None:
        yield str(chosen)
        return
    with tempfile.TemporaryDirectory(prefix="aliran-demo-") as directory:
        yield directory
