"""What the registry refuses, with Confluent's numbers. Confluent: `rest.exceptions.Errors`.

An error knows the HTTP status and the `error_code` of its answer; one place in `http/` renders all.
"""

from __future__ import annotations

from aliran.core.errors import AliranError


class RegistryError(AliranError):
    """Root of all errors of the schema registry.

    Attributes:
        status: HTTP status of the answer.
        error_code: Confluent's number, more precise than the status.
    """

    status = 500
    error_code = 50001

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidSchemaError(RegistryError):
    """A schema cannot be parsed, refers to something missing, or breaks a rule of its format."""

    status, error_code = 422, 42201
