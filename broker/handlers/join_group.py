"""JoinGroup: a place in a group's next generation.

Behavior: the answer is held back until everybody has joined or the rebalance timed out; see
`aliran.broker.groups`.

Version notes: v0 has one timeout for session and rebalance. From v4 a member without id is given
one and must join again with it (MEMBER_ID_REQUIRED, KIP-394). v5 brings static members (KIP-345),
v7 the protocol type in the answer, v9 `skip_assignment` for a static leader that is back (KIP-814).
"""

from __future__ import annotations

import asyncio

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.groups.values import JoinRequest, JoinResult
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.join_group import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinGroupResponseMember,
)


@handler(ApiKey.JOIN_GROUP, 0, 9)
async def handle(context: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse:
    """Answer a JoinGroup request when the join phase ends."""
    version = context.api_version
    one_timeout = version == 0 or request.rebalance_timeout_ms < 0
    join = JoinRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        instance_id=request.group_instance_id,
        client_id=context.client_id or "",
        client_host=f"/{context.client_host}",
        session_timeout_ms=request.session_timeout_ms,
        rebalance_timeout_ms=(
            request.session_timeout_ms if one_timeout else request.rebalance_timeout_ms
        ),
        protocol_type=request.protocol_type,
        protocols=tuple((each.name, bytes(each.metadata)) for each in request.protocols),
        requires_known_member_id=version >= 4,
        can_skip_assignment=version >= 9,
    )
    answer: asyncio.Future[JoinResult] = asyncio.get_running_loop().create_future()

    def reply(result: JoinResult) -> None:
        if not answer.done():
            answer.set_result(result)

    context.broker.groups.join(join, reply)
    return _response(await answer, version)


def _response(result: JoinResult, version: int) -> JoinGroupResponse:
    failed = result.error is not ErrorCode.NONE
    # Before v7 the name cannot be null on the wire.
    nothing = "" if version < 7 else None
    return JoinGroupResponse(
        error_code=result.error,
        generation_id=result.generation,
        protocol_type=None if failed else result.protocol_type,
        protocol_name=nothing if failed else result.protocol_name or "",
        leader=result.leader_id,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=each.member_id,
                group_instance_id=each.instance_id,
                metadata=each.metadata,
            )
            for each in result.members
        ],
    )
