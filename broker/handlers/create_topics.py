"""CreateTopics: make topics, or only say whether they could be made (`validate_only`).

Behavior: each topic is created and answered on its own, and exists with all its partitions when the
answer goes out. There is one broker, so a replication factor above 1 is refused the way Kafka
refuses it. A topic named twice in a request is created not at all.

Version notes: v1 brings validate_only, v4 lets -1 stand for the default number of partitions and
replicas, v5 answers with the topic's settings, v7 with its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

from aliran.broker.config_entries import topic_config_source
from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import (
    InvalidPartitionsError,
    InvalidReplicaAssignmentError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    InvalidTopicConfigError,
    error_code_of,
)
from aliran.broker.topics import Topic
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

DEFAULTS_ALLOWED_FROM = 4


@handler(ApiKey.CREATE_TOPICS, 0, 7)
def handle(
    context: RequestContext, request: CreateTopicsRequest
) -> Awaitable[CreateTopicsResponse]:
    """Answer a CreateTopics request."""
    return context.broker.on_disk_thread(_create, context, request)


def _create(context: RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse:
    counts = Counter(topic.name for topic in request.topics)
    results: dict[str, CreatableTopicResult] = {}
    for asked in request.topics:
        if asked.name in results:
            continue
        try:
            if counts[asked.name] > 1:
                raise InvalidRequestError(f"topic {asked.name!r} is named twice in the request")
            topic = context.broker.topics.create(
                asked.name,
                _partition_count(context, asked),
                _configs(asked),
                validate_only=request.validate_only,
            )
        except AliranError as error:
            results[asked.name] = CreatableTopicResult(
                name=asked.name, error_code=error_code_of(error), error_message=str(error)
            )
        else:
            results[asked.name] = _created(context, topic)
    return CreateTopicsResponse(topics=list(results.values()))


def _partition_count(context: RequestContext, asked: CreatableTopic) -> int:
    node = context.broker.node_id
    if asked.assignments:
        if asked.num_partitions != -1 or asked.replication_factor != -1:
            raise InvalidRequestError(
                "A manual partition assignment was specified, but the number of partitions or the "
                "replication factor was not set to -1"
            )
        numbers = sorted(each.partition_index for each in asked.assignments)
        if numbers != list(range(len(numbers))):
            raise InvalidReplicaAssignmentError(
                f"partitions must be numbered from 0 without gaps; found {numbers}"
            )
        for each in asked.assignments:
            if each.broker_ids != [node]:
                raise InvalidReplicaAssignmentError(
                    f"partition {each.partition_index} is assigned to brokers {each.broker_ids}; "
                    f"the only broker is {node}"
                )
        return len(numbers)
    defaults_allowed = context.api_version >= DEFAULTS_ALLOWED_FROM
    if asked.num_partitions == -1 and not defaults_allowed:
        raise InvalidPartitionsError(
            "Number of partitions was set to an invalid non-positive value."
        )
    _check_replication(asked.replication_factor, defaults_allowed)
    return asked.num_partitions


def _check_replication(factor: int, defaults_allowed: bool) -> None:
    if factor > 1:
        raise InvalidReplicationFactorError(
            f"Unable to replicate the partition {factor} time(s): the target replication factor of "
            f"{factor} cannot be reached because only 1 broker(s) are registered."
        )
    if factor != 1 and not (factor == -1 and defaults_allowed):
        raise InvalidReplicationFactorError(
            f"Replication factor must be larger than 0, or -1 to use the default value; it is "
            f"{factor}"
        )


def _configs(asked: CreatableTopic) -> dict[str, str]:
    configs = {}
    for each in asked.configs:
        if each.value is None:
            raise InvalidTopicConfigError(
                f"Null value not supported for topic configs: {each.name}"
            )
        configs[each.name] = each.value
    return configs


def _created(context: RequestContext, topic: Topic) -> CreatableTopicResult:
    broker = context.broker
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        num_partitions=topic.partitions,
        replication_factor=1,
        configs=[
            CreatableTopicConfigs(
                name=name,
                value=value,
                config_source=topic_config_source(broker.config, topic, name),
                read_only=False,
                is_sensitive=False,
            )
            for name, value in broker.topics.effective_configs(topic).items()
        ],
    )
