"""How many partitions the topics have that an application writes."""

from __future__ import annotations

from aliran.clients.transport import TopicSpec, Transport, UnknownTopicError


class PartitionCounts:
    """Numbers of partitions by topic, asked for once; topics that are missing are made."""

    def __init__(self, transport: Transport, known: dict[str, int]) -> None:
        self._transport = transport
        self._known = dict(known)

    def __call__(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            UnknownTopicError: It does not exist, and the broker makes none on first use.
        """
        count = self._known.get(topic)
        if count is None:
            count = self._known[topic] = self._find(topic)
        return count

    def _find(self, topic: str) -> int:
        counts = self._transport.partition_counts([topic])
        if topic not in counts and self._transport.auto_creates_topics():
            self._transport.create_topics([TopicSpec(topic, -1)])
            counts = self._transport.partition_counts([topic])
        if topic not in counts:
            raise UnknownTopicError(
                f"output topic {topic!r} does not exist, and the {self._transport.describe()} "
                "does not create topics on first use (auto.create.topics.enable=false): create it "
                f"first, for example with `aliran topics create {topic}`"
            )
        return counts[topic]
