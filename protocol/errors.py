"""Errors of the wire protocol: bytes that are not what Kafka's formats say they should be."""

from __future__ import annotations

from aliran.core.errors import AliranError


class ProtocolError(AliranError):
    """Bytes or values that cannot be put into, or read out of, Kafka's wire formats."""


class CorruptBatchError(ProtocolError):
    """A record batch whose bytes are damaged, cut short, or of an unknown format.

    Kafka: `CorruptRecordException`, error code 2.

    Attributes:
        position: Where the batch starts in the buffer it was read from, in bytes.
    """

    def __init__(self, message: str, *, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


class UnsupportedVersionError(ProtocolError):
    """A request of a kind or version that the codec does not know.

    Kafka: `UnsupportedVersionException`, error code 35. The attributes are what a server needs to
    answer the client in spite of it (an ApiVersions request always gets an answer, KIP-511).

    Attributes:
        api_key: The number of the request kind.
        version: The version the client asked for.
        correlation_id: The number that ties the answer to the request.
        client_id: The name the client gave itself, None when it gave none.
    """

    def __init__(
        self, api_key: int, version: int, correlation_id: int, client_id: str | None
    ) -> None:
        super().__init__(
            f"request kind {api_key} in version {version} is not supported "
            f"(client {client_id!r}, correlation id {correlation_id}); "
            "ask for ApiVersions to learn which versions are"
        )
        self.api_key = api_key
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id
