"""FindCoordinator: which broker looks after a group or a transactional id. Always this one.

Behavior: asking for a group's coordinator creates `__consumer_offsets` if it is not there yet, so
that the first commit need not. Other kinds of coordinators than these two: INVALID_REQUEST.

Version notes: v0 knows groups only, v1 brings the kind, v4 asks for many keys at once.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.find_coordinator import (
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

GROUP, TRANSACTION = 0, 1


@handler(ApiKey.FIND_COORDINATOR, 0, 5)
def handle(context: RequestContext, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    """Answer a FindCoordinator request."""
    keys = [request.key] if context.api_version < 4 else request.coordinator_keys
    error, message = _prepare(context, request.key_type)
    coordinators = []
    for key in keys:
        found = Coordinator(key=key, node_id=-1, host="", port=-1)
        if error is ErrorCode.NONE:
            found.node_id = context.broker.node_id
            found.host = context.listener_host
            found.port = context.listener_port
        found.error_code, found.error_message = error, message
        coordinators.append(found)
    if context.api_version >= 4:
        return FindCoordinatorResponse(coordinators=coordinators)
    only = coordinators[0]
    return FindCoordinatorResponse(
        error_code=only.error_code,
        error_message=only.error_message,
        node_id=only.node_id,
        host=only.host,
        port=only.port,
    )


def _prepare(context: RequestContext, key_type: int) -> tuple[ErrorCode, str | None]:
    if key_type not in (GROUP, TRANSACTION):
        return ErrorCode.INVALID_REQUEST, f"there is no coordinator of type {key_type} here"
    if key_type == GROUP:
        try:
            context.broker.offsets.ensure_topic()
        except AliranError as error:
            code = error_code_of(error)
            retry = ErrorCode.COORDINATOR_NOT_AVAILABLE
            return (code if code.retriable else retry), str(error)
    return ErrorCode.NONE, None
