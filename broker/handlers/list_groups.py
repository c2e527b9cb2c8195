"""ListGroups: the groups this broker looks after, with members or only with offsets.

Version notes: v4 brings the state and a filter by it, v5 the type and a filter by it. All groups
here are "classic". Filters ignore case; one that matches nothing gives nothing.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.list_groups import (
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)

CLASSIC = "classic"


@handler(ApiKey.LIST_GROUPS, 0, 5)
def handle(context: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    """Answer a ListGroups request."""
    states = {each.lower() for each in request.states_filter}
    types = {each.lower() for each in request.types_filter}
    if types and CLASSIC not in types:
        return ListGroupsResponse()
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=each.group_id,
                protocol_type=each.protocol_type,
                group_state=each.state,
                group_type=CLASSIC,
            )
            for each in context.broker.groups.list_groups()
            if not states or each.state.lower() in states
        ]
    )
