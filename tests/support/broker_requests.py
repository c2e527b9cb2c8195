"""The requests broker tests send again and again, in one line each."""

from __future__ import annotations

from typing import Any

from raw_client import RawClient

from aliran.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from aliran.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from aliran.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from aliran.protocol.messages.produce import (
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from aliran.protocol.records import decode_columns, encode_batch


def create_topic(
    client: RawClient,
    name: str,
    partitions: int = 1,
    *,
    replication_factor: int = 1,
    validate_only: bool = False,
    version: int = 7,
    **configs: str,
) -> Any:
    """Create a topic (`segment_bytes="1000"` sets segment.bytes); return its result."""
    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        configs=[
            CreatableTopicConfig(name=key.replace("_", "."), value=value)
            for key, value in configs.items()
        ],
    )
    request = CreateTopicsRequest(topics=[topic], validate_only=validate_only)
    return client.call(request, version).topics[0]


def batch(*values: str, key: bytes | None = b"k", timestamp: int = 1_000, **settings: Any) -> bytes:
    """Return one batch with these values."""
    return bytes(
        encode_batch(
            [key] * len(values),
            [value.encode() for value in values],
            [timestamp + number for number in range(len(values))],
            **settings,
        )
    )


def produce_request(
    topic: str, records: bytes | None, *, partition: int = 0, acks: int = -1
) -> ProduceRequest:
    """Return a request that appends to one partition."""
    data = PartitionProduceData(index=partition, records=records)
    return ProduceRequest(
        acks=acks, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
    )


def produce(
    client: RawClient,
    topic: str,
    records: bytes | None,
    *,
    partition: int = 0,
    acks: int = -1,
    version: int = 9,
) -> Any:
    """Append to one partition; return the partition's answer."""
    request = produce_request(topic, records, partition=partition, acks=acks)
    return client.call(request, version).responses[0].partition_responses[0]


def fetch_request(
    topic: str,
    offset: int,
    *,
    partition: int = 0,
    max_wait_ms: int = 0,
    min_bytes: int = 1,
    max_bytes: int = 1_000_000,
    partition_max_bytes: int = 1_000_000,
    isolation_level: int = 0,
) -> FetchRequest:
    """Return a request that reads one partition."""
    asked = FetchPartition(
        partition=partition, fetch_offset=offset, partition_max_bytes=partition_max_bytes
    )
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        isolation_level=isolation_level,
        topics=[FetchTopic(topic=topic, partitions=[asked])],
    )


def fetch(client: RawClient, topic: str, offset: int, *, version: int = 12, **settings: Any) -> Any:
    """Read one partition; return the partition's answer."""
    response = client.call(fetch_request(topic, offset, **settings), version)
    return response.responses[0].partitions[0]


def values_of(answer: Any, from_offset: int = 0) -> list[str | None]:
    """Return the values of the records in a fetched partition."""
    columns = decode_columns(bytes(answer.records), "t", 0, from_offset)
    return [None if value is None else value.decode() for each in columns for value in each.values]


def list_offset(
    client: RawClient, topic: str, timestamp: int, *, partition: int = 0, version: int = 11
) -> Any:
    """Ask for one offset; return the partition's answer."""
    asked = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
    request = ListOffsetsRequest(
        replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])]
    )
    return client.call(request, version).topics[0].partitions[0]
