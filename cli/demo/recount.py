"""The plain recount: what the demo's topology must give, counted without it.

A dict and a loop over the generator's own data; no streams, no serdes, no broker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from aliran.cli.demo.replay import MINUTE_MS, Chunk


class Recount:
    """Counts each hashtag a minute over the tweets with more than `more_than_likes` likes."""

    def __init__(self, more_than_likes: int) -> None:
        self.more_than_likes = more_than_likes
        self.counts: Counter[tuple[str, int]] = Counter()

    def add(self, chunk: Chunk, rows: Iterable[int]) -> None:
        """Count these rows of `chunk`."""
        for row in rows:
            if chunk.tags[row] and chunk.likes[row] > self.more_than_likes:
                timestamp = chunk.timestamps[row]
                minute = timestamp - timestamp % MINUTE_MS
                for tag in chunk.tags[row]:
                    self.counts[tag, minute] += 1

    def ranking(self, size: int) -> dict[int, list[tuple[str, int]]]:
        """Return the `size` most frequent hashtags of each minute; equal counts by name."""
        minutes: dict[int, list[tuple[str, int]]] = {}
        for (tag, minute), count in self.counts.items():
            minutes.setdefault(minute, []).append((tag, count))
        return {minute: rank(rows, size) for minute, rows in minutes.items()}

    def differences(self, found: Mapping[tuple[str, int], int]) -> list[str]:
        """Say where `found` differs from the recount, a line each; empty where it is equal."""
        return [
            f"{tag} at {minute}: the topology says {found.get((tag, minute))}, "
            f"the recount {self.counts.get((tag, minute))}"
            for tag, minute in sorted(found.keys() | self.counts.keys())
            if found.get((tag, minute)) != self.counts.get((tag, minute))
        ]


def rank(rows: list[tuple[str, int]], size: int) -> list[tuple[str, int]]:
    """Return the `size` rows with the highest counts; equal counts by name."""
    return sorted(rows, key=lambda row: (-row[1], row[0]))[:size]
