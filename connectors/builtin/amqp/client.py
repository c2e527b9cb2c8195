"""Connections to RabbitMQ: options for them, and their errors as Connect's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pika
from pika import exceptions as errors

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, between
from aliran.connectors.errors import ConnectError, RetriableError

_FATAL = (
    errors.AuthenticationError,
    errors.ProbableAuthenticationError,
    errors.ProbableAccessDeniedError,
)
_LOST = (errors.AMQPConnectionError, errors.ChannelWrongStateError, OSError)


@dataclass(frozen=True, kw_only=True)
class AmqpOptions:
    """Which server."""

    rabbitmq_host: Annotated[str, Option("The server.", importance=Importance.HIGH)] = "localhost"
    rabbitmq_port: Annotated[
        int | None,
        Option("Its port; 5672 if not given, 5671 with SSL."),
    ] = None
    rabbitmq_username: Annotated[str, Option("The user.", importance=Importance.HIGH)] = "guest"
    rabbitmq_password: Annotated[
        Password, Option("The password; guest if not given.", importance=Importance.HIGH)
    ] = field(default_factory=lambda: Password("guest"))
    rabbitmq_virtual_host: Annotated[str, Option("The virtual host.")] = "/"
    rabbitmq_connection_timeout_ms: Annotated[
        int, Option("How long connecting may take.", validator=at_least(1))
    ] = 10_000
    rabbitmq_requested_heartbeat_seconds: Annotated[
        int, Option("How often the connection is tried out.", validator=between(0, 65_535))
    ] = 60
    rabbitmq_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL"], Option("Whether TLS is spoken.")
    ] = "PLAINTEXT"
    rabbitmq_https_ssl_ca_location: Annotated[
        str | None, Option("Certificates (PEM) to trust, with SSL.")
    ] = None

    @property
    def where(self) -> str:
        """The server, for messages."""
        secure = self.rabbitmq_security_protocol == "SSL"
        return f"{self.rabbitmq_host}:{self.rabbitmq_port or (5671 if secure else 5672)}"

    def connect(self) -> pika.BlockingConnection:
        """Return a connection.

        Raises:
            RetriableError: There is none now.
            ConnectError: The server does not want us.
        """
        secure = None
        if self.rabbitmq_security_protocol == "SSL":
            try:
                context = ssl.create_default_context(cafile=self.rabbitmq_https_ssl_ca_location)
            except (OSError, ssl.SSLError) as error:
                raise ConnectError(f"a file of certificates cannot be used: {error}") from error
            secure = pika.SSLOptions(context, self.rabbitmq_host)
        timeout_s = self.rabbitmq_connection_timeout_ms / 1000
        parameters = pika.ConnectionParameters(
            host=self.rabbitmq_host,
            port=int(self.where.rpartition(":")[2]),
            virtual_host=self.rabbitmq_virtual_host,
            credentials=pika.PlainCredentials(self.rabbitmq_username, self.rabbitmq_password.value),
            heartbeat=self.rabbitmq_requested_heartbeat_seconds,
            socket_timeout=timeout_s,
            stack_timeout=timeout_s,
            blocked_connection_timeout=300,
            ssl_options=secure,
        )
        with self.errors("connecting"):
            return pika.BlockingConnection(parameters)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of pika into Connect's.

        Args:
            what: What is being done, for the message.

        Raises:
            RetriableError: The connection is lost.
            ConnectError: The server refuses.
        """
        try:
            yield
        except _FATAL as error:
            raise ConnectError(
                f"RabbitMQ at {self.where}: {what}: {error}; see rabbitmq.username, "
                "rabbitmq.password and rabbitmq.virtual.host"
            ) from error
        except errors.ConnectionClosedByBroker as error:
            kind = ConnectError if error.reply_code in {402, 403, 530} else RetriableError
            raise kind(f"RabbitMQ at {self.where}: {what}: {error.reply_text}") from error
        except errors.ChannelClosedByBroker as error:
            raise ConnectError(
                f"RabbitMQ at {self.where}: {what}: {error.reply_code} {error.reply_text}"
            ) from error
        except _LOST as error:
            raise RetriableError(f"RabbitMQ at {self.where} is away: {what}: {error!r}") from error
        except errors.AMQPError as error:
            raise ConnectError(f"RabbitMQ at {self.where}: {what}: {error!r}") from error


def close(connection: Any) -> None:
    """Close a connection that may be closed already."""
    try:
        if connection is not None and connection.is_open:
            connection.close()
    except (errors.AMQPError, OSError):
        pass  # the server has gone
