"""Metadata: the brokers (one), the topics, and who leads each partition (we do).

Behavior: null topics mean all of them, an empty list none. A topic that does not exist is created
when both the client (`allow_auto_topic_creation`) and the broker (`auto.create.topics.enable`) say
so; it is there in the same answer.

Version notes: in v0 an empty list means all topics. v4 brings allow_auto_topic_creation (before:
yes), v8 to v10 authorized operations of the cluster, v10 topic ids, v12 look-up by id with a
null name.
"""

from __future__ import annotations

from collections.abc import Awaitable
from uuid import UUID

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import TopicExistsError, error_code_of
from aliran.broker.lookups import (
    CLUSTER_OPERATIONS,
    LEADER_EPOCH,
    OPERATIONS_NOT_ASKED,
    TOPIC_OPERATIONS,
)
from aliran.broker.offset_records import OFFSETS_TOPIC
from aliran.broker.topic_names import check_topic_name
from aliran.broker.topics import Topic
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)

_NO_ID = UUID(int=0)


@handler(ApiKey.METADATA, 0, 13)
def handle(
    context: RequestContext, request: MetadataRequest
) -> MetadataResponse | Awaitable[MetadataResponse]:
    """Answer a Metadata request, beside the event loop when it makes topics."""
    registry = context.broker.topics
    if _may_create(context, request) and any(
        each.name and registry.get(each.name) is None for each in request.topics or ()
    ):
        return context.broker.on_disk_thread(_answer, context, request)
    return _answer(context, request)


def _may_create(context: RequestContext, request: MetadataRequest) -> bool:
    return request.allow_auto_topic_creation and context.broker.config.auto_create_topics_enable


def _answer(context: RequestContext, request: MetadataRequest) -> MetadataResponse:
    broker = context.broker
    everything = request.topics is None or (context.api_version == 0 and not request.topics)
    if everything:
        topics = [_describe(context, request, topic) for topic in broker.topics.all()]
    else:
        topics = [_look_up(context, request, each) for each in request.topics or ()]
    return MetadataResponse(
        brokers=[
            MetadataResponseBroker(
                node_id=broker.node_id, host=context.listener_host, port=context.listener_port
            )
        ],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        topics=topics,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else OPERATIONS_NOT_ASKED
        ),
    )


def _look_up(
    context: RequestContext, request: MetadataRequest, asked: MetadataRequestTopic
) -> MetadataResponseTopic:
    registry = context.broker.topics
    if asked.name is None or (not asked.name and asked.topic_id != _NO_ID):
        topic = registry.get_by_id(asked.topic_id)
        if topic is None:
            return MetadataResponseTopic(
                error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=asked.topic_id
            )
        return _describe(context, request, topic)
    topic = registry.get(asked.name)
    if topic is not None:
        return _describe(context, request, topic)
    try:
        check_topic_name(asked.name)
        if not _may_create(context, request):
            return MetadataResponseTopic(
                error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, name=asked.name
            )
        if asked.name == OFFSETS_TOPIC:
            context.broker.offsets.ensure_topic()
            topic = registry.require(asked.name)
        else:
            topic = registry.create(asked.name)
    except TopicExistsError:  # another thread was faster
        topic = registry.require(asked.name)
    except AliranError as error:
        return MetadataResponseTopic(error_code=error_code_of(error), name=asked.name)
    return _describe(context, request, topic)


def _describe(
    context: RequestContext, request: MetadataRequest, topic: Topic
) -> MetadataResponseTopic:
    node = context.broker.node_id
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=number,
                leader_id=node,
                leader_epoch=LEADER_EPOCH,
                replica_nodes=[node],
                isr_nodes=[node],
            )
            for number in range(topic.partitions)
        ],
        topic_authorized_operations=(
            TOPIC_OPERATIONS
            if request.include_topic_authorized_operations
            else OPERATIONS_NOT_ASKED
        ),
    )
