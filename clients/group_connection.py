"""A connection to one Kafka broker for the requests of a group, which librdkafka cannot send.

librdkafka speaks for consumers only; registries (`sr`) and workers of Connect (`connect`) are
groups of other kinds. Blocking, for one thread.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError, ConfigError
from aliran.protocol.codec import decode_response, encode_request
from aliran.protocol.message import Message
from aliran.protocol.messages.find_coordinator import FindCoordinatorRequest
from aliran.protocol.messages.sasl_authenticate import SaslAuthenticateRequest
from aliran.protocol.messages.sasl_handshake import SaslHandshakeRequest

MAX_RESPONSE = 64 << 20


class GroupConnectionError(AliranError):
    """A broker cannot be reached, or the connection broke."""


class GroupConnection:
    """One socket to one broker.

    Args:
        host: Name or address of the broker.
        port: Its port.
        settings: Settings of librdkafka for security, by its names: `security.protocol`,
            `ssl.ca.location`, `ssl.certificate.location`, `ssl.key.location`, `ssl.key.password`,
            `sasl.mechanism` (PLAIN), `sasl.username`, `sasl.password`.
        timeout_s: How long the broker may take for an answer.
        client_id: What the broker calls us in its log.

    Raises:
        GroupConnectionError: It cannot be reached.
        ConfigError: A setting cannot be followed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        settings: Mapping[str, Any],
        timeout_s: float,
        client_id: str = "aliran",
    ) -> None:
        self.address: str = f"{host}:{port}"
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        security = str(settings.get("security.protocol", "PLAINTEXT")).upper()
        try:
            self._socket = socket.create_connection((host, port), timeout=timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if security in {"SSL", "SASL_SSL"}:
                self._socket = _tls(settings).wrap_socket(self._socket, server_hostname=host)
        except OSError as error:
            raise GroupConnectionError(
                f"broker {self.address} cannot be reached: {error}"
            ) from error
        if security.startswith("SASL_"):
            self._authenticate(settings)

    def call(self, body: Message, version: int, timeout_s: float | None = None) -> Any:
        """Send a request and return the body of its response.

        Args:
            body: The request.
            version: Its version.
            timeout_s: How long the answer may take; None for the connection's.

        Raises:
            GroupConnectionError: The connection broke, or the answer did not come in time.
        """
        correlation_id = next(self._ids)
        self._socket.settimeout(self._timeout_s if timeout_s is None else timeout_s)
        frame = b"".join(encode_request(version, correlation_id, self._client_id, body))
        try:
            self._socket.sendall(struct.pack(">i", len(frame)) + frame)
            (length,) = struct.unpack(">i", self._read(4))
            if not 4 <= length <= MAX_RESPONSE:
                raise GroupConnectionError(f"{self.address} does not answer as a Kafka broker does")
            answer = self._read(length)
        except OSError as error:
            raise GroupConnectionError(f"connection to {self.address} broke: {error}") from error
        return decode_response(body.API_KEY, version, answer)[1]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _read(self, size: int) -> bytes:
        chunks = bytearray()
        while len(chunks) < size:
            chunk = self._socket.recv(size - len(chunks))
            if not chunk:
                raise GroupConnectionError(f"{self.address} closed the connection")
            chunks += chunk
        return bytes(chunks)

    def _authenticate(self, settings: Mapping[str, Any]) -> None:
        mechanism = str(settings.get("sasl.mechanism", settings.get("sasl.mechanisms", "")))
        if mechanism.upper() != "PLAIN":
            raise ConfigError(
                f"a group of registries or workers needs sasl.mechanism=PLAIN (or none), not "
                f"{mechanism!r}: run one alone (aliran registry --no-election, a standalone "
                "worker), or let them log in with PLAIN"
            )
        shaken = self.call(SaslHandshakeRequest(mechanism="PLAIN"), 1)
        name, password = settings.get("sasl.username", ""), settings.get("sasl.password", "")
        token = f"\0{name}\0{password}".encode()
        answer = shaken
        if not shaken.error_code:
            answer = self.call(SaslAuthenticateRequest(auth_bytes=token), 0)
        if answer.error_code:
            code = ErrorCode.of(answer.error_code)
            raise ConfigError(f"{self.address} refuses the login of {name!r}: {code.text}")


class NotReadyError(AliranError):
    """The broker has not settled yet who looks after the group."""


def check(code: int, doing: str) -> None:
    """Look at the error code of an answer.

    Raises:
        NotReadyError: It may be otherwise soon.
        GroupConnectionError: It will not.
    """
    if code:
        error = ErrorCode.of(code)
        kind = NotReadyError if error.retriable else GroupConnectionError
        raise kind(f"{doing} failed: {error.name}: {error.text}")


def connect_to_coordinator(
    bootstrap_servers: Iterable[str],
    settings: Mapping[str, Any],
    group_id: str,
    timeout_s: float,
    client_id: str = "aliran",
) -> GroupConnection:
    """Return a connection to the broker that looks after a group.

    Args:
        bootstrap_servers: "HOST:PORT" of brokers to ask.
        settings: As for `GroupConnection`.
        group_id: The group.
        timeout_s: How long a broker may take for an answer.
        client_id: What the broker calls us in its log.

    Raises:
        AliranError: None of them could say, or be reached.
    """
    problem: AliranError = GroupConnectionError("no broker is named")
    for address in bootstrap_servers:
        host, _, port = address.rpartition(":")
        try:
            asked = GroupConnection(host.strip("[]"), int(port), settings, timeout_s, client_id)
            try:
                answer = asked.call(FindCoordinatorRequest(key=group_id), 2)
            finally:
                asked.close()
            check(answer.error_code, "finding the group's coordinator")
            return GroupConnection(answer.host, answer.port, settings, timeout_s, client_id)
        except ValueError:
            problem = GroupConnectionError(f"{address!r} is no HOST:PORT")
        except GroupConnectionError as error:
            problem = error
    raise problem


def _tls(settings: Mapping[str, Any]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"))
        if str(settings.get("enable.ssl.certificate.verification", "true")).lower() == "false":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif settings.get("ssl.endpoint.identification.algorithm") == "none":
            context.check_hostname = False
        if "ssl.certificate.location" in settings:
            context.load_cert_chain(
                settings["ssl.certificate.location"],
                settings.get("ssl.key.location"),
                settings.get("ssl.key.password"),
            )
    except OSError as error:
        raise ConfigError(f"the TLS files for Kafka cannot be used: {error}") from error
    return context
