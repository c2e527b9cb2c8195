"""The group coordinator: one entry point a request kind, over groups kept in memory.

It is a state machine without input and output of its own: requests come in as values, answers
leave through the callables that came with them, time and timers come from the clock and the
scheduler, and what must survive a restart goes through a `GroupStore`. All calls are made on one
thread (in a broker: the event loop's). Each reply is called exactly once.
Kafka: `GroupMetadataManager`, classic protocol.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from aliran.broker.config import BrokerConfig
from aliran.broker.groups.group import CONSUMER_PROTOCOL, Group, Member
from aliran.broker.groups.joining import Joining, check_member
from aliran.broker.groups.rebalance import Rebalancer
from aliran.broker.groups.scheduler import LoopScheduler, Scheduler, Timer
from aliran.broker.groups.states import GroupState
from aliran.broker.groups.storage import GroupStore, group_from_metadata
from aliran.broker.groups.values import (
    UNKNOWN_MEMBER,
    GroupDescription,
    JoinReply,
    JoinRequest,
    JoinResult,
    LeaveResult,
    LeavingMember,
    MemberDescription,
    SyncReply,
    SyncRequest,
    SyncResult,
)
from aliran.core.clock import Clock
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError

_log = logging.getLogger(__name__)


class GroupCoordinator:
    """All groups of a broker.

    Args:
        store: Keeps groups and offsets.
        config: Limits: session timeouts, group size, initial delay, retention of offsets.
        clock: The present.
    """

    def __init__(self, store: GroupStore, config: BrokerConfig, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._groups: dict[str, Group] = {}
        self._started = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin work on an event loop; to be called on it, like everything else from then on."""
        self.start_with(LoopScheduler(loop))

    def start_with(self, scheduler: Scheduler) -> None:
        """Take up the groups of the last run, with timers of `scheduler`.

        Members of stable groups find themselves still in: each has one session timeout to speak.
        """
        self._scheduler = scheduler
        self._rebalancer = Rebalancer(self._store, self._clock, self._config, scheduler)
        self._joining = Joining(self._store, self._config, self._rebalancer)
        self._started = True
        for group_id, kept in self._store.saved_groups().items():
            group = group_from_metadata(group_id, kept)
            self._groups[group_id] = group
            for member in group.members.values():
                self._rebalancer.expect_heartbeat(group, member)
            if len(group.members) > self._config.group_max_size:
                self._rebalancer.rebalance(group)
        self._expiry_timer: Timer = self._plan_expiry()

    def close(self) -> None:
        """Stop all timers and send away everybody who waits; what is stored stays."""
        if not self._started:
            return
        self._started = False
        self._expiry_timer.cancel()
        for group in self._groups.values():
            self._silence(group, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        self._groups.clear()

    # -- members ---------------------------------------------------------------------------------

    def join(self, request: JoinRequest, reply: JoinReply) -> None:
        """Ask for a place in the next generation; answered when the join phase ends.

        Errors in the result: COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID,
        INVALID_SESSION_TIMEOUT, UNKNOWN_MEMBER_ID, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID,
        INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, REBALANCE_IN_PROGRESS (the same
        member joined again before this join was answered).
        """
        error = self._check_join(request)
        if error is not ErrorCode.NONE:
            reply(JoinResult(error, request.member_id))
            return
        group = self._groups.get(request.group_id)
        if group is None:
            if request.member_id != UNKNOWN_MEMBER:
                reply(JoinResult(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
                return
            group = Group(request.group_id, state_since_ms=self._clock.time_ms())
            self._groups[request.group_id] = group
        self._joining.join(group, request, reply)

    def _check_join(self, request: JoinRequest) -> ErrorCode:
        if not request.group_id:
            return ErrorCode.INVALID_GROUP_ID
        shortest = self._config.group_min_session_timeout_ms
        longest = self._config.group_max_session_timeout_ms
        if not shortest <= request.session_timeout_ms <= longest:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        return ErrorCode.NONE if self._started else ErrorCode.COORDINATOR_NOT_AVAILABLE

    def sync(self, request: SyncRequest, reply: SyncReply) -> None:
        """Ask for the assignment of this generation; answered when the leader has sent it.

        Errors in the result: COORDINATOR_NOT_AVAILABLE, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID,
        FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
        REBALANCE_IN_PROGRESS, or why the assignment could not be saved.
        """
        error = self._check_member(request.group_id, request.member_id, request.instance_id)
        if error is not ErrorCode.NONE:
            reply(SyncResult(error))
            return
        group = self._groups[request.group_id]
        member = group.members[request.member_id]
        error = _check_sync(group, request)
        if error is not ErrorCode.NONE:
            reply(SyncResult(error))
        elif group.state is GroupState.STABLE:
            self._rebalancer.synced(group, member)
            self._rebalancer.expect_heartbeat(group, member)
            reply(self._rebalancer.assignment(group, member))
        else:
            # An earlier sync of the same member can only come from a connection it gave up.
            member.answer_sync(SyncResult(ErrorCode.REBALANCE_IN_PROGRESS))
            member.awaiting_sync = reply
            self._rebalancer.synced(group, member)
            if member.member_id == group.leader_id:
                self._rebalancer.assign(group, request.assignments)

    def heartbeat(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> ErrorCode:
        """Note that a member lives.

        Returns:
            NONE; REBALANCE_IN_PROGRESS: join again; ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID,
            FENCED_INSTANCE_ID: it is out; INVALID_GROUP_ID, COORDINATOR_NOT_AVAILABLE.
        """
        error = self._check_member(group_id, member_id, instance_id)
        if error is not ErrorCode.NONE:
            return error
        group = self._groups[group_id]
        if generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        self._alive(group, group.members[member_id])
        # In CompletingRebalance it is an ordinary heartbeat: the member has its place, and waits.
        if group.state is GroupState.PREPARING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(
        self, group_id: str, leaving: Sequence[LeavingMember]
    ) -> tuple[ErrorCode, list[LeaveResult]]:
        """Let members go, all in one rebalance; return the request's error and one result each."""
        if not group_id:
            return ErrorCode.INVALID_GROUP_ID, []
        if not self._started:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE, []
        group = self._groups.get(group_id)
        results: list[LeaveResult] = []
        gone: list[Member] = []
        for each in leaving:
            error = ErrorCode.UNKNOWN_MEMBER_ID
            if group is not None:
                error, member = _find_leaving(group, each)
                if member is not None and member not in gone:
                    gone.append(member)
            results.append(LeaveResult(each.member_id, each.instance_id, error))
        if group is not None:
            if gone:
                self._rebalancer.drop(group, gone)
            else:
                self._rebalancer.maybe_complete_join(group)
        return ErrorCode.NONE, results

    def check_commit(
        self, group_id: str, member_id: str, instance_id: str | None, generation: int
    ) -> ErrorCode:
        """Say whether offsets may be committed; a commit counts as a heartbeat.

        A "simple consumer" has no member id and no generation; it may commit while the group has
        no members. Members may commit during a rebalance too until they have a place in the next
        generation, so that cooperative consumers go on working.
        """
        if not self._started:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.NONE if generation < 0 else ErrorCode.ILLEGAL_GENERATION
        if generation < 0 and group.state is GroupState.EMPTY:
            return ErrorCode.NONE
        error = check_member(group, member_id, instance_id)
        if error is not ErrorCode.NONE:
            return error
        if generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        if group.state is GroupState.COMPLETING_REBALANCE:
            return ErrorCode.REBALANCE_IN_PROGRESS
        self._alive(group, group.members[member_id])
        return ErrorCode.NONE

    def _check_member(self, group_id: str, member_id: str, instance_id: str | None) -> ErrorCode:
        if not group_id:
            return ErrorCode.INVALID_GROUP_ID
        if not self._started:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return check_member(group, member_id, instance_id)

    def _alive(self, group: Group, member: Member) -> None:
        # While its join is parked a new member keeps the long timeout of joins.
        if not member.is_new:
            self._rebalancer.expect_heartbeat(group, member)

    # -- administrators --------------------------------------------------------------------------

    def describe(self, group_id: str) -> GroupDescription | None:
        """Return what a group looks like, or None when there is none."""
        group = self._groups.get(group_id)
        if group is None:
            if not self._store.has_offsets(group_id):
                return None
            return GroupDescription(group_id, GroupState.EMPTY.value, "", "", ())
        stable = group.state is GroupState.STABLE
        members = tuple(
            MemberDescription(
                each.member_id,
                each.instance_id,
                each.client_id,
                each.client_host,
                each.metadata(group.protocol_name) if stable else b"",
                each.assignment if stable else b"",
            )
            for each in group.members.values()
        )
        return GroupDescription(
            group_id,
            group.state.value,
            group.protocol_type or "",
            (group.protocol_name or "") if stable else "",
            members,
        )

    def list_groups(self) -> list[GroupDescription]:
        """Return every group, also those that only have offsets, without their members."""
        names = sorted({*self._groups, *self._store.groups()})
        found = (self.describe(name) for name in names)
        return [each._replace(members=()) for each in found if each is not None]

    def delete(self, group_id: str) -> ErrorCode:
        """Delete a group without members, with its offsets.

        Returns:
            NONE, NON_EMPTY_GROUP or GROUP_ID_NOT_FOUND.
        """
        group = self._groups.get(group_id)
        if group is None and not self._store.has_offsets(group_id):
            return ErrorCode.GROUP_ID_NOT_FOUND
        if group is not None and group.state is not GroupState.EMPTY:
            return ErrorCode.NON_EMPTY_GROUP
        self._store.delete_group(group_id)
        if group is not None:
            self._bury(group)
        return ErrorCode.NONE

    def check_offset_delete(self, group_id: str) -> ErrorCode:
        """Say whether single offsets of the group may be deleted.

        Returns:
            NONE, GROUP_ID_NOT_FOUND, or NON_EMPTY_GROUP for active groups whose members are not
            consumers (nobody can tell which topics those use).
        """
        group = self._groups.get(group_id)
        if group is None:
            found = self._store.has_offsets(group_id)
            return ErrorCode.NONE if found else ErrorCode.GROUP_ID_NOT_FOUND
        if group.state is not GroupState.EMPTY and group.protocol_type != CONSUMER_PROTOCOL:
            return ErrorCode.NON_EMPTY_GROUP
        return ErrorCode.NONE

    def is_subscribed(self, group_id: str, topic: str) -> bool:
        """Say whether an active member of the group consumes `topic`."""
        group = self._groups.get(group_id)
        return (
            group is not None and group.state is not GroupState.EMPTY and group.is_subscribed(topic)
        )

    def statistics(self) -> dict[str, int]:
        """Return how many groups are in each state, and how many members there are."""
        counts = {state.value: 0 for state in GroupState}
        for group in self._groups.values():
            counts[group.state.value] += 1
        counts["members"] = sum(len(group.members) for group in self._groups.values())
        return counts

    # -- retention -------------------------------------------------------------------------------

    def expire_offsets(self) -> None:
        """Forget offsets whose time is over, and groups that have neither offsets nor members.

        A group without members keeps its offsets for `offsets.retention.minutes` from when its
        last member left; a stable consumer group only loses those of topics it no longer reads;
        offsets without a group count from their commit (KIP-211).
        """
        for group_id in {*self._groups, *self._store.groups()}:
            group = self._groups.get(group_id)
            if group is None or group.protocol_type is None:
                self._store.expire(group_id, empty_since_ms=None, subscribed=())
            elif group.state is GroupState.EMPTY:
                since_ms = group.state_since_ms if group.state_since_ms >= 0 else None
                self._store.expire(group_id, empty_since_ms=since_ms, subscribed=())
            elif group.state is GroupState.STABLE and group.subscribed_topics is not None:
                subscribed: Collection[str] = group.subscribed_topics
                self._store.expire(group_id, empty_since_ms=None, subscribed=subscribed)
            if (
                group is not None
                and group.state is GroupState.EMPTY
                and not group.pending_joins
                and not self._store.has_offsets(group_id)
            ):
                self._store.delete_group(group_id)
                self._bury(group)

    def _plan_expiry(self) -> Timer:
        return self._scheduler.call_later(
            self._config.offsets_retention_check_interval_ms, self._expire_and_plan
        )

    def _expire_and_plan(self) -> None:
        try:
            self.expire_offsets()
        except AliranError:
            _log.exception("offsets could not be expired; trying again at the next interval")
        self._expiry_timer = self._plan_expiry()

    def _bury(self, group: Group) -> None:
        self._silence(group, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        group.move_to(GroupState.DEAD, self._clock.time_ms())
        self._groups.pop(group.group_id, None)

    def _silence(self, group: Group, error: ErrorCode) -> None:
        group.stop_timers()
        for member_id in list(group.pending_joins):
            group.forget_pending(member_id)
        for member in group.members.values():
            member.stop_timer()
            member.refuse(error)


def _check_sync(group: Group, request: SyncRequest) -> ErrorCode:
    if request.generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    type_differs = request.protocol_type not in (None, group.protocol_type)
    name_differs = request.protocol_name not in (None, group.protocol_name)
    if type_differs or name_differs:
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is GroupState.PREPARING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _find_leaving(group: Group, leaving: LeavingMember) -> tuple[ErrorCode, Member | None]:
    member_id, instance_id = leaving
    if member_id == UNKNOWN_MEMBER and instance_id is not None:
        # Administrators remove static members by name (KIP-345).
        member_id = group.static_ids.get(instance_id, UNKNOWN_MEMBER)
        if member_id == UNKNOWN_MEMBER:
            return ErrorCode.UNKNOWN_MEMBER_ID, None
    if member_id in group.pending_joins:
        group.forget_pending(member_id)
        return ErrorCode.NONE, None
    error = check_member(group, member_id, instance_id)
    return error, group.members[member_id] if error is ErrorCode.NONE else None
