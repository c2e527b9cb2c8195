"""MySQL and MariaDB: the changes of tables, by the binary log."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = tuple(
    BuiltIn(
        alias,
        "source",
        f"connector:{alias}",
        extra="mysql",
        needs=("pymysql",),
        also=(f"io.debezium.connector.{java}",),
    )
    for alias, java in (
        ("MySqlCdcSource", "mysql.MySqlConnector"),
        ("MariaDbCdcSource", "mariadb.MariaDbConnector"),
    )
)
