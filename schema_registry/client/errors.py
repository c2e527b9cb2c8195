"""What can go wrong between a client and a registry."""

from __future__ import annotations

from aliran.core.errors import AliranError


class RegistryClientError(AliranError):
    """Root of the errors of registry clients."""


class RegistryUnavailableError(RegistryClientError):
    """No registry could be reached, or all of them failed."""

    retriable: bool = True


class RegistryAnswerError(RegistryClientError):
    """A registry refused a request.

    Attributes:
        status: HTTP status of the answer.
        error_code: Confluent's number, such as 40401 for an unknown subject.
        retriable: Whether the same request may succeed later.
    """

    def __init__(self, message: str, status: int, error_code: int) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.retriable: bool = status >= 500 or status == 429
