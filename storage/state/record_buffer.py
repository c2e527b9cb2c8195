"""Records of a stream that wait for a versioned table to catch up, ordered by time.

Kafka: `RocksDBTimeOrderedKeyValueBuffer`.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from aliran.core.errors import AliranError
from aliran.storage.state.buffered import BufferedValue, RecordContext, read_buffered
from aliran.storage.state.key_schemas import MAX_SEQUENCE
from aliran.storage.state.staging import StagedReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aliran.storage.state.database import KeyRange, StateDatabase

# Kafka's key has this in front; numbers make it the same order here and there.
_PREFIX = b"\x00"
_TIME = Struct(">q")
_SEQUENCE = Struct(">I")
_STATE = Struct(">qI")
_STATE_KEY = b""
_NO_BUFFER_TIME = _TIME.pack(0)


class BufferedRecord(NamedTuple):
    """One record that waits, or has waited."""

    key: bytes
    value: bytes | None
    context: RecordContext
    changelog_key: bytes


class RecordBuffer:
    """Records by time, key and order of arrival; writes are staged until `commit_changes`.

    The clock is the largest time of a record put, and comes back with the store.

    Args:
        name: Name of the store in `database`.
        database: Where it lives.
        grace_ms: How long after the clock passed its time a record waits.

    Attributes:
        staged: Entries since the last commit.
        observed_stream_time: The clock, -1 before the first record.
    """

    def __init__(self, name: str, database: StateDatabase, grace_ms: int) -> None:
        self.name = name
        self.database = database
        self.grace_ms = grace_ms
        self.staged: dict[bytes, bytes | None] = {}
        self._reader = StagedReader(name, database, self.staged)
        state = database.get(name, _STATE_KEY)
        observed, sequence = (-1, 0) if state is None else _STATE.unpack(state)
        self.observed_stream_time: int = observed
        self._sequence: int = sequence
        # Nothing in the store has a smaller time.
        self._least = 0

    def put(
        self, key: bytes, value: bytes, time: int, context: RecordContext
    ) -> tuple[bytes, bytes] | None:
        """Let a record wait.

        Returns:
            Key and value for the changelog; None if the record came too late to wait.
        """
        if self.observed_stream_time - self.grace_ms > time:
            return None
        self._sequence = (self._sequence + 1) & MAX_SEQUENCE
        database_key = _TIME.pack(time) + key + _SEQUENCE.pack(self._sequence)
        data = BufferedValue(None, None, value, context).to_bytes()
        self.staged[database_key] = data
        self._least = min(self._least, time)
        self._observe(time)
        return _PREFIX + database_key, data + _NO_BUFFER_TIME

    def take_due(self) -> Iterator[BufferedRecord]:
        """Yield the records that have waited for the grace, in order of time.

        Each is removed when the next is asked for, so that what fails stays. The changelog gets a
        tombstone for each `changelog_key`.
        """
        last = self.observed_stream_time - self.grace_ms
        if self._least > last:
            return
        for key, data in self._reader.range(_TIME.pack(self._least), _TIME.pack(last + 1)):
            yield _record(key, data)
            self.staged[key] = None
        self._least = last + 1

    def restore(
        self, keys: Sequence[bytes], values: Sequence[bytes | None], timestamps: Sequence[int]
    ) -> None:
        """Take in records of the changelog.

        Kafka's own buffer reads the keys it wrote as if time came last, and restores nonsense;
        this one reads them as they were written.

        Raises:
            AliranError: A key or value is of another format.
        """
        del timestamps  # keys have the time of their record inside
        for key, data in zip(keys, values, strict=True):
            if len(key) < 13 or key[:1] != _PREFIX:
                raise AliranError(
                    f"{key!r} is no key of the changelog of buffer {self.name}: was the topic "
                    "written by a store of another kind? Give the join another name, or delete "
                    "the topic"
                )
            self._sequence = max(self._sequence, _SEQUENCE.unpack(key[-4:])[0])
            self._observe(_TIME.unpack_from(key, 1)[0])
            self.staged[key[1:]] = None if data is None else data[: read_buffered(data)[1]]
        self._least = 0

    def approximate_num_entries(self) -> int:
        """Return about how many records wait."""
        return self.database.approximate_num_entries(self.name) + len(self.staged)

    def expired_ranges(self) -> list[KeyRange]:
        """Return nothing: records are removed one by one."""
        return []

    def committed(self) -> None:
        """Forget what was staged; it is in the database now."""
        self.staged.clear()
        self._reader.forget_order()

    def _observe(self, time: int) -> None:
        self.observed_stream_time = max(self.observed_stream_time, time)
        self.staged[_STATE_KEY] = _STATE.pack(self.observed_stream_time, self._sequence)


def _record(key: bytes, data: bytes) -> BufferedRecord:
    value, _ = read_buffered(data)
    return BufferedRecord(key[8:-4], value.new, value.context, _PREFIX + key)
