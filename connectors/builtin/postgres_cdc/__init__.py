"""PostgreSQL: the changes of tables, by logical replication."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "PostgresCdcSource",
        "source",
        "connector:PostgresCdcSource",
        extra="postgres",
        needs=("psycopg2",),
        also=("io.debezium.connector.postgresql.PostgresConnector",),
    ),
)
