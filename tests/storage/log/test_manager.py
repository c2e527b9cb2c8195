"""One data directory: who may open it, what may be in it, what comes and goes."""

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from aliran.core.clock import ManualClock, SystemClock
from aliran.core.filesystem import FileSystem, MemoryFileSystem, RealFileSystem
from aliran.core.types import TopicPartition
from aliran.protocol.records import encode_batch
from aliran.storage.errors import (
    DataDirectoryError,
    DataDirectoryLockedError,
    InconsistentTopicIdError,
    LogClosedError,
    LogStorageError,
)
from aliran.storage.log import LogConfig, LogManager

TP = TopicPartition("a.b_c-d", 11)
NOW = 1_700_000_000_000
BATCH = encode_batch([b"k"], [b"v" * 30], [NOW])


def manager_on(fs: FileSystem, path: str = "/data", **kwargs: Any) -> LogManager:
    manager = LogManager(path, fs, ManualClock(NOW), **kwargs)
    manager.open()
    return manager


def test_life_on_the_real_file_system(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    topic_id = uuid.UUID(int=2**127 + 12345)
    manager = LogManager(path, RealFileSystem(), SystemClock())
    manager.open()
    manager.open()
    log = manager.create(TP, LogConfig(segment_bytes=200), topic_id)
    for _ in range(10):
        log.append(BATCH)
    assert manager.create(TP) is log
    manager.close()
    manager.close()
    assert sorted(os.listdir(path)) == [
        ".kafka_cleanshutdown",
        ".lock",
        "a.b_c-d-11",
        "recovery-point-offset-checkpoint",
    ]
    assert (path / "recovery-point-offset-checkpoint").read_text() == "0\n1\na.b_c-d 11 10\n"
    metadata = (path / "a.b_c-d-11" / "partition.metadata").read_text()
    assert metadata == "version: 0\ntopic_id: gAAAAAAAAAAAAAAAAAAwOQ"
    assert (path / "a.b_c-d-11" / "leader-epoch-checkpoint").read_text() == "0\n1\n0 0\n"
    manager.open()
    log = manager.create(TP)
    assert (log.topic_id, log.log_end_offset) == (topic_id, 10)
    assert not (path / ".kafka_cleanshutdown").exists()
    manager.delete(TP)
    manager.delete(TP)
    assert manager.get(TP) is None
    assert not (path / "a.b_c-d-11").exists()
    with pytest.raises(LogClosedError):
        log.append(BATCH)
    manager.close()


def test_settings_of_a_topic_hold_from_the_start() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    manager.create(TP)
    manager.close()
    manager = manager_on(fs, topic_config=lambda topic: LogConfig(segment_bytes=len(topic)))
    assert manager.create(TP, None).config.segment_bytes == len(TP.topic)
    assert manager.create(TP, LogConfig(segment_bytes=77)).config.segment_bytes == 77


def test_two_managers_in_one_process() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    with pytest.raises(DataDirectoryLockedError, match="/data is in use by this very process"):
        manager_on(fs)
    manager.close()
    manager_on(fs).close()


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom aliran.core.filesystem import RealFileSystem\n"
        "from aliran.core.clock import SystemClock\nfrom aliran.storage.log import LogManager\n"
        "LogManager(sys.argv[1], RealFileSystem(), SystemClock()).open()\n"
        "print('open', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(DataDirectoryLockedError) as caught:
            manager_on(RealFileSystem(), str(tmp_path))
        assert caught.value.holder_pid == other.pid
        assert str(caught.value) == (
            f"{tmp_path} is in use by process {other.pid}; stop it, or use another directory"
        )
        other.stdin.close()
        other.wait()
    manager_on(RealFileSystem(), str(tmp_path)).close()


@pytest.mark.parametrize("name", ["photos", "topic-", "-0", "a b-0", "topic-x", "t0"])
def test_foreign_directories_are_refused(name: str) -> None:
    fs = MemoryFileSystem()
    fs.make_dirs(f"/data/{name}")
    with pytest.raises(DataDirectoryError, match=f"/data/{name} does not belong .*<topic>-<part"):
        manager_on(fs)
    fs.remove_tree(f"/data/{name}")
    manager_on(fs).close()


def test_harmless_things_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    fs = MemoryFileSystem()
    for name in ("lost+found", ".hidden", "t-0.0123-stray", "__cluster_metadata-0", "state"):
        fs.make_dirs(f"/data/{name}")
    fs.make_dirs(f"/data/t-0.{'0' * 32}-delete/x")
    for name in ("meta.properties", "topics.json", "notes.txt", "topics.json.tmp"):
        fs.open(f"/data/{name}", create=True)
    manager_on(fs, own_names=["state"]).close()
    assert "/data/notes.txt is not a file of the broker and is left alone" in caplog.text
    assert "t-0.0123-stray was set aside by Kafka" in caplog.text
    assert len(caplog.records) == 2
    left = fs.list_dir("/data")
    assert "notes.txt" in left
    assert "lost+found" in left
    assert "topics.json.tmp" not in left
    assert not [name for name in left if name.endswith("-delete")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to become another user")
def test_an_unwritable_directory_when_we_are_root(tmp_path: Path) -> None:
    """Root may write anywhere, so an unprivileged child tries."""
    program = (
        "import fcntl, os, sys\n"
        "from aliran.core.filesystem import RealFileSystem\n"
        "from aliran.core.clock import SystemClock\nfrom aliran.storage.log import LogManager\n"
        "from aliran.storage.errors import DataDirectoryError\n"
        "os.setuid(65534)\n"
        "try: LogManager(sys.argv[1], RealFileSystem(), SystemClock()).open()\n"
        "except DataDirectoryError as error: print(error)"
    )
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o5 != 0o5 and parent.is_relative_to("/tmp"):
            parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(locked)], capture_output=True, text=True, check=False
    )
    assert f"the data directory {locked} cannot be used" in done.stdout, done.stderr
    assert "Permission denied; check who owns it" in done.stdout


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match=r"file cannot be used"):
        manager_on(RealFileSystem(), str(tmp_path / "file"))


def test_another_topic_of_the_same_name_is_refused() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    first = uuid.uuid4()
    manager.create(TP, topic_id=first)
    with pytest.raises(InconsistentTopicIdError, match=f"{first}, not"):
        manager.create(TP, topic_id=uuid.uuid4())
    other = manager.create(TopicPartition("x", 0))
    assert other.topic_id is None
    manager.create(TopicPartition("x", 0), topic_id=first)
    manager.close()
    assert manager_on(fs).create(TopicPartition("x", 0)).topic_id == first


def test_a_full_disk_refuses_a_new_log() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    fs.capacity_bytes = fs.used_bytes() + 3
    with pytest.raises(LogStorageError, match=r"cannot be created.*free: 3 bytes"):
        manager.create(TP, topic_id=uuid.uuid4())
    fs.capacity_bytes = None
    assert manager.create(TP, topic_id=uuid.uuid4()).append(BATCH).base_offset == 0


def test_a_close_on_a_full_disk_is_not_a_clean_stop() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    manager.create(TP).append(BATCH)
    fs.capacity_bytes = fs.used_bytes()
    with pytest.raises(LogStorageError, match=r"close failed.*No space"):
        manager.close()
    assert not fs.exists("/data/.kafka_cleanshutdown")
    fs.capacity_bytes = None
    assert manager_on(fs).create(TP).log_end_offset == 1


def test_log_start_offsets_survive_a_restart() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    log = manager.create(TP)
    for _ in range(5):
        log.append(BATCH)
    log.delete_records(3)
    manager.close()
    log = manager_on(fs).create(TP)
    assert (log.log_start_offset, log.log_end_offset) == (3, 5)


def test_deletion_is_complete_after_a_crash_at_any_point() -> None:
    for at in range(1, 30):
        fs = MemoryFileSystem()
        manager = manager_on(fs)
        manager.create(TP).append(BATCH)
        fs.fail_after(at)
        try:
            manager.delete(TP)
        except BaseException as error:
            assert type(error).__name__ == "PowerCut"  # noqa: PT017
        fs.crash("written")
        again = manager_on(fs)
        log = again.get(TP)
        assert log is None or log.log_end_offset == 1
        assert not [name for name in fs.list_dir("/data") if name.endswith("-delete")]


def test_deleting_a_log_on_a_full_disk_makes_room() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    for _ in range(50):
        manager.create(TP).append(BATCH)
    manager.create(TP).flush()
    fs.capacity_bytes = fs.used_bytes()
    manager.delete(TP)
    assert fs.used_bytes() < fs.capacity_bytes - 50 * 30
    assert "a.b_c-d-11" not in fs.list_dir("/data")


def test_a_new_log_does_not_inherit_the_start_of_a_deleted_one() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    log = manager.create(TP)
    for _ in range(50):
        log.append(BATCH)
    log.delete_records(40)
    manager.flush_due()
    fs.capacity_bytes = 0  # not even the checkpoint can be written after the removal
    with pytest.raises(LogStorageError, match="cannot be removed"):
        manager.delete(TP)
    with pytest.raises(LogStorageError, match="cannot be created"):
        manager.create(TP)
    fs.capacity_bytes = None
    manager.create(TP).append(BATCH)
    fs.crash("written")
    log = manager_on(fs).create(TP)
    assert (log.log_start_offset, log.log_end_offset) == (0, 1)


def test_a_log_that_could_not_be_made_leaves_no_directory() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    # first not enough for the topic's id, then not for the epochs either
    for room in (3, 48):
        fs.capacity_bytes = fs.used_bytes() + room
        with pytest.raises(LogStorageError):
            manager.create(TP, topic_id=uuid.uuid4())
        assert not fs.exists("/data/a.b_c-d-11")


def test_the_longest_topic_name_can_be_deleted(tmp_path: Path) -> None:
    manager = manager_on(RealFileSystem(), str(tmp_path))
    longest = TopicPartition("x" * 249, 99_999)
    manager.create(longest)
    manager.delete(longest)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
    manager.close()


def test_topics_whose_names_begin_with_a_dot_are_found_again() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    log = manager.create(TopicPartition(".hidden", 0))
    log.append(BATCH)
    log.append(BATCH)
    log.delete_records(1)
    manager.close()
    fs.make_dirs("/data/.Trash-1000/files")
    (log,) = manager_on(fs).partitions()
    assert (log.topic_partition.topic, log.log_start_offset) == (".hidden", 1)


def test_a_directory_that_only_ends_in_a_number_is_not_a_partition(tmp_path: Path) -> None:
    (tmp_path / "backup-2024").mkdir()
    (tmp_path / "backup-2024" / "letter.txt").write_text("Dear")
    with pytest.raises(DataDirectoryError, match=r"backup-2024 does not belong.*holds a log"):
        manager_on(RealFileSystem(), str(tmp_path))
    assert [path.name for path in (tmp_path / "backup-2024").iterdir()] == ["letter.txt"]


def test_a_partition_on_another_disk_is_deleted_there_too(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    manager = manager_on(RealFileSystem(), str(data))
    manager.create(TP).append(BATCH)
    manager.close()
    (data / str(TP)).rename(other)
    (data / str(TP)).symlink_to(other)
    manager.open()
    assert manager.create(TP).log_end_offset == 1
    manager.delete(TP)
    assert not other.exists()
    assert not [path for path in data.iterdir() if path.name.endswith("-delete")]
    manager.close()


def test_who_holds_a_deleted_log_cannot_touch_its_successor(tmp_path: Path) -> None:
    manager = manager_on(RealFileSystem(), str(tmp_path))
    old = manager.create(TP)
    for _ in range(5):
        old.append(BATCH)
    manager.delete(TP)
    new = manager.create(TP)
    for _ in range(5):
        new.append(BATCH)
    for use in (
        lambda: old.truncate_to(2),
        lambda: old.append(BATCH),
        lambda: old.read(0, 100),
        lambda: old.delete_records(3),
        lambda: old.offset_for_timestamp(0),
        old.offset_of_max_timestamp,
        old.roll,
    ):
        with pytest.raises(LogClosedError, match="the topic was deleted"):
            use()
    manager.close()
    manager.open()
    assert manager.create(TP).log_end_offset == 5
    manager.close()


def test_a_log_whose_directory_is_gone_can_be_deleted() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    manager.create(TP).append(BATCH)
    fs.remove_tree("/data/a.b_c-d-11")
    manager.delete(TP)
    assert manager.create(TP).append(BATCH).base_offset == 0


def test_many_logs_come_and_go_with_few_writes() -> None:
    fs = MemoryFileSystem()
    manager = manager_on(fs)
    partitions = [TopicPartition("wide", number) for number in range(100)]
    before = fs.mutations
    logs = manager.create_all(partitions, LogConfig(segment_bytes=500))
    assert [log.topic_partition for log in logs] == partitions
    made = fs.mutations - before
    manager.delete_all(partitions)
    assert manager.partitions() == []
    # removing takes a rename, four entries and their directory each, and one checkpoint for all
    assert fs.mutations - before - made < 100 * 7


def test_logs_can_be_created_and_deleted_from_many_threads(tmp_path: Path) -> None:
    manager = manager_on(RealFileSystem(), str(tmp_path))

    def work(number: int) -> None:
        for round_ in range(5):
            log = manager.create(TopicPartition("t", number))
            log.append(BATCH)
            manager.flush_due()
            manager.clean_up()
            if round_ % 2:
                manager.delete(TopicPartition("t", number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {log.log_end_offset for log in manager.partitions()} == {1}
    manager.close()
