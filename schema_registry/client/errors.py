"""What can go wrong between a client and a registry."""

from __future__ import annotations

import re

from aliran.core.errors import AliranError

_REASON = re.compile(
    r"errorType:['\"](\w+)['\"], description:['\"](.*?)['\"](?:, additionalInfo:'(.*?)')?\}"
)
_HINT = re.compile(r"\{hint: '(.*?)'\}[,\]]")


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

    @property
    def reasons(self) -> list[str]:
        """What makes a schema incompatible with earlier ones; empty if the refusal is another."""
        return [
            f"{rule}: {text}: {more}" if " " in more else f"{rule}: {text}"
            for rule, text, more in _REASON.findall(str(self))
        ]

    @property
    def hints(self) -> list[str]:
        """What would make it compatible, where the registry is one of ours."""
        return _HINT.findall(str(self))
