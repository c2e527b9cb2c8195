"""DescribeTopicPartitions: topics and partitions in pages.

Behavior: topics in the order of their names, at most `response_partition_limit` partitions in an
answer; `next_cursor` says where the next page begins. No topics named means all. Never creates one.

Version notes: there is only v0.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import InvalidTopicError
from aliran.broker.lookups import LEADER_EPOCH, TOPIC_OPERATIONS
from aliran.broker.topic_names import check_topic_name
from aliran.broker.topics import Topic
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

MAX_PARTITIONS = 2_000


@handler(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, 0)
def handle(
    context: RequestContext, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    """Answer a DescribeTopicPartitions request."""
    registry = context.broker.topics
    names = sorted({each.name for each in request.topics}) or registry.names()
    first_name, first_partition = "", 0
    if request.cursor is not None:
        first_name = request.cursor.topic_name
        first_partition = max(0, request.cursor.partition_index)
    left = max(1, min(request.response_partition_limit, MAX_PARTITIONS))
    response = DescribeTopicPartitionsResponse()
    for name in names:
        if name < first_name:
            continue
        topic = registry.get(name)
        if topic is None:
            response.topics.append(_unknown(name))
            continue
        start = first_partition if name == first_name else 0
        if left == 0:
            response.next_cursor = Cursor(topic_name=name, partition_index=start)
            break
        end = min(topic.partitions, start + left)
        response.topics.append(_describe(context, topic, range(start, end)))
        left -= max(0, end - start)
        if end < topic.partitions:
            response.next_cursor = Cursor(topic_name=name, partition_index=end)
            break
    return response


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    try:
        check_topic_name(name)
    except InvalidTopicError as error:
        code = error.error_code
    return DescribeTopicPartitionsResponseTopic(error_code=code, name=name)


def _describe(
    context: RequestContext, topic: Topic, partitions: range
) -> DescribeTopicPartitionsResponseTopic:
    node = context.broker.node_id
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.internal,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                partition_index=number,
                leader_id=node,
                leader_epoch=LEADER_EPOCH,
                replica_nodes=[node],
                isr_nodes=[node],
                eligible_leader_replicas=[],  # null breaks Java clients
                last_known_elr=[],
            )
            for number in partitions
        ],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )
