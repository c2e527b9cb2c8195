"""DescribeConfigs: the settings of topics and of the broker, each with where it comes from.

Behavior: every setting is listed with the value that holds, unless the request names some. Groups,
client metrics and loggers have no settings here and are answered with an empty list.

Version notes: v0 says only whether a value is a default; v1 brings sources and synonyms, v3 types
and documentation.
"""

from __future__ import annotations

from aliran.broker.config_entries import (
    ConfigEntry,
    ConfigSource,
    ResourceType,
    broker_entries,
    topic_entries,
)
from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.errors import BrokerError, InvalidRequestError, error_code_of
from aliran.broker.topic_names import check_topic_name
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

_WITHOUT_SETTINGS = (ResourceType.BROKER_LOGGER, ResourceType.CLIENT_METRICS, ResourceType.GROUP)


@handler(ApiKey.DESCRIBE_CONFIGS, 0, 4)
def handle(context: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    """Answer a DescribeConfigs request."""
    results = []
    for resource in request.resources:
        result = DescribeConfigsResult(
            resource_type=resource.resource_type, resource_name=resource.resource_name
        )
        try:
            entries = _entries(context, resource)
        except BrokerError as error:
            result.error_code, result.error_message = error_code_of(error), str(error)
        else:
            wanted = resource.configuration_keys
            result.configs = [
                _describe(entry, request) for entry in entries if not wanted or entry.name in wanted
            ]
        results.append(result)
    return DescribeConfigsResponse(results=results)


def _entries(context: RequestContext, resource: DescribeConfigsResource) -> list[ConfigEntry]:
    broker = context.broker
    if resource.resource_type == ResourceType.TOPIC:
        check_topic_name(resource.resource_name)
        return topic_entries(broker, broker.topics.require(resource.resource_name))
    if resource.resource_type == ResourceType.BROKER:
        if resource.resource_name == "":
            return []  # the settings all brokers share by a change at run time: none
        if resource.resource_name != str(broker.node_id):
            raise InvalidRequestError(
                f"Unexpected broker id, expected {broker.node_id} or empty string, but received "
                f"{resource.resource_name}"
            )
        return broker_entries(broker)
    if resource.resource_type in _WITHOUT_SETTINGS:
        return []
    raise InvalidRequestError(f"Unsupported resource type: {resource.resource_type}")


def _describe(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        is_default=entry.source is ConfigSource.DEFAULT,
        is_sensitive=False,
        synonyms=(
            [
                DescribeConfigsSynonym(name=name, value=value, source=source)
                for name, value, source in entry.synonyms
            ]
            if request.include_synonyms
            else []
        ),
        config_type=entry.type,
        documentation=entry.doc if request.include_documentation else None,
    )
