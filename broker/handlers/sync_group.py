"""SyncGroup: a member's part of the assignment; the leader's request carries everybody's.

Behavior: held back until the leader has spoken. The group is saved before anybody is answered, so
a broker that restarts still knows it.

Version notes: v3 brings static members, v5 protocol type and name, which are compared.
"""

from __future__ import annotations

import asyncio

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.groups.values import SyncRequest, SyncResult
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse


@handler(ApiKey.SYNC_GROUP, 0, 5)
async def handle(context: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse:
    """Answer a SyncGroup request when the assignment is known."""
    if context.api_version >= 5 and None in (request.protocol_type, request.protocol_name):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    sync = SyncRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        generation=request.generation_id,
        instance_id=request.group_instance_id,
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        assignments={each.member_id: bytes(each.assignment) for each in request.assignments},
    )
    answer: asyncio.Future[SyncResult] = asyncio.get_running_loop().create_future()

    def reply(result: SyncResult) -> None:
        if not answer.done():
            answer.set_result(result)

    context.broker.groups.sync(sync, reply)
    result = await answer
    return SyncGroupResponse(
        error_code=result.error,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol_name,
        assignment=result.assignment,
    )
