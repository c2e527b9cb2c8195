"""`FileStreamSink`: each record a line of a file. Kafka: `FileStreamSinkConnector`.

Beyond Kafka: CSV and JSON lines; files that are rolled at a size.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

from aliran.connectors.api.connector import SinkConnector
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.config.typed import Option, definition_of, instance_of
from aliran.connectors.config.values import at_least
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition


@dataclass(frozen=True, slots=True)
class FileSinkConfig:
    """The options."""

    file: Annotated[
        str | None,
        Option(
            "The file; standard output if there is none.",
            importance=Importance.HIGH,
        ),
    ] = None
    format: Annotated[
        Literal["lines", "csv", "json"],
        Option("What a line is: the value as text, a row of CSV (with a header), or JSON."),
    ] = "lines"
    roll_bytes: Annotated[
        int,
        Option(
            "A file of this size is moved to FILE.1, FILE.2, …; 0 for never.", validator=at_least(0)
        ),
    ] = 0


class FileStreamSinkConnector(SinkConnector):
    """Tasks that append to one file."""

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def task_class(self) -> type[SinkTask]:
        """Return the task."""
        return FileStreamSinkTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be; one where files are rolled or have a header."""
        config = instance_of(FileSinkConfig, self._props)
        alone = config.roll_bytes > 0 or config.format == "csv"
        return [self._props] * (1 if alone else max_tasks)

    def stop(self) -> None:
        """Do nothing: the tasks do the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(FileSinkConfig)

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Say that offsets are Kafka's alone."""
        return True


class FileStreamSinkTask(SinkTask):
    """Writes each batch at once, and has it on disk before offsets are committed."""

    def start(self, props: Mapping[str, str]) -> None:
        """Open the file."""
        self._config = instance_of(FileSinkConfig, props)
        self._columns: list[str] | None = None
        self._file: BinaryIO = sys.stdout.buffer
        if self._config.file is not None:
            self._open(self._config.file)

    def _open(self, path: str) -> None:
        try:
            self._file = open(path, "ab")  # noqa: SIM115  (it stays open)
        except OSError as error:
            raise ConnectError(f"the file {path} cannot be written: {error.strerror}") from error
        if self._config.format == "csv" and self._file.tell():
            with open(path, encoding="utf-8", newline="") as begun:
                self._columns = next(csv.reader(begun), None)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Append a line a record."""
        data = b"".join(self._line(record) for record in records)
        if not data:
            return
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise RetriableError(f"{self._config.file} cannot be written: {error}") from error
        if self._config.roll_bytes and self._file.tell() >= self._config.roll_bytes:
            self._roll()

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Have everything on disk."""
        self._file.flush()
        if self._config.file is not None:
            os.fsync(self._file.fileno())

    def stop(self) -> None:
        """Close the file."""
        if self._config.file is not None and not self._file.closed:
            self._file.close()

    def _roll(self) -> None:
        path = self._config.file
        if path is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        number = 1
        while os.path.exists(f"{path}.{number}"):
            number += 1
        os.replace(path, f"{path}.{number}")
        self._columns = None
        self._open(path)

    def _line(self, record: SinkRecord) -> bytes:
        value = record.value.to_dict() if isinstance(record.value, Struct) else record.value
        if self._config.format == "lines":
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            return f"{text if isinstance(text, str) else _json(text, record)}\n".encode()
        if self._config.format == "json":
            return f"{_json(value, record)}\n".encode()
        return self._row(value, record)

    def _row(self, value: Any, record: SinkRecord) -> bytes:
        if not isinstance(value, Mapping):
            raise DataError(f"{record.place}: a row of CSV needs a value with fields")
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if self._columns is None:
            self._columns = [str(name) for name in value]
            writer.writerow(self._columns)
        if unknown := [name for name in value if name not in self._columns]:
            raise DataError(
                f"{record.place}: the fields {unknown} have no column in {self._config.file}"
            )
        writer.writerow(["" if value.get(one) is None else value[one] for one in self._columns])
        return buffer.getvalue().encode()


def _json(value: Any, record: SinkRecord) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise DataError(f"{record.place}: the value cannot become JSON: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return value.to_dict()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
