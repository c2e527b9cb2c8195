"""The topic `_schemas`: rows go in, and come back into the state in the order of the topic.

Whoever appends waits until the state has seen the rows, so everybody reads what they wrote. Rows of
others (another registry, a restored backup) arrive the same way. Confluent: `KafkaStore`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from aliran.broker.embedded import EmbeddedBroker
from aliran.clients.embedded import EmbeddedTransport
from aliran.clients.transport import TopicSpec
from aliran.core.errors import AliranError
from aliran.core.types import Columns, TopicPartition
from aliran.schema_registry import records
from aliran.schema_registry.errors import SchemaTooLargeError, StoreError
from aliran.schema_registry.records import Row
from aliran.schema_registry.state import State
from aliran.storage.errors import MessageTooLargeError

logger: logging.Logger = logging.getLogger("aliran.schema_registry")

TOPIC = "_schemas"
_LOOK_EVERY_S = 0.1


class SchemaLog(Protocol):
    """Where the registry writes."""

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none, and return when the state has them.

        Raises:
            RegistryError: They could not be written, or did not come back in time.
        """
        ...

    def catch_up(self) -> None:
        """Return when the state has everything that the topic holds by now."""
        ...

    def close(self) -> None:
        """Let go of the topic. Idempotent."""
        ...


def check_topic(where: str, topic: str, partitions: int, policy: str) -> TopicPartition:
    """Check that a topic can hold a registry.

    Args:
        where: The broker, for messages.
        topic: The topic.
        partitions: How many it has.
        policy: Its `cleanup.policy`.

    Raises:
        StoreError: It has more than one partition, or old schemas would be deleted from it.
    """
    if partitions != 1:
        raise StoreError(
            f"the topic {topic!r} on the {where} has {partitions} partitions; a registry needs "
            "exactly one, since their order is that of its schemas. Name another topic, or copy "
            "the schemas into a new one"
        )
    if policy != "compact":
        raise StoreError(
            f"the topic {topic!r} on the {where} has cleanup.policy={policy}, which deletes "
            "schemas when they grow old; set it to compact"
        )
    return TopicPartition(topic, 0)


def too_large(error: AliranError) -> SchemaTooLargeError:
    """Return what is said of rows that no record of the topic can hold."""
    return SchemaTooLargeError(f"Register operation failed because schema is too large: {error}")


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Keep the garbage collector from walking, again and again, what is only being loaded."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def apply(state: State, batches: Iterable[Columns]) -> None:
    """Give records to the state."""
    for columns in batches:
        for key, value, timestamp in zip(
            columns.keys, columns.values, columns.timestamps, strict=True
        ):
            state.apply(key, value, timestamp)


def to_columns(partition: TopicPartition, rows: Sequence[Row]) -> Columns:
    """Return rows as records of now."""
    now = int(time.time() * 1000)
    return Columns(
        *partition,
        range(0),
        [key for key, _ in rows],
        [value for _, value in rows],
        [now] * len(rows),
    )


class EmbeddedLog:
    """The topic on a broker of this process: rows go straight into its log.

    Args:
        state: What the rows are given to.
        broker: The broker, started.
        topic: The topic.

    Raises:
        StoreError: The topic cannot be used.
    """

    def __init__(self, state: State, broker: EmbeddedBroker, topic: str = TOPIC) -> None:
        self._state = state
        transport = EmbeddedTransport(broker.broker, broker.bootstrap_servers)
        self._transport = transport
        transport.create_topics([TopicSpec(topic, 1, {"cleanup.policy": "compact"})])
        found = broker.broker.topics.require(topic)
        policy = broker.broker.topics.effective_configs(found)["cleanup.policy"]
        self._partition = check_topic(transport.describe(), topic, found.partitions, policy)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        start, end = transport.bounds([self._partition])[self._partition]
        with without_collecting():
            apply(state, transport.read(self._partition, start, end))
        transport.assign({self._partition: end})
        self.append([records.noop_row(state.max_ids())])
        self._follower = threading.Thread(
            target=self._follow, name="aliran-schemas-reader", daemon=True
        )
        self._follower.start()

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows, all or none, and return when the state has them."""
        try:
            with self._lock:
                self._transport.send(to_columns(self._partition, rows))
                self._transport.flush()
                self._advance()
        except MessageTooLargeError as error:
            raise too_large(error) from error
        except AliranError as error:
            raise StoreError(f"writing to {self._partition} failed: {error}") from error

    def catch_up(self) -> None:
        """Return when the state has everything that the topic holds by now."""
        with self._lock:
            self._advance()

    def close(self) -> None:
        """Let go of the topic. Idempotent."""
        if not self._closed.is_set():
            self._closed.set()
            self._follower.join()
            self._transport.close()

    def _advance(self) -> None:
        while batches := self._transport.poll(0):
            apply(self._state, batches)

    def _follow(self) -> None:
        """Take over what others write through the broker."""
        while not self._closed.wait(_LOOK_EVERY_S):
            try:
                self.catch_up()
            except AliranError:
                logger.exception("reading %s failed; trying again", self._partition)
                self._closed.wait(1.0)
