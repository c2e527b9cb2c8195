"""The offset store on real logs, through restarts, power cuts, compaction and time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliran.broker.broker import Broker
from aliran.broker.offset_records import (
    GroupKey,
    GroupMetadata,
    MemberMetadata,
    OffsetKey,
    decode_group_value,
    decode_key,
    decode_offset_value,
    encode_group_key,
    encode_group_value,
    encode_offset_key,
    encode_offset_value,
)
from aliran.broker.offsets import OFFSETS_TOPIC, OffsetAndMetadata, partition_of_group
from aliran.core.clock import ManualClock
from aliran.core.errors import AliranError
from aliran.core.memory_filesystem import MemoryFileSystem, PowerCut
from aliran.core.types import TopicPartition
from aliran.protocol.errors import ProtocolError
from aliran.protocol.records import decode_columns, iter_headers
from aliran.storage.errors import MessageTooLargeError

DAY_MS = 86_400_000
T0, T1, U0 = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)


class Machine:
    """A broker core on a disk in memory and a clock that the test moves."""

    def __init__(self, **config: object) -> None:
        self.fs = MemoryFileSystem()
        self.clock = ManualClock(1_700_000_000_000)
        self.config = config
        self.broker = self._start()

    def _start(self) -> Broker:
        broker = Broker("/data", self.config, fs=self.fs, clock=self.clock)
        broker.start()
        return broker

    def restart(self) -> None:
        self.broker.close()
        self.broker = self._start()

    def crash(self) -> None:
        """Kill the process: the operating system keeps what was written."""
        self.fs.crash(keep="written")
        self.broker = self._start()


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    yield machine
    machine.broker.close()


def at(machine: Machine, offset: int, epoch: int = -1, text: str = "") -> OffsetAndMetadata:
    return OffsetAndMetadata(offset, epoch, text, machine.clock.time_ms())


# -- formats -------------------------------------------------------------------------------------


def test_records_are_kafkas_bytes() -> None:
    """Golden bytes after Kafka's schemas OffsetCommitKey 1, OffsetCommitValue 3 and 1."""
    assert encode_offset_key("grp", TopicPartition("topic", 7)) == bytes.fromhex(
        "0001 0003 677270 0005 746f706963 00000007"
    )
    value = OffsetAndMetadata(42, 5, "hé", 1_700_000_000_000)
    assert encode_offset_value(value) == bytes.fromhex(
        "0003 000000000000002a 00000005 0003 68c3a9 0000018bcfe56800"
    )
    assert encode_offset_value(value._replace(expire_timestamp=9)) == bytes.fromhex(
        "0001 000000000000002a 0003 68c3a9 0000018bcfe56800 0000000000000009"
    )
    assert encode_group_key("grp") == bytes.fromhex("0002 0003 677270")
    member = MemberMetadata("m", "i", "c", "/h", 2, 1, b"\x01", b"\x02\x03")
    group = GroupMetadata("consumer", 3, "range", "m", 4, (member,))
    assert encode_group_value(group) == bytes.fromhex(
        "0003 0008 636f6e73756d6572 00000003 0005 72616e6765 0001 6d 0000000000000004 00000001"
        "0001 6d 0001 69 0001 63 0002 2f68 00000002 00000001 00000001 01 00000002 0203"
    )
    empty = GroupMetadata("consumer", 4, None, None, 5, ())
    assert encode_group_value(empty) == bytes.fromhex(
        "0003 0008 636f6e73756d6572 00000004 ffff ffff 0000000000000005 00000000"
    )


texts = st.text(max_size=20)
longs = st.integers(0, 2**62)
ints = st.integers(-1, 2**31 - 1)


@given(st.builds(OffsetAndMetadata, longs, ints, texts, longs, st.just(-1)))
def test_offsets_survive_the_record(value: OffsetAndMetadata) -> None:
    assert decode_offset_value(encode_offset_value(value)) == value
    old = value._replace(leader_epoch=-1, expire_timestamp=5)
    assert decode_offset_value(encode_offset_value(old)) == old


members = st.builds(
    MemberMetadata,
    texts,
    st.none() | texts,
    texts,
    texts,
    ints,
    ints,
    st.binary(max_size=9),
    st.binary(max_size=9),
)


@given(
    st.builds(
        GroupMetadata,
        texts,
        ints,
        st.none() | texts,
        st.none() | texts,
        longs,
        st.lists(members, max_size=3).map(tuple),
    )
)
def test_groups_survive_the_record(group: GroupMetadata) -> None:
    assert decode_group_value(encode_group_value(group)) == group


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("0000 0000000000000007 0001 6d 0000000000000009", OffsetAndMetadata(7, -1, "m", 9)),
        ("0002 0000000000000007 0000 0000000000000009", OffsetAndMetadata(7, -1, "", 9)),
        (
            "0004 0000000000000007 00000002 02 6d 0000000000000009 01 00 01 ff",
            OffsetAndMetadata(7, 2, "m", 9),
        ),
    ],
)
def test_other_versions_of_offsets_are_read(data: str, expected: OffsetAndMetadata) -> None:
    assert decode_offset_value(bytes.fromhex(data)) == expected


def test_other_versions_of_groups_are_read() -> None:
    v0 = "0000 0001 63 00000002 0001 70 0001 6d 00000001 0001 6d 0001 63 0001 68 00000009"
    group = decode_group_value(bytes.fromhex(v0 + "00000000 00000001 07"))
    assert group.state_since_ms == -1
    assert group.members == (MemberMetadata("m", None, "c", "h", 9, 9, b"", b"\x07"),)
    v4 = "0004 02 63 00000002 02 70 02 6d 0000000000000005 02 02 6d 00 02 63 02 68"
    group = decode_group_value(bytes.fromhex(v4 + "00000008 00000009 01 02 07 00 00"))
    assert group.state_since_ms == 5
    assert group.members == (MemberMetadata("m", None, "c", "h", 8, 9, b"", b"\x07"),)


def test_keys_tell_what_they_speak_of() -> None:
    assert decode_key(encode_offset_key("g", T1)) == OffsetKey("g", T1)
    assert decode_key(encode_group_key("g")) == GroupKey("g")
    assert decode_key(b"\x00\x03\x00\x01g") is None


@pytest.mark.parametrize("data", ["", "0003", "0003 0000", "0009 0000000000000007"])
def test_damaged_values_are_refused_with_their_place(data: str) -> None:
    for decode in (decode_offset_value, decode_group_value):
        with pytest.raises(ProtocolError, match=OFFSETS_TOPIC):
            decode(bytes.fromhex(data))


def test_names_that_no_record_can_hold_are_refused() -> None:
    with pytest.raises(ProtocolError, match="40000 bytes"):
        encode_group_key("g" * 40_000)
    with pytest.raises(ProtocolError, match="at most 32767"):
        encode_offset_value(OffsetAndMetadata(1, metadata="m" * 40_000))


@pytest.mark.parametrize(
    ("group", "partition"),
    [("my-group", 12), ("g", 3), ("", 0), ("polygenelubricants", 0), ("grüppe-😀", 14)],
)
def test_groups_live_where_java_puts_them(group: str, partition: int) -> None:
    """Computed with Java 17; "polygenelubricants" has the hash code Integer.MIN_VALUE."""
    assert partition_of_group(group, 50) == partition


# -- the store -----------------------------------------------------------------------------------


def test_the_topic_is_made_on_first_need(machine: Machine) -> None:
    store, topics = machine.broker.offsets, machine.broker.topics
    assert store.fetch("g") == {}
    assert store.groups() == []
    store.delete_group("g")
    assert topics.get(OFFSETS_TOPIC) is None
    store.commit("g", {})
    assert topics.get(OFFSETS_TOPIC) is None
    store.commit("g", {T0: OffsetAndMetadata(1)})
    topic = topics.require(OFFSETS_TOPIC)
    assert (topic.partitions, topic.internal) == (4, True)
    assert topic.configs["cleanup.policy"] == "compact"
    assert topic.configs["segment.bytes"] == "104857600"


def test_a_commit_is_one_batch(machine: Machine) -> None:
    store = machine.broker.offsets
    offsets = {TopicPartition("t", number): at(machine, number) for number in range(16)}
    store.commit("g", offsets)
    place = TopicPartition(OFFSETS_TOPIC, partition_of_group("g", 4))
    log = machine.broker.logs.get(place)
    assert log is not None
    data = log.read(0, 1 << 20)
    assert [header.record_count for _, header in iter_headers(data)] == [16]
    (columns,) = decode_columns(data, *place, 0)
    keys = [decode_key(key) for key in columns.keys if key is not None]
    assert keys == [OffsetKey("g", each) for each in offsets]
    assert set(columns.timestamps) == {machine.clock.time_ms()}


def test_what_is_committed_is_fetched(machine: Machine) -> None:
    store = machine.broker.offsets
    store.commit("g", {T0: OffsetAndMetadata(5, 1, "text"), U0: OffsetAndMetadata(6)})
    store.commit("g", {T0: OffsetAndMetadata(7)})
    assert store.fetch("g") == {T0: at(machine, 7), U0: at(machine, 6)}
    assert store.fetch("g", [U0, T1]) == {U0: at(machine, 6)}
    assert store.fetch("other") == {}
    assert store.statistics() == {"groups": 1, "offsets": 2, "commits": 2}


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_everything_survives(machine: Machine, how: str) -> None:
    store = machine.broker.offsets
    names = [f"group-{number}" for number in range(20)]
    for name in names:
        store.commit(name, {T0: OffsetAndMetadata(len(name), 3, name), T1: OffsetAndMetadata(1)})
    store.delete_offsets("group-3", [T0])
    store.delete_group("group-4")
    member = MemberMetadata("m", None, "c", "/h", 2, 1, b"s", b"a")
    kept = GroupMetadata("consumer", 3, "range", "m", 4, (member,))
    store.save_group("group-5", kept)
    store.save_group("group-6", kept)
    store.delete_group("group-6")
    before = {name: store.fetch(name) for name in names}
    getattr(machine, how)()
    store = machine.broker.offsets
    assert {name: store.fetch(name) for name in names} == before
    assert store.fetch("group-3") == {T1: before["group-3"][T1]}
    assert store.groups() == sorted(set(names) - {"group-4", "group-6"})
    assert store.saved_groups() == {"group-5": kept}


def test_the_number_of_partitions_stays_what_it_was(machine: Machine) -> None:
    machine.broker.offsets.commit("my-group", {T0: OffsetAndMetadata(1)})
    machine.config["offsets.topic.num.partitions"] = 7
    machine.restart()
    assert machine.broker.offsets.ensure_topic() == 4
    assert machine.broker.offsets.fetch("my-group")[T0].offset == 1


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(1, 12), seed=st.integers(0, 1000))
def test_a_commit_cut_by_a_power_failure_is_all_or_nothing(cut: int, seed: int) -> None:
    machine = Machine()
    machine.broker.offsets.commit("g", {T0: OffsetAndMetadata(0), T1: OffsetAndMetadata(0)})
    machine.fs.fail_after(cut, seed)
    done = 0
    try:
        while done < 100:
            both = OffsetAndMetadata(done + 1)
            machine.broker.offsets.commit("g", {T0: both, T1: both})
            done += 1
    except PowerCut:
        assert done == cut - 1
    machine.crash()
    found = machine.broker.offsets.fetch("g")
    assert found[T0].offset == found[T1].offset
    assert found[T0].offset in (done, done + 1)
    machine.broker.close()


def test_a_full_disk_changes_nothing() -> None:
    machine = Machine()
    store = machine.broker.offsets
    store.commit("g", {T0: OffsetAndMetadata(1)})
    machine.fs.capacity_bytes = machine.fs.used_bytes()
    with pytest.raises(AliranError):
        store.commit("g", {T0: OffsetAndMetadata(2, metadata="x" * 1000)})
    with pytest.raises(AliranError):
        store.delete_group("g")
    assert store.fetch("g")[T0].offset == 1
    machine.fs.capacity_bytes = None
    machine.restart()
    assert machine.broker.offsets.fetch("g")[T0].offset == 1
    machine.broker.close()


def test_deleting_a_topic_forgets_its_offsets(machine: Machine) -> None:
    machine.broker.topics.create("t", 2)
    store = machine.broker.offsets
    store.commit(
        "g", {T0: OffsetAndMetadata(1), T1: OffsetAndMetadata(1), U0: OffsetAndMetadata(2)}
    )
    store.commit("only-t", {T0: OffsetAndMetadata(1)})
    machine.broker.topics.delete("t")
    assert list(store.fetch("g")) == [U0]
    machine.restart()
    assert machine.broker.offsets.groups() == ["g"]


def test_upkeep_of_the_log_keeps_what_counts() -> None:
    machine = Machine(**{"offsets.topic.segment.bytes": 4096, "offsets.topic.num.partitions": 1})
    store = machine.broker.offsets
    for number in range(500):
        store.commit("busy", {T0: OffsetAndMetadata(number), T1: OffsetAndMetadata(number)})
        if number == 3:
            store.commit("quiet", {U0: OffsetAndMetadata(9)})
    machine.broker.logs.clean_up()
    machine.restart()
    store = machine.broker.offsets
    assert store.fetch("busy") == {T0: at(machine, 499), T1: at(machine, 499)}
    assert store.fetch("quiet") == {U0: at(machine, 9)}
    machine.broker.close()


def test_commits_from_many_threads(machine: Machine) -> None:
    store = machine.broker.offsets

    def work(name: str) -> None:
        for number in range(50):
            store.commit(name, {T0: OffsetAndMetadata(number)})
            store.commit("shared", {TopicPartition(name, 0): OffsetAndMetadata(number)})

    threads = [threading.Thread(target=work, args=(f"g{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    before = {name: store.fetch(name) for name in store.groups()}
    assert {value.offset for offsets in before.values() for value in offsets.values()} == {49}
    assert len(before["shared"]) == 4
    machine.restart()
    store = machine.broker.offsets
    assert {name: store.fetch(name) for name in store.groups()} == before


# -- retention -----------------------------------------------------------------------------------


def test_unused_offsets_expire_after_a_week(machine: Machine) -> None:
    store = machine.broker.offsets
    store.commit("g", {T0: OffsetAndMetadata(1)})
    machine.clock.advance(6 * DAY_MS)
    store.commit("g", {T1: OffsetAndMetadata(1)})
    machine.clock.advance(DAY_MS)
    store.expire("g", empty_since_ms=None, subscribed=())
    assert list(store.fetch("g")) == [T1]
    machine.restart()
    assert list(machine.broker.offsets.fetch("g")) == [T1]


def test_offsets_count_from_when_the_group_became_empty(machine: Machine) -> None:
    store = machine.broker.offsets
    store.commit("g", {T0: OffsetAndMetadata(1)})
    machine.clock.advance(8 * DAY_MS)
    empty_since_ms = machine.clock.time_ms()
    store.expire("g", empty_since_ms=empty_since_ms, subscribed=())
    assert store.has_offsets("g")
    machine.clock.advance(7 * DAY_MS)
    store.commit("g", {T1: OffsetAndMetadata(2)})
    store.expire("g", empty_since_ms=empty_since_ms, subscribed=())
    assert list(store.fetch("g")) == [T1]


def test_consumed_topics_pinned_groups_and_own_terms(machine: Machine) -> None:
    store = machine.broker.offsets
    store.commit("g", {T0: OffsetAndMetadata(1), U0: OffsetAndMetadata(1)})
    expires_ms = machine.clock.time_ms() + 1000
    store.commit("own", {T0: OffsetAndMetadata(1, expire_timestamp=expires_ms)})
    machine.clock.advance(999)
    store.expire("own", empty_since_ms=None, subscribed=())
    assert store.has_offsets("own")
    machine.clock.advance(1)
    store.expire("own", empty_since_ms=None, subscribed=())
    assert not store.has_offsets("own")
    machine.clock.advance(8 * DAY_MS)
    store.pin("g")
    store.pin("g")
    store.unpin("g")
    store.expire("g", empty_since_ms=None, subscribed=())
    assert len(store.fetch("g")) == 2
    store.unpin("g")
    store.expire("g", empty_since_ms=None, subscribed=["u"])
    assert list(store.fetch("g")) == [U0]


def test_a_log_that_lost_its_directory_is_named(tmp_path: Path) -> None:
    with_offsets = Broker(tmp_path / "data")
    with_offsets.start()
    with_offsets.offsets.commit("g", {T0: OffsetAndMetadata(1)})
    with_offsets.logs.delete(TopicPartition(OFFSETS_TOPIC, 2))
    with pytest.raises(AliranError, match=r"no log for \[2\]"):
        with_offsets.offsets.load()
    with_offsets.close()


def test_a_commit_that_does_not_fit_one_batch_is_refused_whole() -> None:
    broker = Broker("/data", fs=MemoryFileSystem())
    broker.start()
    broker.offsets.ensure_topic()
    broker.topics.alter_configs(
        OFFSETS_TOPIC, {"cleanup.policy": "compact", "max.message.bytes": "5000"}
    )
    many = {TopicPartition("t", number): OffsetAndMetadata(1) for number in range(1000)}
    with pytest.raises(MessageTooLargeError, match="1000 record"):
        broker.offsets.commit("g", many)
    assert broker.offsets.fetch("g") == {}
    ends = [log.log_end_offset for log in broker.logs.partitions()]
    assert ends == [0] * len(ends)
    broker.close()
