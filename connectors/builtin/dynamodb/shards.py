"""The shards of a table's stream: which may be read now, and where each goes on.

A shard ends after some hours and has children that go on with its keys. A child is read when its
parent has been read to its end, or is gone, so that changes of a key stay in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aliran.connectors.cloud.aws import aws_errors, code_of
from aliran.connectors.errors import ConnectError

_LIMIT = 1000


def readable(shards: Iterable[Mapping[str, Any]], ended: set[str]) -> list[str]:
    """Return the shards that may be read: not at their end, with no parent that is not.

    Args:
        shards: As DescribeStream lists them.
        ended: Those that were read to their end.
    """
    rows = list(shards)
    waiting = {one["ShardId"] for one in rows} - ended
    return [
        one["ShardId"]
        for one in rows
        if one["ShardId"] in waiting and one.get("ParentShardId") not in waiting
    ]


class StreamReader:
    """Reads the shards of one stream by turns.

    Args:
        client: A client of DynamoDB Streams.
        arn: The stream.
        table: Its table, for messages.
        last: Returns the last sequence number that was read of a shard, None for none.
    """

    def __init__(
        self, client: Any, arn: str, table: str, last: Callable[[str], str | None]
    ) -> None:
        self._client = client
        self._arn = arn
        self._table = table
        self._last = last
        self._ended: set[str] = set()
        self._iterators: dict[str, str] = {}
        self._sequences: dict[str, str] = {}

    def look_for_shards(self) -> None:
        """Find out which shards there are."""
        shards: list[Any] = []
        asked: dict[str, Any] = {"StreamArn": self._arn}
        while True:
            with aws_errors(f"describing the stream of {self._table}"):
                found = self._client.describe_stream(**asked)["StreamDescription"]
            shards += found["Shards"]
            if "LastEvaluatedShardId" not in found:
                break
            asked["ExclusiveStartShardId"] = found["LastEvaluatedShardId"]
        for shard in readable(shards, self._ended):
            if shard not in self._iterators:
                self._iterators[shard] = self._iterator(shard)
        self._ended &= {one["ShardId"] for one in shards}

    def _iterator(self, shard: str) -> str:
        last = self._sequences.get(shard) or self._last(shard)
        start: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if last is not None:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        try:
            with aws_errors(f"reading the shard {shard} of {self._table}"):
                found: str = self._client.get_shard_iterator(
                    StreamArn=self._arn, ShardId=shard, **start
                )["ShardIterator"]
        except ConnectError as error:
            if code_of(error) == "TrimmedDataAccessException":
                raise ConnectError(
                    f"changes of the table {self._table} are lost: the shard {shard} no longer has "
                    f"what comes behind {last} (streams keep a day). Stop the connector and reset "
                    "its offsets (DELETE /offsets), so that it reads the table anew"
                ) from error
            raise
        return found

    def read(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the next changes with their shards.

        Raises:
            RetriableError: DynamoDB is away.
            ConnectError: Changes are lost, or DynamoDB refuses.
        """
        found: list[tuple[str, Mapping[str, Any]]] = []
        for shard, iterator in list(self._iterators.items()):
            try:
                with aws_errors(f"reading the shard {shard} of {self._table}"):
                    answer = self._client.get_records(ShardIterator=iterator, Limit=_LIMIT)
            except ConnectError as error:
                if found:
                    break  # what was read of other shards goes first; it comes up again
                if code_of(error) not in {"ExpiredIteratorException", "TrimmedDataAccessException"}:
                    raise
                self._iterators[shard] = self._iterator(shard)
                continue
            for record in answer["Records"]:
                found.append((shard, record))
                self._sequences[shard] = record["dynamodb"]["SequenceNumber"]
            following = answer.get("NextShardIterator")
            if following:
                self._iterators[shard] = following
            else:
                del self._iterators[shard]
                self._sequences.pop(shard, None)
                self._ended.add(shard)
        return found
