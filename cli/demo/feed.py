"""The demo's producer: writes what the input topic lacks, wherever the last run stopped.

Record number N is the same in every run and belongs to one partition, so a partition always holds
the first so many of its records. Counting them says what is missing, even if a run was killed after
writing to some partitions and not to others.
"""

from __future__ import annotations

from collections.abc import Iterator

from aliran.broker.broker import Broker
from aliran.cli.demo.recount import Recount
from aliran.cli.demo.replay import HOUR_MS, Chunk, Replay
from aliran.cli.demo.topology import TWEETS
from aliran.cli.settings import CommandError
from aliran.protocol.records import decode_columns
from aliran.storage.log import PartitionLog

_HEAD_START_MS = 2 * HOUR_MS


class Feed:
    """Brings the input topic to the next multiple of `tweets`.

    Args:
        broker: The broker; it has the input topic.
        tweets: How many records a whole run adds.
        now_ms: The present; event time of a new directory begins two hours before it.

    Attributes:
        held: How many records the topic had.
        target: How many it will have.
        written: How many this run has written so far.
    """

    def __init__(self, broker: Broker, tweets: int, now_ms: int) -> None:
        partitions = broker.topics.require(TWEETS).topic_partitions()
        logs = [broker.logs.get(partition) for partition in partitions]
        self._logs: list[PartitionLog] = [log for log in logs if log is not None]
        self._held = [log.log_end_offset for log in self._logs]
        self.held: int = sum(self._held)
        self.target: int = (self.held // tweets + 1) * tweets
        self.written: int = 0
        self._replay = Replay(self._base_ms(now_ms), len(self._logs))

    def run(self, recount: Recount) -> Iterator[Chunk]:
        """Write what is missing, adding all that the topic holds then to `recount`.

        Yields after each chunk, so that the caller can show progress.
        """
        seen = [0] * len(self._logs)
        for chunk in self._replay.chunks():
            counted: list[int] = []
            missing: list[list[int]] = [[] for _ in self._logs]
            for row, partition in enumerate(chunk.partitions):
                is_held = seen[partition] < self._held[partition]
                seen[partition] += 1
                if not is_held:
                    if chunk.first + row >= self.target:
                        continue
                    missing[partition].append(row)
                counted.append(row)
            recount.add(chunk, counted)
            self._write(chunk, missing)
            yield chunk
            covered = all(count >= held for count, held in zip(seen, self._held, strict=True))
            if covered and chunk.first + len(chunk.keys) >= self.target:
                return

    def _write(self, chunk: Chunk, missing: list[list[int]]) -> None:
        for log, rows in zip(self._logs, missing, strict=True):
            if rows:
                log.append_columns(
                    [chunk.keys[row] for row in rows],
                    [chunk.values[row] for row in rows],
                    [chunk.timestamps[row] for row in rows],
                )
                self.written += len(rows)

    def _base_ms(self, now_ms: int) -> int:
        """Return the event time of record 0: that of an earlier run, or a recent whole hour.

        Recent, because changelogs of windows are deleted by age.
        """
        offsets = Replay(0, len(self._logs)).first_timestamps()
        for partition, log in enumerate(self._logs):
            if log.log_end_offset > log.log_start_offset == 0:
                topic = log.topic_partition.topic
                columns = next(decode_columns(log.read(0, 1), topic, partition, 0))
                base_ms = columns.timestamps[0] - offsets[partition]
                if base_ms % HOUR_MS:
                    raise CommandError(
                        f"topic {topic!r} holds records that this demo did not write; "
                        "use another --data directory"
                    )
                return base_ms
        return now_ms - now_ms % HOUR_MS - _HEAD_START_MS
