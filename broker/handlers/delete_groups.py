"""DeleteGroups: groups without members go, with all their offsets (KIP-229)."""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.delete_groups import (
    DeletableGroupResult,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)


@handler(ApiKey.DELETE_GROUPS, 0, 2)
def handle(context: RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    """Answer a DeleteGroups request."""
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=name, error_code=_delete(context, name))
            for name in request.groups_names
        ]
    )


def _delete(context: RequestContext, group_id: str) -> ErrorCode:
    try:
        return context.broker.groups.delete(group_id)
    except AliranError as error:
        return error_code_of(error)
