"""InitProducerId: a number for an idempotent producer.

Behavior: without a transactional id every call gives a fresh producer id with epoch 0, never given
out before, also across restarts. There are no transactions yet: with a transactional id the answer
is TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the one error that ends every client's
`init_transactions` at once instead of being retried until a timeout; the broker's log says why.

Version notes: v3 lets a producer that lost its place name its old id and epoch (KIP-360); it gets a
fresh id, which is always safe.
"""

from __future__ import annotations

import logging

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import error_code_of
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.init_producer_id import (
    InitProducerIdRequest,
    InitProducerIdResponse,
)

logger: logging.Logger = logging.getLogger("aliran.broker")


@handler(ApiKey.INIT_PRODUCER_ID, 0, 5)
def handle(context: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    """Answer an InitProducerId request."""
    if request.transactional_id is not None:
        logger.warning(
            "%s asked for transactions (transactional.id=%s); this broker has none: "
            "use an idempotent producer (enable.idempotence=true) without transactional.id",
            context.client_id,
            request.transactional_id,
        )
        return _refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return _refused(ErrorCode.INVALID_REQUEST)
    try:
        producer_id = context.broker.producer_ids.next_id()
    except AliranError as error:
        logger.error("cannot reserve producer ids: %s", error)
        return _refused(error_code_of(error))
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)
