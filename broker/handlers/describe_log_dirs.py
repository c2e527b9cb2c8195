"""DescribeLogDirs: the data directory, its partitions and their sizes.

Behavior: one directory. Null topics mean all; partitions that do not exist are left out.

Version notes: v3 brings a top-level error, v4 the size of the disk.
"""

from __future__ import annotations

import os
import shutil

from aliran.broker.dispatch import RequestContext, handler
from aliran.core.types import TopicPartition
from aliran.protocol.api_keys import ApiKey
from aliran.protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)


@handler(ApiKey.DESCRIBE_LOG_DIRS, 0, 4)
def handle(context: RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    """Answer a DescribeLogDirs request."""
    broker = context.broker
    if request.topics is None:
        asked = [(topic.name, list(range(topic.partitions))) for topic in broker.topics.all()]
    else:
        asked = [(each.topic, each.partitions) for each in request.topics]
    topics = []
    for name, numbers in asked:
        partitions = []
        for number in numbers:
            log = broker.logs.get(TopicPartition(name, number))
            if log is not None:
                partitions.append(
                    DescribeLogDirsPartition(partition_index=number, partition_size=log.size())
                )
        if partitions:
            topics.append(DescribeLogDirsTopic(name=name, partitions=partitions))
    total, usable = _disk(broker.data_dir)
    result = DescribeLogDirsResult(
        log_dir=os.path.abspath(broker.data_dir),
        topics=topics,
        total_bytes=total,
        usable_bytes=usable,
    )
    return DescribeLogDirsResponse(results=[result])


def _disk(path: str) -> tuple[int, int]:
    try:
        usage = shutil.disk_usage(path)
    except OSError:  # a file system in memory
        return -1, -1
    return usage.total, usage.free
