"""Who gets which work, as the leader decides it: what runs stays where it is.

Kafka: `IncrementalCooperativeAssignor` (KIP-415). Work is taken away only to restore the balance;
whoever gives some away joins again, and then it is given to others. The work of a worker that is
gone waits for it to come back, up to `scheduled.rebalance.max.delay.ms`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aliran.connectors.distributed.protocol import CONNECTOR, Unit


@dataclass(frozen=True, slots=True)
class Plan:
    """What each member begins with and gives away.

    Attributes:
        assigned: New work by member.
        revoked: Work to give away by member.
        delay_ms: When to join again, for lost work; 0 for not.
    """

    assigned: dict[str, set[Unit]]
    revoked: dict[str, set[Unit]]
    delay_ms: int = 0

    @property
    def revokes(self) -> bool:
        """Whether anybody gives something away."""
        return any(self.revoked.values())


@dataclass(slots=True)
class _Memory:
    """What the leader remembers from one decision to the next."""

    owned: set[Unit] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    lost_until: float | None = None
    newcomers: set[str] = field(default_factory=set)


class Assignor:
    """Decides, and remembers what it has decided.

    Args:
        max_delay_ms: How long lost work waits.
    """

    def __init__(self, max_delay_ms: int) -> None:
        self._max_delay_s = max_delay_ms / 1000
        self._memory = _Memory()

    def forget(self) -> None:
        """Forget everything: another worker has led meanwhile."""
        self._memory = _Memory()

    def plan(
        self, members: Mapping[str, Iterable[Unit]], configured: Iterable[Unit], now: float
    ) -> Plan:
        """Decide.

        Args:
            members: What each member runs.
            configured: All work that there is to be done.
            now: The time, in seconds of a clock that only goes on.
        """
        wanted = set(configured)
        running = {member: set(units) for member, units in members.items()}
        revoked = _superfluous(running, wanted)
        for member, units in revoked.items():
            running[member] -= units
        here: set[Unit] = set().union(*running.values())
        given_away: set[Unit] = set().union(*revoked.values())
        lost = (self._memory.owned & wanted) - here - given_away
        delay_ms = self._await_lost(lost, running, now)
        waiting = lost if delay_ms else set()
        assigned = self._assign(running, wanted - here - given_away - waiting, lost - waiting)
        if not delay_ms and not given_away:
            _level(running, assigned, revoked)
        # What is being handed over is not lost; what waits for its worker still is.
        self._memory.owned = set().union(waiting, *running.values(), *assigned.values()) - set(
            ).union(*revoked.values())  # fmt: skip
        self._memory.members = set(members)
        return Plan(assigned, revoked, delay_ms)

    def _await_lost(self, lost: set[Unit], running: Mapping[str, set[Unit]], now: float) -> int:
        """Return how long lost work is still to wait, in milliseconds."""
        memory = self._memory
        if not lost or not self._max_delay_s:
            memory.lost_until, memory.newcomers = None, set()
            return 0
        if memory.lost_until is None:
            memory.lost_until = now + self._max_delay_s
        memory.newcomers |= {
            one for one in running if one not in memory.members and not running[one]
        }
        left = memory.lost_until - now
        if left > 0:
            return math.ceil(left * 1000)
        return 0

    def _assign(
        self, running: Mapping[str, set[Unit]], new: set[Unit], lost: set[Unit]
    ) -> dict[str, set[Unit]]:
        """Deal out work; lost work first to workers that have come back without any."""
        assigned: dict[str, set[Unit]] = {member: set() for member in running}
        returned = sorted(self._memory.newcomers & set(running))
        for unit in sorted(lost):
            _give(unit, returned or sorted(running), running, assigned)
        for unit in sorted(new - lost):
            _give(unit, sorted(running), running, assigned)
        if lost:
            self._memory.lost_until, self._memory.newcomers = None, set()
        return assigned


def _superfluous(running: Mapping[str, set[Unit]], wanted: set[Unit]) -> dict[str, set[Unit]]:
    """Return what is to be given away: what is not wanted any more, and what two have."""
    revoked: dict[str, set[Unit]] = {member: units - wanted for member, units in running.items()}
    owner: dict[Unit, str] = {}
    for member in sorted(running):
        for unit in running[member] & wanted:
            if unit in owner:
                revoked[member].add(unit)
            owner.setdefault(unit, member)
    return revoked


def _load(member: str, unit: Unit, *parts: Mapping[str, set[Unit]]) -> int:
    """Return how many connectors (or tasks, whatever `unit` is) a member has."""
    is_connector = unit.task == CONNECTOR
    return sum(
        (one.task == CONNECTOR) is is_connector for part in parts for one in part.get(member, ())
    )


def _give(
    unit: Unit,
    candidates: list[str],
    running: Mapping[str, set[Unit]],
    assigned: dict[str, set[Unit]],
) -> None:
    chosen = min(candidates, key=lambda member: _load(member, unit, running, assigned))
    assigned[chosen].add(unit)


def _level(
    running: Mapping[str, set[Unit]],
    assigned: dict[str, set[Unit]],
    revoked: dict[str, set[Unit]],
) -> None:
    """Take away what some have too much of while others have too little."""
    for is_connector in (True, False):
        mine = {
            member: sorted(one for one in units if (one.task == CONNECTOR) is is_connector)
            for member, units in running.items()
        }
        more = {
            member: sum((one.task == CONNECTOR) is is_connector for one in units)
            for member, units in assigned.items()
        }
        loads = {member: len(mine[member]) + more[member] for member in running}
        if max(loads.values()) - min(loads.values()) <= 1:
            continue
        low, extra = divmod(sum(loads.values()), len(running))
        for place, member in enumerate(sorted(running, key=lambda one: -loads[one])):
            surplus = loads[member] - low - (place < extra)
            if surplus > 0:
                revoked[member] |= set(mine[member][-surplus:])
