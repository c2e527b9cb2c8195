"""How many records the engine's generated loops got at a time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from aliran.streams.runtime.record_run import Run


class BatchSizes:
    """Counts the records of each run of a loop, in this process, from its construction on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        original, note = Run.execute, self.sizes.append

        def execute(run: Any, *arguments: Any) -> int:
            count = original(run, *arguments)
            note(count)
            return count

        Run.execute = execute  # type: ignore[method-assign, assignment]

    def summary(self) -> dict[str, float]:
        """Return the number of runs, and the smallest, the median and the largest of them."""
        sizes = self.sizes or [0]
        return {
            "runs": len(self.sizes),
            "min": min(sizes),
            "median": statistics.median(sizes),
            "max": max(sizes),
        }


def batches_sentence(summaries: Sequence[dict[str, float]]) -> str:
    """Say how large the batches of several runs were."""
    runs = statistics.median(each["runs"] for each in summaries)
    low, high = min(each["min"] for each in summaries), max(each["max"] for each in summaries)
    middle = statistics.median(each["median"] for each in summaries)
    return f"{runs:,.0f} batches of {low:,.0f} to {high:,.0f} records, median {middle:,.0f}"
