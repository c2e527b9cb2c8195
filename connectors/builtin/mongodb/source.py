"""`MongoDbSource`: change streams → topics. MongoDB: `MongoSourceConnector`.

An offset is the resume token behind a change. While documents are copied it is the token from
before the copy, and how far the copy has come, so that a copy that is interrupted goes on.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import bson
from bson import json_util
from bson.timestamp import Timestamp
from msgspec.structs import replace

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.mongodb.client import (
    canonical,
    client,
    errors,
    from_json,
    place,
    simplified,
    uncanonical,
)
from aliran.connectors.builtin.mongodb.source_config import MongoDbSourceConfig
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.builder import BYTES_SCHEMA, STRING_SCHEMA
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.records import SourceRecord

_LEFT_OUT = {"admin", "local", "config"}


class MongoDbSourceTask(SourceTask):
    """Copies what is there, then follows a change stream."""

    def start(self, props: Mapping[str, str]) -> None:
        """Look up how far an earlier run has come; `poll` connects."""
        config = self._config = instance_of(MongoDbSourceConfig, props)
        self._stopping = threading.Event()
        self._place = place(config.connection_uri)
        watched = ".".join(one for one in (config.database, config.collection) if one)
        name = config.offset_partition_name or f"{self._place}/{watched}"
        self._partition = {"ns": name}
        self._client = client(config.connection_uri)
        self._key = _writer(config.output_format_key, config.output_json_formatter)
        self._value = _writer(config.output_format_value, config.output_json_formatter)
        offset = self.context.offset_storage_reader.offset(self._partition)
        self._token: Any = None
        self._copy: list[Any] | None = None  # collections that are left, the last _id of the first
        self._fresh = offset is None
        if offset is not None:
            self._token = uncanonical(offset["_id"]) if offset.get("_id") else None
            self._copy = uncanonical(offset["copy"]) if offset.get("copy") else None
        self._stream: Any = None
        self._told: Any = self._token
        self._next_heartbeat = time.monotonic() + config.heartbeat_interval_ms / 1000

    # ------------------------------------------------------------------ poll

    def poll(self) -> list[SourceRecord] | None:
        """Return documents of the copy, or changes."""
        out: list[SourceRecord] = []
        try:
            with errors(f"watching {self._partition['ns']}"):
                if self._stream is None:
                    self._open()
                if self._copy is not None:
                    self._copy_some(out)
                else:
                    self._changes(out)
        except Exception:
            self._close_stream()
            raise
        self._heartbeat(out)
        return out

    def _open(self) -> None:
        config = self._config
        mode = config.change_stream_full_document
        if config.publish_full_document_only and not mode:
            mode = "updateLookup"
        options: dict[str, Any] = {"max_await_time_ms": min(config.poll_await_time_ms, 1000)}
        if mode not in {"", "default"}:
            options["full_document"] = mode
        if config.change_stream_full_document_before_change not in {"", "default"}:
            options["full_document_before_change"] = (
                config.change_stream_full_document_before_change
            )
        if config.change_stream_show_expanded_events:
            options["show_expanded_events"] = True
        if config.batch_size:
            options["batch_size"] = config.batch_size
        start = config.startup_mode_timestamp_start_at_operation_time
        if self._token is not None:
            options["start_after"] = self._token
        elif config.startup_mode == "timestamp" and start is not None:
            options["start_at_operation_time"] = Timestamp(start, 0)
        self._stream = self._watched().watch(from_json("pipeline", config.pipeline), **options)
        if self._fresh:
            self._fresh = False
            if config.startup_mode == "copy_existing":
                self._stream.try_next()  # a token from before the copy
                self._token = self._stream.resume_token
                self._copy = [self._to_copy(), None]
                self._close_stream()
                self._open()

    def _watched(self) -> Any:
        config = self._config
        if not config.database:
            return self._client
        database = self._client[config.database]
        return database[config.collection] if config.collection else database

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    # ------------------------------------------------------------------ copying

    def _to_copy(self) -> list[list[str]]:
        """Return databases and collections to copy."""
        config = self._config
        databases = [config.database]
        if not config.database:
            databases = sorted(set(self._client.list_database_names()) - _LEFT_OUT)
        found = []
        for database in databases:
            names = [config.collection]
            if not config.collection:
                kinds = {"type": "collection"}
                names = sorted(self._client[database].list_collection_names(filter=kinds))
            found += [[database, one] for one in names if not one.startswith("system.")]
        pattern = config.startup_mode_copy_existing_namespace_regex
        return [one for one in found if not pattern or re.search(pattern, ".".join(one))]

    def _copy_some(self, out: list[SourceRecord]) -> None:
        config = self._config
        assert self._copy is not None
        collections, last = self._copy
        if not collections:
            self._copy = None
            return
        database, name = collections[0]
        size = config.poll_max_batch_size
        wanted = from_json(
            "startup.mode.copy.existing.pipeline", config.startup_mode_copy_existing_pipeline
        )
        cursor = self._client[database][name].find(wanted).hint([("_id", 1)]).sort("_id", 1)
        if last is not None:  # by the index, so that it goes on across types
            cursor = cursor.min([("_id", last["_id"])])
        documents = list(cursor.limit(size + 1))
        if last is not None and documents and documents[0]["_id"] == last["_id"]:
            documents = documents[1:]
        documents = documents[:size]
        for document in documents:
            key = {"_id": document["_id"]}
            change = {
                "_id": {**key, "copyingData": True}, "operationType": "insert",
                "ns": {"db": database, "coll": name}, "documentKey": key,
                "fullDocument": document,
            }  # fmt: skip
            self._copy = [collections, key]
            out.extend(self._records(change))
        if len(documents) < size:
            rest = collections[1:]
            self._copy = [rest, None] if rest else None
            if out:
                out[-1] = _moved(out[-1], self._offset())

    # ------------------------------------------------------------------ changes

    def _changes(self, out: list[SourceRecord]) -> None:
        stream = self._stream
        until = time.monotonic() + self._config.poll_await_time_ms / 1000
        while len(out) < self._config.poll_max_batch_size and not self._stopping.is_set():
            change = stream.try_next()
            if change is None:
                token = stream.resume_token
                self._token = token if token is not None else self._token
                if not stream.alive:  # what was watched is gone: it may come again
                    self._close_stream()
                    return
                if out or time.monotonic() >= until:
                    return
                continue
            self._token = change["_id"]
            out.extend(self._records(change))

    def _offset(self) -> dict[str, Any]:
        offset = {"_id": canonical(self._token)}
        if self._copy is not None:
            offset["copy"] = canonical(self._copy)
        return offset

    def _records(self, change: Mapping[str, Any]) -> list[SourceRecord]:
        config = self._config
        key = {"_id": change["_id"]}
        if config.change_stream_document_key_as_key and "documentKey" in change:
            key = change["documentKey"]
        value: Any = change
        if config.publish_full_document_only:
            value = change.get("fullDocument")
            tombstone = config.publish_full_document_only_tombstone_on_delete
            if value is None and not (tombstone and change["operationType"] == "delete"):
                return []
        names = change.get("ns", {})
        parts = (config.topic_prefix, names.get("db", ""), names.get("coll", ""),
                 config.topic_suffix)  # fmt: skip
        key_schema, key_value = self._key(key)
        value_schema, shown = (None, None) if value is None else self._value(value)
        return [
            SourceRecord(
                topic=config.topic_separator.join(one for one in parts if one),
                key_schema=key_schema,
                key=key_value,
                value_schema=value_schema,
                value=shown,
                source_partition=self._partition,
                source_offset=self._offset(),
            )
        ]

    def _heartbeat(self, out: list[SourceRecord]) -> None:
        now, config = time.monotonic(), self._config
        if out:
            self._told = self._token
            self._next_heartbeat = now + config.heartbeat_interval_ms / 1000
        elif (
            config.heartbeat_interval_ms and now >= self._next_heartbeat
            and self._token is not None and self._copy is None and self._token != self._told
        ):  # fmt: skip
            self._told = self._token
            self._next_heartbeat = now + config.heartbeat_interval_ms / 1000
            out.append(
                SourceRecord(
                    topic=config.heartbeat_topic_name,
                    key_schema=STRING_SCHEMA,
                    key=canonical(self._partition),
                    source_partition=self._partition,
                    source_offset=self._offset(),
                )
            )

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()

    def close(self) -> None:
        """Disconnect."""
        self._close_stream()
        self._client.close()


def _moved(record: SourceRecord, offset: Mapping[str, Any]) -> SourceRecord:
    return replace(record, source_offset=offset)


def _writer(kind: str, formatter: str) -> Callable[[Any], tuple[Any, Any]]:
    if kind == "bson":
        return lambda value: (BYTES_SCHEMA, bson.encode(value))
    name = formatter.rpartition(".")[2]
    if name == "SimplifiedJson":
        return lambda value: (STRING_SCHEMA, simplified(value))
    way = json_util.RELAXED_JSON_OPTIONS
    if name == "DefaultJson":
        way = json_util.LEGACY_JSON_OPTIONS
    return lambda value: (STRING_SCHEMA, json_util.dumps(value, json_options=way))


class MongoDbSource(MessageSource):
    """One task: a change stream is one."""

    settings = MongoDbSourceConfig
    task: ClassVar[type[Any]] = MongoDbSourceTask

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Check also options that need each other, and the pattern."""
        values = super().validate(given)
        if any(one.errors for one in values.values()):
            return values
        config = instance_of(MongoDbSourceConfig, given)
        if config.collection and not config.database:
            values["collection"].errors.append("Invalid value: a collection needs database")
        pattern = "startup.mode.copy.existing.namespace.regex"
        try:
            re.compile(config.startup_mode_copy_existing_namespace_regex)
        except re.error as error:
            values[pattern].errors.append(f"it is no regular expression: {error}")
        return values

    def try_out(self, config: MongoDbSourceConfig) -> None:
        """Log in."""
        told = f"connecting to {place(config.connection_uri)}"
        with client(config.connection_uri) as made, errors(told):
            made.admin.command("ping")

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that offsets have a token."""
        for partition, offset in offsets:
            if set(partition) != {"ns"}:
                raise ConnectError(f'the source partition must be {{"ns": …}}: {dict(partition)}')
            try:
                if offset is not None:
                    for name in ("_id", "copy"):
                        if offset.get(name):
                            uncanonical(offset[name])
            except (ValueError, TypeError, KeyError) as error:
                raise ConnectError(f"the offset {dict(offset or {})} is none: {error}") from error
        return True
