"""A worker as a member of its group: joining, signs of life, what the leader decides.

Kafka: `WorkerGroupMember`, `WorkerCoordinator`. One thread speaks with the broker; what is to be
started or stopped is handed to the herder, and the member joins again only when that has been done,
so that what it says it runs is the truth.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from aliran.clients.group_connection import (
    GroupConnection,
    NotReadyError,
    check,
    connect_to_coordinator,
)
from aliran.connectors.distributed.protocol import (
    PROTOCOL_TYPE,
    VERSIONS,
    Assignment,
    WorkerState,
    decode_assignment,
    decode_state,
    encode_assignment,
    encode_state,
)
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.messages.heartbeat import HeartbeatRequest
from aliran.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from aliran.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from aliran.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

logger: logging.Logger = logging.getLogger("aliran.connectors")

_RETRY_S = 0.3
_TICK_S = 0.05
_AGAIN = {ErrorCode.ILLEGAL_GENERATION, ErrorCode.REBALANCE_IN_PROGRESS}


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """How a worker takes part.

    Attributes:
        bootstrap_servers: Brokers, "HOST:PORT".
        security: Settings of librdkafka for security.
        group_id: The group.
        protocols: Which protocols, the preferred one first.
        session_timeout_ms: How long the broker waits for a sign of life.
        heartbeat_interval_ms: How often there is one.
        rebalance_timeout_ms: How long a worker may take to join again.
    """

    bootstrap_servers: tuple[str, ...]
    security: Mapping[str, Any]
    group_id: str
    protocols: tuple[str, ...]
    session_timeout_ms: int
    heartbeat_interval_ms: int
    rebalance_timeout_ms: int


class MemberListener(Protocol):
    """What the member asks and tells the herder; all calls come from the member's thread."""

    def state(self) -> WorkerState:
        """Return what this worker says when it joins."""
        ...

    def decide(self, member_id: str, members: Mapping[str, WorkerState]) -> dict[str, Assignment]:
        """Decide as the leader; return an assignment for each member."""
        ...

    def assigned(self, assignment: Assignment, *, leads: bool) -> threading.Event:
        """Take over what was decided; the event says that it has been done."""
        ...

    def lost(self) -> None:
        """Stop everything: the group goes on without this worker."""
        ...


class _RejoinError(AliranError):
    """The group changes."""


class Membership:
    """Keeps a worker in its group.

    Args:
        settings: How it takes part.
        listener: Knows what runs, and what to do.
    """

    def __init__(self, settings: GroupSettings, listener: MemberListener) -> None:
        self._settings = settings
        self._listener = listener
        self._connection: GroupConnection | None = None
        self._member_id = ""
        self._generation = -1
        self._last_leader = ("", "")
        self._rejoin_at: float | None = None
        self._last_contact = time.monotonic()
        self._told_lost = True
        self._join_timeout_s = settings.rebalance_timeout_ms / 1000 + 5
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aliran-connect-group", daemon=True)

    @property
    def member_id(self) -> str:
        """What the broker calls this worker; empty while it is no member."""
        return self._member_id

    @property
    def generation(self) -> int:
        """The generation of the group that this worker knows; -1 for none."""
        return self._generation

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def request_rejoin(self) -> None:
        """Have the work dealt out anew soon."""
        self._rejoin_at = 0.0

    def close(self) -> None:
        """Leave the group. Idempotent; what runs should have been stopped before."""
        self._closing.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        group = self._settings.group_id
        while not self._closing.is_set():
            try:
                self._be_a_member()
            except _RejoinError as error:
                logger.info("group %r of workers: %s", group, error)
            except NotReadyError as error:
                self._broken()
                logger.info("group %r of workers: %s; trying again", group, error)
            except AliranError as error:
                self._broken()
                logger.warning("group %r of workers: %s; trying again", group, error)
            except Exception:
                self._broken()
                logger.exception("group %r of workers failed; trying again", group)
        self._leave()

    def _broken(self) -> None:
        """Let go of the connection; once the session must have ended, of the work, too."""
        self._drop_connection()
        silent_s = time.monotonic() - self._last_contact
        if silent_s > self._settings.session_timeout_ms / 1000 * 0.8:
            self._lose()
        self._closing.wait(_RETRY_S)

    def _lose(self) -> None:
        self._member_id, self._generation = "", -1
        if not self._told_lost:
            self._told_lost = True
            self._listener.lost()

    def _be_a_member(self) -> None:
        settings = self._settings
        if self._connection is None:
            # Who has work must not wait long: it is to be stopped before the session ends.
            hurry_s = settings.session_timeout_ms / 1000 * 0.2
            self._connection = connect_to_coordinator(
                settings.bootstrap_servers,
                settings.security,
                settings.group_id,
                self._join_timeout_s if self._told_lost else hurry_s,
                "aliran-connect",
            )
        self._rejoin_at = None
        assignment, leads = self._join(self._connection)
        self._told_lost = False
        self._last_leader = (assignment.leader, assignment.leader_url)
        done = self._listener.assigned(assignment, leads=leads)
        if assignment.delay_ms and self._rejoin_at is None:
            self._rejoin_at = time.monotonic() + assignment.delay_ms / 1000
        changing = self._stay(self._connection, done)
        raise _RejoinError(changing)

    def _stay(self, connection: GroupConnection, done: threading.Event) -> str:
        """Give signs of life until the group changes; return why it does."""
        next_beat = time.monotonic() + self._settings.heartbeat_interval_ms / 1000
        changing = ""
        while not self._closing.is_set():
            now = time.monotonic()
            if now >= next_beat:
                next_beat = now + self._settings.heartbeat_interval_ms / 1000
                if self._beat(connection):
                    changing = "members come or go"
            if self._rejoin_at is not None and now >= self._rejoin_at:
                changing = changing or "the work is dealt out anew"
            if changing and done.is_set():
                return changing
            self._closing.wait(_TICK_S)
        return "this worker stops"

    def _join(self, connection: GroupConnection) -> tuple[Assignment, bool]:
        settings = self._settings
        state = self._listener.state()
        request = JoinGroupRequest(
            group_id=settings.group_id,
            session_timeout_ms=settings.session_timeout_ms,
            rebalance_timeout_ms=settings.rebalance_timeout_ms,
            member_id=self._member_id,
            protocol_type=PROTOCOL_TYPE,
            protocols=[
                JoinGroupRequestProtocol(
                    name=name, metadata=encode_state(state, self._last_leader, VERSIONS[name])
                )
                for name in settings.protocols
            ],
        )
        joined = self._call(connection, request, 5)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            request.member_id = joined.member_id
            joined = self._call(connection, request, 5)
        self._check(joined.error_code, "joining")
        self._member_id, self._generation = joined.member_id, joined.generation_id
        leads = joined.leader == joined.member_id
        decided: dict[str, Assignment] = {}
        if leads:
            members = {one.member_id: decode_state(one.metadata) for one in joined.members}
            decided = self._listener.decide(self._member_id, members)
        version = VERSIONS[joined.protocol_name]
        synced = self._call(
            connection,
            SyncGroupRequest(
                group_id=settings.group_id,
                generation_id=self._generation,
                member_id=self._member_id,
                assignments=[
                    SyncGroupRequestAssignment(
                        member_id=name, assignment=encode_assignment(one, version)
                    )
                    for name, one in decided.items()
                ],
            ),
            3,
        )
        self._check(synced.error_code, "hearing what is decided")
        return decode_assignment(synced.assignment), leads

    def _beat(self, connection: GroupConnection) -> bool:
        """Give a sign of life; return whether the group wants us to join again."""
        # A silent broker is as good as none. It counts from the last sign that it has seen, so the
        # answer is awaited no longer than leaves time to stop before the session ends.
        asked = time.monotonic()
        left_s = self._last_contact + self._settings.session_timeout_ms / 1000 * 0.8 - asked
        answer = connection.call(
            HeartbeatRequest(
                group_id=self._settings.group_id,
                generation_id=self._generation,
                member_id=self._member_id,
            ),
            3,
            max(left_s, 0.1),
        )
        self._note_contact(answer, asked)
        if answer.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
            return True
        self._check(answer.error_code, "telling that we are alive")
        return False

    def _call(self, connection: GroupConnection, request: Any, version: int) -> Any:
        answer = connection.call(request, version, self._join_timeout_s)
        self._note_contact(answer, time.monotonic())
        return answer

    def _note_contact(self, answer: Any, at: float) -> None:
        if answer.error_code != ErrorCode.UNKNOWN_MEMBER_ID:
            self._last_contact = at

    def _check(self, code: int, doing: str) -> None:
        if code == ErrorCode.UNKNOWN_MEMBER_ID:
            self._lose()
        # With another generation we are still a member: the group has changed again meanwhile.
        if code == ErrorCode.UNKNOWN_MEMBER_ID or code in _AGAIN:
            raise _RejoinError(f"{doing}: {ErrorCode.of(code).text}")
        check(code, doing)

    def _leave(self) -> None:
        if self._connection is not None and self._member_id:
            try:
                self._connection.call(
                    LeaveGroupRequest(
                        group_id=self._settings.group_id,
                        members=[MemberIdentity(member_id=self._member_id)],
                    ),
                    3,
                )
            except AliranError as error:
                logger.info("leaving the group of workers failed: %s", error)
        self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
