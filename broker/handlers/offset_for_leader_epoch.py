"""OffsetForLeaderEpoch: where the records of a leader's term end; clients check for truncation.

Behavior: there is one term, epoch 0, which ends at the end of the log. An epoch above it is
undefined: -1, -1.

Version notes: only v2 to v4; librdkafka sends exactly v2.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.broker.lookups import LEADER_EPOCH, partition_log
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


@handler(ApiKey.OFFSET_FOR_LEADER_EPOCH, 2, 4)
def handle(
    context: RequestContext, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    """Answer an OffsetForLeaderEpoch request."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_answer(context, topic.topic, each) for each in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _answer(context: RequestContext, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    answer = EpochEndOffset(partition=asked.partition)
    try:
        log = partition_log(context.broker, topic, asked.partition)
    except AliranError as error:
        answer.error_code = error_code_of(error)
        return answer
    if asked.current_leader_epoch > LEADER_EPOCH:
        answer.error_code = ErrorCode.UNKNOWN_LEADER_EPOCH
    elif asked.leader_epoch == LEADER_EPOCH:
        answer.leader_epoch, answer.end_offset = LEADER_EPOCH, log.log_end_offset
    return answer
