"""AlterConfigs: replace all settings of topics (the request before IncrementalAlterConfigs).

Behavior: what the request does not name falls back to its default. The broker's own settings are
fixed while it runs and are refused.

Version notes: v2 is flexible, no more.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import InvalidTopicConfigError, error_code_of
from aliran.broker.handlers.incremental_alter_configs import require_topic
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)


@handler(ApiKey.ALTER_CONFIGS, 0, 2)
def handle(context: RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse:
    """Answer an AlterConfigs request."""
    responses = []
    for resource in request.resources:
        response = AlterConfigsResourceResponse(
            resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        try:
            _alter(context, resource, request.validate_only)
        except AliranError as error:
            response.error_code, response.error_message = error_code_of(error), str(error)
        responses.append(response)
    return AlterConfigsResponse(responses=responses)


def _alter(context: RequestContext, resource: AlterConfigsResource, validate_only: bool) -> None:
    require_topic(resource.resource_type)
    configs = {}
    for each in resource.configs:
        if each.value is None:
            raise InvalidTopicConfigError(f"Null value not supported for {each.name}")
        configs[each.name] = each.value
    context.broker.topics.alter_configs(
        resource.resource_name, configs, validate_only=validate_only
    )
