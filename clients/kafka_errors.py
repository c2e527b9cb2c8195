"""What librdkafka reports, as errors a newcomer can act on."""

# ruff: noqa: SLF001 -- librdkafka's own error codes begin with an underscore, and are public.

from __future__ import annotations

import logging
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from aliran.clients.kafka_messages import Messages
from aliran.clients.transport import GroupFencedError, TransportError, UnknownTopicError
from aliran.core.types import TopicPartition

PARTITION_EOF: Final = KafkaError._PARTITION_EOF
"""What a reader is told at the end of a partition."""
UNKNOWN_PARTITION: Final = KafkaError._UNKNOWN_PARTITION

_log = logging.getLogger("aliran.clients.kafka")

_FENCED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._MAX_POLL_EXCEEDED,
    }
)
_UNKNOWN_TOPIC = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_LEADER_CHANGES = frozenset(
    {
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
    }
)
_NOT_ALLOWED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_UNREACHABLE = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._RESOLVE,
    }
)
_REFUSED_LOGIN = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError._SSL}
)
_HARMLESS = frozenset({KafkaError._PARTITION_EOF}) | _UNREACHABLE


class ErrorWatch:
    """Keeps what librdkafka said about its connections, which its timeouts do not tell.

    Its `report` is the `error_cb` of every client; it is called while one of them is polled.

    Args:
        broker: What the cluster is called in messages.

    Attributes:
        broker: The same.
    """

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self._last = ""
        self._refused: KafkaError | None = None
        self._logged: set[str] = set()

    def report(self, error: KafkaError) -> None:
        """Take note of `error`; log it once."""
        text = error.str()
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last:
            self._last = text
        if error.code() in _REFUSED_LOGIN or error.fatal():
            self._refused = error
        if text not in self._logged:
            self._logged.add(text)
            _log.warning("kafka: %s", text)

    def last_heard(self) -> str:
        """Return the last report in words to append to a message; "" when there was none."""
        return f" (last heard: {self._last})" if self._last else ""

    def raise_if_refused(self) -> None:
        """Raise what no retry can mend: a refused login, or a client that gave up.

        Raises:
            TransportError: Such an error was reported.
        """
        if self._refused is not None:
            raise self.translate(self._refused, "talking to the brokers")

    def without_errors(self, messages: Messages) -> Messages:
        """Return those of `messages` that are records.

        Raises:
            TransportError: One carries an error that librdkafka does not get over by itself.
        """
        errors = [message for message in messages if message.error() is not None]
        if not errors:
            return messages
        for message in errors:
            error = message.error()
            if error is not None and not _is_harmless(error):
                where = message.topic()
                doing = "reading" if where is None else f"reading {where}-{message.partition()}"
                raise self.translate(error, doing)
        return [message for message in messages if message.error() is None]

    def translated(self, exception: KafkaException, doing: str) -> TransportError:
        """Return the error to raise for librdkafka's `exception`."""
        return self.translate(error_of(exception), doing)

    def translate(self, error: KafkaError, doing: str) -> TransportError:
        """Return the error to raise: what was being done, where, why it failed, what to try."""
        code = error.code()
        what = f"{doing} failed on the {self.broker}: {error.str()}"
        if code in _FENCED:
            return GroupFencedError(
                f"{what}; the group has given this member's partitions to another one, which goes "
                "on from the last commit"
            )
        if code in _UNKNOWN_TOPIC:
            return UnknownTopicError(
                f"{what}; create the topic first, or check its name and partition"
            )
        if code in _NOT_ALLOWED:
            return TransportError(f"{what}; ask for the right to use it, or check the credentials")
        if code in _REFUSED_LOGIN:
            return TransportError(
                f"{what}; check security.protocol, sasl.mechanism and the credentials"
            )
        if code == KafkaError.INVALID_RECORD:
            return TransportError(
                f"{what}; a topic with cleanup.policy=compact takes no records without a key, and "
                "no topic takes timestamps beyond its message.timestamp.*.max.ms"
            )
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            return TransportError(
                f"{what}; raise message.max.bytes in the client's settings, and max.message.bytes "
                "of the topic"
            )
        if code in _UNREACHABLE:
            return TransportError(
                f"{what}{self.last_heard()}; check that a broker listens at that address and that "
                "this machine can reach the addresses it advertises"
            )
        return TransportError(what)


def ends_of(messages: Messages) -> list[tuple[TopicPartition, int]]:
    """Return the ends of partitions that were reached, and where the next record will be.

    That lies behind the last record where what follows holds none: markers of transactions, or
    records that were deleted.
    """
    return [
        (TopicPartition(str(message.topic()), message.partition() or 0), message.offset() or 0)
        for message in messages
        if (error := message.error()) is not None and error.code() == PARTITION_EOF
    ]


def error_of(exception: KafkaException) -> KafkaError:
    """Return librdkafka's error inside its exception."""
    error = exception.args[0] if exception.args else None
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError._FAIL, str(exception))


def _is_harmless(error: KafkaError) -> bool:
    """Tell whether librdkafka goes on by itself after what a message carries as its error."""
    return not error.fatal() and (error.code() in _HARMLESS or bool(error.retriable()))


def is_leader_change(error: TransportError) -> bool:
    """Tell whether an error passes by itself: a partition is new, or has another leader."""
    cause = error.__cause__
    return isinstance(cause, KafkaException) and error_of(cause).code() in _LEADER_CHANGES
