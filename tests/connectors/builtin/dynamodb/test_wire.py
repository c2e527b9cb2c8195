"""What moto does not do: items that are left over, shards that end, changes that are gone."""

from __future__ import annotations

from typing import Any

import boto3
import moto_server
import pytest
from fake_dynamodb import FakeDynamoDb

from aliran.connectors.builtin.dynamodb.shards import StreamReader
from aliran.connectors.builtin.dynamodb.sink import DynamoDbSinkTask
from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.records import SinkRecord


def task(server: FakeDynamoDb) -> DynamoDbSinkTask:
    made = DynamoDbSinkTask()
    made.start({
        "aws.endpoint.url": f"http://127.0.0.1:{server.port}", "aws.dynamodb.region": "us-west-2",
        "aws.access.key.id": "a", "aws.secret.access.key": "b",
    })  # fmt: skip
    return made


RECORDS = [
    SinkRecord(topic="t", kafka_partition=0, value={"n": n}, kafka_offset=n) for n in range(60)
]


def test_items_that_are_left_over_are_sent_again() -> None:
    stored: list[str] = []

    def write(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        rows = request["RequestItems"]["t"]
        assert len(rows) <= 25
        taken = rows[: max(1, len(rows) // 2)]
        stored.extend(row["PutRequest"]["Item"]["offset"]["N"] for row in taken)
        left = rows[len(taken) :]
        return 200, {"UnprocessedItems": {"t": left} if left else {}}

    with FakeDynamoDb(BatchWriteItem=write) as server:
        sink = task(server)
        sink.put(RECORDS)
        sink.stop()

    assert sorted(map(int, stored)) == list(range(60))


def test_a_table_that_takes_nothing_is_tried_again_later() -> None:
    with FakeDynamoDb(BatchWriteItem=lambda r: (200, {"UnprocessedItems": r["RequestItems"]})) as s:
        sink = task(s)
        with pytest.raises(RetriableError, match="the table t did not take 1 items: throttled"):
            sink.put(RECORDS[:1])
        sink.stop()


GONE = "0" * 21


def change(number: int) -> dict[str, Any]:
    told = {"SequenceNumber": str(number), "Keys": {"id": {"N": "1"}}}
    return {"eventName": "MODIFY", "dynamodb": told}


def test_a_child_is_read_behind_its_parent_and_lost_changes_are_told() -> None:
    shards = [
        {"ShardId": "child" + "0" * 30, "ParentShardId": "parent" + "0" * 30},
        {"ShardId": "parent" + "0" * 30, "ParentShardId": "gone" + "0" * 30},
    ]

    def iterator(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if request.get("SequenceNumber") == GONE:
            return 400, {"__type": "com.amazonaws#TrimmedDataAccessException", "message": "gone"}
        return 200, {"ShardIterator": f"{request['ShardId']}/0"}

    def records(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        shard, _, page = request["ShardIterator"].partition("/")
        if shard.startswith("child"):
            return 200, {"Records": [change(30)] if page == "0" else [],
                         "NextShardIterator": f"{shard}/1"}  # fmt: skip
        if page == "0":
            return 200, {"Records": [change(10)], "NextShardIterator": f"{shard}/1"}
        return 200, {"Records": [change(20)]}  # its end

    def described(_request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return 200, {"StreamDescription": {"StreamArn": "a" * 40, "Shards": shards}}

    with FakeDynamoDb(
        DescribeStream=described, GetShardIterator=iterator, GetRecords=records
    ) as server:
        client = boto3.client(
            "dynamodbstreams", endpoint_url=f"http://127.0.0.1:{server.port}",
            region_name="us-west-2", **moto_server.KEYS,
        )  # fmt: skip
        reader = StreamReader(client, "a" * 40, "t", lambda _: None)
        found: list[str] = []
        for _ in range(5):
            reader.look_for_shards()
            found += [row["dynamodb"]["SequenceNumber"] for _, row in reader.read()]
        late = StreamReader(client, "a" * 40, "t", lambda _: GONE)
        with pytest.raises(ConnectError, match=r"changes of the table t are lost: .*reset"):
            late.look_for_shards()
        client.close()

    assert found == ["10", "20", "30"]
