"""`PostgresCdcSource`: the changes of a PostgreSQL database, and the rows that were there before.

Debezium: `PostgresConnector`, whose options, topics, records and offsets it has. One slot is one
stream, so one task does the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aliran.connectors.api.connector import SourceConnector
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.naming import message_keys, pattern_of, selector
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.position import Position
from aliran.connectors.builtin.postgres_cdc.preparation import Preparation
from aliran.connectors.builtin.postgres_cdc.server import Server
from aliran.connectors.builtin.postgres_cdc.snapshot import Progress
from aliran.connectors.builtin.postgres_cdc.task import PostgresCdcTask
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConfigError, ConnectError


class PostgresCdcSource(SourceConnector):
    """One database, one slot, one task."""

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def task_class(self) -> type[SourceTask]:
        """Return the task."""
        return PostgresCdcTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return one task: a slot is read by one."""
        del max_tasks
        return [self._props]

    def stop(self) -> None:
        """Do nothing: the task does the work."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(PostgresCdcConfig)

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Check also patterns, and options that exclude each other."""
        values = super().validate(given)
        if any(value.errors for value in values.values()):
            return values
        config = instance_of(PostgresCdcConfig, given)

        def checked(option: str, *call: Any) -> None:
            try:
                call[0](*call[1:])
            except ConfigError as error:
                values[option].errors.append(str(error))

        for name in ("schema", "table", "column"):
            include = getattr(config, f"{name}_include_list")
            exclude = getattr(config, f"{name}_exclude_list")
            checked(f"{name}.exclude.list", selector, name, include, exclude)
        checked("message.key.columns", message_keys, config.message_key_columns)
        tables = config.snapshot_include_collection_list
        name = "snapshot.include.collection.list"
        checked(name, pattern_of, name, tables)
        if not values["column.exclude.list"].errors:
            checked("column.mask.hash.*.with.salt.*", ColumnRules, given, (), ())
        return values

    def check(self, given: Mapping[str, str]) -> None:
        """Log in, and look whether changes could be read."""
        config = instance_of(PostgresCdcConfig, given)
        server = Server(config)
        try:
            Preparation(config, server, Catalog(server.query)).check_server()
        finally:
            server.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that offsets have a position."""
        prefix = config.get("topic.prefix")
        for partition, offset in offsets:
            if set(partition) != {"server"} or partition["server"] != prefix:
                raise ConnectError(
                    f'the source partition must be {{"server": "{prefix}"}}, as topic.prefix says: '
                    f"{dict(partition)}"
                )
            if offset is None:
                continue
            try:
                Progress.of(Position.of(offset).progress)
            except (ValueError, TypeError) as error:
                raise ConnectError(f"the offset {dict(offset)} will not do: {error}") from error
        return True
