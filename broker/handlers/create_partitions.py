"""CreatePartitions: raise the number of partitions of topics.

Behavior: `count` is the new total. It can only grow; keys then hash to other partitions, which is
the caller's concern as in Kafka. Every topic asked about is in the answer.

Version notes: none that matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import (
    InvalidReplicaAssignmentError,
    InvalidRequestError,
    error_code_of,
)
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


@handler(ApiKey.CREATE_PARTITIONS, 0, 3)
def handle(
    context: RequestContext, request: CreatePartitionsRequest
) -> Awaitable[CreatePartitionsResponse]:
    """Answer a CreatePartitions request."""
    return context.broker.on_disk_thread(_create, context, request)


def _create(context: RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    counts = Counter(topic.name for topic in request.topics)
    results: dict[str, CreatePartitionsTopicResult] = {}
    for asked in request.topics:
        result = CreatePartitionsTopicResult(name=asked.name)
        try:
            if counts[asked.name] > 1:
                raise InvalidRequestError(f"topic {asked.name!r} is named twice in the request")
            _check_assignments(context, asked)
            context.broker.topics.create_partitions(
                asked.name, asked.count, validate_only=request.validate_only
            )
        except AliranError as error:
            result.error_code, result.error_message = error_code_of(error), str(error)
        results[asked.name] = result
    return CreatePartitionsResponse(results=list(results.values()))


def _check_assignments(context: RequestContext, asked: CreatePartitionsTopic) -> None:
    if not asked.assignments:
        return
    node = context.broker.node_id
    added = asked.count - context.broker.topics.require(asked.name).partitions
    if len(asked.assignments) != added:
        raise InvalidReplicaAssignmentError(
            f"{added} partitions would be added, but {len(asked.assignments)} assignments "
            "were given"
        )
    for each in asked.assignments:
        if each.broker_ids != [node]:
            raise InvalidReplicaAssignmentError(
                f"a partition is assigned to brokers {each.broker_ids}; the only broker is {node}"
            )
