"""The Kafka transport: from the stream runtime to any Kafka cluster, through confluent-kafka.

Rebalances, retries and security are librdkafka's business; this module turns its messages into
columns and its errors into ours. Everything is called from the runtime's one thread.

Two things differ from a plain client. A rebalance is acknowledged inside librdkafka's callback with
an empty assignment, and handed to the listener only when the call into librdkafka is over: so no
record read before it can be mixed with one read after it. And a record's timestamp of 0 is sent as
1, because librdkafka takes 0 for "now".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from aliran.clients import kafka_settings as settings_of
from aliran.clients import position_metadata
from aliran.clients.kafka_errors import ErrorWatch, ends_of, error_of, is_leader_change
from aliran.clients.kafka_messages import to_columns
from aliran.clients.kafka_producer import KafkaWriter
from aliran.clients.kafka_reader import KafkaReader
from aliran.clients.transport import (
    GroupFencedError,
    Position,
    RebalanceListener,
    TopicSpec,
    TransportError,
    UnknownTopicError,
)
from aliran.core.types import Columns, TopicPartition

BATCH_RECORDS = 10_000
"""The most records that one `poll` returns."""

_ERRORS_EVERY_S = 0.2
_OF_THE_BROKERS = ("__consumer_offsets", "__transaction_state", "__share_group_state")
_FIRST_CONTACT_S = 10.0

_log = logging.getLogger("aliran.clients.kafka")


class KafkaTransport:
    """Implements `Transport` on a Kafka cluster.

    Args:
        bootstrap_servers: "HOST:PORT,HOST:PORT".
        settings: librdkafka settings for all clients, for instance security.
        request_timeout_ms: How long a request may take before the cluster counts as unreachable.

    Raises:
        ConfigError: librdkafka refuses a setting.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        settings: Mapping[str, Any] | None = None,
        *,
        request_timeout_ms: int = 30_000,
    ) -> None:
        self._servers = bootstrap_servers
        self._timeout_s = request_timeout_ms / 1000
        self._watch = ErrorWatch(self.describe())
        self._common = settings_of.common_settings(
            bootstrap_servers, self._watch.report, settings or {}
        )
        self._admin = settings_of.make_client(AdminClient, settings_of.admin_settings(self._common))
        self._writer = KafkaWriter(self._common, self._watch)
        self._reader = KafkaReader(self._common, self._watch, BATCH_RECORDS, self._timeout_s)
        self._consumer: Consumer | None = None
        self._reached = False
        self._fenced = False
        self._group_id = ""
        self._listener: RebalanceListener | None = None
        self._topics: frozenset[str] = frozenset()
        self._rebalanced = False
        self._to_assign: list[TopicPartition] | None = None
        self._listener_error: BaseException | None = None
        self._next_offsets: dict[TopicPartition, int] = {}
        self._deleting: list[Future[Any]] = []

    def describe(self) -> str:
        """Name the cluster in a few words."""
        return f"Kafka cluster at {self._servers}"

    # ------------------------------------------------------------------ topics

    def partition_counts(self, topics: Iterable[str]) -> dict[str, int]:
        """Return the number of partitions of those of `topics` that exist."""
        names = sorted(set(topics))
        if not names:
            return {}
        asked = self._admin.describe_topics(
            TopicCollection(names), request_timeout=self._request_timeout_s()
        )
        counts = {}
        for name, future in asked.items():
            try:
                counts[name] = len(self._result(future, f"describing topic {name!r}").partitions)
            except UnknownTopicError:
                continue
        return counts

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of all topics there are, the brokers' own left out."""
        found = self._call(
            self._admin.list_topics, "listing topics", timeout=self._request_timeout_s()
        )
        return {
            name: len(topic.partitions)
            for name, topic in found.topics.items()
            if name not in _OF_THE_BROKERS and topic.error is None
        }

    def create_topics(self, specs: Iterable[TopicSpec]) -> None:
        """Create topics; those that exist already are left as they are."""
        wanted = {spec.name: spec for spec in specs}
        if not wanted:
            return
        asked = self._admin.create_topics(
            [
                NewTopic(spec.name, spec.partitions, config=dict(spec.configs))
                for spec in wanted.values()
            ],
            request_timeout=self._request_timeout_s(),
        )
        for name, future in asked.items():
            try:
                self._result(future, f"creating topic {name!r}")
            except TransportError as error:
                if not _exists_already(error):
                    raise
        self._wait_until_known(wanted)

    def _wait_until_known(self, topics: Collection[str]) -> None:
        """Wait until the cluster's metadata has caught up with the creation."""
        deadline = time.monotonic() + self._timeout_s
        while missing := set(topics) - set(self.partition_counts(topics)):
            if time.monotonic() > deadline:
                raise TransportError(
                    f"the {self.describe()} accepted the topics {sorted(missing)} but does not "
                    "list them; look into the brokers' logs"
                )
            time.sleep(0.05)

    def auto_creates_topics(self) -> bool:
        """Return whether the brokers make topics on first use, as one of them says."""
        cluster = self._call(
            self._admin.list_topics, "listing brokers", timeout=self._request_timeout_s()
        )
        broker = ConfigResource(ConfigResource.Type.BROKER, str(min(cluster.brokers)))
        asked = self._admin.describe_configs([broker], request_timeout=self._request_timeout_s())
        configs = self._result(asked[broker], "reading the brokers' settings")
        entry = configs.get("auto.create.topics.enable")
        return entry is not None and entry.value == "true"

    # ------------------------------------------------------------------ consuming

    def join(self, group_id: str, topics: Collection[str], listener: RebalanceListener) -> None:
        """Subscribe as a member of `group_id`; assignments arrive during `poll`."""
        if self._consumer is not None:
            raise TransportError(f"this transport has joined group {self._group_id!r} already")
        self._group_id, self._listener = group_id, listener
        self._consumer = settings_of.make_client(
            Consumer, settings_of.member_settings(self._common, group_id)
        )
        self.subscribe(topics)

    def subscribe(self, topics: Collection[str]) -> None:
        """Read other topics than until now; what is assigned is revoked, a new assignment follows.

        Members agree on what to read as soon as each has seen it; until then a topic may have no
        reader. With no topic at all librdkafka joins no group: the assignment is empty.
        """
        self._topics = frozenset(topics)
        if not topics:
            self._member().unsubscribe()
            self._rebalanced = True
            return
        self._member().subscribe(
            sorted(topics),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    def claim(self, topics: Collection[str]) -> None:
        """Do nothing: what was written to a cluster cannot be taken back."""

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, and no others."""
        self._next_offsets = dict(positions)
        self._member().assign([KafkaPartition(*tp, offset) for tp, offset in positions.items()])

    def poll(self, max_wait_ms: int) -> list[Columns]:
        """Return what has arrived, waiting up to `max_wait_ms` when there is nothing.

        Raises:
            UnknownTopicError: A subscribed topic does not exist.
            TransportError: The cluster refuses to serve it.
        """
        consumer = self._member()
        try:
            # consume() waits for its whole batch, so waiting for the first record is poll()'s.
            messages = consumer.consume(BATCH_RECORDS, 0)
            if not messages and not self._rebalanced:
                first = consumer.poll(max_wait_ms / 1000)
                if first is not None:
                    messages = [first, *consumer.consume(BATCH_RECORDS - 1, 0)]
        except KafkaException as error:
            raise self._translated(error, "reading") from error
        if self._rebalanced:
            # All of `messages` came before the rebalance, since it left nothing assigned; the
            # partitions' next owner reads them from the committed position.
            self._finish_rebalance()
            return []
        self._watch.raise_if_refused()
        for place, end in ends_of(messages):
            if place in self._next_offsets:
                self._next_offsets[place] = max(self._next_offsets[place], end)
        columns = to_columns(self._watch.without_errors(messages))
        for batch in columns:
            self._next_offsets[TopicPartition(batch.topic, batch.partition)] = batch.offsets[-1] + 1
        return columns

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Return nothing of these partitions until `resume`."""
        self._member().pause([KafkaPartition(*tp) for tp in partitions])

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Undo `pause`."""
        self._member().resume([KafkaPartition(*tp) for tp in partitions])

    def lag(self, partition: TopicPartition) -> int | None:
        """Return how many records the last fetch saw beyond those that `poll` has returned."""
        position = self._next_offsets.get(partition)
        if self._consumer is None or position is None:
            return None
        try:
            known = self._consumer.get_watermark_offsets(KafkaPartition(*partition), cached=True)
        except KafkaException:
            return None
        return None if not known or known[1] < 0 else max(0, known[1] - position)

    def is_at_end(self, partitions: Collection[TopicPartition]) -> bool:
        """Return whether `poll` has returned all that these partitions hold by now."""
        ends = self._list_offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return all(self._next_offsets.get(tp, -1) >= end for tp, end in ends.items())

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Position]:
        """Return the group's committed positions; partitions without one are absent."""
        asked = [KafkaPartition(*tp) for tp in partitions]
        doing = f"reading the committed offsets of group {self._group_id!r}"
        found = {}
        for entry in self._call(self._member().committed, doing, asked, self._timeout_s):
            if entry.error is not None:
                raise self._watch.translate(entry.error, doing)
            if entry.offset >= 0:
                decoded = position_metadata.decode(metadata_of(entry))
                found[TopicPartition(entry.topic, entry.partition)] = Position(
                    entry.offset, *decoded
                )
        return found

    def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit all of `positions`, returning when the broker has them."""
        if not positions:
            return
        offsets = [
            KafkaPartition(
                *tp,
                position.offset,
                position_metadata.encode(position.partition_time_ms, position.processor_metadata),
            )
            for tp, position in positions.items()
        ]
        doing = f"committing the offsets of group {self._group_id!r}"
        try:
            entries = self._call(self._member().commit, doing, offsets=offsets, asynchronous=False)
            for entry in entries or ():
                if entry.error is not None:
                    raise self._watch.translate(entry.error, doing)
        except GroupFencedError:
            self._fenced = True
            raise

    def leave(self) -> None:
        """Leave the group (after a last commit); the listener hears nothing of it."""
        consumer, self._consumer = self._consumer, None
        self._listener = None
        self._next_offsets = {}
        if consumer is not None:
            consumer.close()

    # ------------------------------------------------------------------ restore

    def bounds(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, tuple[int, int]]:
        """Return (first offset, end offset) of each partition."""
        starts = self._list_offsets(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        ends = self._list_offsets(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        return {tp: (starts[tp], ends[tp]) for tp in partitions}

    def _list_offsets(
        self, partitions: Collection[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._ask_for_offsets(partitions, spec)
            except TransportError as error:
                if not is_leader_change(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _ask_for_offsets(
        self, partitions: Collection[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        asked = self._admin.list_offsets(
            {KafkaPartition(*tp): spec for tp in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=self._request_timeout_s(),
        )
        return {
            (tp := TopicPartition(key.topic, key.partition)): self._result(
                future, f"asking for the offsets of {tp}"
            ).offset
            for key, future in asked.items()
        }

    def read(self, partition: TopicPartition, start: int, end: int) -> Iterator[Columns]:
        """Yield the records of `partition` in `[start, end)`, in order."""
        return self._reader.read(partition, start, end)

    # ------------------------------------------------------------------ producing

    def send(self, columns: Columns) -> None:
        """Queue records for their partition, in order; waits while the queue is full."""
        self._writer.send(columns)

    def flush(self) -> dict[TopicPartition, int]:
        """Wait until all that was sent is acknowledged."""
        return self._writer.flush()

    def delete_records(self, before: Mapping[TopicPartition, int]) -> None:
        """Ask the brokers to drop records before these offsets, without waiting for it.

        While the last such request is under way, this one is left to the next commit. Kafka:
        `TaskManager.maybePurgeCommittedRecords`.
        """
        if not before or not all(future.done() for future in self._deleting):
            return
        for future in self._deleting:
            if (error := future.exception()) is not None:
                _log.warning("deleting processed records failed: %s", error)
        asked = self._admin.delete_records(
            [KafkaPartition(*tp, offset) for tp, offset in before.items()],
            request_timeout=self._request_timeout_s(),
        )
        self._deleting = list(asked.values())

    def close(self) -> None:
        """Leave the group and let go of all connections; what was not flushed is lost."""
        self.leave()
        self._reader.close()
        self._writer.close()

    # ------------------------------------------------------------------ rebalances

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        consumer.assign([])  # nothing arrives before the listener has said where to start
        self._rebalanced = True
        self._to_assign = [TopicPartition(p.topic, p.partition) for p in partitions]

    def _on_revoke(self, _consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._revoke(partitions, lost=False)

    def _on_lost(self, _consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._revoke(partitions, lost=True)

    def _revoke(self, partitions: list[KafkaPartition], *, lost: bool) -> None:
        # librdkafka does not always call a lost assignment lost once a commit has found out.
        lost, self._fenced = lost or self._fenced, False
        self._rebalanced = True
        heard_of = self._to_assign is None
        self._to_assign = None
        if self._listener is None or not heard_of:
            return
        revoked = [TopicPartition(p.topic, p.partition) for p in partitions]
        try:
            self._listener.on_revoked([tp for tp in revoked if tp.topic in self._topics], lost=lost)
        except BaseException as error:  # raised again by poll, outside librdkafka's frames
            self._listener_error = error
        self._next_offsets = {}

    def _finish_rebalance(self) -> None:
        self._rebalanced = False
        error, self._listener_error = self._listener_error, None
        if error is not None:
            raise error
        assigned, self._to_assign = self._to_assign, None
        if assigned is None and not self._topics:
            assigned = []
        if assigned is not None and self._listener is not None:
            self._listener.on_assigned(assigned)

    # ------------------------------------------------------------------ inside

    def _member(self) -> Consumer:
        if self._consumer is None:
            raise TransportError("join a group first")
        return self._consumer

    def _call(self, call: Callable[..., Any], doing: str, *args: Any, **named: Any) -> Any:
        try:
            return call(*args, **named)
        except KafkaException as error:
            raise self._translated(error, doing) from error

    def _result(self, future: Future[Any], doing: str) -> Any:
        """Wait for `future`; what goes wrong meanwhile is logged, and a refused login is raised."""
        while True:
            try:
                result = self._call(future.result, doing, timeout=_ERRORS_EVERY_S)
            except TimeoutError:
                self._admin.poll(0)
                self._watch.raise_if_refused()
            else:
                self._reached = True
                return result

    def _request_timeout_s(self) -> float:
        """How long a request may take; less as long as nothing was ever heard of the cluster."""
        return self._timeout_s if self._reached else min(self._timeout_s, _FIRST_CONTACT_S)

    def _translated(self, error: KafkaException, doing: str) -> TransportError:
        self._admin.poll(0)  # serves error_cb, which knows why a request timed out
        self._watch.raise_if_refused()
        return self._watch.translated(error, doing)


def _exists_already(error: TransportError) -> bool:
    cause = error.__cause__
    return (
        isinstance(cause, KafkaException)
        and error_of(cause).code() == KafkaError.TOPIC_ALREADY_EXISTS
    )


def metadata_of(entry: KafkaPartition) -> str:
    """Return the metadata of a committed offset, with what happens to lie behind it in memory."""
    try:
        return entry.metadata or ""
    except UnicodeDecodeError as error:  # what lies there is no text
        return error.object.decode("latin-1")
