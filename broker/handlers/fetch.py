"""Fetch: records from an offset on, at once or as soon as there are enough.

Behavior: whole batches as they lie in the log; the batch that contains the offset comes whole, and
clients skip what precedes it. The first batch of the answer comes even if it is above the limits
(KIP-74); after that, `max_bytes` bounds the answer and `partition_max_bytes` each partition. With
less than `min_bytes` the answer waits, at most `max_wait_ms`, for appends; an error is answered at
once. The high watermark is the end of the log, for there are no replicas to wait for; without
transactions it is also the last stable offset, and nothing is ever aborted.

Fetch sessions (KIP-227) are declined by answering session 0: clients go on with full requests. A
client that names a session gets FETCH_SESSION_ID_NOT_FOUND and starts afresh.

Version notes: v5 log start offset, v7 sessions and a top-level error, v9 leader epochs, v11 racks,
v12 flexible. v13 and later name topics by id and are not advertised yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.broker.lookups import LEADER_EPOCH, partition_log
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)

READ_COMMITTED = 1
_MIN_LOOK_AGAIN_S = 0.002
"""Least time between two looks at the logs while an answer gathers many bytes."""


class _Answer:
    """An answer being put together, within its size limits."""

    __slots__ = ("failed", "left", "request", "response", "size")

    def __init__(self, context: RequestContext, request: FetchRequest) -> None:
        self.request = request
        self.left = min(request.max_bytes, context.broker.config.fetch_max_bytes)
        self.size = 0
        self.failed = False
        self.response = FetchResponse(
            responses=[
                FetchableTopicResponse(
                    topic=topic.topic,
                    partitions=[
                        self._read(context, topic.topic, each) for each in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    @property
    def complete(self) -> bool:
        """Whether it can be sent without waiting."""
        return self.failed or self.size >= self.request.min_bytes

    def _read(self, context: RequestContext, topic: str, asked: FetchPartition) -> PartitionData:
        answer = PartitionData(
            partition_index=asked.partition, high_watermark=-1, aborted_transactions=None
        )
        try:
            log = partition_log(context.broker, topic, asked.partition)
            if asked.current_leader_epoch > LEADER_EPOCH:
                answer.error_code = ErrorCode.UNKNOWN_LEADER_EPOCH
                self.failed = True
                return answer
            answer.log_start_offset = log.log_start_offset
            answer.high_watermark = answer.last_stable_offset = log.log_end_offset
            limit = max(0, min(asked.partition_max_bytes, self.left))
            records = log.read(asked.fetch_offset, limit, min_one_batch=self.size == 0)
        except AliranError as error:
            answer.error_code = error_code_of(error)
            answer.records = b""
            self.failed = True
            return answer
        if self.request.isolation_level == READ_COMMITTED:
            answer.aborted_transactions = []
        answer.records = records
        self.size += len(records)
        self.left -= len(records)
        return answer


@handler(ApiKey.FETCH, 4, 12)
def handle(
    context: RequestContext, request: FetchRequest
) -> FetchResponse | Awaitable[FetchResponse]:
    """Answer a Fetch request, or return what will."""
    if request.session_id != 0:
        return FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    answer = _Answer(context, request)
    if answer.complete or request.max_wait_ms <= 0 or context.broker.purgatory.closed:
        return answer.response
    return _wait(context, request)


async def _wait(context: RequestContext, request: FetchRequest) -> FetchResponse:
    purgatory = context.broker.purgatory
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait_ms / 1000
    waiter = purgatory.register(
        TopicPartition(topic.topic, each.partition)
        for topic in request.topics
        for each in topic.partitions
    )
    try:
        while not (_is_ready(context, request) or purgatory.closed):
            left = deadline - loop.time()
            if left <= 0 or not await waiter.wait(left):
                break
            if request.min_bytes > 1 and not purgatory.closed:
                await asyncio.sleep(min(_MIN_LOOK_AGAIN_S, left))
    finally:
        purgatory.unregister(waiter)
    return _Answer(context, request).response


def _is_ready(context: RequestContext, request: FetchRequest) -> bool:
    """Whether an answer would be complete, or hold an error; found out without reading records.

    Where a segment ends the answer goes out with less than was asked for, since no waiting would
    make it more. Kafka: `DelayedFetch.tryComplete`.
    """
    left = min(request.max_bytes, context.broker.config.fetch_max_bytes)
    missing = request.min_bytes
    for topic in request.topics:
        for asked in topic.partitions:
            if asked.current_leader_epoch > LEADER_EPOCH:
                return True
            try:
                log = partition_log(context.broker, topic.topic, asked.partition)
                limit = max(0, min(asked.partition_max_bytes, left))
                size, goes_on = log.readable_bytes(asked.fetch_offset, limit)
            except AliranError:
                return True
            missing -= size
            if goes_on or missing <= 0:
                return True
    return False
