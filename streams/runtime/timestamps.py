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


def extract_plain(columns: Columns, partition_time_ms: int) -> list[int | None] | list[int]:  # noqa: ARG001
    """Take the records' own times; a negative one is an error (Kafka's default extractor).

    Raises:
        ProcessingError: A record carries no valid time.
    """
    if columns.timestamps and min(columns.timestamps) < 0:
        index = next(index for index, time in enumerate(columns.timestamps) if time < 0)
        raise ProcessingError(
            f"the record at topic {columns.topic}, partition {columns.partition}, offset "
            f"{columns.offsets[index]} has the timestamp {columns.timestamps[index]}, and times "
            "before 1970 cannot be processed: let the producer set timestamps, or pass a "
            "timestamp_extractor such as log_and_skip_on_invalid_timestamp or "
            "use_partition_time_on_invalid_timestamp",
            topic=columns.topic,
            partition=columns.partition,
            offset=columns.offsets[index],
        )
    return columns.timestamps


class ExtractWith:
    """Ask an extractor of the user's for the time of each record; negative answers drop it."""

    def __init__(
        self,
        extractor: Callable[[ConsumerRecord, int], int],
        key_serde: Serde[Any] | None,
        value_serde: Serde[Any] | None,
    ) -> None:
        self._extractor = extractor
        self._key_serde = key_serde
        self._value_serde = value_serde

    def __call__(self, columns: Columns, partition_time_ms: int) -> list[int | None]:
        """Return a time for each record, None for those to drop."""
        times: list[int | None] = []
        for index in range(len(columns)):
            time = self._time_of(columns, index, partition_time_ms)
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
        return times

    def _time_of(self, columns: Columns, index: int, partition_time_ms: int) -> int:
        try:
            record = self._record(columns, index)
        except Exception:  # processing it will fail too, and knows what to do then
            return max(0, columns.timestamps[index], partition_time_ms)
        try:
            time = int(self._extractor(record, partition_time_ms))
            if time > MAX_TIMESTAMP:
                raise OverflowError(f"it returned {time}, which is no time in milliseconds")
            return time
        except Exception as error:
            topic, partition, offset = columns.topic, columns.partition, columns.offsets[index]
            place = user_frame(error.__traceback__)
            raise ProcessingError(
                f"the timestamp extractor raised {type(error).__name__}: {error}\n"
                f"  record: topic {topic}, partition {partition}, offset {offset}, timestamp "
                f"{columns.timestamps[index]}\n"
                + (f"  raised at: {place}\n" if place else "")
                + "  try: mend the extractor; returning -1 drops a record",
                topic=topic,
                partition=partition,
                offset=offset,
            ) from error

    def _record(self, columns: Columns, index: int) -> ConsumerRecord:
        key, value = columns.keys[index], columns.values[index]
        headers: Headers = () if columns.headers is None else columns.headers[index]
        return ConsumerRecord(
            topic=columns.topic,
            partition=columns.partition,
            offset=columns.offsets[index],
            key=self._key_serde.deserialize(key) if self._key_serde else key,
            value=self._value_serde.deserialize(value) if self._value_serde else value,
            timestamp=columns.timestamps[index],
            headers=headers,
        )


def timestamps_with(
    extractor: Callable[[ConsumerRecord, int], int] | None,
    key_serde: Serde[Any] | None,
    value_serde: Serde[Any] | None,
) -> Callable[[Columns, int], Any]:
    """Return how to find the times of a source's records."""
    if extractor is None or extractor is fail_on_invalid_timestamp:
        return extract_plain
    return ExtractWith(extractor, key_serde, value_serde)
