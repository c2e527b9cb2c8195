"""ListOffsets: where a partition begins and ends, and which offset a time stands for.

Behavior: a time of 0 or more gives the earliest offset whose record is at least that new, or -1.
Negative times are questions: -1 the end, -2 the beginning, -3 the record with the largest time,
-4 the beginning of what is on local disk (the beginning; there is no other storage), -5 the end of
what was moved to tiered storage and -6 the beginning of what waits to be moved (none: -1).

Version notes: -3 from v7, -4 from v8, -5 from v9, -6 from v11; asking earlier is answered with
UNSUPPORTED_VERSION. v4 brings leader epochs.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.broker.lookups import LEADER_EPOCH, partition_log
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from aliran.storage.log import PartitionLog

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = range(-1, -7, -1)
_FIRST_VERSION = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING: 11}


@handler(ApiKey.LIST_OFFSETS, 1, 11)
def handle(context: RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse:
    """Answer a ListOffsets request."""
    topics = []
    for topic in request.topics:
        seen: set[int] = set()
        partitions = []
        for asked in topic.partitions:
            if asked.partition_index in seen:
                partitions.append(
                    ListOffsetsPartitionResponse(
                        partition_index=asked.partition_index, error_code=ErrorCode.INVALID_REQUEST
                    )
                )
                continue
            seen.add(asked.partition_index)
            partitions.append(_answer(context, topic.name, asked))
        topics.append(ListOffsetsTopicResponse(name=topic.name, partitions=partitions))
    return ListOffsetsResponse(topics=topics)


def _answer(
    context: RequestContext, topic: str, asked: ListOffsetsPartition
) -> ListOffsetsPartitionResponse:
    answer = ListOffsetsPartitionResponse(partition_index=asked.partition_index)
    lowest_version = _FIRST_VERSION.get(asked.timestamp, 0)
    if asked.timestamp < EARLIEST_PENDING or context.api_version < lowest_version:
        answer.error_code = ErrorCode.UNSUPPORTED_VERSION
        return answer
    if asked.current_leader_epoch > LEADER_EPOCH:
        answer.error_code = ErrorCode.UNKNOWN_LEADER_EPOCH
        return answer
    try:
        log = partition_log(context.broker, topic, asked.partition_index)
        found = _find(log, asked.timestamp)
    except AliranError as error:
        answer.error_code = error_code_of(error)
        return answer
    if found is not None:
        answer.offset, answer.timestamp = found
        answer.leader_epoch = LEADER_EPOCH
    return answer


def _find(log: PartitionLog, timestamp: int) -> tuple[int, int] | None:
    if timestamp == LATEST:
        return log.log_end_offset, -1
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        return log.log_start_offset, -1
    if timestamp == MAX_TIMESTAMP:
        return log.offset_of_max_timestamp()
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING):
        return None
    return log.offset_for_timestamp(timestamp)
