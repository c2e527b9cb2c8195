"""What the demo prints at its end: the ranking, the speed, the verdict, and where to look."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aliran.cli.demo.recount import Recount
from aliran.cli.demo.replay import MINUTE_MS
from aliran.cli.demo.screen import Ranking, clock_of
from aliran.cli.demo.topology import RANKING, TRENDING, TWEETS, minute_name

_SHOWN_MINUTES = 5
_SHOWN_TAGS = 3
_SHOWN_DIFFERENCES = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        added: Input records that this run wrote.
        processed: Input records that this run processed: those and what an earlier one had left.
        total: Input records that the topic holds now.
        seconds: From the first record written to the last one processed and committed.
        counts: The latest count of each hashtag and minute, as the output topic says.
        rankings: The latest ranking of each minute by its name, as the output topic says.
        recount: The same by a plain recount.
    """

    added: int
    processed: int
    total: int
    seconds: float
    counts: Mapping[tuple[str, int], int]
    rankings: Mapping[str, Ranking]
    recount: Recount


def mistakes(outcome: Outcome, size: int) -> list[str]:
    """Return a line for every count and every ranking that differs from the recount."""
    found = outcome.recount.differences(outcome.counts)
    expected = {
        minute_name(minute): ranking for minute, ranking in outcome.recount.ranking(size).items()
    }
    found += [
        f"ranking of {minute}: the topology says {outcome.rankings.get(minute)}, "
        f"the recount {expected.get(minute)}"
        for minute in sorted(expected.keys() | outcome.rankings.keys())
        if outcome.rankings.get(minute) != expected.get(minute)
    ]
    return found


def show_ranking(console: Console, outcome: Outcome) -> None:
    """Print the last minutes' rankings and the hashtags that were first most often."""
    minutes = sorted({minute for _, minute in outcome.counts})
    table = Table(
        title=f"The last {_SHOWN_MINUTES} of {len(minutes)} minutes", title_justify="left"
    )
    table.add_column("minute (UTC)")
    for place in range(1, _SHOWN_TAGS + 1):
        table.add_column(f"{place}.", no_wrap=True)
    for minute in minutes[-_SHOWN_MINUTES:]:
        rows = outcome.rankings.get(minute_name(minute), [])[:_SHOWN_TAGS]
        table.add_row(clock_of(minute), *(f"{tag} {count}" for tag, count in rows))
    console.print(table)
    whole: dict[str, int] = {}
    for (tag, _), count in outcome.counts.items():
        whole[tag] = whole.get(tag, 0) + count
    best = sorted(whole.items(), key=lambda row: (-row[1], row[0]))[:_SHOWN_TAGS]
    line = "   ".join(f"{place}. {tag} {count:,}" for place, (tag, count) in enumerate(best, 1))
    say(console, f"Over all {len(minutes) * MINUTE_MS // 60_000} minutes: {line}")


def show_verdict(console: Console, outcome: Outcome, size: int) -> bool:
    """Print the speed and whether all counts are right; returns the latter."""
    rate = outcome.processed / max(outcome.seconds, 1e-9)
    say(console)
    say(
        console,
        f"{outcome.processed:,} input records in {outcome.seconds:.1f} s: {rate:,.0f} input "
        "records/s (written, filtered, repartitioned, counted, ranked, committed; one process)",
    )
    wrong = mistakes(outcome, size)
    if wrong:
        say(console, f"{len(wrong)} of {len(outcome.recount.counts):,} windows are WRONG:")
        for line in wrong[:_SHOWN_DIFFERENCES]:
            say(console, f"  {line}")
        return False
    say(console, f"{len(outcome.recount.counts):,} windows, all equal to a plain recount")
    return True


def show_where_to_look(console: Console, data: Path | None) -> None:
    """Print the commands that look at the topics with kcat."""
    aliran = program()
    say(console)
    if data is None:
        say(console, "The topics of this run are gone now. To keep them, and to go on next time:")
        say(console, f"  {aliran} demo trending --data demo-data")
    say(console, "To look at the topics with any Kafka client, for example kcat:")
    say(console, f"  {aliran} broker --data {data or 'demo-data'}/broker --listen 127.0.0.1:9092")
    broker = "kcat -b 127.0.0.1:9092"
    say(console, f"  {broker} -L")
    say(console, f"  {broker} -C -t {TWEETS} -c 3 -f '%p %o %k %T %s\\n'")
    say(console, f"  {broker} -C -t {RANKING} -e -q -f '%k %s\\n'")
    say(console, f"  {broker} -C -t {TRENDING} -e -q -s value=q | tail     (counts are 8 bytes)")


def program() -> str:
    """Return how to call `aliran` from here: it may lie in a .venv that is not active."""
    if shutil.which("aliran") or Path(sys.argv[0]).name != "aliran":
        return "aliran"
    return os.path.relpath(sys.argv[0])


def say(console: Console, text: str = "") -> None:
    """Print a line as it is, without wrapping it."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
