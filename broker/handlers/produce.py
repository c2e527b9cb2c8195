"""Produce: append batches of records to partitions.

Behavior: each partition is appended and answered on its own. A batch is stored as it was sent,
unless the topic's `compression.type` names a codec: then it is compressed anew. A batch of an
idempotent producer that is there already is answered with the offset it has. With acks=0 there is
no answer at all; acks=1 and acks=all (-1) mean the same on one broker: written to the page cache,
which outlives the process but not a power cut (see flush.messages). Topics are never created here.
Where a batch of a request with acks=0 is refused the connection is closed, as Kafka does: the
client would not hear of it otherwise, and looks for the partition's leader anew.

Version notes: v3 is the first with the batches of today (magic 2). v5 log start offset, v8 errors a
record and a text, v9 flexible. v12 belongs to transactions of the second kind and v13 names topics
by id; neither is advertised yet.
"""

from __future__ import annotations

import logging

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import DisconnectError, error_code_of
from aliran.broker.lookups import partition_log
from aliran.broker.topic_names import INTERNAL_TOPICS
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)

logger: logging.Logger = logging.getLogger("aliran.broker")


@handler(ApiKey.PRODUCE, 0, 11, accept_min_version=3)
def handle(context: RequestContext, request: ProduceRequest) -> ProduceResponse | None:
    """Append the records of a Produce request; no answer with acks=0."""
    refusal: tuple[ErrorCode, str] | None = None
    if request.acks not in (-1, 0, 1):
        refusal = (ErrorCode.INVALID_REQUIRED_ACKS, f"acks={request.acks}: write 0, 1 or all (-1)")
    elif request.transactional_id is not None:
        refusal = (
            ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "this broker has no transactions: produce without transactional.id",
        )
    responses = []
    for topic in request.topic_data:
        answers = [
            _append(context, topic.name, each) if refusal is None else _failed(each.index, *refusal)
            for each in topic.partition_data
        ]
        responses.append(TopicProduceResponse(name=topic.name, partition_responses=answers))
    if request.acks != 0:
        return ProduceResponse(responses=responses)
    for topic_answer in responses:
        for answer in topic_answer.partition_responses:
            if answer.error_code:
                raise DisconnectError(
                    f"acks=0 and {topic_answer.name}-{answer.index}: {answer.error_message}"
                )
    return None


def _append(
    context: RequestContext, topic: str, data: PartitionProduceData
) -> PartitionProduceResponse:
    if topic in INTERNAL_TOPICS:
        return _failed(
            data.index, ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic} is written by the broker alone"
        )
    if not data.records:
        return _failed(data.index, ErrorCode.INVALID_RECORD, "a partition came without a batch")
    try:
        log = partition_log(context.broker, topic, data.index)
        result = log.append(data.records)
    except AliranError as error:
        return _report(context, topic, data.index, error)
    return PartitionProduceResponse(
        index=data.index,
        base_offset=result.base_offset,
        log_append_time_ms=result.log_append_time_ms,
        log_start_offset=result.log_start_offset,
    )


def _failed(index: int, code: ErrorCode, message: str) -> PartitionProduceResponse:
    return PartitionProduceResponse(
        index=index, error_code=code, base_offset=-1, error_message=message
    )


def _report(
    context: RequestContext, topic: str, index: int, error: AliranError
) -> PartitionProduceResponse:
    code = error_code_of(error)
    message = str(error)
    if code is ErrorCode.KAFKA_STORAGE_ERROR:
        logger.error("append to %s-%d failed: %s", topic, index, error)
    else:
        logger.info("append to %s-%d from %s refused: %s", topic, index, context.client_id, error)
    answer = _failed(index, code, message)
    answer.record_errors = [
        BatchIndexAndErrorMessage(batch_index=number, batch_index_error_message=text)
        for number, text in getattr(error, "record_errors", ())
    ]
    return answer
