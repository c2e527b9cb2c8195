"""Heartbeat: a group member says that it lives, and hears whether it must join again.

Version notes: v3 brings static members.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse


@handler(ApiKey.HEARTBEAT, 0, 4)
def handle(context: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    """Answer a Heartbeat request."""
    error = context.broker.groups.heartbeat(
        request.group_id, request.member_id, request.group_instance_id, request.generation_id
    )
    return HeartbeatResponse(error_code=error)
