"""What workers tell each other through the group: bytes as Kafka's workers write them.

Kafka: `IncrementalCooperativeConnectProtocol` (KIP-415), protocol type `connect`, protocols
`sessioned` (version 2) and `compatible` (version 1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from aliran.connectors.errors import ConnectError

PROTOCOL_TYPE = "connect"
VERSIONS: dict[str, int] = {"sessioned": 2, "compatible": 1}
"""The protocols we speak, the one that is preferred first."""

CONNECTOR = -1
"""Stands for the connector itself where a task's number is expected."""

NO_ERROR, CONFIG_MISMATCH = 0, 1


class Unit(NamedTuple):
    """A piece of work: a connector, or one of its tasks.

    Attributes:
        connector: Its name.
        task: Number of the task; CONNECTOR for the connector itself.
    """

    connector: str
    task: int = CONNECTOR

    def __str__(self) -> str:
        return self.connector if self.task == CONNECTOR else f"{self.connector}-{self.task}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the leader tells a worker. Kafka: `ExtendedAssignment`.

    Attributes:
        leader: Member id of the leader.
        leader_url: Where the leader's REST is.
        config_offset: How far the leader has read the configurations.
        assigned: What the worker is to begin with.
        revoked: What it is to give away.
        delay_ms: How long lost work waits for its worker to come back; 0 if nothing waits.
        error: CONFIG_MISMATCH if the leader cannot read the configurations.
    """

    leader: str
    leader_url: str
    config_offset: int
    assigned: frozenset[Unit] = frozenset()
    revoked: frozenset[Unit] = frozenset()
    delay_ms: int = 0
    error: int = NO_ERROR


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a worker says when it joins. Kafka: `ExtendedWorkerState`.

    Attributes:
        url: Where its REST is.
        config_offset: How far it has read the configurations.
        running: The work it has.
    """

    url: str
    config_offset: int
    running: frozenset[Unit] = field(default_factory=frozenset)


def encode_assignment(assignment: Assignment, version: int) -> bytes:
    """Return an assignment as bytes."""
    return b"".join(
        [
            struct.pack(">hh", version, assignment.error),
            _text(assignment.leader),
            _text(assignment.leader_url),
            struct.pack(">q", assignment.config_offset),
            _units(assignment.assigned),
            _units(assignment.revoked),
            struct.pack(">i", assignment.delay_ms),
        ]
    )


def decode_assignment(data: bytes) -> Assignment:
    """Return the assignment of bytes.

    Raises:
        ConnectError: They are none, or of a version that we do not speak.
    """
    reader = _Reader(data)
    reader.version()
    error = reader.number(">h")
    leader, url, offset = reader.text(), reader.text(), reader.number(">q")
    assigned, revoked = reader.units(), reader.units()
    return Assignment(leader, url, offset, assigned, revoked, reader.number(">i"), error)


def encode_state(state: WorkerState, leader: tuple[str, str], version: int) -> bytes:
    """Return what a worker says when it joins.

    Args:
        state: What it says.
        leader: Member id and URL of the last leader it knows.
        version: The version of the protocol.
    """
    allocation = b"\xff\xff\xff\xff"
    if state.running:
        running = encode_assignment(
            Assignment(*leader, state.config_offset, state.running), version
        )
        allocation = struct.pack(">i", len(running)) + running
    offset = struct.pack(">q", state.config_offset)
    return struct.pack(">h", version) + _text(state.url) + offset + allocation


def decode_state(data: bytes) -> WorkerState:
    """Return what a worker said when it joined.

    Raises:
        ConnectError: The bytes are not understood.
    """
    reader = _Reader(data)
    reader.version()
    url, offset = reader.text(), reader.number(">q")
    size = reader.number(">i")
    running = decode_assignment(reader.take(size)).assigned if size > 0 else frozenset()
    return WorkerState(url, offset, running)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _units(units: Iterable[Unit]) -> bytes:
    by_connector: dict[str, list[int]] = {}
    for unit in sorted(units):
        by_connector.setdefault(unit.connector, []).append(unit.task)
    parts = [struct.pack(">i", len(by_connector))]
    for name, tasks in by_connector.items():
        parts += [_text(name), struct.pack(f">i{len(tasks)}i", len(tasks), *tasks)]
    return b"".join(parts)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if size < 0 or self._at + size > len(self._data):
            raise ConnectError("a member of the group of workers sent bytes that end too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, form: str) -> int:
        """Return the next number."""
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def version(self) -> int:
        """Return the version, which must be one we know."""
        version = self.number(">h")
        if version not in VERSIONS.values():
            raise ConnectError(
                f"a worker of this group speaks version {version} of the protocol; set "
                "connect.protocol to sessioned or compatible there"
            )
        return version

    def text(self) -> str:
        """Return the next text."""
        return self.take(self.number(">h")).decode()

    def units(self) -> frozenset[Unit]:
        """Return the next list of work."""
        found: set[Unit] = set()
        for _ in range(max(self.number(">i"), 0)):
            name = self.text()
            found |= {Unit(name, self.number(">i")) for _ in range(self.number(">i"))}
        return frozenset(found)
