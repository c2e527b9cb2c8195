"""The states of a classic group, and the only moves between them.

| from | to | when |
|---|---|---|
| Empty | PreparingRebalance | a first member joins |
| PreparingRebalance | CompletingRebalance | everybody joined, or the rebalance timed out |
| PreparingRebalance | Empty | the last member left |
| CompletingRebalance | Stable | the leader handed in the assignment |
| CompletingRebalance | PreparingRebalance | a member joins, leaves or does not sync in time |
| Stable | PreparingRebalance | a member joins, leaves, expires, or the leader joins again |
| any but Dead | Dead | the group is deleted, or expired with its last offset |

Kafka: `ClassicGroupState`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class GroupState(Enum):
    """State of a group; the value is the name that Kafka's tools show."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


TRANSITIONS: Mapping[GroupState, frozenset[GroupState]] = MappingProxyType(
    {
        GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
        GroupState.PREPARING_REBALANCE: frozenset(
            {GroupState.COMPLETING_REBALANCE, GroupState.EMPTY, GroupState.DEAD}
        ),
        GroupState.COMPLETING_REBALANCE: frozenset(
            {GroupState.STABLE, GroupState.PREPARING_REBALANCE, GroupState.DEAD}
        ),
        GroupState.STABLE: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
        GroupState.DEAD: frozenset(),
    }
)
"""For each state the states that may follow it."""
