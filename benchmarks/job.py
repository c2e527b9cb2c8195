"""What a benchmark of operators consists of, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.tweets import Rows

from aliran.streams.app import App

Inputs: TypeAlias = Mapping[str, Rows]
"""Records by topic, in the order of their offsets."""


def _as_they_are(results: Any) -> Any:
    return results


@dataclass(frozen=True)
class Job:
    """One program, written twice.

    Attributes:
        name: Its row in build/bench.json.
        title: What it is called when it is printed.
        records: How many input records it gets by default, of all topics together.
        inputs: Makes about so many; equal ones for equal numbers, but for the base of their times.
        build: Writes the topology; its results go to the topic `results`.
        bare_loop: The same by hand: the same decoder and functions over lists, into dicts and
            lists, in the order and by the rules for late records that Kafka has.
        found: Reads the topic `results`; gives what `bare_loop` gives.
        comparable: Sorts results, of jobs whose results may come in another order.
    """

    name: str
    title: str
    records: int
    inputs: Callable[[int], Inputs]
    build: Callable[[App], None]
    bare_loop: Callable[[Inputs], Any]
    found: Callable[[Rows], Any]
    comparable: Callable[[Any], Any] = _as_they_are


def in_order(left: Rows, right: Rows) -> Iterator[tuple[bool, bytes, bytes, int]]:
    """Yield (whether it is of the left, key, value, time), the earlier of both fronts first.

    So Kafka Streams reads two inputs. No record of one has the time of a record of the other.
    """
    lefts, rights = zip(*left, strict=True), zip(*right, strict=True)
    one, other = next(lefts, None), next(rights, None)
    while one is not None and other is not None:
        if one[2] < other[2]:
            yield True, *one
            one = next(lefts, None)
        else:
            yield False, *other
            other = next(rights, None)
    if one is not None:
        yield True, *one
    if other is not None:
        yield False, *other
    for rest in lefts:
        yield True, *rest
    for rest in rights:
        yield False, *rest
