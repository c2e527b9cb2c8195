"""What several handlers need: partition logs by name, and the operations a client may do."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from aliran.broker.errors import UnknownTopicError
from aliran.core.types import TopicPartition

if TYPE_CHECKING:
    from aliran.broker.broker import Broker
    from aliran.storage.log import PartitionLog

LEADER_EPOCH = 0
"""The leader epoch of every partition: there is one replica, and it always leads."""

OPERATIONS_NOT_ASKED = -(2**31)
"""What stands for "authorized operations" where the client did not ask."""


class AclOperation(IntEnum):
    """Operations by Kafka's numbers; a set of them is a bit field. Kafka: `AclOperation`."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12


def _bits(*operations: AclOperation) -> int:
    return sum(1 << operation for operation in operations)


_Op = AclOperation
TOPIC_OPERATIONS = _bits(
    _Op.READ,
    _Op.WRITE,
    _Op.CREATE,
    _Op.DELETE,
    _Op.ALTER,
    _Op.DESCRIBE,
    _Op.DESCRIBE_CONFIGS,
    _Op.ALTER_CONFIGS,
)
"""Everything one may do with a topic; without an authorizer that is what everybody may."""

CLUSTER_OPERATIONS = _bits(
    _Op.CREATE,
    _Op.ALTER,
    _Op.DESCRIBE,
    _Op.CLUSTER_ACTION,
    _Op.DESCRIBE_CONFIGS,
    _Op.ALTER_CONFIGS,
    _Op.IDEMPOTENT_WRITE,
)
"""Everything one may do with the cluster."""

GROUP_OPERATIONS = _bits(_Op.READ, _Op.DELETE, _Op.DESCRIBE)
"""Everything one may do with a group."""


def partition_log(broker: Broker, topic: str, partition: int) -> PartitionLog:
    """Return the log of a partition.

    Raises:
        UnknownTopicError: The topic or the partition does not exist.
    """
    log = broker.logs.get(TopicPartition(topic, partition))
    if log is None:
        known = broker.topics.get(topic)
        if known is None:
            raise UnknownTopicError(f"there is no topic {topic!r}")
        raise UnknownTopicError(
            f"topic {topic!r} has partitions 0 to {known.partitions - 1}, none numbered {partition}"
        )
    return log
