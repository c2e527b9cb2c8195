"""Moves a group through its states: who is waited for, when a phase ends, who is dropped.

Every function here runs on the coordinator's thread, at the end of a request or of a timer.
Kafka: the rebalance half of `GroupMetadataManager` (classic groups).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from aliran.broker.config import BrokerConfig
from aliran.broker.errors import error_code_of
from aliran.broker.groups.group import Group, Member
from aliran.broker.groups.scheduler import Scheduler
from aliran.broker.groups.states import GroupState
from aliran.broker.groups.storage import GroupStore, group_to_metadata
from aliran.broker.groups.values import JoinResult, SyncResult
from aliran.core.clock import Clock
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError

_log = logging.getLogger(__name__)

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000
"""How long a join without heartbeats behind it is kept: its client may be gone, and the parked
request hides that. Kafka: `classicGroupNewMemberJoinTimeoutMs`."""


class Rebalancer:
    """The rules by which groups move."""

    def __init__(
        self, store: GroupStore, clock: Clock, config: BrokerConfig, scheduler: Scheduler
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._scheduler = scheduler

    # -- the join phase --------------------------------------------------------------------------

    def rebalance(self, group: Group) -> None:
        """Begin a rebalance, or end the join phase of one that runs if nobody is missing."""
        if group.can_rebalance:
            self._prepare(group)
        else:
            self.maybe_complete_join(group)

    def maybe_complete_join(self, group: Group) -> None:
        """End the join phase if everybody is there; the very first one has its own delay."""
        if (
            group.state is GroupState.PREPARING_REBALANCE
            and group.all_joined
            and group.generation != 0
        ):
            self._complete_join(group)

    def _prepare(self, group: Group) -> None:
        if group.state is GroupState.COMPLETING_REBALANCE:
            self._propagate_error(group, ErrorCode.REBALANCE_IN_PROGRESS)
        group.stop_timers()
        first = group.state is GroupState.EMPTY
        group.move_to(GroupState.PREPARING_REBALANCE, self._clock.time_ms())
        if first:
            delay_ms = self._config.group_initial_rebalance_delay_ms
            patience_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
            self._wait_for_more(group, delay_ms, patience_ms)
        elif group.all_joined:
            self._complete_join(group)
        else:
            self._wait_for_joins(group)

    def _wait_for_joins(self, group: Group) -> None:
        group.stop_timers(["join_timer"])
        group.join_timer = self._scheduler.call_later(
            group.rebalance_timeout_ms, partial(self._complete_join, group)
        )

    def _wait_for_more(self, group: Group, delay_ms: int, patience_ms: int) -> None:
        """Let the initial delay pass, again and again while new members come (KIP-134)."""

        def delay_over() -> None:
            if group.new_member_added and patience_ms > 0 and delay_ms > 0:
                group.new_member_added = False
                self._wait_for_more(
                    group, min(delay_ms, patience_ms), max(patience_ms - delay_ms, 0)
                )
            else:
                self._complete_join(group)

        group.join_timer = self._scheduler.call_later(delay_ms, delay_over)

    def _complete_join(self, group: Group) -> None:
        group.stop_timers(["join_timer"])
        if group.state is not GroupState.PREPARING_REBALANCE:
            return
        for member in list(group.members.values()):
            if member.awaiting_join is None and member.instance_id is None:
                group.remove(member)
        if group.members and not group.elect_joined_leader():
            # Only static members are left and none of them is back: their sessions decide.
            self._wait_for_joins(group)
            return
        group.new_member_added = False
        group.begin_generation(self._clock.time_ms())
        if not group.members:
            self._save_empty(group)
            return
        for member in list(group.members.values()):
            group.pending_syncs.add(member.member_id)
            self.expect_heartbeat(group, member)
            member.is_new = False
            member.answer_join(self.place(group, member))
        group.sync_timer = self._scheduler.call_later(
            group.rebalance_timeout_ms, partial(self._sync_overdue, group, group.generation)
        )

    def place(self, group: Group, member: Member) -> JoinResult:
        """Return the member's place in the current generation."""
        leads = member.member_id == group.leader_id
        return JoinResult(
            ErrorCode.NONE,
            member.member_id,
            group.generation,
            group.protocol_type,
            group.protocol_name,
            group.leader_id or "",
            group.joined_members() if leads else (),
        )

    def _save_empty(self, group: Group) -> None:
        try:
            self._store.save_group(group.group_id, group_to_metadata(group))
        except AliranError as error:
            # Nobody waits for an answer, and a group without members loses nothing but its
            # generation number.
            _log.warning("group %s became empty but was not saved: %s", group.group_id, error)

    # -- the sync phase --------------------------------------------------------------------------

    def synced(self, group: Group, member: Member) -> None:
        """Note that a member asked for its assignment."""
        group.pending_syncs.discard(member.member_id)
        if not group.pending_syncs:
            group.stop_timers(["sync_timer"])

    def assign(self, group: Group, assignments: Mapping[str, bytes]) -> None:
        """Take the leader's assignment: save it, then give everybody who waits its part.

        When it cannot be saved everybody is told so, and the group rebalances.
        """
        for member in group.members.values():
            member.assignment = bytes(assignments.get(member.member_id, b""))
        try:
            self._store.save_group(group.group_id, group_to_metadata(group))
        except AliranError as error:
            _log.exception("the assignment of group %s was not saved", group.group_id)
            self._propagate_error(group, store_error(error))
            self.rebalance(group)
            return
        group.move_to(GroupState.STABLE, self._clock.time_ms())
        for member in list(group.members.values()):
            if member.answer_sync(self.assignment(group, member)):
                self.expect_heartbeat(group, member)

    def assignment(self, group: Group, member: Member) -> SyncResult:
        """Return the member's part of the assignment."""
        return SyncResult(
            ErrorCode.NONE, member.assignment, group.protocol_type, group.protocol_name
        )

    def _propagate_error(self, group: Group, error: ErrorCode) -> None:
        for member in list(group.members.values()):
            member.assignment = b""
            if member.answer_sync(SyncResult(error)):
                self.expect_heartbeat(group, member)

    def _sync_overdue(self, group: Group, generation: int) -> None:
        group.stop_timers(["sync_timer"])
        if group.generation != generation or group.state not in (
            GroupState.COMPLETING_REBALANCE,
            GroupState.STABLE,
        ):
            return
        late = [group.members[each] for each in group.pending_syncs if each in group.members]
        if late:
            _log.info(
                "group %s drops %s: no SyncGroup within %d ms",
                group.group_id,
                ", ".join(member.member_id for member in late),
                group.rebalance_timeout_ms,
            )
            self.drop(group, late)

    # -- members ---------------------------------------------------------------------------------

    def expect_heartbeat(self, group: Group, member: Member) -> None:
        """Start the member's session anew."""
        self._watch(group, member, member.session_timeout_ms)

    def expect_join(self, group: Group, member: Member) -> None:
        """Give a new member, which cannot send heartbeats, the time a join may take."""
        self._watch(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS)

    def _watch(self, group: Group, member: Member, timeout_ms: int) -> None:
        member.stop_timer()
        member.session_timer = self._scheduler.call_later(
            timeout_ms, partial(self._session_over, group, member)
        )

    def _session_over(self, group: Group, member: Member) -> None:
        member.session_timer = None
        waits = member.awaiting_join is not None or member.awaiting_sync is not None
        # Whoever waits for our answer is not expected to speak; the answer restarts its session.
        if group.members.get(member.member_id) is member and (member.is_new or not waits):
            _log.info("group %s lost %s: session timed out", group.group_id, member.member_id)
            self.drop(group, [member])

    def give_id(self, group: Group, member_id: str, timeout_ms: int) -> None:
        """Remember an id that was given out, for as long as a session."""

        def not_used() -> None:
            group.forget_pending(member_id)
            self.maybe_complete_join(group)

        group.pending_joins[member_id] = self._scheduler.call_later(timeout_ms, not_used)

    def drop(self, group: Group, members: list[Member]) -> None:
        """Remove members that left or went silent, and let the others divide their work."""
        for member in members:
            member.refuse(ErrorCode.UNKNOWN_MEMBER_ID)
            group.remove(member)
        self.rebalance(group)


def store_error(error: BaseException) -> ErrorCode:
    """Return what to tell a member when its group could not be saved.

    Clients look for the coordinator anew and try again after the retriable ones. Kafka:
    `appendGroupMetadataErrorToResponseError`.
    """
    code = error_code_of(error)
    if code is ErrorCode.KAFKA_STORAGE_ERROR:
        return ErrorCode.NOT_COORDINATOR
    if code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    return ErrorCode.UNKNOWN_SERVER_ERROR if code is ErrorCode.MESSAGE_TOO_LARGE else code
