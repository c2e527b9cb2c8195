"""DescribeGroups: a group's state and members.

Behavior: metadata and assignments are shown while the group is stable, since only then they belong
together. A group that does not exist is described as Dead.

Version notes: v3 brings the operations allowed (without an authorizer: all), v4 static members, v6
GROUP_ID_NOT_FOUND with a message for groups that do not exist.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.groups.states import GroupState
from aliran.broker.lookups import OPERATIONS_NOT_ASKED, AclOperation
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)

GROUP_OPERATIONS = sum(
    1 << operation for operation in (AclOperation.READ, AclOperation.DELETE, AclOperation.DESCRIBE)
)


@handler(ApiKey.DESCRIBE_GROUPS, 0, 6)
def handle(context: RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    """Answer a DescribeGroups request."""
    groups = [_describe(context, name) for name in request.groups]
    asked = request.include_authorized_operations
    for group in groups:
        known = asked and group.error_code == ErrorCode.NONE
        group.authorized_operations = GROUP_OPERATIONS if known else OPERATIONS_NOT_ASKED
    return DescribeGroupsResponse(groups=groups)


def _describe(context: RequestContext, group_id: str) -> DescribedGroup:
    if not group_id:
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.INVALID_GROUP_ID)
    found = context.broker.groups.describe(group_id)
    if found is None:
        missing = DescribedGroup(group_id=group_id, group_state=GroupState.DEAD.value)
        if context.api_version >= 6:
            missing.error_code = ErrorCode.GROUP_ID_NOT_FOUND
            missing.error_message = f"Group {group_id} not found."
        return missing
    return DescribedGroup(
        group_id=group_id,
        group_state=found.state,
        protocol_type=found.protocol_type,
        protocol_data=found.protocol_name,
        members=[
            DescribedGroupMember(
                member_id=each.member_id,
                group_instance_id=each.instance_id,
                client_id=each.client_id,
                client_host=each.client_host,
                member_metadata=each.metadata,
                member_assignment=each.assignment,
            )
            for each in found.members
        ],
    )
