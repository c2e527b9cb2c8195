"""What `brokers=` stands for: a broker in this process, or a cluster somewhere else.

A connection owns the embedded broker where there is one, and opens transports to it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from aliran.broker.embedded import EmbeddedBroker
from aliran.clients.embedded import EmbeddedTransport
from aliran.clients.transport import Transport


class Connection(Protocol):
    """One broker or cluster, as long as an application uses it."""

    @property
    def bootstrap_servers(self) -> str:
        """The address for other clients."""
        ...

    @property
    def embedded(self) -> EmbeddedBroker | None:
        """The broker of this process, None for a cluster."""
        ...

    def open_transport(self) -> Transport:
        """Return a new transport, for whoever opens it to close."""
        ...

    def close(self) -> None:
        """Stop the broker, if it is ours."""
        ...


class EmbeddedConnection:
    """A broker in this process, started here and stopped by `close`.

    Args:
        data_dir: Directory that the broker's data is kept under, in `broker`; None for a temporary
            one that is removed at the end.
        listen: Address for other clients; port 0 takes a free one.
        config: Settings of the broker, by Kafka's names.

    Raises:
        AliranError: The broker cannot start; says why.
    """

    def __init__(self, data_dir: str | None, listen: str, config: Mapping[str, Any]) -> None:
        directory = None if data_dir is None else os.path.join(data_dir, "broker")
        self._broker = EmbeddedBroker(directory, listen=listen, config=dict(config)).start()

    @property
    def bootstrap_servers(self) -> str:
        """The address for other clients."""
        return self._broker.bootstrap_servers

    @property
    def embedded(self) -> EmbeddedBroker | None:
        """The broker."""
        return self._broker

    def open_transport(self) -> Transport:
        """Return a transport that needs no socket."""
        return EmbeddedTransport(self._broker.broker, self._broker.bootstrap_servers)

    def close(self) -> None:
        """Stop the broker."""
        self._broker.close()


class KafkaConnection:
    """A Kafka cluster, reached through confluent-kafka.

    Args:
        bootstrap_servers: "HOST:PORT,HOST:PORT".
        settings: Settings of librdkafka, by its names.
    """

    def __init__(self, bootstrap_servers: str, settings: Mapping[str, Any]) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.embedded: EmbeddedBroker | None = None
        self._settings = settings

    def open_transport(self) -> Transport:
        """Return a transport with clients of its own."""
        from aliran.clients.kafka import KafkaTransport  # librdkafka, only where it is needed

        return KafkaTransport(self.bootstrap_servers, self._settings)

    def close(self) -> None:
        """Do nothing: the cluster is not ours to stop."""
