"""The two sparse indexes, in memory and in their files."""

import pytest

from aliran.core.filesystem import MemoryFileSystem
from aliran.storage.log.indexes import OffsetIndex, TimeIndex


@pytest.fixture
def fs() -> MemoryFileSystem:
    return MemoryFileSystem()


def test_offset_lookup(fs: MemoryFileSystem) -> None:
    index = OffsetIndex(fs, "/i", 1000)
    assert index.lookup(1000) == 0
    assert index.last() == (1000, 0)
    for offset, position in ((1010, 500), (1020, 900), (1050, 1700)):
        index.append(offset, position)
    expected = {
        1000: 0,
        1009: 0,
        1010: 500,
        1019: 500,
        1020: 900,
        1049: 900,
        1050: 1700,
        9999: 1700,
    }
    assert {offset: index.lookup(offset) for offset in expected} == expected
    assert [index.position_before(limit) for limit in (0, 499, 500, 1699, 5000)] == [
        0, 0, 500, 900, 1700,
    ]  # fmt: skip
    assert index.last() == (1050, 1700)
    index.truncate_to(1020)
    assert index.entries() == [(1010, 500)]


def test_time_lookup_and_monotony(fs: MemoryFileSystem) -> None:
    index = TimeIndex(fs, "/t", 1000)
    assert index.lookup(5) == 1000
    for timestamp, offset in ((10, 1003), (10, 1009), (7, 1010), (30, 1020)):
        index.append(timestamp, offset)
    assert index.entries() == [(10, 1003), (30, 1020)]
    assert [index.lookup(time) for time in (9, 10, 29, 30, 99)] == [1000, 1003, 1003, 1020, 1020]
    index.truncate_to(1020)
    assert index.last() == (10, 1003)


def test_files_are_kafkas(fs: MemoryFileSystem) -> None:
    offsets, times = OffsetIndex(fs, "/i", 7), TimeIndex(fs, "/t", 7)
    offsets.append(8, 0x01020304)
    times.append(0x0102030405060708, 9)
    offsets.persist(flush=True)
    times.persist(flush=True)
    assert fs.read_bytes("/i") == b"\0\0\0\1\1\2\3\4"
    assert fs.read_bytes("/t") == b"\1\2\3\4\5\6\7\x08\0\0\0\2"


def test_persist_appends_and_rewrites_after_a_cut(fs: MemoryFileSystem) -> None:
    index = OffsetIndex(fs, "/i", 0)
    fs.flush_dir("/")
    for number in range(1, 6):
        index.append(number * 10, number * 100)
        index.persist(flush=number == 3)
    again = OffsetIndex(fs, "/i", 0)
    assert again.load(501)
    assert again.entries() == index.entries()
    index.truncate_to(30)
    index.append(31, 310)
    index.persist(flush=True)
    changes = fs.mutations
    index.persist(flush=True)
    assert fs.mutations == changes, "nothing to write, nothing to flush"
    assert again.load(501)
    assert again.entries() == [(10, 100), (20, 200), (31, 310)]
    assert not again.load(310), "an entry beyond the end of the log"


def test_full(fs: MemoryFileSystem) -> None:
    offsets, times = OffsetIndex(fs, "/i", 0), TimeIndex(fs, "/t", 0)
    for number in range(3):
        assert not offsets.is_full(24)
        assert not times.is_full(48)
        offsets.append(number, number)
        times.append(number, number)
    assert offsets.is_full(24)
    assert times.is_full(48), "one place is kept for the closing entry"
