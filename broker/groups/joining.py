"""The join request in all its cases: new, known, static, restarted, too many.

Kafka: `GroupMetadataManager.classicGroupJoin*`.
"""

from __future__ import annotations

import uuid
from dataclasses import replace

from aliran.broker.config import BrokerConfig
from aliran.broker.groups.group import Group, Member
from aliran.broker.groups.rebalance import Rebalancer, store_error
from aliran.broker.groups.states import GroupState
from aliran.broker.groups.storage import GroupStore, group_to_metadata
from aliran.broker.groups.values import UNKNOWN_MEMBER, JoinReply, JoinRequest, JoinResult
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError


class Joining:
    """Answers join requests, now or when the group is complete."""

    def __init__(self, store: GroupStore, config: BrokerConfig, rebalancer: Rebalancer) -> None:
        self._store = store
        self._config = config
        self._rebalancer = rebalancer

    def join(self, group: Group, request: JoinRequest, reply: JoinReply) -> None:
        """Handle a join whose group id and session timeout are in order."""
        if not self._has_room(group, request.member_id):
            member = group.members.get(request.member_id)
            if member is not None:
                self._rebalancer.drop(group, [member])
            reply(JoinResult(ErrorCode.GROUP_MAX_SIZE_REACHED, UNKNOWN_MEMBER))
        elif not group.supports(request.protocol_type, request.protocols):
            reply(JoinResult(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, request.member_id))
        elif request.member_id == UNKNOWN_MEMBER:
            self._join_unknown(group, request, reply)
        elif request.member_id in group.pending_joins and request.instance_id is None:
            self._add(group, request.member_id, request, reply)
        else:
            self._join_known(group, request, reply)

    def _has_room(self, group: Group, member_id: str) -> bool:
        limit = self._config.group_max_size
        member = group.members.get(member_id)
        if group.state is GroupState.PREPARING_REBALANCE:
            joined = member is not None and member.awaiting_join is not None
            return joined or group.awaiting_joins < limit
        if group.state is GroupState.EMPTY:
            return True
        return member is not None or len(group.members) < limit

    def _join_unknown(self, group: Group, request: JoinRequest, reply: JoinReply) -> None:
        member_id = f"{request.instance_id or request.client_id}-{uuid.uuid4()}"
        if request.instance_id is not None:
            old_id = group.static_ids.get(request.instance_id)
            if old_id is None:
                self._add(group, member_id, request, reply)
            else:
                self._restart_static(group, group.members[old_id], member_id, request, reply)
        elif request.requires_known_member_id:
            self._rebalancer.give_id(group, member_id, request.session_timeout_ms)
            reply(JoinResult(ErrorCode.MEMBER_ID_REQUIRED, member_id))
        else:
            self._add(group, member_id, request, reply)

    def _join_known(self, group: Group, request: JoinRequest, reply: JoinReply) -> None:
        error = check_member(group, request.member_id, request.instance_id)
        if error is not ErrorCode.NONE:
            reply(JoinResult(error, request.member_id))
            return
        member = group.members[request.member_id]
        unchanged = member.protocols == request.protocols
        leads = member.member_id == group.leader_id
        # In CompletingRebalance an unchanged join means that our answer got lost. In Stable only
        # the leader's join asks for a new assignment.
        if unchanged and (
            group.state is GroupState.COMPLETING_REBALANCE
            or (group.state is GroupState.STABLE and not leads)
        ):
            reply(self._rebalancer.place(group, member))
            return
        self._update(member, request, reply)
        self._rebalancer.rebalance(group)

    def _add(self, group: Group, member_id: str, request: JoinRequest, reply: JoinReply) -> None:
        member = Member(
            member_id=member_id,
            instance_id=request.instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocols=request.protocols,
            is_new=True,
            awaiting_join=reply,
        )
        if group.state is GroupState.PREPARING_REBALANCE and group.generation == 0:
            group.new_member_added = True
        group.add(member, request.protocol_type)
        self._rebalancer.expect_join(group, member)
        self._rebalancer.rebalance(group)

    def _update(self, member: Member, request: JoinRequest, reply: JoinReply | None) -> None:
        # An earlier join of the same member can only come from a connection it gave up.
        member.answer_join(JoinResult(ErrorCode.REBALANCE_IN_PROGRESS, member.member_id))
        member.protocols = request.protocols
        member.rebalance_timeout_ms = request.rebalance_timeout_ms
        member.session_timeout_ms = request.session_timeout_ms
        member.awaiting_join = reply

    def _restart_static(
        self, group: Group, member: Member, new_id: str, request: JoinRequest, reply: JoinReply
    ) -> None:
        """Let a static member that was started again take its old place (KIP-345)."""
        old_leader_id = group.leader_id
        group.rename_static(member, new_id)
        member.client_id, member.client_host = request.client_id, request.client_host
        self._update(member, request, reply)
        self._rebalancer.expect_heartbeat(group, member)
        if group.state is not GroupState.STABLE or group.choose_protocol() != group.protocol_name:
            self._rebalancer.rebalance(group)
        else:
            member.answer_join(self._old_place(group, member, old_leader_id, request))

    def _old_place(
        self, group: Group, member: Member, old_leader_id: str | None, request: JoinRequest
    ) -> JoinResult:
        group.update_subscribed_topics()
        try:
            self._store.save_group(group.group_id, group_to_metadata(group))
        except AliranError as error:
            return JoinResult(store_error(error), member.member_id)
        place = self._rebalancer.place(group, member)
        if request.can_skip_assignment:
            return replace(place, skip_assignment=member.member_id == group.leader_id)
        # Older clients cannot be told to skip, so a returning leader is told that its former self
        # leads: it then asks for its assignment like a follower.
        return replace(place, leader_id=old_leader_id or "", members=())


def check_member(group: Group, member_id: str, instance_id: str | None) -> ErrorCode:
    """Say whether a request comes from a member of the group as it is now.

    Returns:
        NONE, UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when another process has taken over the
        static name.
    """
    if instance_id is not None:
        owner = group.static_ids.get(instance_id)
        if owner is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if owner != member_id:
            return ErrorCode.FENCED_INSTANCE_ID
    return ErrorCode.NONE if member_id in group.members else ErrorCode.UNKNOWN_MEMBER_ID
