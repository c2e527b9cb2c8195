"""`MySqlCdcSource` and `MariaDbCdcSource`: the changes of a server's tables, and the rows before.

Debezium: `MySqlConnector`, `MariaDbConnector`, whose options, topics, records and offsets these
have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from aliran.connectors.api.connector import SourceConnector
from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.cdc.columns import ColumnRules
from aliran.connectors.builtin.cdc.naming import message_keys, pattern_of, selector
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig
from aliran.connectors.builtin.mysql_cdc.position import Position
from aliran.connectors.builtin.mysql_cdc.preparation import check_server
from aliran.connectors.builtin.mysql_cdc.server import Server
from aliran.connectors.builtin.mysql_cdc.snapshot import Progress
from aliran.connectors.builtin.mysql_cdc.task import MariaDbCdcTask, MySqlCdcTask
from aliran.connectors.config.definition import ConfigDef, ConfigValue
from aliran.connectors.config.typed import definition_of, instance_of
from aliran.connectors.errors import ConfigError, ConnectError


class MySqlCdcSource(SourceConnector):
    """One server, one task.

    Attributes:
        task: The class of its task.
    """

    task: ClassVar[type[MySqlCdcTask]] = MySqlCdcTask

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._given = dict(props)

    def task_class(self) -> type[SourceTask]:
        """Return the task."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return one task: the log is one stream."""
        return [self._given][:max_tasks]

    def stop(self) -> None:
        """Do nothing."""

    def config(self) -> ConfigDef:
        """Return the options."""
        return definition_of(MySqlCdcConfig)

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Check also patterns, and options that exclude each other."""
        values = super().validate(given)
        if any(one.errors for one in values.values()):
            return values
        config = instance_of(MySqlCdcConfig, given)
        some = "snapshot.include.collection.list"
        checks: list[tuple[str, Any]] = [
            (f"{kind}.exclude.list", lambda kind=kind: selector(
                kind, *(getattr(config, f"{kind}_{way}_list") for way in ("include", "exclude"))
            ))
            for kind in ("database", "table", "column")
        ]  # fmt: skip
        checks += [
            ("message.key.columns", lambda: message_keys(config.message_key_columns)),
            (some, lambda: pattern_of(some, config.snapshot_include_collection_list)),
            ("column.mask.hash.*.with.salt.*", lambda: ColumnRules(given, (), ())),
        ]
        for option, check in checks:
            try:
                check()
            except ConfigError as error:
                values[option].errors.append(str(error))
        return values

    def check(self, given: Mapping[str, str]) -> None:
        """Log in, and look whether changes could be read."""
        server = Server(instance_of(MySqlCdcConfig, given))
        try:
            check_server(server, self.task.connector)
        finally:
            server.close()

    def alter_offsets(
        self,
        config: Mapping[str, str],
        offsets: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]],
    ) -> bool:
        """Check that offsets have a position."""
        wanted = {"server": config.get("topic.prefix")}
        for partition, offset in offsets:
            if dict(partition) != wanted:
                raise ConnectError(f"the source partition must be {wanted}: {dict(partition)}")
            try:
                if offset is not None:
                    Progress.of(Position.of(offset).progress)
            except (ValueError, TypeError) as error:
                raise ConnectError(
                    f"the offset {dict(offset or {})} will not do: {error}"
                ) from error
        return True


class MariaDbCdcSource(MySqlCdcSource):
    """One MariaDB, one task."""

    task: ClassVar[type[MySqlCdcTask]] = MariaDbCdcTask
