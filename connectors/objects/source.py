"""`ObjectSourceTask`, `ObjectSource`: what sources of files are made of.

Each file is read once, and never while it changes. A record's offset says how many records of its
file have been read, so that a new task goes on inside of it.
"""

from __future__ import annotations

import fnmatch
import logging
import threading
import time
import zlib
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.schema import NULL, SchemaAndValue
from aliran.connectors.errors import DataError, RetriableError
from aliran.connectors.formats.base import Format
from aliran.connectors.formats.table import format_named
from aliran.connectors.messaging.connector import MessageSource
from aliran.connectors.objects.source_config import ObjectSourceConfig, need_topic
from aliran.connectors.objects.source_plan import Item, Plan
from aliran.connectors.objects.store import ObjectInfo, SourceStore
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")

NUMBER, COUNT = "task.number", "task.count"


class _Row(NamedTuple):
    """A record of a file."""

    value: SchemaAndValue
    key: SchemaAndValue
    headers: Sequence[Mapping[str, Any]]


class _Reading:
    """A file that is being read, one record ahead, so that the last one is known as such.

    What can be read of a damaged file comes before its error does.
    """

    def __init__(self, item: Item, rows: Iterator[_Row], skip: int) -> None:
        self.item = item
        self._rows = rows
        self._number = sum(1 for _ in islice(rows, skip))
        self._ahead: _Row | None = None
        self._error: DataError | None = None
        self._advance()

    def _advance(self) -> None:
        try:
            self._ahead = next(self._rows, None)
        except DataError as error:
            self._ahead, self._error = None, error

    @property
    def at_end(self) -> bool:
        """Whether all has been read, and could be."""
        return self._ahead is None and self._error is None

    def take(self, count: int) -> list[SourceRecord]:
        """Return the next records with their offsets."""
        if self._ahead is None and self._error is not None:
            raise self._error
        taken: list[SourceRecord] = []
        while self._ahead is not None and len(taken) < count:
            row = self._ahead
            self._advance()
            self._number += 1
            taken.append(self._record(row, done=self.at_end))
        return taken

    def _record(self, row: _Row, *, done: bool) -> SourceRecord:
        item = self.item
        headers = ConnectHeaders()
        for one in row.headers:
            headers.add(one["key"], one["value"])
        return SourceRecord(
            source_partition=item.partition,
            source_offset={**item.base, "record": self._number, "done": done},
            topic=item.topic,
            kafka_partition=item.kafka_partition,
            key_schema=row.key.schema,
            key=row.key.value,
            value_schema=row.value.schema,
            value=row.value.value,
            headers=headers,
        )


class ObjectSourceTask(SourceTask):
    """Reads files. Children say which store, and what to make of its files."""

    settings: ClassVar[type[ObjectSourceConfig]]

    @classmethod
    @abstractmethod
    def store_of(cls, config: Any) -> SourceStore:
        """Return the store that options name."""

    @classmethod
    @abstractmethod
    def plan_of(cls, config: Any) -> Plan:
        """Return what is to be made of files."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare the store."""
        self._config = instance_of(self.settings, props)
        self._share = int(props.get(NUMBER, 0)), int(props.get(COUNT, 1))
        self._store = self.store_of(self._config)
        self._plan = self.plan_of(self._config)
        self._format = self._config.format()
        self._beside = format_named("json")
        self._stopping = threading.Event()
        self._next_look = 0.0
        self._queue: deque[Item] = deque()
        self._item: Item | None = None
        self._reading: _Reading | None = None
        self._taken: set[str] = set()
        self._waiting: dict[str, int] = {}  # records of a file that are not acknowledged
        self._whole: set[str] = set()  # files that were read to their end
        self._lock = threading.Lock()

    def poll(self) -> list[SourceRecord] | None:
        """Return the next records of a file, or wait a moment for new files."""
        self._put_away()
        try:
            records = self._read()
        except DataError as error:
            self._reading = None
            if self._config.behavior_on_error == "fail" or self._item is None:
                raise
            logger.error("%s; its rest is passed over", error)
            self._taken.add(self._item.info.name)
            return None
        if not records:
            self._stopping.wait(min(0.2, self._config.poll_interval_ms / 1000))
        return records

    def _read(self) -> list[SourceRecord]:
        while self._reading is None:
            item = self._item = self._next_item()
            if item is None:
                return []
            self._reading = self._open(item)
        reading = self._reading
        records = reading.take(self._config.record_batch_max_size)
        with self._lock:
            if self._config.puts_away:
                name = reading.item.info.name
                self._waiting[name] = self._waiting.get(name, 0) + len(records)
        if reading.at_end:
            self._reading = None
            self._ended(reading.item)
        return records

    def _ended(self, item: Item) -> None:
        self._taken.add(item.info.name)
        if self._config.puts_away:
            with self._lock:
                self._whole.add(item.info.name)

    # ------------------------------------------------------------------ finding files

    def _next_item(self) -> Item | None:
        if not self._queue and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._config.poll_interval_ms / 1000
            self._queue.extend(self._plan.items(self._candidates()))
        while self._queue and not self._stopping.is_set():
            item = self._queue.popleft()
            if self._mine(item):
                return item
        return None

    def _candidates(self) -> Iterator[ObjectInfo]:
        settled = time.time() * 1000 - self._config.file_settled_ms
        pattern = self._config.file_pattern
        for info in self._store.files():
            if info.name in self._taken or not fnmatch.fnmatchcase(info.name, pattern):
                continue
            if not info.size:
                continue  # a mark for a folder, or somebody is about to write it
            if not self._config.file_settled_ms or info.modified_ms <= settled:
                yield info

    def _mine(self, item: Item) -> bool:
        number, count = self._share
        key = ",".join(f"{name}={value}" for name, value in sorted(item.partition.items()))
        return zlib.crc32(key.encode()) % count == number

    def _open(self, item: Item) -> _Reading | None:
        stored = self.context.offset_storage_reader.offset(item.partition)
        position = self._plan.position(item, stored)
        if position is None:
            self._ended(item)  # by an earlier run, which may not have come to put it away
            return None
        try:
            return _Reading(item, self._records(item), position)
        except FileNotFoundError as error:
            logger.warning("%s cannot be opened, is passed over: %s", item.info.name, error)
            return None
        except RetriableError:
            self._queue.appendleft(item)
            raise

    # ------------------------------------------------------------------ reading one

    def _records(self, item: Item) -> Iterator[_Row]:
        number = 0
        with ExitStack() as files:
            rows = self._format.read(files.enter_context(self._store.open(item.info.name)))
            keys = self._besides(item.keys, self.key_format(), files)
            headers = self._besides(item.headers, self._beside, files)
            try:
                for value in rows:
                    number += 1
                    yield _Row(value, next(keys, NULL), next(headers, NULL).value or ())
            except DataError as error:
                raise DataError(
                    f"the file {item.info.name} cannot be read behind record {number}: {error}"
                ) from error

    def _besides(self, name: str, kind: Format, files: ExitStack) -> Iterator[SchemaAndValue]:
        """Return what stands in the file of keys or headers, nothing where there is none."""
        if not name:
            return iter(())
        try:
            return kind.read(files.enter_context(self._store.open(name)))
        except FileNotFoundError:
            return iter(())

    def key_format(self) -> Format:
        """Return the format of files of keys."""
        return self._beside

    # ------------------------------------------------------------------ what was read

    def commit_record(self, record: SourceRecord, offset: int | None) -> None:
        """Note that a record of a file is acknowledged."""
        if not self._config.puts_away:
            return
        name = str((record.source_partition or {}).get("file", ""))
        with self._lock:
            if name in self._waiting:
                self._waiting[name] -= 1

    def _put_away(self) -> None:
        """Delete or move files whose records are all acknowledged."""
        with self._lock:
            done = [one for one in self._whole if not self._waiting.get(one)]
        for name in done:
            if self._config.after_read_action == "delete":
                self._store.delete(name)
            else:
                self._store.move(name, self._config.after_read_folder)
            with self._lock:
                self._whole.discard(name)
                self._waiting.pop(name, None)
            self._taken.discard(name)

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()

    def close(self) -> None:
        """Close the store."""
        self._reading = None
        if hasattr(self, "_store"):
            self._store.close()


class ObjectSource(MessageSource):
    """Tasks that read files, each its share of them."""

    task: ClassVar[type[ObjectSourceTask]]

    def deal(self, config: Any, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be."""
        return [{NUMBER: str(number), COUNT: str(max_tasks)} for number in range(max_tasks)]

    def try_out(self, config: Any) -> None:
        """Try whether files can be found, and the format's packages are there."""
        config.format()
        store = self.task.store_of(config)
        try:
            store.check()
        finally:
            store.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check offsets."""
        plan = self.task.plan_of(instance_of(self.settings, config))
        for partition, offset in offsets:
            plan.check(partition, offset)
        return True


class EachFileSource(ObjectSource):
    """A source of any files, whose records go to one topic."""

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option; the topic must be named."""
        found = super().validate(given)
        need_topic(found)
        return found
