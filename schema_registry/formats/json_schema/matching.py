"""Pairs the members of two combined schemas so that as many as possible have a partner."""

from __future__ import annotations

from collections.abc import Sequence


def largest_matching(partners: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return a matching of greatest size in a bipartite graph (Kuhn's algorithm).

    Args:
        partners: For each member of the left side, the members of the right side that suit it.

    Returns:
        The partner of each left member that has one.
    """
    left_of: dict[int, int] = {}

    def find_partner(left: int, tried: set[int]) -> bool:
        for right in partners[left]:
            if right in tried:
                continue
            tried.add(right)
            if right not in left_of or find_partner(left_of[right], tried):
                left_of[right] = left
                return True
        return False

    for left in range(len(partners)):
        find_partner(left, set())
    return {left: right for right, left in left_of.items()}
