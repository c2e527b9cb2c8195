"""Random work on a log, the power cut at every change of the disk, and what must then hold."""

import random
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliran.core.clock import ManualClock
from aliran.core.filesystem import MemoryFileSystem, PowerCut
from aliran.core.memory_filesystem import Keep
from aliran.core.types import TopicPartition
from aliran.protocol.records import DecodedBatch, decode_batch, encode_batch, iter_headers
from aliran.storage.log import LogConfig, LogManager, PartitionLog

TP = TopicPartition("topic", 0)
START_MS = 1_700_000_000_000


class Kept(NamedTuple):
    key: bytes | None
    value: bytes | None
    timestamp: int


class Model:
    """What the log was told, what it promised, and what may or may not have happened."""

    def __init__(self) -> None:
        self.compacted = False
        self.records: dict[int, Kept] = {}  # all that appends and truncations left
        self.durable: dict[int, Kept] = {}  # flushed: must be there
        self.maybe: dict[int, Kept] = {}  # of the operation the power cut
        self.sequences: dict[int, int] = {}  # last sequence by last offset, of producer 7's batches
        self.start = 0  # records below may be gone
        self.end = 0
        self.minimum_start = 0  # the log may start there or later

    def allowed(self, offset: int) -> set[Kept]:
        return {found[offset] for found in (self.records, self.maybe) if offset in found}

    def last_offset(self, end: int) -> int | None:
        """Where the producer's newest batch ends in a log that ends at `end`, None if it has none.

        It goes by what was appended, not by what the files still hold: compaction drops a batch
        that has a newer one of its producer behind it, and when that one is cut off later, the
        snapshot at the start of its segment alone knows that the dropped one was the last. A log
        that went by its remaining batches would refuse the sequence the client sends next.
        """
        return max((offset for offset in self.sequences if offset < end), default=None)


class Workload:
    """Runs operations drawn from a seed; the same seed gives the same operations."""

    def __init__(self, seed: int, fs: MemoryFileSystem, config: LogConfig) -> None:
        self.chance = random.Random(seed)
        self.fs = fs
        self.config = config
        self.clock = ManualClock(START_MS)
        self.model = Model()
        self.model.compacted = config.is_compacted
        self.sequence = 0
        self.count = 0

    def open(self) -> None:
        self.manager = LogManager("/data", self.fs, self.clock, self.config)
        self.manager.open()
        self.log = self.manager.create(TP, self.config)

    def run(self, steps: int) -> None:
        operations = (
            [self.append] * 6
            + [self.append_idempotent] * 3
            + [self.append_several] * 2
            + [self.flush, self.roll, self.flush_due, self.truncate, self.delete, self.reopen]
        )
        if self.config.is_compacted:
            operations += [self.compact] * 4
        for _ in range(steps):
            self.clock.advance(self.chance.randrange(2000))
            self.chance.choice(operations)()

    def rows(self, most: int = 5) -> list[Kept]:
        rows = []
        for _ in range(self.chance.choice((1, 1, 2, most))):
            self.count += 1
            key = b"k%d" % self.chance.randrange(6)
            value: bytes | None = b"v%d-" % self.count + b"x" * self.chance.randrange(60)
            if self.config.is_compacted and self.chance.random() < 0.15:
                value = None
            rows.append(Kept(key, value, self.clock.time_ms() - self.chance.randrange(3000)))
        return rows

    def expect(self, rows: list[Kept]) -> None:
        end = self.model.end
        self.model.maybe = {end + number: row for number, row in enumerate(rows)}

    def happened(self) -> None:
        model = self.model
        model.records.update(model.maybe)
        model.end = self.log.log_end_offset
        model.maybe = {}
        if self.config.flush_messages == 1:
            model.durable = dict(model.records)

    def append(self) -> None:
        rows = self.rows(most=12)
        self.expect(rows)
        result = self.log.append_columns(*(list(column) for column in zip(*rows, strict=True)))
        assert result.base_offset == self.model.end
        self.happened()

    def append_idempotent(self) -> None:
        rows = self.rows()
        self.expect(rows)
        batch = encode_batch(
            *(list(column) for column in zip(*rows, strict=True)),
            producer_id=7,
            producer_epoch=0,
            base_sequence=self.sequence,
        )
        self.sequence += len(rows)
        self.model.sequences[self.model.end + len(rows) - 1] = self.sequence - 1
        self.log.append(batch)
        self.happened()

    def append_several(self) -> None:
        parts = [self.rows() for _ in range(3)]
        self.expect([row for rows in parts for row in rows])
        batches = b"".join(
            encode_batch(*(list(column) for column in zip(*rows, strict=True))) for rows in parts
        )
        self.log.append(batches)
        self.happened()

    def flush(self) -> None:
        self.log.flush()
        self.model.durable = dict(self.model.records)

    def flush_due(self) -> None:
        self.manager.flush_due()
        self.model.durable |= {
            offset: row
            for offset, row in self.model.records.items()
            if offset < self.log.recovery_point
        }

    def compact(self) -> None:
        self.manager.clean_up()
        self.model.durable |= {
            offset: row
            for offset, row in self.model.records.items()
            if offset < self.log.recovery_point
        }

    def roll(self) -> None:
        self.log.roll()

    def truncate(self) -> None:
        model = self.model
        if self.chance.random() < 0.5 or model.end - model.start < 2:
            return
        lowest = max(model.start, model.end - 15)
        if model.compacted:
            # What was outdated by a record that goes now would be missed otherwise.
            lowest = max(lowest, self.log.segments[-1].base_offset)
        if lowest >= model.end:
            return
        target = self.chance.randrange(lowest, model.end)
        # The batch that holds the target goes too; until the call returns, both are possible.
        first = next(iter_headers(self.log.read(target, 1)))[1].base_offset
        first = max(first, 0)
        model.maybe = {o: row for o, row in model.records.items() if o >= first}
        model.records = {o: row for o, row in model.records.items() if o < first}
        model.durable = {o: row for o, row in model.durable.items() if o < first}
        model.start = min(model.start, first)
        self.log.truncate_to(target)
        assert self.log.log_end_offset == first
        model.sequences = {o: last for o, last in model.sequences.items() if o < first}
        self.forget_sequence()
        model.maybe = {}
        model.end = first

    def delete(self) -> None:
        model = self.model
        model.start = self.chance.randrange(model.start, model.end + 1)
        assert self.log.delete_records(model.start) == model.start
        if self.chance.random() < 0.7:
            self.manager.clean_up()
        model.minimum_start = self.log.segments[0].base_offset

    def reopen(self) -> None:
        self.manager.close()
        self.model.durable = dict(self.model.records)
        self.open()
        assert self.log.log_start_offset == self.model.start
        assert self.log.log_end_offset == self.model.end
        self.forget_sequence()

    def forget_sequence(self) -> None:
        """Go on with the sequence the log knows, as a client that re-sends would find out."""
        check_producer(self.log, self.model)
        entries = self.log.producers.entries()
        self.sequence = entries[0].last_sequence + 1 if entries else 0


def read_all(log: PartitionLog) -> dict[int, list[tuple[int, DecodedBatch]]]:
    """Every batch of every segment with its position, straight from the files."""
    result = {}
    for segment in log.segments:
        data = segment.log.read(0, segment.log.size())
        assert len(data) == segment.size
        positions = [position for position, _ in iter_headers(data)]
        result[segment.base_offset] = [(at, decode_batch(data, at)) for at in positions]
    return result


def check_log(log: PartitionLog, model: Model, *, crashed: bool = False) -> None:
    found: dict[int, Kept] = {}
    next_offset = log.segments[0].base_offset
    content = read_all(log)
    for base, batches in content.items():
        for _, (header, *columns, _) in batches:
            assert base <= header.base_offset
            if model.compacted:
                assert header.base_offset >= next_offset
            else:
                assert header.base_offset == next_offset
            next_offset = header.last_offset + 1
            for offset, key, value, timestamp in zip(*columns, strict=True):
                found[offset] = Kept(key, value, timestamp)
    if model.compacted:
        next_offset = max(next_offset, log.segments[-1].base_offset)
    assert log.log_end_offset == next_offset
    assert log.segments[0].base_offset <= log.log_start_offset <= log.log_end_offset
    newest = {row.key: offset for offset, row in sorted(found.items())}
    for offset, row in model.durable.items():
        if offset < model.start or found.get(offset) == row:
            continue
        outdated = newest.get(row.key, -1) > offset or key_was_deleted(model, offset, row)
        assert model.compacted and outdated, f"flushed record {offset} is lost"  # noqa: PT018
    for offset, row in found.items():
        assert row in model.allowed(offset), f"record {offset} was never written"
    check_producer(log, model, crashed=crashed)
    check_indexes(log, content)
    check_reads(log, found)


def check_producer(log: PartitionLog, model: Model, *, crashed: bool = False) -> None:
    """The log knows the newest batch of the producer, never an older one in its place.

    After a crash it may not know the producer at all, where that batch lies before its first
    segment: the batch was deleted, and the snapshot that told of it need not have been flushed.
    """
    last = model.last_offset(log.log_end_offset)
    known = [entry.last_sequence for entry in log.producers.entries()]
    if last is None:
        assert known == []
    elif known or not crashed or last >= log.segments[0].base_offset:
        assert known == [model.sequences[last]]


def key_was_deleted(model: Model, offset: int, row: Kept) -> bool:
    """Whether it is a tombstone, or a tombstone follows: compaction may have dropped both."""
    return row.value is None or any(
        later > offset and other.key == row.key and other.value is None
        for later, other in model.records.items()
    )


def check_indexes(log: PartitionLog, content: dict[int, list[tuple[int, DecodedBatch]]]) -> None:
    for segment in log.segments:
        batches = {at: batch.header for at, batch in content[segment.base_offset]}
        for offset, position in segment.offset_index.entries():
            assert batches[position].last_offset == offset
        for timestamp, offset in segment.time_index.entries():
            times = [h.max_timestamp for h in batches.values() if h.last_offset <= offset]
            assert times[-1] == max(times) == timestamp
        newest = max((h.max_timestamp for h in batches.values()), default=-1)
        assert segment.max_timestamp == newest


def check_reads(log: PartitionLog, found: dict[int, Kept]) -> None:
    visible = {o: row for o, row in found.items() if o >= log.log_start_offset}
    for offset in visible:
        header = next(iter_headers(log.read(offset, 1)))[1]
        assert header.base_offset <= offset <= header.last_offset
    assert log.read(log.log_end_offset, 1000) == b""
    for wanted in {row.timestamp + delta for row in visible.values() for delta in (0, 1)}:
        match = next(((o, r.timestamp) for o, r in visible.items() if r.timestamp >= wanted), None)
        assert log.offset_for_timestamp(wanted) == match


def go_on(workload: Workload, log: PartitionLog, manager: LogManager) -> None:
    """After recovery the log takes records, closes cleanly, and is the same when opened again."""
    last = workload.model.last_offset(log.log_end_offset)
    sequence = 0 if last is None else workload.model.sequences[last] + 1
    batch = encode_batch(
        [b"k"], [b"on"], [START_MS], producer_id=7, producer_epoch=0, base_sequence=sequence
    )
    assert not log.append(batch).duplicate
    assert log.append(batch).duplicate
    end = log.log_end_offset
    log.append_columns([b"k"], [b"after"], [START_MS])
    manager.close()
    again = LogManager("/data", workload.fs, workload.clock, workload.config)
    again.open()
    log = again.create(TP, workload.config)
    assert log.log_end_offset == end + 1
    (offset,) = decode_batch(log.read(end, 1)).offsets
    assert offset == end
    again.close()


def cut_everywhere(seed: int, steps: int, config: LogConfig, *, every: int = 1) -> int:
    """Run the workload once for each change it makes to the disk, cutting the power there."""
    fs = MemoryFileSystem()
    whole = Workload(seed, fs, config)
    whole.open()
    whole.run(steps)
    check_log(whole.log, whole.model)
    cuts = 0
    for at in range(1 + seed % every, fs.mutations + 1, every):
        choices: tuple[Keep, ...] = "flushed", "written", random.Random(at), random.Random(-at)
        keep = choices[at // every % 4]
        run_and_cut(seed, steps, config, at, keep)
        cuts += 1
    return cuts


def run_and_cut(seed: int, steps: int, config: LogConfig, at: int, keep: Keep) -> None:
    fs = MemoryFileSystem()
    fs.fail_after(at, seed=at)
    workload = Workload(seed, fs, config)
    try:
        workload.open()
        workload.run(steps)
    except PowerCut:
        pass
    else:
        pytest.fail("the power was never cut")
    fs.crash(keep)
    manager = LogManager("/data", fs, workload.clock, config)
    manager.open()
    log = manager.create(TP, config)
    try:
        if keep == "written":
            workload.model.durable = dict(workload.model.records)
        check_log(log, workload.model, crashed=True)
        go_on(workload, log, manager)
    except AssertionError as error:
        raise AssertionError(f"seed={seed} steps={steps} at={at} keep={keep}: {error}") from error


CONFIGS = {
    "small segments": LogConfig(segment_bytes=1500, index_interval_bytes=100),
    "every append flushed": LogConfig(
        segment_bytes=2500, index_interval_bytes=0, flush_messages=1, max_message_bytes=600
    ),
    "one segment": LogConfig(index_interval_bytes=200),
    "compacted": LogConfig(
        segment_bytes=1200,
        index_interval_bytes=100,
        cleanup_policy=frozenset({"compact"}),
        min_cleanable_dirty_ratio=0.1,
        delete_retention_ms=4000,
    ),
    "age": LogConfig(segment_ms=5000, segment_bytes=1500, index_interval_bytes=50),
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_nothing_flushed_is_lost_and_nothing_unwritten_appears(name: str, seed: int) -> None:
    assert cut_everywhere(seed, 25, CONFIGS[name]) > 25


@pytest.mark.parametrize(
    ("seed", "name", "at", "keep"),
    [
        # Sequence 11 was compacted away, since 16 and 17 followed; then those were cut off.
        (262145, "compacted", 505, "written"),
        (262145, "compacted", 507, "flushed"),
        # The log starts behind its newest snapshot: what was written between is unknown.
        (1014, "small segments", 205, 205),
        (1009, "compacted", 218, "flushed"),
        (1091, "age", 165, 165),
    ],
)
def test_a_producer_goes_on_where_a_snapshot_and_the_batches_differ(
    seed: int, name: str, at: int, keep: Literal["flushed", "written"] | int
) -> None:
    chosen = random.Random(keep) if isinstance(keep, int) else keep
    run_and_cut(seed, 60, CONFIGS[name], at, chosen)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(100, 1_000_000), name=st.sampled_from(sorted(CONFIGS)))
def test_power_cuts_in_any_workload(seed: int, name: str) -> None:
    assert cut_everywhere(seed, 60, CONFIGS[name], every=9) > 2
