from __future__ import annotations

from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.source_task import SubmittedRecords


def record(partition: str, offset: int | None) -> SourceRecord:
    return SourceRecord(
        topic="t",
        source_partition={"p": partition},
        source_offset=None if offset is None else {"at": offset},
    )


def test_offsets_end_before_the_first_gap() -> None:
    submitted = SubmittedRecords()
    first, second, third = (submitted.submit(record("a", n)) for n in (1, 2, 3))

    first.acked = third.acked = True
    assert [offset for _, offset in submitted.committable().values()] == [{"at": 1}]
    assert submitted.committable() == {}

    second.acked = True
    assert [offset for _, offset in submitted.committable().values()] == [{"at": 3}]


def test_partitions_do_not_wait_for_each_other() -> None:
    submitted = SubmittedRecords()
    submitted.submit(record("slow", 1))
    submitted.submit(record("quick", 7)).acked = True

    assert list(submitted.committable().values()) == [({"p": "quick"}, {"at": 7})]


def test_records_without_an_offset_are_passed_over() -> None:
    submitted = SubmittedRecords()
    submitted.submit(record("a", 1)).acked = True
    submitted.submit(record("a", None)).acked = True

    assert [offset for _, offset in submitted.committable().values()] == [{"at": 1}]
