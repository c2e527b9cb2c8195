"""Reads topics of the broker in this process, as far as they have grown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from aliran.broker.broker import Broker
from aliran.cli.demo.topology import RANKING, TRENDING, Entry
from aliran.core.types import Columns
from aliran.protocol.records import decode_columns
from aliran.storage.log import PartitionLog

_READ_BYTES = 1 << 20
_WINDOW_START_BYTES = 8


class Tail:
    """The records of one topic, from its beginning on, each once.

    Args:
        broker: The broker that has the topic.
        topic: Its name; it exists.
    """

    def __init__(self, broker: Broker, topic: str) -> None:
        partitions = broker.topics.require(topic).topic_partitions()
        logs = [broker.logs.get(partition) for partition in partitions]
        self._logs: list[PartitionLog] = [log for log in logs if log is not None]
        self._next = [log.log_start_offset for log in self._logs]

    def new_records(self) -> Iterator[Columns]:
        """Yield what was written since the last call."""
        for index, log in enumerate(self._logs):
            topic, partition = log.topic_partition
            end = log.log_end_offset
            while self._next[index] < end:
                data = log.read(self._next[index], _READ_BYTES)
                for columns in decode_columns(data, topic, partition, self._next[index]):
                    self._next[index] = columns.offsets[-1] + 1
                    yield columns


def windowed_counts(records: Iterable[Columns]) -> Iterator[tuple[tuple[str, int], int]]:
    """Read records whose keys are windowed texts and whose values are 8-byte numbers.

    Yields ((text, window start in ms), number) in their order: the last one of a window counts.
    """
    for columns in records:
        for key, value in zip(columns.keys, columns.values, strict=True):
            if key is not None and value is not None:
                text = key[:-_WINDOW_START_BYTES].decode()
                start_ms = int.from_bytes(key[-_WINDOW_START_BYTES:], "big")
                yield (text, start_ms), int.from_bytes(value, "big", signed=True)


class Results:
    """The latest count of each window and the latest ranking of each minute, as the topics say."""

    def __init__(self, broker: Broker) -> None:
        self._trending = Tail(broker, TRENDING)
        self._ranking = Tail(broker, RANKING)
        self._decode = msgspec.json.Decoder(list[Entry]).decode
        self.counts: dict[tuple[str, int], int] = {}
        self.rankings: dict[str, list[tuple[str, int]]] = {}

    def catch_up(self) -> None:
        """Read what both topics have got since the last call."""
        self.counts.update(windowed_counts(self._trending.new_records()))
        for columns in self._ranking.new_records():
            for key, value in zip(columns.keys, columns.values, strict=True):
                if key is not None and value is not None:
                    rows = self._decode(value)
                    self.rankings[key.decode()] = [(row.tag, row.count) for row in rows]
