"""Errors of connectors, converters and transformations.

Each knows the name of Kafka's exception (`java_class`), which is what the headers of a
dead-letter record and a worker's status show to programs that were written for Kafka Connect.
"""

from __future__ import annotations

from typing import ClassVar

from aliran.core import errors as core_errors

_PACKAGE = "org.apache.kafka.connect.errors."


class ConnectError(core_errors.AliranError):
    """Root of what goes wrong in Connect. Kafka: `ConnectException`."""

    java_class: ClassVar[str] = _PACKAGE + "ConnectException"


class RetriableError(ConnectError):
    """The same call may succeed later: it is made again. Kafka: `RetriableException`."""

    java_class = _PACKAGE + "RetriableException"
    retriable = True


class DataError(ConnectError):
    """Data and its schema do not fit, or bytes cannot be understood. Kafka: `DataException`."""

    java_class = _PACKAGE + "DataException"


class SchemaBuilderError(DataError):
    """A schema is being built wrongly. Kafka: `SchemaBuilderException`."""

    java_class = _PACKAGE + "SchemaBuilderException"


class SchemaProjectorError(DataError):
    """Data of one schema cannot be seen through another. Kafka: `SchemaProjectorException`."""

    java_class = _PACKAGE + "SchemaProjectorException"


class NotFoundError(ConnectError):
    """What was named (a connector, a task) does not exist. Kafka: `NotFoundException`."""

    java_class = _PACKAGE + "NotFoundException"


class AlreadyExistsError(ConnectError):
    """What is to be made exists. Kafka: `AlreadyExistsException`."""

    java_class = _PACKAGE + "AlreadyExistsException"


class IllegalWorkerStateError(ConnectError):
    """A task asked for something at a time when it cannot be had.

    Kafka: `IllegalWorkerStateException`.
    """

    java_class = _PACKAGE + "IllegalWorkerStateException"


class ConfigError(ConnectError, core_errors.ConfigError):
    """A setting is missing, unknown or wrong. Kafka: `ConfigException`, with its texts."""

    java_class = "org.apache.kafka.common.config.ConfigException"

    @classmethod
    def of(cls, name: str, value: object, why: str | None = None) -> ConfigError:
        """Return the error for one setting's value, worded as Kafka words it.

        Args:
            name: The setting.
            value: What it was set to.
            why: What is wrong with it.
        """
        told = "null" if value is None else value
        reason = f": {why}" if why is not None else ""
        return cls(f"Invalid value {told} for configuration {name}{reason}")
