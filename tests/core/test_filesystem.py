import errno
import os
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aliran.core.filesystem import (
    DiskFullError,
    File,
    FileLockedError,
    FileSystem,
    FileSystemError,
    MemoryFileSystem,
    PowerCut,
    RealFileSystem,
)


@pytest.fixture(params=["real", "memory"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[FileSystem, str]:
    if request.param == "real":
        return RealFileSystem(), str(tmp_path)
    fs = MemoryFileSystem()
    fs.make_dirs("/data")
    return fs, "/data"


def test_append_returns_the_position_and_read_is_positioned(disk: tuple[FileSystem, str]) -> None:
    fs, root = disk
    file = fs.open(f"{root}/a", create=True)
    assert file.append(b"hello ") == 0
    assert file.append(b"wor", memoryview(b"ld"), bytearray(b"!")) == 6
    assert file.size() == 12
    assert file.read(6, 5) == b"world"
    assert file.read(10, 100) == b"d!"
    assert file.read(50, 10) == b""
    file.truncate(5)
    assert file.append(b"?") == 5
    file.flush()
    file.close()
    file.close()
    assert fs.read_bytes(f"{root}/a") == b"hello?"
    assert fs.size(f"{root}/a") == 6
    again = fs.open(f"{root}/a")
    assert again.append(b"!") == 6
    again.close()


def test_many_buffers_go_in_one_append(disk: tuple[FileSystem, str]) -> None:
    fs, root = disk
    file = fs.open(f"{root}/a", create=True)
    buffers = [b"%05d" % number for number in range(3000)]
    assert file.append(*buffers) == 0
    assert file.read(0, 1 << 20) == b"".join(buffers)
    file.close()


def test_directories(disk: tuple[FileSystem, str]) -> None:
    fs, root = disk
    fs.make_dirs(f"{root}/x/y")
    fs.make_dirs(f"{root}/x/y")
    fs.write_atomic(f"{root}/x/file", b"1")
    fs.write_atomic(f"{root}/x/file", b"22")
    assert fs.list_dir(f"{root}/x") == ["file", "y"]
    assert fs.is_dir(f"{root}/x/y")
    assert not fs.is_dir(f"{root}/x/file")
    fs.rename(f"{root}/x/file", f"{root}/x/other")
    assert not fs.exists(f"{root}/x/file")
    assert fs.read_bytes(f"{root}/x/other") == b"22"
    fs.remove(f"{root}/x/other")
    fs.remove(f"{root}/x/other")
    fs.remove_tree(f"{root}/x")
    fs.remove_tree(f"{root}/x")
    assert fs.list_dir(root) == []
    assert fs.free_bytes(root) != 0


def test_missing_paths_are_named(disk: tuple[FileSystem, str]) -> None:
    fs, root = disk
    for action in (fs.open, fs.read_bytes, fs.size, fs.list_dir, fs.modified_ms, fs.flush_dir):
        with pytest.raises(FileSystemError, match=r"nothing.*No such file or directory") as caught:
            action(f"{root}/nothing")
        assert caught.value.errno == errno.ENOENT
        assert caught.value.path == f"{root}/nothing"
    with pytest.raises(FileSystemError):
        fs.rename(f"{root}/nothing", f"{root}/b")


def test_a_lock_excludes_a_second_holder_until_released(disk: tuple[FileSystem, str]) -> None:
    fs, root = disk
    lock = fs.lock(f"{root}/.lock")
    with pytest.raises(FileLockedError, match=r"is in use by this very process"):
        fs.lock(f"{root}/.lock")
    lock.release()
    lock.release()
    fs.lock(f"{root}/.lock").release()


def test_a_lock_of_another_process_tells_its_pid(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom aliran.core.filesystem import RealFileSystem\n"
        "RealFileSystem().lock(sys.argv[1])\nprint('locked', flush=True)\nsys.stdin.read()"
    )
    path = str(tmp_path / ".lock")
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(FileLockedError, match=f"{tmp_path} is in use by process") as caught:
            RealFileSystem().lock(path)
        assert caught.value.holder_pid == other.pid
        other.stdin.close()
        other.wait()
    RealFileSystem().lock(path).release()


def test_a_short_write_is_taken_back(tmp_path: Path) -> None:
    """A file size limit makes the kernel write a part and then refuse, as a full disk does."""
    program = (
        "import resource, sys\nfrom aliran.core.filesystem import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "file = RealFileSystem().open(sys.argv[1], create=True)\n"
        "file.append(b'a' * 900)\n"
        "try: file.append(b'b' * 60, b'c' * 60)\n"
        "except FileSystemError as error: print(type(error).__name__, file.size(), error.errno)\n"
        "file.append(b'd' * 100)\n"
    )
    path = tmp_path / "file"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == ["FileSystemError", "900", str(errno.EFBIG)]
    assert path.read_bytes() == b"a" * 900 + b"d" * 100
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_a_retriable_error_with_path_and_room() -> None:
    file = RealFileSystem().open("/dev/full")
    with pytest.raises(DiskFullError, match=r"cannot write to /dev/full: No space left .*free: "):
        file.append(b"x")
    file.close()
    assert DiskFullError.retriable


def test_reads_from_threads_while_another_appends(tmp_path: Path) -> None:
    file = RealFileSystem().open(str(tmp_path / "f"), create=True)
    file.append(bytes(1000))
    wrong: list[int] = []

    def read() -> None:
        wrong.extend(1 for _ in range(500) if file.read(0, 1000) != bytes(1000))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        file.append(b"x" * 100)
    for thread in threads:
        thread.join()
    file.close()
    assert not wrong
    with pytest.raises(FileSystemError):
        file.read(0, 1)


def memory_file(content: bytes = b"") -> tuple[MemoryFileSystem, File]:
    fs = MemoryFileSystem()
    file = fs.open("/f", create=True)
    fs.flush_dir("/")
    file.append(content)
    file.flush()
    return fs, file


def test_a_crash_keeps_what_was_flushed() -> None:
    fs, file = memory_file(b"safe")
    file.append(b"lost")
    fs.open("/unflushed-name", create=True)
    fs.crash("flushed")
    assert fs.read_bytes("/f") == b"safe"
    assert fs.list_dir("/") == ["f"]
    with pytest.raises(PowerCut):
        file.append(b"a file opened before the crash")


def test_a_killed_process_loses_nothing_written() -> None:
    fs, file = memory_file(b"safe")
    file.append(b" and written")
    fs.crash("written")
    assert fs.read_bytes("/f") == b"safe and written"


def test_a_random_crash_tears_holes_and_truncates_unflushed_data_only() -> None:
    seen = set()
    for seed in range(300):
        fs, file = memory_file(b"safe")
        file.append(b"1111")
        file.append(b"2222")
        fs.crash(random.Random(seed))
        seen.add(fs.read_bytes("/f"))
    assert all(content.startswith(b"safe") for content in seen)
    assert {b"safe", b"safe11112222", b"safe1111", b"safe\0\0\0\x002222"} <= seen


def test_the_power_goes_at_the_given_change_and_tears_the_append() -> None:
    fs, file = memory_file(b"safe")
    fs.fail_after(2, seed=3)
    file.append(b"one")
    with pytest.raises(PowerCut):
        file.append(b"x" * 100)
    with pytest.raises(PowerCut):
        fs.list_dir("/")
    fs.crash("written")
    content = fs.read_bytes("/f")
    assert content.startswith(b"safeone")
    assert 7 <= len(content) < 107


def test_a_rename_is_lost_or_whole() -> None:
    seen = set()
    for seed in range(50):
        fs, _ = memory_file(b"old")
        new = fs.open("/g", create=True)
        new.append(b"new")
        new.flush()
        fs.rename("/g", "/f")
        fs.crash(random.Random(seed))
        seen.add((fs.read_bytes("/f"), fs.exists("/g")))
    assert seen == {(b"old", False), (b"old", True), (b"new", False)}


def test_memory_disk_gets_full_and_recovers() -> None:
    fs, file = memory_file(b"12345")
    fs.capacity_bytes = 8
    assert fs.free_bytes("/") == 3
    with pytest.raises(DiskFullError, match="free: 3 bytes"):
        file.append(b"1234")
    assert file.size() == 5
    fs.capacity_bytes = 100
    file.append(b"1234")
    assert file.read(0, 100) == b"123451234"
