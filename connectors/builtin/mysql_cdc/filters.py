"""Which databases and tables are captured. Debezium: `RelationalTableFilters`."""

from __future__ import annotations

from aliran.connectors.builtin.cdc.naming import selector
from aliran.connectors.builtin.mysql_cdc.catalog import SYSTEM
from aliran.connectors.builtin.mysql_cdc.config import MySqlCdcConfig


class Filter:
    """Which tables are captured.

    Args:
        config: The options.

    Raises:
        ConfigError: A pattern is wrong.
    """

    def __init__(self, config: MySqlCdcConfig) -> None:
        self._database = selector(
            "database", config.database_include_list, config.database_exclude_list
        )
        self._table = selector("table", config.table_include_list, config.table_exclude_list)

    def database(self, name: str) -> bool:
        """Whether tables of a database can be captured."""
        return name.lower() not in SYSTEM and self._database(name)

    def table(self, database: str, name: str) -> bool:
        """Whether a table is captured."""
        return self.database(database) and self._table(f"{database}.{name}")
