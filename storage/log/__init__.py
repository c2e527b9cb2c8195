"""The partitioned log on disk, in Kafka's own format."""

from aliran.storage.log.config import LogConfig
from aliran.storage.log.files import LogStatistics
from aliran.storage.log.manager import LogManager
from aliran.storage.log.partition_log import AppendResult, PartitionLog

__all__ = ["AppendResult", "LogConfig", "LogManager", "LogStatistics", "PartitionLog"]
