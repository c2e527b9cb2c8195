"""Record times: what a timestamp extractor makes of a batch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from aliran.core.types import MAX_TIMESTAMP, Columns, Headers
from aliran.serdes import Serde
from aliran.streams.errors import ProcessingError
from aliran.streams.processor import ConsumerRecord, fail_on_invalid_timestamp
from aliran.streams.runtime.failures import user_frame

logger: logging.Logger = logging.getLogger("aliran.streams")

UNREADABLE = -1
"""Time of a record that cannot be decoded: it goes before all others and moves no time on."""


class Reader:
    """Reads the records of a source before they are processed."""

    def __init__(self, key_serde: Serde[Any] | None, value_serde: Serde[Any] | None) -> None:
        self._key_serde = key_serde
        self._value_serde = value_serde

    def read(self, columns: Columns, index: int) -> ConsumerRecord | None:
        """Return a record; None where it cannot be decoded."""
        key, value = columns.keys[index], columns.values[index]
        headers: Headers = () if columns.headers is None else columns.headers[index]
        try:
            if self._key_serde:
                key = self._key_serde.deserialize(key)
            if self._value_serde:
                value = self._value_serde.deserialize(value)
        except Exception:
            return None
        return ConsumerRecord(
            topic=columns.topic,
            partition=columns.partition,
            offset=columns.offsets[index],
            key=key,
            value=value,
            timestamp=columns.timestamps[index],
            headers=headers,
        )


class ExtractPlain:
    """Take the records' own times; a negative one is an error (Kafka's default extractor)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, columns: Columns, partition_time_ms: int) -> tuple[list[int], int]:
        """Return the times; nobody asks for the partition time here, so it stays as it is.

        Raises:
            ProcessingError: A record carries no valid time.
        """
        if columns.timestamps and min(columns.timestamps) < 0:
            for index, time in enumerate(columns.timestamps):
                if time < 0 and self._reader.read(columns, index) is not None:
                    raise _invalid(columns, index)
        return columns.timestamps, partition_time_ms


def _invalid(columns: Columns, index: int) -> ProcessingError:
    return ProcessingError(
        f"the record at topic {columns.topic}, partition {columns.partition}, offset "
        f"{columns.offsets[index]} has the timestamp {columns.timestamps[index]}, and times "
        "before 1970 cannot be processed: let the producer set timestamps, or pass a "
        "timestamp_extractor such as log_and_skip_on_invalid_timestamp or "
        "use_partition_time_on_invalid_timestamp",
        topic=columns.topic,
        partition=columns.partition,
        offset=columns.offsets[index],
    )


class ExtractWith:
    """Ask an extractor of the user's for the time of each record; negative answers drop it."""

    def __init__(
        self,
        extractor: Callable[[ConsumerRecord, int], int],
        reader: Reader,
    ) -> None:
        self._extractor = extractor
        self._reader = reader

    def __call__(self, columns: Columns, partition_time_ms: int) -> tuple[list[int | None], int]:
        """Return a time for each record, None for those to drop; and the partition time then."""
        times: list[int | None] = []
        for index in range(len(columns)):
            record = self._reader.read(columns, index)
            if record is None:  # processing it will fail too, and knows what to do then
                times.append(UNREADABLE)
                continue
            time = self._time_of(record, partition_time_ms)
            if time < 0:
                logger.warning(
                    "dropped the record at %s-%d offset %d: its extracted timestamp is %d",
                    columns.topic,
                    columns.partition,
                    columns.offsets[index],
                    time,
                )
                times.append(None)
                continue
            partition_time_ms = max(partition_time_ms, time)
            times.append(time)
        return times, partition_time_ms

    def _time_of(self, record: ConsumerRecord, partition_time_ms: int) -> int:
        try:
            time = int(self._extractor(record, partition_time_ms))
            if time > MAX_TIMESTAMP:
                raise OverflowError(f"it returned {time}, which is no time in milliseconds")
            return time
        except Exception as error:
            topic, partition, offset = record.topic, record.partition, record.offset
            place = user_frame(error.__traceback__)
            raise ProcessingError(
                f"the timestamp extractor raised {type(error).__name__}: {error}\n"
                f"  record: topic {topic}, partition {partition}, offset {offset}, timestamp "
                f"{record.timestamp}\n"
                + (f"  raised at: {place}\n" if place else "")
                + "  try: mend the extractor; returning -1 drops a record",
                topic=topic,
                partition=partition,
                offset=offset,
            ) from error


def timestamps_with(
    extractor: Callable[[ConsumerRecord, int], int] | None,
    key_serde: Serde[Any] | None,
    value_serde: Serde[Any] | None,
) -> Callable[[Columns, int], Any]:
    """Return how to find the times of a source's records."""
    reader = Reader(key_serde, value_serde)
    if extractor is None or extractor is fail_on_invalid_timestamp:
        return ExtractPlain(reader)
    return ExtractWith(extractor, reader)
