"""What a join on a foreign key sends between its tasks; the bytes are Kafka's.

| | bytes |
|---|---|
| subscription | version 1, instruction, hash (16), primary key, partition (4) |
| response | version 0, hash (16), foreign value |
| key of the subscription store | length of the foreign key (4), foreign key, primary key |

Where there is no hash, the version is written with 0x80.

Kafka: `SubscriptionWrapperSerde`, `SubscriptionResponseWrapperSerde`, `CombinedKeySchema`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from aliran.serdes import Serde, SerializationError

_NO_HASH = 0x80
_HASH_SIZE = 16


class Instruction(IntEnum):
    """What the foreign table's side does with a subscription."""

    DELETE_KEY_NO_PROPAGATE = 0
    DELETE_KEY_AND_PROPAGATE = 1
    PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE = 2
    PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE = 3


class Subscription(NamedTuple):
    """A row of the left table asks for the row of the right table that it refers to.

    Attributes:
        hash: Of the left row's value, None where it was deleted.
        instruction: What to do.
        primary_key: Key of the left row.
        primary_partition: Where the answer goes; None in records of old versions.
    """

    hash: bytes | None
    instruction: Instruction
    primary_key: Any
    primary_partition: int | None


class Response(NamedTuple):
    """The answer to a subscription.

    Attributes:
        hash: That of the subscription: whether it still counts.
        foreign_value: The right row's value.
        primary_partition: Where the answer goes; not part of the bytes.
    """

    hash: bytes | None
    foreign_value: Any
    primary_partition: int | None = None


class SubscriptionSerde(Serde[Subscription]):
    """Reads and writes subscriptions whose primary keys `inner` reads and writes."""

    def __init__(self, inner: Serde[Any]) -> None:
        super().__init__(self._write, self._read, name=f"SubscriptionSerde({inner.name})")
        self.inner = inner

    def _write(self, subscription: Subscription) -> bytes:
        found, instruction, primary_key, partition = subscription
        head = bytes((1 if found is not None else 1 | _NO_HASH, instruction))
        key = self.inner.serialize(primary_key) or b""
        return head + (found or b"") + key + (partition or 0).to_bytes(4, "big", signed=True)

    def _read(self, data: bytes) -> Subscription:
        version = data[0] & ~_NO_HASH
        if version > 1:
            raise SerializationError(f"{self.name}: version {version} is not known here")
        begin = 2 if data[0] & _NO_HASH else 2 + _HASH_SIZE
        end = len(data) - 4 * version
        return Subscription(
            None if begin == 2 else bytes(data[2:begin]),
            Instruction(data[1]),
            self.inner.deserialize(data[begin:end]),
            int.from_bytes(data[end:], "big", signed=True) if version else None,
        )


class ResponseSerde(Serde[Response]):
    """Reads and writes responses whose foreign values `inner` reads and writes.

    A value without any bytes is read as none, as by Kafka.
    """

    def __init__(self, inner: Serde[Any]) -> None:
        super().__init__(self._write, self._read, name=f"ResponseSerde({inner.name})")
        self.inner = inner

    def _write(self, response: Response) -> bytes:
        value = self.inner.serialize(response.foreign_value) or b""
        if response.hash is None:
            return bytes((_NO_HASH,)) + value
        return b"\x00" + response.hash + value

    def _read(self, data: bytes) -> Response:
        if data[0] & ~_NO_HASH:
            raise SerializationError(f"{self.name}: version {data[0] & 127} is not known here")
        begin = 1 if data[0] & _NO_HASH else 1 + _HASH_SIZE
        found = None if begin == 1 else bytes(data[1:begin])
        return Response(found, self.inner.deserialize(data[begin:] or None))


def foreign_prefix(foreign_key: bytes) -> bytes:
    """Return what the keys of all subscriptions to a foreign key begin with."""
    return len(foreign_key).to_bytes(4, "big") + foreign_key


def primary_key_of(combined: bytes) -> bytes:
    """Return the primary key within a key of the subscription store."""
    return combined[4 + int.from_bytes(combined[:4], "big") :]
