"""The options of `RedisSource`. Names: redis-kafka-connect's, where it has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from aliran.connectors.builtin.redis.client import RedisOptions
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty


@dataclass(frozen=True, kw_only=True)
class RedisSourceConfig(RedisOptions):
    """The options."""

    topic: Annotated[
        str,
        Option(
            "The topic; ${stream} (or ${name}) stands for the stream, list or channel.",
            importance=Importance.HIGH, validator=not_empty,
        ),
    ] = "${stream}"  # fmt: skip
    redis_type: Annotated[
        Literal["stream", "list", "pubsub", "keys"],
        Option("What is read: streams, lists, channels, or keys that change.",
               importance=Importance.HIGH),
    ] = "stream"  # fmt: skip
    batch_size: Annotated[
        int, Option("The most entries that are read at once.", validator=at_least(1))
    ] = 1000
    value_format: Annotated[
        Literal["string", "json", "bytes"],
        Option("What texts of Redis are. With redis.type=stream json is for redis.stream.field."),
    ] = "string"
    redis_stream_name: Annotated[
        list[str],
        Option("The streams; tasks share them.", importance=Importance.HIGH, group="stream"),
    ] = field(default_factory=list)
    redis_stream_offset: Annotated[
        str,
        Option("Behind which id a stream is read at first; 0-0 for all, $ for what is new.",
               group="stream"),
    ] = "0-0"  # fmt: skip
    redis_stream_field: Annotated[
        str | None,
        Option("The field that becomes the value; else all of them do, as a map.", group="stream"),
    ] = None
    redis_stream_key_field: Annotated[
        str | None,
        Option("The field that becomes the key; else the entry's id does.", group="stream"),
    ] = None
    redis_stream_consumer_group: Annotated[
        str | None,
        Option(
            "Read as a consumer group of Redis, whose entries are acknowledged (XACK) after Kafka "
            "has acknowledged them; tasks then share each stream. Without one the ids are offsets "
            "of Connect.",
            group="stream",
        ),
    ] = None  # fmt: skip
    redis_stream_consumer_name: Annotated[
        str, Option("The consumer's name in the group.", group="stream")
    ] = "consumer-${task}"
    redis_stream_claim_idle_ms: Annotated[
        int,
        Option(
            "Entries that another consumer of the group has not acknowledged for so long are "
            "taken over.",
            validator=at_least(0), group="stream",
        ),
    ] = 60_000  # fmt: skip
    redis_list_names: Annotated[
        list[str],
        Option("The lists, read from their heads; tasks share them.", group="list"),
    ] = field(default_factory=list)
    redis_channels: Annotated[list[str], Option("The channels.", group="pubsub")] = field(
        default_factory=list
    )
    redis_channel_patterns: Annotated[
        list[str], Option("Patterns of channels, such as news.*.", group="pubsub")
    ] = field(default_factory=list)
    redis_keys_pattern: Annotated[
        str, Option("Which keys are watched, such as user:*.", group="keys")
    ] = "*"
    redis_keys_scan: Annotated[
        bool,
        Option(
            "Read all keys at each start: what changed while nobody listened is not missed, "
            "except deletions.",
            group="keys",
        ),
    ] = True  # fmt: skip
    redis_keys_notify: Annotated[
        bool,
        Option("Have the server send notifications (CONFIG SET notify-keyspace-events KA).",
               group="keys"),
    ] = False  # fmt: skip

    def names(self) -> list[str]:
        """Return what tasks share."""
        if self.redis_type == "stream":
            return self.redis_stream_name
        return self.redis_list_names if self.redis_type == "list" else []

    def topic_of(self, name: str) -> str:
        """Return the topic of a stream, list, key or channel."""
        if "$" not in self.topic:
            return self.topic
        for place in ("${stream}", "${list}", "${channel}", "${name}"):
            if place in self.topic:
                return self.topic.replace(place, name.replace(":", "."))
        return self.topic
