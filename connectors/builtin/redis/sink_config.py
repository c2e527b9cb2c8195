"""The options of `RedisSink`. Names: redis-kafka-connect's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from aliran.connectors.builtin.redis.client import RedisOptions
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least


@dataclass(frozen=True, kw_only=True)
class RedisSinkConfig(RedisOptions):
    """The options."""

    redis_command: Annotated[
        Literal["XADD", "HSET", "SET", "LPUSH", "RPUSH", "SADD", "PUBLISH", "DEL"],
        Option(
            "What is done with a record: XADD to a stream, HSET its fields into a hash, SET a "
            "text, push to a list, SADD to a set, PUBLISH to a channel, DEL a key.",
            importance=Importance.HIGH,
        ),
    ] = "XADD"
    redis_key: Annotated[
        str,
        Option(
            "The key, or how it begins for HSET, SET and DEL, where the record's key follows; "
            "${topic} stands for the topic. Empty for the record's key alone.",
            importance=Importance.HIGH,
        ),
    ] = "${topic}"
    redis_separator: Annotated[str, Option("What parts it from the record's key.")] = ":"
    redis_ttl_ms: Annotated[
        int,
        Option("How long hashes and texts live; 0 for ever.", validator=at_least(0)),
    ] = 0
    redis_hash_replace: Annotated[
        bool, Option("HSET: remove fields that the record does not have.")
    ] = False
    redis_stream_maxlen: Annotated[
        int,
        Option("XADD: trim streams to about so many entries; 0 for never.", validator=at_least(0)),
    ] = 0
    redis_stream_key_field: Annotated[
        str | None, Option("XADD: the field that gets the record's key.")
    ] = None
    redis_stream_value_field: Annotated[
        str, Option("XADD: the field that gets a value that has no fields.")
    ] = "value"
    redis_wait_replicas: Annotated[
        int,
        Option("Wait until so many replicas have each batch (WAIT).", validator=at_least(0)),
    ] = 0
    redis_wait_timeout: Annotated[
        int, Option("For how many milliseconds, before it is tried again.", validator=at_least(1))
    ] = 1000
    redis_delivery: Annotated[
        Literal["exactly-once", "at-least-once"],
        Option(
            "exactly-once: each batch is a transaction (MULTI) that stores its offsets as well, in "
            "the hash aliran:connect:NAME; at-least-once: a pipeline.",
            importance=Importance.HIGH,
        ),
    ] = "exactly-once"
