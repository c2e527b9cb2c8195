"""OffsetCommit: a group remembers how far it has read.

Behavior: everything of one request that is in order becomes one record batch, which is all there
or not at all after a crash. Unknown topics and texts that are too long are refused one by one; the
rest is committed. The text travels back unchanged with OffsetFetch.

Version notes: v2 to v4 may say how long to keep the offsets, v6 brings leader epochs, v7 static
members; v10, not advertised yet, names topics by id.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.broker.offset_records import OffsetAndMetadata
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

_LONG_MAX = (1 << 63) - 1
_STORE_ERRORS = {
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.INVALID_COMMIT_OFFSET_SIZE,
}
"""What clients are told when the batch could not be written; Kafka: `convertOffsetCommitError`."""


@handler(ApiKey.OFFSET_COMMIT, 2, 9)
def handle(context: RequestContext, request: OffsetCommitRequest) -> OffsetCommitResponse:
    """Answer an OffsetCommit request."""
    broker = context.broker
    refusal = broker.groups.check_commit(
        request.group_id,
        request.member_id,
        request.group_instance_id,
        request.generation_id_or_member_epoch,
    )
    now_ms = broker.clock.time_ms()
    expire_ms = -1
    if request.retention_time_ms >= 0:
        expire_ms = min(now_ms + request.retention_time_ms, _LONG_MAX)
    offsets: dict[TopicPartition, OffsetAndMetadata] = {}
    accepted: list[OffsetCommitResponsePartition] = []
    topics = []
    for topic in request.topics:
        name, error = _find(context, topic)
        answer = OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id)
        topics.append(answer)
        for each in topic.partitions:
            result = OffsetCommitResponsePartition(partition_index=each.partition_index)
            answer.partitions.append(result)
            text = each.committed_metadata or ""
            result.error_code = refusal or error
            if result.error_code == ErrorCode.NONE and _too_long(context, text):
                result.error_code = ErrorCode.OFFSET_METADATA_TOO_LARGE
            if result.error_code == ErrorCode.NONE:
                accepted.append(result)
                offsets[TopicPartition(name, each.partition_index)] = OffsetAndMetadata(
                    each.committed_offset, each.committed_leader_epoch, text, now_ms, expire_ms
                )
    failure = _commit(context, request.group_id, offsets)
    for result in accepted:
        result.error_code = failure
    return OffsetCommitResponse(topics=topics)


def _find(context: RequestContext, topic: OffsetCommitRequestTopic) -> tuple[str, ErrorCode]:
    topics = context.broker.topics
    if context.api_version >= 10:
        found = topics.get_by_id(topic.topic_id)
        return (found.name, ErrorCode.NONE) if found else ("", ErrorCode.UNKNOWN_TOPIC_ID)
    known = topics.get(topic.name) is not None
    return topic.name, ErrorCode.NONE if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _too_long(context: RequestContext, text: str) -> bool:
    # Kafka counts characters here, not bytes.
    return len(text) > context.broker.config.offset_metadata_max_bytes


def _commit(
    context: RequestContext, group: str, offsets: dict[TopicPartition, OffsetAndMetadata]
) -> ErrorCode:
    try:
        context.broker.offsets.commit(group, offsets)
    except AliranError as error:
        code = error_code_of(error)
        return _STORE_ERRORS.get(code, code)
    return ErrorCode.NONE
