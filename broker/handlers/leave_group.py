"""LeaveGroup: members go without waiting for their sessions to end.

Behavior: all members of one request leave in one rebalance. Administrators remove static members
by their instance id alone, with an empty member id.

Version notes: up to v2 one member and one error; from v3 many, each with its own.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.groups.values import LeavingMember
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.leave_group import (
    LeaveGroupRequest,
    LeaveGroupResponse,
    MemberResponse,
)


@handler(ApiKey.LEAVE_GROUP, 0, 5)
def handle(context: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse:
    """Answer a LeaveGroup request."""
    groups = context.broker.groups
    if context.api_version < 3:
        error, results = groups.leave(request.group_id, [LeavingMember(request.member_id)])
        return LeaveGroupResponse(error_code=results[0].error if results else error)
    leaving = [LeavingMember(each.member_id, each.group_instance_id) for each in request.members]
    error, results = groups.leave(request.group_id, leaving)
    return LeaveGroupResponse(
        error_code=error,
        members=[
            MemberResponse(
                member_id=each.member_id,
                group_instance_id=each.instance_id,
                error_code=each.error,
            )
            for each in results
        ],
    )
