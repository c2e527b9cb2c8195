"""Who leads: registries on one cluster are a Kafka group of their own kind, as Confluent's are.

Protocol type `sr`, protocol `v0`; metadata and assignments are JSON, so registries of Confluent and
Karapace can be members too. The member that the broker makes leader of the group says who leads the
registries: whoever did before, else the eligible one with the smallest URL. Confluent:
`SchemaRegistryCoordinator`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aliran.clients.group_connection import (
    GroupConnection,
    NotReadyError,
    check,
    connect_to_coordinator,
)
from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError
from aliran.protocol.messages.heartbeat import HeartbeatRequest
from aliran.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from aliran.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from aliran.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

logger: logging.Logger = logging.getLogger("aliran.schema_registry")

SESSION_TIMEOUT_MS = 10_000
REBALANCE_TIMEOUT_MS = 60_000
_RETRY_S = 0.3
_DUPLICATE_URLS = 1
_PROTOCOL_TYPE, _PROTOCOL = "sr", "v0"


class Identity(msgspec.Struct, kw_only=True):
    """Where a registry can be reached. Confluent: `SchemaRegistryIdentity`."""

    version: int = 1
    host: str
    port: int
    master_eligibility: bool = True
    scheme: str = "http"
    leader: bool = False

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self.scheme}://{self.host}:{self.port}"


class Assignment(msgspec.Struct, kw_only=True):
    """Who leads, as all members are told."""

    version: int = 1
    error: int = 0
    master: str | None = None
    master_identity: Identity | None = None


def elect(members: Mapping[str, Identity]) -> Assignment:
    """Decide who leads, as the leader of the group does.

    Args:
        members: All members by their ids.
    """
    urls = {member.url for member in members.values()}
    eligible = {name: one for name, one in members.items() if one.master_eligibility}
    sitting = [name for name, one in eligible.items() if one.leader]
    if len(sitting) == 1:
        chosen = sitting[0]
    else:
        chosen = min(eligible, key=lambda name: eligible[name].url, default="")
    return Assignment(
        error=0 if len(urls) == len(members) else _DUPLICATE_URLS,
        master=chosen or None,
        master_identity=eligible.get(chosen),
    )


class _RejoinError(AliranError):
    """The group goes on without what we knew of it."""


class Election:
    """A member of the group of registries, on a thread of its own.

    Args:
        bootstrap_servers: "HOST:PORT,HOST:PORT".
        settings: Settings of librdkafka; those for security are followed.
        identity: Where this registry can be reached.
        group_id: Name of the group.
        on_leading: Called before this registry leads: it must have read all that others wrote.
        session_timeout_ms: How long the broker waits for a sign of life of a member.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        settings: Mapping[str, Any],
        identity: Identity,
        group_id: str,
        on_leading: Callable[[], None],
        *,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
    ) -> None:
        self._bootstrap = [one.strip() for one in bootstrap_servers.split(",") if one.strip()]
        self._settings = settings
        self._identity = identity
        self._group_id = group_id
        self._on_leading = on_leading
        self._session_timeout_ms = session_timeout_ms
        self._heartbeat_s = session_timeout_ms / 10_000
        self._leader: Identity | None = None
        self._member_id = ""
        self._generation = -1
        self._lease_ends = 0.0
        self._connection: GroupConnection | None = None
        self._closing = threading.Event()
        self._decided = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="aliran-election", daemon=True)

    def start(self) -> None:
        """Join the group; returns at once."""
        self._thread.start()

    @property
    def leader(self) -> Identity | None:
        """Who leads; None while nobody does, or while this registry does not know."""
        return self._leader

    @property
    def is_leader(self) -> bool:
        """Whether this registry leads, and the broker can not have given that to another one."""
        return self.is_named and time.monotonic() < self._lease_ends

    @property
    def is_named(self) -> bool:
        """Whether the group says that this registry leads, though its time may have run out."""
        leader = self._leader
        return leader is not None and leader.url == self._identity.url

    def wait_for_leader(self, timeout_s: float) -> Identity | None:
        """Return who leads, waiting for a decision if there is none."""
        with self._decided:
            self._decided.wait_for(lambda: self._leader is not None, timeout_s)
        return self._leader

    def close(self) -> None:
        """Leave the group, so that another one can lead at once. Idempotent."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._be_a_member()
            except _RejoinError as error:
                logger.info("registry group %r: %s", self._group_id, error)
            except NotReadyError as error:
                self._drop_connection()
                logger.info("registry group %r: %s; trying again", self._group_id, error)
                self._closing.wait(_RETRY_S)
            except AliranError as error:
                self._set_leader(None)
                self._drop_connection()
                logger.warning("registry group %r: %s; trying again", self._group_id, error)
                self._closing.wait(_RETRY_S)
            except Exception:
                self._set_leader(None)
                self._drop_connection()
                logger.exception("registry group %r failed; trying again", self._group_id)
                self._closing.wait(_RETRY_S)
        self._leave()

    def _be_a_member(self) -> None:
        """Join, hear who leads, and stay until the group changes."""
        if self._connection is None:
            self._connection = connect_to_coordinator(
                self._bootstrap,
                self._settings,
                self._group_id,
                REBALANCE_TIMEOUT_MS / 1000 + 5,
                "aliran-registry",
            )
        assignment = self._join(self._connection)
        if assignment.error == _DUPLICATE_URLS:
            raise AliranError(
                f"another registry says that it is reached at {self._identity.url} too; give each "
                "an address of its own (--advertise)"
            )
        leader = assignment.master_identity
        self._identity.leader = leader is not None and leader.url == self._identity.url
        if self._identity.leader and not self.is_leader:
            self._on_leading()
        self._set_leader(leader)
        while not self._closing.wait(self._heartbeat_s):
            self._beat(self._connection)

    def _join(self, connection: GroupConnection) -> Assignment:
        started = time.monotonic()
        metadata = msgspec.json.encode(self._identity)
        request = JoinGroupRequest(
            group_id=self._group_id,
            session_timeout_ms=self._session_timeout_ms,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self._member_id,
            protocol_type=_PROTOCOL_TYPE,
            protocols=[JoinGroupRequestProtocol(name=_PROTOCOL, metadata=metadata)],
        )
        joined = connection.call(request, 5)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            request.member_id = joined.member_id
            joined = connection.call(request, 5)
        self._check_membership(joined.error_code, "joining")
        self._member_id, self._generation = joined.member_id, joined.generation_id
        assignments = []
        if joined.leader == joined.member_id:
            members = {
                one.member_id: msgspec.json.decode(one.metadata, type=Identity)
                for one in joined.members
            }
            decision = msgspec.json.encode(elect(members))
            assignments = [
                SyncGroupRequestAssignment(member_id=name, assignment=decision) for name in members
            ]
        synced = connection.call(
            SyncGroupRequest(
                group_id=self._group_id,
                generation_id=self._generation,
                member_id=self._member_id,
                assignments=assignments,
            ),
            3,
        )
        self._check_membership(synced.error_code, "hearing who leads")
        self._extend_lease(max(started, time.monotonic() - self._heartbeat_s))
        return msgspec.json.decode(synced.assignment, type=Assignment)

    def _beat(self, connection: GroupConnection) -> None:
        started = time.monotonic()
        answer = connection.call(
            HeartbeatRequest(
                group_id=self._group_id,
                generation_id=self._generation,
                member_id=self._member_id,
            ),
            3,
        )
        if answer.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
            # A sitting leader goes on: nobody else can lead before it has joined or its time is up.
            self._extend_lease(started)
            raise _RejoinError("members come or go")
        self._check_membership(answer.error_code, "telling that we are alive")
        self._extend_lease(started)

    def _extend_lease(self, since: float) -> None:
        self._lease_ends = since + self._session_timeout_ms / 1000 * 0.8

    def _check_membership(self, code: int, doing: str) -> None:
        if code in {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION}:
            self._member_id, self._generation = "", -1
            self._identity.leader = False
            self._set_leader(None)
        if code in {
            ErrorCode.UNKNOWN_MEMBER_ID,
            ErrorCode.ILLEGAL_GENERATION,
            ErrorCode.REBALANCE_IN_PROGRESS,
        }:
            raise _RejoinError(f"{doing}: {ErrorCode.of(code).text}")
        check(code, doing)

    def _set_leader(self, leader: Identity | None) -> None:
        with self._decided:
            changed = (leader and leader.url) != (self._leader and self._leader.url)
            self._leader = leader
            self._decided.notify_all()
        if changed:
            logger.info(
                "registry group %r: %s",
                self._group_id,
                f"{leader.url} leads" if leader is not None else "nobody leads",
            )

    def _leave(self) -> None:
        self._set_leader(None)
        if self._connection is not None and self._member_id:
            try:
                self._connection.call(
                    LeaveGroupRequest(
                        group_id=self._group_id, members=[MemberIdentity(member_id=self._member_id)]
                    ),
                    3,
                )
            except AliranError as error:
                logger.info("registry group %r: leaving failed: %s", self._group_id, error)
        self._drop_connection()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
