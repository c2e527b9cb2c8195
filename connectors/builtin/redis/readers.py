"""Lists, channels and keys of Redis as sources."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from aliran.connectors.builtin.redis.source_config import RedisSourceConfig
from aliran.connectors.data.builder import STRING_SCHEMA
from aliran.connectors.data.schema import SchemaAndValue
from aliran.connectors.messaging.acked import MessageRecord
from aliran.connectors.messaging.values import value_of


class ListReader:
    """Moves elements from the head of each list to one beside it, until they are acknowledged.

    Args:
        client: The server.
        config: The options.
        lists: The lists.
        connector: Its name, for that of the lists beside.
    """

    def __init__(
        self, client: Any, config: RedisSourceConfig, lists: list[str], connector: str
    ) -> None:
        self._client = client
        self._config = config
        self._beside = {name: f"{name}:aliran:{connector}" for name in lists}
        self._under_way: dict[str, deque[list[bool]]] = {name: deque() for name in lists}
        self._left = dict.fromkeys(lists, 0)  # what an earlier run had not finished
        self._began = False
        self._lock = threading.Lock()

    def read(self, wait_s: float) -> list[MessageRecord]:
        """Return elements: first those that were under way when an earlier run ended."""
        with self._anew_after_errors():
            return self._read()

    @contextmanager
    def _anew_after_errors(self) -> Iterator[None]:
        """Forget what is under way if an answer is missing: who knows whether it was done.

        All that is in the lists beside is read again then, so that nothing is lost.
        """
        try:
            yield
        except (redis.RedisError, OSError):
            self._under_way = {name: deque() for name in self._beside}
            self._began = False
            raise

    def _read(self) -> list[MessageRecord]:
        if not self._began:
            self._left = {name: int(self._client.llen(one)) for name, one in self._beside.items()}
            self._began = True
        records = []
        for name, beside in self._beside.items():
            for data in self._unfinished(name, beside) or self._moved(name, beside):
                token = [False]
                self._under_way[name].append(token)
                value = value_of(data, self._config.value_format)
                records.append(
                    MessageRecord(
                        topic=self._config.topic_of(name), value_schema=value.schema,
                        value=value.value, source_partition={"list": name}, token=token,
                    )
                )  # fmt: skip
        return records

    def _unfinished(self, name: str, beside: str) -> list[bytes]:
        count = min(self._left[name], self._config.batch_size)
        if not count:
            return []
        self.settle()
        start = len(self._under_way[name])
        found: Any = self._client.lrange(beside, start, start + count - 1)
        self._left[name] -= count
        return list(found)

    def _moved(self, name: str, beside: str) -> list[bytes]:
        count = min(int(self._client.llen(name)), self._config.batch_size)
        if not count:
            return []
        with self._client.pipeline(transaction=False) as pipe:
            for _ in range(count):
                pipe.lmove(name, beside, "LEFT", "RIGHT")
            return [one for one in pipe.execute() if one is not None]

    def acknowledge(self, token: Any) -> None:
        """Note it; on any thread."""
        token[0] = True

    def settle(self) -> None:
        """Remove what is acknowledged in a row."""
        with self._lock, self._anew_after_errors():
            for name, under_way in self._under_way.items():
                count = 0
                while count < len(under_way) and under_way[count][0]:
                    count += 1
                if count:
                    self._client.lpop(self._beside[name], count)
                    for _ in range(count):
                        under_way.popleft()


class ChannelReader:
    """Listens to channels. Redis sends nothing twice.

    Args:
        client: The server.
        config: The options.
    """

    def __init__(self, client: Any, config: RedisSourceConfig) -> None:
        self._config = config
        self._pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        if config.redis_channels:
            self._pubsub.subscribe(*config.redis_channels)
        if config.redis_channel_patterns:
            self._pubsub.psubscribe(*config.redis_channel_patterns)

    def read(self, wait_s: float) -> list[MessageRecord]:
        """Return messages, waiting for the first."""
        records = []
        for channel, data in messages(self._pubsub, wait_s, self._config.batch_size):
            value = value_of(data, self._config.value_format)
            records.append(
                MessageRecord(
                    topic=self._config.topic_of(channel), key_schema=STRING_SCHEMA, key=channel,
                    value_schema=value.schema, value=value.value,
                    source_partition={"channel": channel},
                )
            )  # fmt: skip
        return records

    def acknowledge(self, token: Any) -> None:
        """Do nothing: nothing comes again."""

    def settle(self) -> None:
        """Do nothing: nothing comes again."""


def messages(pubsub: Any, wait_s: float, most: int) -> list[tuple[str, bytes]]:
    """Return channels and what was published there."""
    found: list[tuple[str, bytes]] = []
    while len(found) < most:
        had = bool(found)
        message = pubsub.get_message(timeout=0 if had else wait_s)
        if message is None:
            if had or not pubsub.connection or not pubsub.connection.can_read(0):
                break
            continue
        found.append((message["channel"].decode(), message["data"]))
    return found


class KeysReader:
    """Reads keys that change, by notifications; at the start all of them.

    Args:
        client: The server.
        config: The options.
    """

    def __init__(self, client: Any, config: RedisSourceConfig) -> None:
        self._client = client
        self._config = config
        database = client.connection_pool.connection_kwargs.get("db") or 0
        self._prefix = f"__keyspace@{database}__:"
        if config.redis_keys_notify:
            client.config_set("notify-keyspace-events", "KA")
        self._pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.psubscribe(self._prefix + config.redis_keys_pattern)
        self._cursor: int | None = 0 if config.redis_keys_scan else None
        self._began = False

    def read(self, wait_s: float) -> list[MessageRecord]:
        """Return keys with their values; None as the value of one that is gone."""
        if not self._began:  # what changes during the scan must not be missed
            self._pubsub.get_message(timeout=1.0)
            self._began = True
        if self._cursor is not None:
            answer: Any = self._client.scan(
                self._cursor, self._config.redis_keys_pattern, self._config.batch_size
            )
            self._cursor = answer[0] or None
            return self._records([key.decode("utf-8", "replace") for key in answer[1]])
        changed = messages(self._pubsub, wait_s, self._config.batch_size)
        keys = dict.fromkeys(channel.removeprefix(self._prefix) for channel, _ in changed)
        return self._records(list(keys))

    def _records(self, keys: list[str]) -> list[MessageRecord]:
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.type(key)
            types = [one.decode() for one in pipe.execute()] if keys else []
            for key, kind in zip(keys, types, strict=True):
                _READ.get(kind, lambda pipe, key: pipe.exists(key))(pipe, key)
            values = pipe.execute(raise_on_error=False) if keys else []
        records = []
        for key, kind, found in zip(keys, types, values, strict=True):
            if kind == "none" or kind in _READ:
                value = self._value(kind, found)
                records.append(
                    MessageRecord(
                        topic=self._config.topic_of(key), key_schema=STRING_SCHEMA, key=key,
                        value_schema=value.schema, value=value.value,
                        source_partition={"key": key},
                    )
                )  # fmt: skip
        return records

    def _value(self, kind: str, found: Any) -> SchemaAndValue:
        if isinstance(found, Exception) or found is None or kind == "none" or found in ({}, []):
            return SchemaAndValue(None, None)  # gone, or another kind, since: that is told, too
        if kind == "string":
            return value_of(found, self._config.value_format)
        if kind == "hash":
            return SchemaAndValue(None, {_text(name): _text(v) for name, v in found.items()})
        if kind == "zset":
            return SchemaAndValue(None, {_text(member): score for member, score in found})
        texts = [_text(one) for one in found]
        return SchemaAndValue(None, sorted(texts) if kind == "set" else texts)

    def acknowledge(self, token: Any) -> None:
        """Do nothing: nothing comes again."""

    def settle(self) -> None:
        """Do nothing: nothing comes again."""


_READ: dict[str, Any] = {
    "string": lambda pipe, key: pipe.get(key),
    "hash": lambda pipe, key: pipe.hgetall(key),
    "list": lambda pipe, key: pipe.lrange(key, 0, -1),
    "set": lambda pipe, key: pipe.smembers(key),
    "zset": lambda pipe, key: pipe.zrange(key, 0, -1, withscores=True),
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
