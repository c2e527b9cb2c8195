"""DescribeCluster: the cluster's id and its brokers (one).

Behavior: as Kafka; the one broker is also the controller.

Version notes: v1 lets one ask a controller instead (endpoint type 2), which is refused.
"""

from __future__ import annotations

from aliran.broker.dispatch import RequestContext, handler
from aliran.broker.lookups import CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED
from aliran.core.error_codes import ErrorCode
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

BROKERS = 1


@handler(ApiKey.DESCRIBE_CLUSTER, 0, 2)
def handle(context: RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse:
    """Answer a DescribeCluster request."""
    if request.endpoint_type != BROKERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message="this is a broker's address, not a controller's",
            endpoint_type=BROKERS,
        )
    broker = context.broker
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
        brokers=[
            DescribeClusterBroker(
                broker_id=broker.node_id, host=context.listener_host, port=context.listener_port
            )
        ],
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else OPERATIONS_NOT_ASKED
        ),
    )
