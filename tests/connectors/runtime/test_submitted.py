from __future__ import annotations

from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.submitted import SubmittedRecords


def record(partition: str, offset: int | None) -> SourceRecord:
    return SourceRecord(
        topic="t",
        source_partition={"p": partition},
        source_offset=None if offset is None else {"at": offset},
    )


def records(partition: str, *offsets: int | None) -> list[SourceRecord]:
    return [record(partition, offset) for offset in offsets]


def found(submitted: SubmittedRecords) -> dict[str, int]:
    return {str(part["p"]): offset["at"] for part, offset in submitted.committable().values()}


def test_offsets_end_before_the_first_gap() -> None:
    submitted = SubmittedRecords()
    batch = submitted.submit(records("a", 1, 2, 3))

    batch.settle(0)
    batch.settle(2)
    assert found(submitted) == {"a": 1}
    assert found(submitted) == {}

    batch.settle(1)
    assert found(submitted) == {"a": 3}


def test_a_gap_holds_back_later_batches() -> None:
    submitted = SubmittedRecords()
    first, second = submitted.submit(records("a", 1, 2)), submitted.submit(records("a", 3))

    first.settle(0)
    second.settle(0)
    submitted.let_go()
    assert found(submitted) == {"a": 1}

    first.settle(1)
    assert found(submitted) == {"a": 3}


def test_partitions_do_not_wait_for_each_other() -> None:
    submitted = SubmittedRecords()
    batch = submitted.submit([record("slow", 1), record("quick", 7)])
    later = submitted.submit(records("quick", 8))

    batch.settle(1)
    later.settle(0)
    assert found(submitted) == {"quick": 8}

    batch.settle(0)
    assert found(submitted) == {"slow": 1}


def test_what_is_let_go_is_still_committed() -> None:
    submitted = SubmittedRecords()
    for offset in (1, 2):
        submitted.submit(records("a", offset)).settle(0)

    submitted.let_go()
    submitted.submit(records("a", 3))
    submitted.let_go()

    assert found(submitted) == {"a": 2}


def test_records_without_an_offset_are_passed_over() -> None:
    submitted = SubmittedRecords()
    batch = submitted.submit(records("a", 1, None))
    for number in range(2):
        batch.settle(number)

    assert found(submitted) == {"a": 1}
