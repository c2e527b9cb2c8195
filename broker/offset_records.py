"""The records of `__consumer_offsets`: Kafka's binary keys and values, read and written.

| record | key | value |
|---|---|---|
| committed offset | version 0-1, group, topic, partition | `OffsetCommitValue` 0-4, written as 3 |
| group | version 2, group | `GroupMetadataValue` 0-4, written as 3 |

A null value is a tombstone: the offset or the group is gone. Keys of other versions belong to
coordinators this broker does not have and are passed over. Kafka:
`group-coordinator/src/main/resources/common/message/`, `GroupCoordinatorRecordHelpers`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from aliran.core.types import TopicPartition
from aliran.protocol.errors import ProtocolError

OFFSETS_TOPIC = "__consumer_offsets"
"""Name of the internal topic that keeps offsets and groups."""


class OffsetAndMetadata(NamedTuple):
    """A committed position.

    Attributes:
        offset: The next offset to read.
        leader_epoch: Leader epoch of the record before it, or -1.
        metadata: Text the committer wants back.
        commit_timestamp: When it was committed, milliseconds since the epoch; -1: now.
        expire_timestamp: When to forget it (only clients of before Kafka 2.1 say so), or -1.
    """

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp: int = -1
    expire_timestamp: int = -1


class OffsetKey(NamedTuple):
    """Key of a committed offset."""

    group: str
    topic_partition: TopicPartition


class GroupKey(NamedTuple):
    """Key of a group."""

    group: str


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """A member of a stored group; Kafka: `GroupMetadataValue.MemberMetadata`."""

    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupMetadata:
    """A stored group as of its last completed rebalance; Kafka: `GroupMetadataValue`."""

    protocol_type: str
    generation: int
    protocol_name: str | None
    leader_id: str | None
    state_since_ms: int
    members: tuple[MemberMetadata, ...]


_LONGEST_TEXT = 32_767


def _text(value: str) -> bytes:
    data = value.encode()
    if len(data) > _LONGEST_TEXT:
        raise ProtocolError(
            f"{value[:40]!r}... has {len(data)} bytes; a record of {OFFSETS_TOPIC} holds texts of "
            f"at most {_LONGEST_TEXT}: use a shorter name or metadata"
        )
    return struct.pack(">h", len(data)) + data


def _optional_text(value: str | None) -> bytes:
    return b"\xff\xff" if value is None else _text(value)


def _blob(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def encode_offset_key(group: str, topic_partition: TopicPartition) -> bytes:
    """Return the key of a committed offset, version 1.

    >>> encode_offset_key("g", TopicPartition("t", 2)).hex()
    '000100016700017400000002'
    """
    topic, partition = topic_partition
    return b"\x00\x01" + _text(group) + _text(topic) + struct.pack(">i", partition)


_OFFSET_HEAD = struct.Struct(">hqi")
_NO_METADATA = struct.Struct(">hqihq")


def encode_offset_value(value: OffsetAndMetadata) -> bytes:
    """Return the value of a committed offset: version 3, or 1 when it carries its own expiry.

    Raises:
        ProtocolError: The metadata is longer than a record can hold.
    """
    offset, leader_epoch, metadata, commit_timestamp, expire_timestamp = value
    if expire_timestamp != -1:
        return (
            struct.pack(">hq", 1, offset)
            + _text(metadata)
            + struct.pack(">qq", commit_timestamp, expire_timestamp)
        )
    if not metadata:
        return _NO_METADATA.pack(3, offset, leader_epoch, 0, commit_timestamp)
    head = _OFFSET_HEAD.pack(3, offset, leader_epoch)
    return head + _text(metadata) + struct.pack(">q", commit_timestamp)


def encode_group_key(group: str) -> bytes:
    """Return the key of a group, version 2."""
    return b"\x00\x02" + _text(group)


def encode_group_value(value: GroupMetadata) -> bytes:
    """Return the value of a group, version 3.

    Raises:
        ProtocolError: A name is longer than a record can hold.
    """
    parts = [
        b"\x00\x03",
        _text(value.protocol_type),
        struct.pack(">i", value.generation),
        _optional_text(value.protocol_name),
        _optional_text(value.leader_id),
        struct.pack(">qi", value.state_since_ms, len(value.members)),
    ]
    for member in value.members:
        parts += (
            _text(member.member_id),
            _optional_text(member.instance_id),
            _text(member.client_id),
            _text(member.client_host),
            struct.pack(">ii", member.rebalance_timeout_ms, member.session_timeout_ms),
            _blob(member.subscription),
            _blob(member.assignment),
        )
    return b"".join(parts)


class _Reader:
    """Reads the fields of one key or value; `flexible` is the compact encoding of KIP-482."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._position = 0
        self._what = what
        self.flexible = False

    def take(self, size: int) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise ProtocolError(
                f"a {self._what} in {OFFSETS_TOPIC} ends after {len(self._data)} bytes, "
                f"in the middle of a field at byte {self._position}"
            )
        data = self._data[self._position : end]
        self._position = end
        return data

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big", signed=True)

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80 or shift > 28:
                return value
            shift += 7

    def length(self, size: int) -> int:
        return self.varint() - 1 if self.flexible else self.number(size)

    def optional_text(self) -> str | None:
        length = self.length(2)
        return None if length == -1 else self.take(length).decode("utf-8", "replace")

    def text(self) -> str:
        return self.optional_text() or ""

    def blob(self) -> bytes:
        return self.take(max(0, self.length(4)))

    def skip_tags(self) -> None:
        if self.flexible:
            for _ in range(self.varint()):
                self.varint()
                self.take(self.varint())


def decode_key(key: bytes) -> OffsetKey | GroupKey | None:
    """Return what a key speaks of, or None for records of other coordinators.

    Raises:
        ProtocolError: The key is cut short.
    """
    reader = _Reader(key, "key")
    version = reader.number(2)
    if version in (0, 1):
        group, topic = reader.text(), reader.text()
        return OffsetKey(group, TopicPartition(topic, reader.number(4)))
    return GroupKey(reader.text()) if version == 2 else None


def decode_offset_value(value: bytes) -> OffsetAndMetadata:
    """Return a committed offset of any version.

    Raises:
        ProtocolError: It is cut short, or of a version this broker does not know.
    """
    reader = _Reader(value, "committed offset")
    version = reader.number(2)
    _check_version(version, "committed offset")
    reader.flexible = version >= 4
    offset = reader.number(8)
    leader_epoch = reader.number(4) if version >= 3 else -1
    metadata = reader.text()
    commit_timestamp = reader.number(8)
    expire_timestamp = reader.number(8) if version == 1 else -1
    return OffsetAndMetadata(offset, leader_epoch, metadata, commit_timestamp, expire_timestamp)


def decode_group_value(value: bytes) -> GroupMetadata:
    """Return a stored group of any version.

    Raises:
        ProtocolError: It is cut short, or of a version this broker does not know.
    """
    reader = _Reader(value, "group")
    version = reader.number(2)
    _check_version(version, "group")
    reader.flexible = version >= 4
    protocol_type = reader.text()
    generation = reader.number(4)
    protocol_name, leader_id = reader.optional_text(), reader.optional_text()
    state_since_ms = reader.number(8) if version >= 2 else -1
    members = tuple(_read_member(reader, version) for _ in range(reader.length(4)))
    return GroupMetadata(
        protocol_type, generation, protocol_name, leader_id, state_since_ms, members
    )


def _read_member(reader: _Reader, version: int) -> MemberMetadata:
    member_id = reader.text()
    instance_id = reader.optional_text() if version >= 3 else None
    client_id, client_host = reader.text(), reader.text()
    # Version 0 knew one timeout for both.
    rebalance_timeout_ms = reader.number(4) if version >= 1 else -1
    session_timeout_ms = reader.number(4)
    member = MemberMetadata(
        member_id=member_id,
        instance_id=instance_id,
        client_id=client_id,
        client_host=client_host,
        rebalance_timeout_ms=session_timeout_ms if version == 0 else rebalance_timeout_ms,
        session_timeout_ms=session_timeout_ms,
        subscription=reader.blob(),
        assignment=reader.blob(),
    )
    reader.skip_tags()
    return member


def _check_version(version: int, what: str) -> None:
    if not 0 <= version <= 4:
        raise ProtocolError(
            f"a {what} in {OFFSETS_TOPIC} has version {version}; this broker reads 0 to 4: "
            "the data directory was written by a newer one"
        )
