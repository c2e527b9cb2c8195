"""RocksDB alone: crashes, locks, damage, and directories that are not ours."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict

from aliran.storage.state import (
    RocksDBOptions,
    RocksDBStateDatabase,
    SharedMemory,
    StateClosedError,
    StateCorruptedError,
    StateDiskFullError,
    StateError,
    StateForeignFilesError,
    StateLockedError,
    StatePathError,
)
from aliran.storage.state.errors import state_error


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a program in another process; it prints one JSON value a line."""
    prelude = "import json, os, signal, sys\nfrom aliran.storage.state import *\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def run(code: str, *arguments: object) -> list[Any]:
    with start(code, *arguments) as process:
        output, _ = process.communicate(timeout=60)
    return [json.loads(line) for line in output.splitlines()]


WRITE_FOR_EVER = """
    options = RocksDBOptions(write_buffer_bytes=1 << 16)
    database = RocksDBStateDatabase(sys.argv[1], ["a", "b"], options)
    number = database.offsets().get("t-0", 0)
    while True:
        number += 1
        value = number.to_bytes(8, "big")
        old = b"%d" % (number - 50)
        database.write(
            {
                "a": {b"latest": value, b"%d" % number: value * 20, old: None},
                "b": {b"latest": value},
            },
            {"t-0": number},
        )
        if number % 500 == 0:
            print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_kill_9_leaves_stores_and_offsets_of_one_moment(tmp_path: Path, lines: int) -> None:
    reached = 0
    for _ in range(2):  # the second life begins with what the first left
        with start(WRITE_FOR_EVER, tmp_path) as process:
            assert process.stdout is not None
            for _ in range(lines):
                reached = int(process.stdout.readline())
            process.kill()
        assert process.returncode == -signal.SIGKILL
        database = RocksDBStateDatabase(tmp_path, ["a", "b"])
        offset = database.offsets().get("t-0", 0)
        latest = [database.get(store, b"latest") or b"\x00" for store in ("a", "b")]
        assert [int.from_bytes(value, "big") for value in latest] == [offset, offset]
        numbers = sorted(int(key) for key, _ in database.range("a", None, None) if key != b"latest")
        assert numbers == list(range(max(1, offset - 49), offset + 1))
        database.close()
    if lines > 4:
        assert offset > 0  # memory was flushed by itself on the way
        assert reached > 0


@pytest.mark.parametrize("last_call", ["database.flush()", "database.close()"])
def test_kill_9_after_flush_or_close_loses_nothing(tmp_path: Path, last_call: str) -> None:
    code = f"""
        database = RocksDBStateDatabase(sys.argv[1], ["a", "b"])
        for number in range(5):
            name = b"%d" % number
            database.write({{"a": {{b"k": name}}, "b": {{name: b""}}}}, {{"t-0": number}})
            database.flush()
        database.write({{"a": {{b"k": b"end"}}}}, {{}})  # a store alone
        {last_call}
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run(code, tmp_path) == []
    database = RocksDBStateDatabase(tmp_path, ["a", "b"])
    assert database.get("a", b"k") == b"end"
    assert [key for key, _ in database.range("b", None, None)] == [b"0", b"1", b"2", b"3", b"4"]
    assert database.offsets() == {"t-0": 4}
    database.close()


def test_another_process_holding_the_database_is_named(tmp_path: Path) -> None:
    code = """
        database = RocksDBStateDatabase(sys.argv[1], ["a"])
        print("true", flush=True)
        sys.stdin.readline()
    """
    with start(code, tmp_path / "0_1") as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(StateLockedError) as caught:
            RocksDBStateDatabase(tmp_path / "0_1", ["a"])
        process.kill()
    assert str(tmp_path / "0_1") in str(caught.value)
    assert "another program with the same application id and state directory" in str(caught.value)
    assert caught.value.retriable
    RocksDBStateDatabase(tmp_path / "0_1", ["a"]).close()


def test_opening_twice_in_one_process_is_refused(tmp_path: Path) -> None:
    database = RocksDBStateDatabase(tmp_path, ["a"])
    with pytest.raises(StateLockedError, match="this process has it open already"):
        RocksDBStateDatabase(tmp_path, ["a"])
    database.close()


def test_close_releases_the_lock_under_open_iterators(tmp_path: Path) -> None:
    database = RocksDBStateDatabase(tmp_path, ["a"])
    database.write({"a": {b"a": b"1", b"b": b"1"}}, {})
    entries, reverse = database.range("a", None, None), database.range("a", None, b"c", True)
    next(entries)
    database.close()
    again = RocksDBStateDatabase(tmp_path, ["a"])
    for iterator in (entries, reverse):
        with pytest.raises(StateClosedError):
            next(iterator)
    again.close()


def test_stores_come_and_go(tmp_path: Path) -> None:
    database = RocksDBStateDatabase(tmp_path, ["a", "offsets", "default"])
    database.write({"a": {b"k": b"1"}, "offsets": {b"k": b"2"}, "default": {b"k": b"3"}}, {"t": 1})
    database.close()
    database = RocksDBStateDatabase(tmp_path, ["offsets", "new"])
    assert database.get("offsets", b"k") == b"2"
    assert database.is_empty("new")
    assert database.offsets() == {"t": 1}
    database.close()
    database = RocksDBStateDatabase(tmp_path, ["a", "default"])
    assert database.get("a", b"k") == b"1"
    assert database.get("default", b"k") == b"3"
    database.close()


def test_a_directory_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"jpg")
    with pytest.raises(StateForeignFilesError, match=r"holiday\.jpg.*Pass an empty or new"):
        RocksDBStateDatabase(tmp_path, ["a"])
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_a_rocksdb_of_another_program_is_refused(tmp_path: Path) -> None:
    raw = Options(raw_mode=True)
    raw.create_if_missing(True)
    families = {"users": raw}
    raw.create_missing_column_families(True)
    Rdict(str(tmp_path / "raw"), raw, column_families=families).close()
    with pytest.raises(StateForeignFilesError, match="RocksDB column family users"):
        RocksDBStateDatabase(tmp_path / "raw", ["a"])
    other = Rdict(str(tmp_path / "python"))
    other["key"] = {"not": "raw"}
    other.close()
    with pytest.raises(StateForeignFilesError, match="another program made"):
        RocksDBStateDatabase(tmp_path / "python", ["a"])


def test_a_foreign_file_beside_a_database_does_no_harm(tmp_path: Path) -> None:
    RocksDBStateDatabase(tmp_path, ["a"]).close()
    (tmp_path / "note.txt").write_text("mine")
    RocksDBStateDatabase(tmp_path, ["a"]).close()
    assert (tmp_path / "note.txt").read_text() == "mine"


def filled(path: Path) -> Path:
    database = RocksDBStateDatabase(path, ["a"])
    for part in range(2):
        entries = {b"%d-%d" % (part, number): os.urandom(50) for number in range(1000)}
        database.write({"a": entries}, {"t-0": part})
        database.flush()
    database.close()
    return path


def read_everything(path: Path) -> None:
    database = RocksDBStateDatabase(path, ["a"])
    try:
        assert len(list(database.range("a", None, None))) == 2000
    finally:
        database.close()


def damaged(data: bytes, damage: str) -> bytes:
    quarter = len(data) // 4
    if damage == "cut":
        return data[: 2 * quarter]
    flipped = bytes(255 - byte for byte in data[quarter : 3 * quarter])
    return data[:quarter] + flipped + data[3 * quarter :]


@pytest.mark.parametrize("pattern", ["CURRENT", "MANIFEST-*", "*.sst"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "gone"])
def test_damage_says_to_delete_the_directory(tmp_path: Path, pattern: str, damage: str) -> None:
    path = filled(tmp_path / "state")
    for file in path.glob(pattern):
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(damaged(file.read_bytes(), damage))
    with pytest.raises(StateCorruptedError, match="Delete the directory; it will be") as caught:
        read_everything(path)
    assert caught.value.path == str(path)
    shutil.rmtree(path)
    read_everything(filled(path))


def test_paths_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("a file")
    for path in (file, file / "below"):
        with pytest.raises(
            StatePathError, match="cannot make or write the state directory"
        ) as caught:
            RocksDBStateDatabase(path, ["a"])
        assert caught.value.path == str(path)
        assert "Pass a state directory that this user may write to" in str(caught.value)


def test_a_directory_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code = """
        if os.geteuid() == 0:
            os.setuid(65534)  # root may write anywhere, nobody may not
        try:
            RocksDBStateDatabase(sys.argv[1] + "/state", ["a"])
        except StateError as error:
            print(json.dumps([type(error).__name__, str(error)]))
    """
    [(kind, text)] = run(code, tmp_path)
    tmp_path.chmod(0o700)
    assert kind == "StatePathError"
    assert f"cannot make or write the state directory {tmp_path}/state: Permission denied" in text


def test_a_disk_that_takes_no_more_data_keeps_the_state_of_the_last_flush(tmp_path: Path) -> None:
    code = """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        options = RocksDBOptions(write_buffer_bytes=1 << 20)
        database = RocksDBStateDatabase(sys.argv[1], ["a"], options)
        database.write({"a": {b"k": b"before"}}, {"t-0": 1})
        database.flush()
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        try:
            for number in range(2, 200):
                database.write({"a": {b"%d" % number: os.urandom(100_000)}}, {"t-0": number})
                database.flush()
        except StateError as error:
            print(json.dumps([type(error).__name__, str(error)]))
        try:
            database.close()
        except StateError as error:
            print(json.dumps([type(error).__name__, str(error)]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        database = RocksDBStateDatabase(sys.argv[1], ["a"], options)  # the lock is free again
        keys = [key.decode() for key, _ in database.range("a", None, None)]
        print(json.dumps([keys, database.offsets()]))
        database.close()
    """
    *errors, (keys, offsets) = run(code, tmp_path)
    assert errors
    for _, text in errors:
        assert str(tmp_path) in text
        assert "changelog" in text
    last = offsets["t-0"]
    assert sorted(keys) == sorted(["k", *map(str, range(2, last + 1))])


def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs Linux's unshare for a small disk")
    mount = f"mount -t tmpfs -o size=4m tmpfs {tmp_path}"
    probe = subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("needs a mount namespace of its own for a small disk")
    code = """
        from aliran.storage.state import *
        import json, os, sys
        database = RocksDBStateDatabase(sys.argv[1], ["a", "b"])
        try:
            for number in range(200):
                changes = {b"%d" % number: os.urandom(100_000)}
                database.write({"a": changes, "b": {b"last": b"%d" % number}}, {"t-0": number})
                database.flush()
        except StateError as error:
            print(json.dumps([type(error).__name__, str(error)]))
        try:
            database.close()
        except StateError as error:
            print(json.dumps([type(error).__name__, str(error)]))
        from rocksdict import Rdict, AccessType, Options
        raw = Options(raw_mode=True)
        names = ["default", "offsets", "store:a", "store:b"]
        kept = Rdict(
            sys.argv[1], raw, {name: raw for name in names}, AccessType.read_only(False)
        )
        count = sum(1 for _ in kept.get_column_family("store:a").keys())
        last = int(kept.get_column_family("store:b")[b"last"])
        offset = int.from_bytes(kept.get_column_family("offsets")[b"t-0"], "big")
        print(json.dumps([count, last, offset]))
    """
    command = f'{mount} && exec "$0" -c "$1" {tmp_path}/state'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", command, sys.executable, textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    *errors, (count, last, offset) = [json.loads(line) for line in done.stdout.splitlines()]
    assert errors[0][0] == "StateDiskFullError"
    assert str(tmp_path / "state") in errors[0][1]
    assert "Free space and start again" in errors[0][1]
    assert count == last + 1 == offset + 1 > 1


def test_what_rocksdb_says_becomes_the_error_that_helps() -> None:
    cases = {
        "IO error: No space left on device: While appending to file: /s/000009.sst": (
            StateDiskFullError,
            "Free space and start again",
        ),
        "IO error: While open a file: /s/LOCK: Permission denied": (StatePathError, "/s"),
        "IO error: Read-only file system": (StatePathError, "may write to"),
        "Corruption: block checksum mismatch": (StateCorruptedError, "Delete the directory"),
        "IO error: While open a file: /s/1.sst: Too many open files": (StateError, "ulimit -n"),
        "something new": (StateError, "delete the directory and start again"),
    }
    for text, (kind, advice) in cases.items():
        error = state_error("/s", Exception(text))
        assert type(error) is kind
        assert text in str(error)
        assert advice in str(error)
        assert error.path == "/s"


def test_databases_share_a_budget_and_options_reach_rocksdb(tmp_path: Path) -> None:
    seen: list[Options] = []
    memory = SharedMemory(block_cache_bytes=16 << 20, write_buffer_bytes=4 << 20)
    options = RocksDBOptions(
        compression="lz4",
        compaction="level",
        bloom_bits_per_key=0,
        memory=memory,
        configure=seen.append,
    )
    databases = [RocksDBStateDatabase(tmp_path / str(n), ["a"], options) for n in range(3)]
    assert len(seen) == 3  # once a store
    for part in range(5):
        for database in databases:
            entries = {b"%d-%d" % (part, number): os.urandom(900) for number in range(1000)}
            database.write({"a": entries}, {})
    # 13 MB were written: the budget has made databases flush, none has reached its own limit.
    statistics = [database.statistics() for database in databases]
    assert sum(each["disk_bytes"] for each in statistics) > 1 << 20
    assert all(each["sequence_number"] == 5000 for each in statistics)
    assert len(list(databases[1].range("a", None, None))) == 5000
    assert memory.statistics()["block_cache_bytes"] > 0
    for database in databases:
        database.close()


def test_a_database_made_by_a_crashed_first_start_opens(tmp_path: Path) -> None:
    path = filled(tmp_path / "state")
    half = tmp_path / "half"
    half.mkdir()
    for file in (path / "LOCK", path / "LOG", path / "IDENTITY", next(path.glob("MANIFEST-*"))):
        shutil.copy(file, half / file.name)
    (half / "rocksdict-config.json").write_bytes(b"")
    database = RocksDBStateDatabase(half, ["a"])
    assert database.is_empty("a")
    database.close()
