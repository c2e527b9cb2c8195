"""DeleteTopics: remove topics with their records.

Behavior: a topic is gone at once, for every client, and its name is free again when the answer goes
out. Each topic is answered on its own.

Version notes: up to v5 by name only; v6 by name or id; v5 brings the text of an error.
"""

from __future__ import annotations

from collections.abc import Awaitable
from uuid import UUID

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)


@handler(ApiKey.DELETE_TOPICS, 0, 6)
def handle(
    context: RequestContext, request: DeleteTopicsRequest
) -> Awaitable[DeleteTopicsResponse]:
    """Answer a DeleteTopics request."""
    return context.broker.on_disk_thread(_delete_all, context, request)


def _delete_all(context: RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    asked = request.topics or [DeleteTopicState(name=name) for name in request.topic_names]
    return DeleteTopicsResponse(
        responses=[_delete(context, each.name, each.topic_id) for each in asked]
    )


def _delete(context: RequestContext, name: str | None, topic_id: UUID) -> DeletableTopicResult:
    topics = context.broker.topics
    try:
        topic = topics.delete(topics.name_of(topic_id) if name is None else name)
    except AliranError as error:
        return DeletableTopicResult(
            name=name,
            topic_id=topic_id,
            error_code=error_code_of(error),
            error_message=str(error),
        )
    return DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)
