"""`SqlSink`: topics into tables. Kafka: Confluent's `JdbcSinkConnector`, whose options it has."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aliran.connectors.api.connector import SinkConnector
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.builtin.sql.batches import Batch
from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.faults import Fault, fault_of, reason_of
from aliran.connectors.builtin.sql.offsets_table import OffsetsTable
from aliran.connectors.builtin.sql.rows import Row, RowMaker, place_of
from aliran.connectors.builtin.sql.sink_config import SqlSinkConfig
from aliran.connectors.builtin.sql.statements import Statements
from aliran.connectors.builtin.sql.tables import Tables
from aliran.connectors.builtin.sql.writers import writer_of
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConfigError, ConnectError, RetriableError
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

logger: logging.Logger = logging.getLogger("aliran.connectors")


def _statements(database: Database) -> Statements:
    return Statements(database.backend, database.engine.dialect.paramstyle, database.quote)


class SqlSinkConnector(SinkConnector):
    """Tasks that write to one database."""

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        instance_of(SqlSinkConfig, props).checked()
        self._props = dict(props)

    def task_class(self) -> type[SinkTask]:
        """Return the task."""
        return SqlSinkTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be: partitions are dealt out by the group."""
        return [self._props] * max_tasks

    def stop(self) -> None:
        """Do nothing: the tasks do the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(SqlSinkConfig)

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Look at options that do not go together, too."""
        found = super().validate(given)
        if not any(one.errors for one in found.values()):
            for name, text in instance_of(SqlSinkConfig, given).problems().items():
                found[name].errors.append(text)
        return found

    def check(self, given: Mapping[str, str]) -> None:
        """Connect.

        Raises:
            ConnectError: That does not work.
        """
        database = Database(instance_of(SqlSinkConfig, given))
        try:
            database.reachable()
        finally:
            database.close()

    def alter_offsets(
        self, config: Mapping[str, str], offsets: Mapping[TopicPartition, int | None]
    ) -> bool:
        """Set the offsets that are kept in the target as well."""
        options = instance_of(SqlSinkConfig, config)
        if options.aliran_offsets_table:
            database = Database(options)
            try:
                OffsetsTable(
                    database, _statements(database), options.aliran_offsets_table,
                    config.get("name", ""),
                ).alter(offsets)  # fmt: skip
            finally:
                database.close()
        return True


class SqlSinkTask(SinkTask):
    """Writes each batch in a transaction, or in several where one record is bad."""

    def start(self, props: Mapping[str, str]) -> None:
        """Prepare; the database is connected to with the first record."""
        self._config = config = instance_of(SqlSinkConfig, props).checked()
        self._database = Database(config)
        statements = _statements(self._database)
        name = props.get("name", "")
        self._rows = RowMaker(config, name)
        self._tables = Tables(self._database, statements, config)
        self._writer = writer_of(self._database, statements)
        self._offsets: OffsetsTable | None = None
        if config.aliran_offsets_table:
            self._offsets = OffsetsTable(
                self._database, statements, config.aliran_offsets_table, name
            )
        self._tries = 0
        self._done: dict[TopicPartition, int] = {}  # how far a batch came that comes again
        self._rewound: set[TopicPartition] = set()

    def open(self, partitions: Collection[TopicPartition]) -> None:
        """Go back (or on) to where the target is, if it knows."""
        if self._offsets is None or not partitions:
            return
        try:
            self._go_to(partitions)
        except Exception as error:
            # The group must not wait for the database: the first put tries again.
            self._lose()
            logger.warning("offsets of %s cannot be read yet: %s", partitions, reason_of(error))

    def _go_to(self, partitions: Collection[TopicPartition]) -> None:
        assert self._offsets is not None
        self.context.offset(self._offsets.read(set(partitions)))
        self._rewound.update(partitions)

    def close(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions."""
        for one in partitions:
            self._done.pop(one, None)
            self._rewound.discard(one)
        if self._offsets is not None:
            self._offsets.forget(partitions)

    def put(self, records: Sequence[SinkRecord]) -> None:
        """Write records.

        Raises:
            RetriableError: The database is away or busy: the same records come again.
            ConnectError: It refuses a record, and there is nobody to report it to.
        """
        if not records:
            return
        try:
            self._put(records)
        except Exception as error:
            raise self._judged(error) from None
        self._tries = 0
        self._done.clear()

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Do nothing: what was put is committed."""

    def stop(self) -> None:
        """Disconnect."""
        database = getattr(self, "_database", None)
        if database is not None:
            database.close()

    # ------------------------------------------------------------------ one batch

    def _put(self, records: Sequence[SinkRecord]) -> None:
        rows: list[Row] = []
        for record in self._new_ones(records):
            try:
                rows.append(self._row(record))
            except (RetriableError, ConfigError):
                raise
            except (ConnectError, ValueError, TypeError) as error:
                self._write(rows)  # offsets go up in order
                rows = []
                self._report(record, error)
            if len(rows) >= self._config.batch_size:
                self._write(rows)
                rows = []
        self._write(rows)

    def _new_ones(self, records: Sequence[SinkRecord]) -> Sequence[SinkRecord]:
        """Return the records that are not in the target yet."""
        if self._offsets is None and not self._done:
            return records
        found = []
        for record in records:
            partition = _partition(record)
            first = self._done.get(partition)
            if self._offsets is not None:
                if partition not in self._rewound:
                    self._behind(partition, record)
                known = self._offsets.next_of(partition)
                first = known if first is None else max(first, known or 0)
            if first is None or (record.original_kafka_offset or 0) >= first:
                found.append(record)
        return found

    def _behind(self, partition: TopicPartition, record: SinkRecord) -> None:
        """Go to where the target is, if that could not be done when the partition was opened."""
        assert self._offsets is not None
        known = self._offsets.next_of(partition)
        self._rewound.add(partition)
        if known is not None and known < (record.original_kafka_offset or 0):
            self.context.offset({partition: known})
            self._rewound.discard(partition)
            raise RetriableError(f"{partition} is read again from {known}, as the target has it")

    def _row(self, record: SinkRecord) -> Row:
        """Return the row of a record, its values as the driver takes them."""
        row = self._rows.row(record)
        target = row.target = self._tables.target(row.shape)
        if target is not None:
            for number in target.binds:
                value = row.values[number]
                binder = target.binders[number]
                if value is not None and binder is not None:
                    row.values[number] = binder(value)
        return row

    def _write(self, rows: Sequence[Row]) -> None:
        """Write rows in one transaction; if a row is refused, look for it by halves."""
        if not rows:
            return
        ends = _ends(rows)
        try:
            self._transaction(rows, ends)
        except ConnectError:
            raise
        except Exception as error:
            outdated = self._writer.forget()
            if fault_of(error, self._database.engine) is not Fault.DATA:
                raise
            if len(rows) == 1 and outdated:
                self._write(rows)
                return
            if len(rows) == 1:
                self._report(rows[0].record, ConnectError(reason_of(error)))
                return
            middle = len(rows) // 2
            self._write(rows[:middle])
            self._write(rows[middle:])
            return
        if self._offsets is not None:
            self._offsets.written(ends)
        self._done.update(ends)

    def _transaction(self, rows: Sequence[Row], ends: Mapping[TopicPartition, int]) -> None:
        batch = Batch(self._config.insert_mode)
        for row in rows:
            if row.target is not None:
                batch.add(row, row.target)
        self._writer.begin()
        with self._database.connection().begin():
            for mode, target, values in batch.steps():
                self._writer.write(mode, target, values)
            if self._offsets is not None:
                self._offsets.advance(ends)

    def _report(self, record: SinkRecord, error: Exception) -> None:
        """Send a bad record to where bad records go.

        Raises:
            ConnectError: Nobody takes it.
        """
        told = ConnectError(f"{place_of(record)} cannot be written: {reason_of(error)}")
        reporter = self.context.errant_record_reporter
        if reporter is None:
            raise told from None
        done = reporter.report(record, told)
        end = {_partition(record): (record.original_kafka_offset or 0) + 1}
        if self._offsets is not None:
            done.result(30)
            with self._database.connection().begin():
                self._offsets.advance(end)
            self._offsets.written(end)
        self._done.update(end)

    # ------------------------------------------------------------------ errors

    def _lose(self) -> None:
        self._database.rollback()
        self._writer.forget()
        if self._offsets is not None:
            self._offsets.forget()

    def _judged(self, error: Exception) -> Exception:
        """Return what the worker is told, and prepare for the next try."""
        if isinstance(error, ConnectError):
            self._lose()
            if isinstance(error, RetriableError):
                self.context.timeout(self._config.connection_backoff_ms)
            return error
        fault = fault_of(error, self._database.engine)
        told = f"{self._database.name}: {reason_of(error)}"
        self._lose()
        if fault is Fault.LOST:
            self._database.close()
        elif fault is Fault.STALE:
            self._tables.forget()
        if fault in {Fault.DATA, Fault.FORBIDDEN}:
            return ConnectError(told)
        if fault is not Fault.LOST:
            self._tries += 1
            if self._tries > self._config.max_retries:
                return ConnectError(f"{told}; tried {self._tries} times (max.retries)")
        self.context.timeout(self._config.retry_backoff_ms)
        return RetriableError(told)


def _partition(record: SinkRecord) -> TopicPartition:
    return TopicPartition(record.original_topic or "", record.original_kafka_partition or 0)


def _ends(rows: Sequence[Row]) -> dict[TopicPartition, int]:
    """Return the offset behind the last row of each partition."""
    return {_partition(row.record): (row.record.original_kafka_offset or 0) + 1 for row in rows}
