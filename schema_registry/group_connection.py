"""A connection to one Kafka broker for the requests of a group, which librdkafka cannot send.

librdkafka speaks for consumers only; registries are a group of another kind (`sr`). Blocking, for
one thread.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any

from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError, ConfigError
from aliran.protocol.codec import decode_response, encode_request
from aliran.protocol.message import Message
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

    Raises:
        GroupConnectionError: It cannot be reached.
        ConfigError: A setting cannot be followed.
    """

    def __init__(self, host: str, port: int, settings: Mapping[str, Any], timeout_s: float) -> None:
        self.address: str = f"{host}:{port}"
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

    def call(self, body: Message, version: int) -> Any:
        """Send a request and return the body of its response.

        Raises:
            GroupConnectionError: The connection broke, or the answer did not come in time.
        """
        correlation_id = next(self._ids)
        frame = b"".join(encode_request(version, correlation_id, "aliran-registry", body))
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
                f"electing a leader needs sasl.mechanism=PLAIN (or none), not {mechanism!r}: run "
                "one registry with --no-election, or let the registries log in with PLAIN"
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
