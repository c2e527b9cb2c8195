"""The tables of the sink: what they look like, made and widened where that is allowed."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from aliran.connectors.builtin.sql.binding import Binder, Binding
from aliran.connectors.builtin.sql.connection import Database
from aliran.connectors.builtin.sql.faults import Fault, fault_of, reason_of
from aliran.connectors.builtin.sql.rows import UNKNOWN, Shape, TableName
from aliran.connectors.builtin.sql.sink_config import SqlSinkConfig
from aliran.connectors.builtin.sql.statements import Statements
from aliran.connectors.builtin.sql.types import Column
from aliran.connectors.errors import ConnectError

logger: logging.Logger = logging.getLogger("aliran.connectors")


@dataclass(frozen=True, slots=True)
class Target:
    """Records of one shape and the columns they go to.

    Attributes:
        table: The table, as it stands in statements.
        columns: The columns, in the order of the shape's.
        keys: Those of the primary key.
        binders: What each value goes through; None for nothing.
        binds: Whether any value goes through anything.
    """

    table: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    binders: tuple[Binder | None, ...]
    binds: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(one.name for one in self.columns)


class Tables:
    """Knows, makes and widens tables.

    Args:
        database: Where they are.
        statements: Its words.
        config: The options.
    """

    def __init__(self, database: Database, statements: Statements, config: SqlSinkConfig) -> None:
        self._database = database
        self._statements = statements
        self._config = config
        shifts = config.date_timezone_mode == "db_timezone"
        self._binding = Binding(database.backend, database.zone, shifts_dates=shifts)
        self._columns: dict[TableName, dict[str, Column]] = {}
        self._targets: dict[Shape, Target] = {}

    def forget(self) -> None:
        """Look at all tables anew: something has changed."""
        self._columns.clear()
        self._targets.clear()

    def target(self, shape: Shape) -> Target | None:
        """Return where records of a shape go; makes and widens the table where that is allowed.

        Returns:
            None if rows are to be deleted from a table that is still to be made.

        Raises:
            ConnectError: The table is missing, lacks a column, or a column cannot hold a field.
        """
        found = self._targets.get(shape)
        if found is None:
            if len(self._targets) > 1000:
                self._targets.clear()
            found = self._find(shape.table, shape)
            if found is not None:
                self._targets[shape] = found
        return found

    def _find(self, table: TableName, shape: Shape) -> Target | None:
        columns = self._columns.get(table) or self._read(table)
        if not columns and shape.deletes and self._config.auto_create:
            return None  # the key alone does not say what the table is to be
        if not columns:
            self._create(table, shape)
            columns = self._read(table)
        if self._missing(columns, shape):
            columns = self._read(table)  # somebody may have added them
            if missing := self._missing(columns, shape):
                self._widen(table, shape, missing)
                columns = self._read(table)
        matched = tuple(self._match(columns, name) for name in shape.columns)
        targets = tuple(one for one in matched if one is not None)
        if len(targets) < len(shape.columns):
            raise ConnectError(f"the columns of the table {table} do not stay as they were made")
        binders = tuple(
            self._binding.binder(schema, column, str(table))
            for schema, column in zip(shape.schemas, targets, strict=True)
        )
        return Target(
            self._database.quoted_table(table.schema, table.name),
            targets,
            tuple(one.name for one in targets[: shape.key_count]),
            binders,
            tuple(number for number, one in enumerate(binders) if one is not None),
        )

    def _read(self, table: TableName) -> dict[str, Column]:
        found = self._database.columns(table.schema, table.name)
        self._columns[table] = columns = {one.name: one for one in found}
        return columns

    @staticmethod
    def _match(columns: dict[str, Column], name: str) -> Column | None:
        if name in columns:
            return columns[name]
        lowered = name.lower()
        return next((one for key, one in columns.items() if key.lower() == lowered), None)

    def _missing(self, columns: dict[str, Column], shape: Shape) -> list[int]:
        return [
            number
            for number, name in enumerate(shape.columns)
            if self._match(columns, name) is None
        ]

    def _definition(self, table: TableName, shape: Shape, number: int) -> str:
        schema, name = shape.schemas[number], shape.columns[number]
        if schema is UNKNOWN:
            logger.info("%s.%s is made a column of texts: its first value is null", table, name)
        is_key = number < shape.key_count
        text = self._statements.column(name, schema, key=is_key)
        if text is None:
            raise ConnectError(
                f"{self._database.backend} has no type for the field {name} of type {schema.type}, "
                f"so the table {table} cannot get a column for it"
            )
        return text

    def _create(self, table: TableName, shape: Shape) -> None:
        if not self._config.auto_create:
            raise ConnectError(
                f"the table {table} is missing in {self._database.name}; make it, or set "
                "auto.create=true"
            )
        columns = [self._definition(table, shape, one) for one in range(len(shape.columns))]
        quoted = self._database.quoted_table(table.schema, table.name)
        self._change(table, self._statements.create(quoted, columns, shape.keys))

    def _widen(self, table: TableName, shape: Shape, missing: list[int]) -> None:
        names = ", ".join(shape.columns[one] for one in missing)
        if not self._config.auto_evolve:
            raise ConnectError(
                f"the table {table} has no column for the fields {names}; add them, set "
                "auto.evolve=true, or leave the fields out with fields.whitelist"
            )
        for one in missing:
            schema = shape.schemas[one]
            if not schema.is_optional and schema.default_value is None:
                raise ConnectError(
                    f"the table {table} cannot get a column for the field {shape.columns[one]}: "
                    "the field is neither optional nor has a default, and old rows have no value"
                )
        quoted = self._database.quoted_table(table.schema, table.name)
        for one in missing:
            self._change(table, self._statements.add(quoted, self._definition(table, shape, one)))

    def _change(self, table: TableName, statement: str) -> None:
        connection = self._database.connection()
        plain = statement
        if "format" in self._database.engine.dialect.paramstyle:
            plain = statement.replace("%%", "%")  # there are no parameters
        try:
            with connection.begin():
                cursor = connection.connection.cursor()
                cursor.execute(plain)
                cursor.close()
            logger.info("%s", plain)
        except Exception as error:
            if fault_of(error, self._database.engine) in {Fault.LOST, Fault.BUSY}:
                raise
            before = self._columns.get(table, {})
            if len(self._read(table)) > len(before):
                return  # another task was quicker
            raise ConnectError(
                f"the table {table} could not be changed: {reason_of(error)}: {plain}"
            ) from None
