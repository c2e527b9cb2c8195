"""`FileStreamSource`: the lines of a file, and those that are added to it.

Kafka: `FileStreamSourceConnector`, whose offsets (`{"filename": …}` → `{"position": …}`) it shares.
Beyond Kafka: CSV and JSON lines; and a file that was rolled (moved away under a name that begins
with its own, and begun anew) or cut off is read from its beginning, the rest of the old one first.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

from aliran.connectors.api.connector import SourceConnector
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.config.typed import Option, definition_of, instance_of
from aliran.connectors.config.values import Type, between, not_empty
from aliran.connectors.data.builder import STRING_SCHEMA
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.records import SourceRecord

_CHUNK = 1 << 20
_MAX_LINE = 64 << 20


@dataclass(frozen=True, slots=True)
class FileSourceConfig:
    """The options."""

    topic: Annotated[
        str,
        Option("Where the lines go.", importance=Importance.HIGH, validator=not_empty),
    ]
    file: Annotated[str, Option("The file.", importance=Importance.HIGH)]
    batch_size: Annotated[
        int,
        Option(
            "The most lines that are read at once.",
            importance=Importance.LOW,
            validator=between(1, 1_000_000),
            type=Type.INT,
        ),
    ] = 2000
    format: Annotated[
        Literal["lines", "csv", "json"],
        Option("What a line is: a text, a row of CSV (with a header), or a JSON value."),
    ] = "lines"
    csv_delimiter: Annotated[str, Option("What parts the fields of a row.")] = ","


class FileStreamSourceConnector(SourceConnector):
    """One file, one task."""

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def task_class(self) -> type[SourceTask]:
        """Return the task."""
        return FileStreamSourceTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return one task: a file is one stream."""
        return [self._props]

    def stop(self) -> None:
        """Do nothing: the task does the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(FileSourceConfig)

    def exactly_once_support(self, config: Mapping[str, str]) -> bool:
        """Say that offsets are exact: they are places in the file."""
        return True

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that positions are numbers."""
        for partition, offset in offsets:
            if set(partition) != {"filename"}:
                raise ConnectError(
                    f"Partition objects should contain the key 'filename': {partition}"
                )
            position = None if offset is None else offset.get("position")
            if offset is not None and (not isinstance(position, int) or position < 0):
                raise ConnectError(f"The 'position' must be a number from 0 on: {offset}")
        return True


class FileStreamSourceTask(SourceTask):
    """Reads the file; a line without its end is left until the end comes."""

    def start(self, props: Mapping[str, str]) -> None:
        """Find out how far earlier runs have come."""
        self._config = instance_of(FileSourceConfig, props)
        self._partition = {"filename": self._config.file}
        stored = self.context.offset_storage_reader.offset(self._partition) or {}
        self._position = int(stored.get("position", 0))
        self._wanted_inode = stored.get("inode")
        self._file: BinaryIO | None = None
        self._buffer = b""
        self._header: list[str] | None = None
        self._stopping = threading.Event()

    def poll(self) -> list[SourceRecord] | None:
        """Return the next lines, waiting a moment if there are none."""
        records: list[SourceRecord] = []
        if self._file is not None or self._open():
            records = self._read()
        if not records:
            self._stopping.wait(0.2)
        return records

    def stop(self) -> None:
        """Let `poll` return."""
        self._stopping.set()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    # ------------------------------------------------------------------ reading

    def _open(self) -> bool:
        try:
            file = open(self._path(), "rb")  # noqa: SIM115  (it stays open)
        except FileNotFoundError:
            return False  # it may come yet, as with Kafka
        except OSError as error:
            raise ConnectError(
                f"the file {self._config.file} cannot be read: {error.strerror}"
            ) from error
        found = os.fstat(file.fileno())
        rolled = self._wanted_inode not in {None, found.st_ino}
        if rolled or self._position > found.st_size:
            self._position = 0  # it is another file, or was cut off
        if self._config.format == "csv" and self._position > 0:
            self._header = self._fields(file.readline())
        file.seek(self._position)
        self._file, self._buffer, self._inode = file, b"", found.st_ino
        self._wanted_inode = found.st_ino
        return True

    def _path(self) -> str:
        """Return the file, or where the one that was being read was moved to, beside it."""
        path = self._config.file
        folder, name = os.path.split(path)
        if self._wanted_inode is None or not self._position:
            return path
        with contextlib.suppress(OSError), os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.startswith(name) and entry.inode() == self._wanted_inode:
                    return entry.path
        return path

    def _read(self) -> list[SourceRecord]:
        assert self._file is not None
        records: list[SourceRecord] = []
        while len(records) < self._config.batch_size:
            end = self._buffer.find(b"\n")
            if end < 0:
                chunk = self._file.read(_CHUNK)
                if not chunk:
                    if not records:
                        self._look_for_roll()
                    break
                self._buffer += chunk
                if len(self._buffer) > _MAX_LINE and b"\n" not in self._buffer:
                    raise DataError(
                        f"{self._config.file}: the line at byte {self._position} is longer than "
                        f"{_MAX_LINE} bytes"
                    )
                continue
            records += self._records_of(self._buffer)
        return records

    def _records_of(self, data: bytes) -> list[SourceRecord]:
        """Take whole lines off the buffer, as many as a batch holds."""
        *lines, self._buffer = data.split(b"\n", self._config.batch_size)
        if self._config.format == "lines":
            return self._texts(lines)
        records = []
        for line in lines:
            at = self._position
            self._position += len(line) + 1
            record = self._record(line.removesuffix(b"\r"), at)
            if record is not None:
                records.append(record)
        return records

    def _texts(self, lines: list[bytes]) -> list[SourceRecord]:
        """Return a record a line; nothing here is done that could be done once."""
        topic, partition, inode = self._config.topic, self._partition, self._inode
        position, records = self._position, []
        for line in lines:
            position += len(line) + 1
            records.append(
                SourceRecord(
                    topic=topic,
                    value_schema=STRING_SCHEMA,
                    value=line.removesuffix(b"\r").decode("utf-8", "replace"),
                    source_partition=partition,
                    source_offset={"position": position, "inode": inode},
                )
            )
        self._position = position
        return records

    def _record(self, line: bytes, at: int) -> SourceRecord | None:
        config = self._config
        value: Any
        if config.format == "csv":
            if self._header is None:
                self._header = self._fields(line)
                return None
            fields = self._fields(line)
            value = dict(zip(self._header, fields, strict=False))
            if len(fields) != len(self._header):
                raise DataError(
                    f"{config.file}: the row at byte {at} has {len(fields)} fields, the header "
                    f"{len(self._header)}"
                )
        else:
            if not line.strip():
                return None
            try:
                value = json.loads(line)
            except ValueError as error:
                raise DataError(f"{config.file}: no JSON at byte {at}: {error}") from error
        return SourceRecord(
            source_partition=self._partition,
            source_offset={"position": self._position, "inode": self._inode},
            topic=config.topic,
            value=value,
        )

    def _fields(self, line: bytes) -> list[str]:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        return next(csv.reader([text], delimiter=self._config.csv_delimiter), [])

    def _look_for_roll(self) -> None:
        """Go over to the new file if the old one, read to its end, lies elsewhere now."""
        assert self._file is not None
        try:
            now = os.stat(self._config.file)
        except OSError:
            return  # moved away, the new one is not there yet
        if now.st_ino != self._inode or now.st_size < self._position:
            self._file.close()
            self._file, self._header = None, None
            self._position, self._wanted_inode = 0, now.st_ino
