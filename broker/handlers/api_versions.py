"""ApiVersions: which request kinds and versions this broker answers.

Behavior: read from the table of handlers, so a request kind appears when its module exists. No
features are finalized: clients then commit transactions the old way and stay with classic groups.

Version notes: a version we do not know is answered all the same, with the body of version 0, error
35 and the whole list, from which the client picks a version (KIP-511). v3 brings the client's name
and version, which must be plain words. Produce is listed from version 0 though only 3 and later are
accepted: older librdkafka turns compression off otherwise (KAFKA-18659).
"""

from __future__ import annotations

import re

from aliran.broker.dispatch import RequestContext, handler, handlers
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)

_SOFTWARE_WORD = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def unsupported_version_response() -> ApiVersionsResponse:
    """Return the answer to a version of ApiVersions we do not know; to be sent as version 0."""
    return _response(ErrorCode.UNSUPPORTED_VERSION)


@handler(ApiKey.API_VERSIONS, 0, 4)
def handle(context: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """Answer an ApiVersions request."""
    if context.api_version >= 3:
        for word in (request.client_software_name, request.client_software_version):
            if _SOFTWARE_WORD.fullmatch(word) is None:
                return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return _response(ErrorCode.NONE)


def _response(error_code: ErrorCode) -> ApiVersionsResponse:
    return ApiVersionsResponse(
        error_code=error_code,
        api_keys=[
            ApiVersion(api_key=key, min_version=entry.min_version, max_version=entry.max_version)
            for key, entry in sorted(handlers().items())
        ],
    )
