"""DeleteRecords: let partitions begin later.

Behavior: records below the offset can no longer be read; whole segments below it go from disk. -1
stands for the end of the partition. A topic that is only compacted refuses.

Version notes: none that matter.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.broker.lookups import partition_log
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

HIGH_WATERMARK = -1


@handler(ApiKey.DELETE_RECORDS, 0, 2)
def handle(context: RequestContext, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    """Answer a DeleteRecords request."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[
                    _delete(context, topic.name, each.partition_index, each.offset)
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _delete(
    context: RequestContext, topic: str, partition: int, offset: int
) -> DeleteRecordsPartitionResult:
    result = DeleteRecordsPartitionResult(partition_index=partition, low_watermark=-1)
    try:
        log = partition_log(context.broker, topic, partition)
        end = log.log_end_offset
        before = end if offset == HIGH_WATERMARK else offset
        if "delete" not in log.config.cleanup_policy:
            result.error_code = ErrorCode.POLICY_VIOLATION
        elif not 0 <= before <= end:
            result.error_code = ErrorCode.OFFSET_OUT_OF_RANGE
        else:
            result.low_watermark = log.delete_records(before)
    except AliranError as error:
        result.error_code = error_code_of(error)
    return result
