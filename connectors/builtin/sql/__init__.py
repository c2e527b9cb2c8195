"""SQL databases through SQLAlchemy: tables into topics, topics into tables."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "SqlSource",
        "source",
        "source:SqlSourceConnector",
        extra="sql",
        needs=("sqlalchemy",),
        also=("io.confluent.connect.jdbc.JdbcSourceConnector",),
    ),
    BuiltIn(
        "SqlSink",
        "sink",
        "sink:SqlSinkConnector",
        extra="sql",
        needs=("sqlalchemy",),
        also=("io.confluent.connect.jdbc.JdbcSinkConnector",),
    ),
)
