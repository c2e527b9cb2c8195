"""IncrementalAlterConfigs: change single settings of topics.

Behavior: SET gives a value, DELETE falls back to the default, APPEND and SUBTRACT change
list-valued settings. What is not named stays. All changes of a topic hold, or none. The broker's
own settings are fixed while it runs and are refused.

Version notes: v1 is flexible, no more.
"""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from aliran.broker.config_entries import ResourceType
from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import (
    InvalidRequestError,
    InvalidTopicConfigError,
    error_code_of,
)
from aliran.broker.topic_configs import TOPIC_CONFIGS, ConfigType, split_list, suggestion
from aliran.core.errors import AliranError
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)


class Operation(IntEnum):
    """What to do with a setting. Kafka: `AlterConfigOp.OpType`."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@handler(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1)
def handle(
    context: RequestContext, request: IncrementalAlterConfigsRequest
) -> IncrementalAlterConfigsResponse:
    """Answer an IncrementalAlterConfigs request."""
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
    return IncrementalAlterConfigsResponse(responses=responses)


def _alter(context: RequestContext, resource: AlterConfigsResource, validate_only: bool) -> None:
    require_topic(resource.resource_type)
    twice = [name for name, count in Counter(c.name for c in resource.configs).items() if count > 1]
    if twice:
        raise InvalidRequestError(f"Error due to duplicate config keys: {', '.join(twice)}")
    topics = context.broker.topics
    topic = topics.require(resource.resource_name)
    effective = topics.effective_configs(topic)
    configs = dict(topic.configs)
    for change in resource.configs:
        _apply(change, configs, effective)
    topics.alter_configs(topic.name, configs, validate_only=validate_only)


def _apply(change: AlterableConfig, configs: dict[str, str], effective: dict[str, str]) -> None:
    definition = TOPIC_CONFIGS.get(change.name)
    if definition is None:
        raise InvalidTopicConfigError(
            f"Unknown topic config name: {change.name}{suggestion(change.name, TOPIC_CONFIGS)}"
        )
    if change.config_operation == Operation.DELETE:
        configs.pop(change.name, None)
        return
    if change.value is None:
        raise InvalidRequestError(f"Null value not supported for {change.name}; use DELETE")
    if change.config_operation == Operation.SET:
        configs[change.name] = change.value
        return
    if change.config_operation not in (Operation.APPEND, Operation.SUBTRACT):
        raise InvalidRequestError(f"Unknown operation {change.config_operation}")
    if definition.type is not ConfigType.LIST:
        raise InvalidTopicConfigError(
            f"Can't APPEND or SUBTRACT: {change.name} is not a list-valued config"
        )
    present, given = split_list(effective[change.name]), split_list(change.value)
    if change.config_operation == Operation.APPEND:
        result = present + [each for each in given if each not in present]
    else:
        result = [each for each in present if each not in given]
    configs[change.name] = ",".join(result)


def require_topic(resource_type: int) -> None:
    """Check that settings of this kind of resource can be changed.

    Raises:
        InvalidRequestError: They cannot; the message says what to do instead.
    """
    if resource_type == ResourceType.TOPIC:
        return
    if resource_type == ResourceType.BROKER:
        raise InvalidRequestError(
            "the broker's settings are fixed while it runs; start it with the new value"
        )
    raise InvalidRequestError(f"settings of resource type {resource_type} cannot be changed here")
