"""Errors of the broker: each knows the Kafka error code a client is answered with."""

from __future__ import annotations

from aliran.core.error_codes import ErrorCode
from aliran.core.errors import AliranError, ConfigError
from aliran.core.files import FileSystemError


class BrokerError(AliranError):
    """Root of the broker's errors; `error_code` is what goes over the wire."""

    error_code: ErrorCode = ErrorCode.UNKNOWN_SERVER_ERROR


class TopicExistsError(BrokerError):
    """A topic of that name is there already."""

    error_code = ErrorCode.TOPIC_ALREADY_EXISTS


class InvalidTopicError(BrokerError):
    """The name is not a legal topic name, or clashes with another's metric name."""

    error_code = ErrorCode.INVALID_TOPIC_EXCEPTION


class UnknownTopicError(BrokerError):
    """No topic of that name or id."""

    error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class UnknownTopicIdError(BrokerError):
    """No topic has this id."""

    error_code = ErrorCode.UNKNOWN_TOPIC_ID


class InvalidPartitionsError(BrokerError):
    """The number of partitions is not possible."""

    error_code = ErrorCode.INVALID_PARTITIONS


class InvalidReplicationFactorError(BrokerError):
    """More replicas were asked for than there are brokers (one)."""

    error_code = ErrorCode.INVALID_REPLICATION_FACTOR


class InvalidReplicaAssignmentError(BrokerError):
    """The partitions were assigned by hand to brokers that do not exist."""

    error_code = ErrorCode.INVALID_REPLICA_ASSIGNMENT


class InvalidTopicConfigError(BrokerError):
    """A configuration name is unknown or its value cannot be used."""

    error_code = ErrorCode.INVALID_CONFIG


class InvalidRequestError(BrokerError):
    """The request contradicts itself."""

    error_code = ErrorCode.INVALID_REQUEST


class TopicDeletionDisabledError(BrokerError):
    """`delete.topic.enable` is false."""

    error_code = ErrorCode.TOPIC_DELETION_DISABLED


class DisconnectError(BrokerError):
    """There is no answer that could tell the client; its connection is closed instead."""


class ListenError(BrokerError):
    """The address to listen on is taken or not ours."""


def error_code_of(error: BaseException) -> ErrorCode:
    """Return the Kafka error code that tells a client about `error`.

    Errors of the log and of the broker carry theirs; a full or failing disk is
    KAFKA_STORAGE_ERROR, an impossible setting INVALID_CONFIG.
    """
    code = getattr(error, "error_code", None)
    if isinstance(code, ErrorCode):
        return code
    if isinstance(error, FileSystemError):
        return ErrorCode.KAFKA_STORAGE_ERROR
    if isinstance(error, ConfigError):
        return ErrorCode.INVALID_CONFIG
    return ErrorCode.UNKNOWN_SERVER_ERROR
