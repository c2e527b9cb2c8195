"""OffsetDelete: single offsets of a group go (KIP-496).

Behavior: refused for topics that a member of the group consumes (GROUP_SUBSCRIBED_TO_TOPIC), and
altogether for active groups of other kinds than consumers. Deleting what was never committed is no
error.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)


@handler(ApiKey.OFFSET_DELETE, 0, 0)
def handle(context: RequestContext, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    """Answer an OffsetDelete request."""
    broker = context.broker
    refusal = broker.groups.check_offset_delete(request.group_id)
    if refusal is not ErrorCode.NONE:
        return OffsetDeleteResponse(error_code=refusal)
    topics = []
    deletable: list[TopicPartition] = []
    for topic in request.topics:
        error = ErrorCode.NONE
        if broker.topics.get(topic.name) is None:
            error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        elif broker.groups.is_subscribed(request.group_id, topic.name):
            error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        else:
            deletable += (
                TopicPartition(topic.name, each.partition_index) for each in topic.partitions
            )
        partitions = [
            OffsetDeleteResponsePartition(partition_index=each.partition_index, error_code=error)
            for each in topic.partitions
        ]
        topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))
    try:
        broker.offsets.delete_offsets(request.group_id, deletable)
    except AliranError as failure:
        return OffsetDeleteResponse(error_code=error_code_of(failure))
    return OffsetDeleteResponse(topics=topics)
