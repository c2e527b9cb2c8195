"""OffsetFetch: how far groups have read.

Behavior: a partition without a commit has offset -1 and no error, and so has a group that does not
exist. Null topics ask for everything the group committed. `require_stable` is accepted; as no
transactions commit offsets here, every offset is stable.

Version notes: v2 brings null topics and the error of the whole request, v5 leader epochs, v8 many
groups at once; v10, not advertised yet, names topics by id.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.offset_records import OffsetAndMetadata
from aliran.core.error_codes import ErrorCode
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

_NOTHING = OffsetAndMetadata(-1)


@handler(ApiKey.OFFSET_FETCH, 1, 9)
def handle(context: RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse:
    """Answer an OffsetFetch request."""
    if context.api_version >= 8:
        return OffsetFetchResponse(groups=[_group(context, each) for each in request.groups])
    asked = None
    if request.topics is not None:
        asked = [(each.name, each.partition_indexes) for each in request.topics]
    found = _fetch(context, request.group_id, asked)
    return OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name=name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=partition,
                        committed_offset=value.offset,
                        committed_leader_epoch=value.leader_epoch,
                        metadata=value.metadata,
                    )
                    for partition, value in partitions
                ],
            )
            for name, partitions in found
        ]
    )


_Found = list[tuple[str, list[tuple[int, OffsetAndMetadata]]]]


def _fetch(
    context: RequestContext, group: str, asked: Iterable[tuple[str, list[int]]] | None
) -> _Found:
    """Return topic, then partition and offset: everything, or what was asked in that order."""
    if asked is None:
        topics: dict[str, list[tuple[int, OffsetAndMetadata]]] = {}
        for (topic, partition), value in sorted(context.broker.offsets.fetch(group).items()):
            topics.setdefault(topic, []).append((partition, value))
        return list(topics.items())
    wanted = [(topic, list(partitions)) for topic, partitions in asked]
    known = context.broker.offsets.fetch(
        group, (TopicPartition(topic, each) for topic, partitions in wanted for each in partitions)
    )
    return [
        (topic, [(each, known.get(TopicPartition(topic, each), _NOTHING)) for each in partitions])
        for topic, partitions in wanted
    ]


def _group(context: RequestContext, asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup:
    answer = OffsetFetchResponseGroup(group_id=asked.group_id)
    if asked.topics is None:
        for name, partitions in _fetch(context, asked.group_id, None):
            topic = context.broker.topics.get(name)
            # A topic without id cannot be named to clients that only know ids.
            if topic is not None or context.api_version < 10:
                topic_id = topic.topic_id if topic is not None else None
                answer.topics.append(_topic(name, topic_id, partitions))
        return answer
    for each in asked.topics:
        name, error = _name(context, each)
        partitions = [(number, _NOTHING) for number in each.partition_indexes]
        if error is ErrorCode.NONE:
            ((_, partitions),) = _fetch(context, asked.group_id, [(name, each.partition_indexes)])
        answer.topics.append(_topic(each.name, each.topic_id, partitions, error))
    return answer


def _name(context: RequestContext, asked: OffsetFetchRequestTopics) -> tuple[str, ErrorCode]:
    if context.api_version < 10:
        return asked.name, ErrorCode.NONE
    topic = context.broker.topics.get_by_id(asked.topic_id)
    return ("", ErrorCode.UNKNOWN_TOPIC_ID) if topic is None else (topic.name, ErrorCode.NONE)


def _topic(
    name: str,
    topic_id: UUID | None,
    partitions: list[tuple[int, OffsetAndMetadata]],
    error: ErrorCode = ErrorCode.NONE,
) -> OffsetFetchResponseTopics:
    answer = OffsetFetchResponseTopics(
        name=name,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=partition,
                committed_offset=value.offset,
                committed_leader_epoch=value.leader_epoch,
                metadata=value.metadata,
                error_code=error,
            )
            for partition, value in partitions
        ],
    )
    if topic_id is not None:
        answer.topic_id = topic_id
    return answer
