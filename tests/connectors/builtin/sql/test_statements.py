"""URLs of JDBC, and statements for databases that are not at hand: their texts."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import mssql, oracle
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultDialect

from aliran.connectors.builtin.sql.statements import Statements
from aliran.connectors.builtin.sql.urls import url_of
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.logical import TIMESTAMP_SCHEMA, decimal_schema
from aliran.connectors.errors import ConfigError, ConnectError

_ORACLE: Dialect = oracle.dialect()  # type: ignore[no-untyped-call]
_MSSQL: Dialect = mssql.dialect()  # type: ignore[no-untyped-call]
ORACLE = Statements("oracle", "named", _ORACLE.identifier_preparer.quote)
MSSQL = Statements("mssql", "pyformat", _MSSQL.identifier_preparer.quote_identifier)
HANA = Statements("hana", "qmark", DefaultDialect().identifier_preparer.quote)
OTHER = Statements("firebird", "qmark", DefaultDialect().identifier_preparer.quote)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("jdbc:postgresql://db:5433/shop?user=a&password=b&sslmode=require",
         "postgresql+psycopg://a:b@db:5433/shop?sslmode=require"),
        ("jdbc:postgresql://[::1]/shop", "postgresql+psycopg://u:p@[::1]/shop"),
        ("jdbc:mysql://db/shop?useSSL=false", "mysql+pymysql://u:p@db/shop?charset=utf8mb4"),
        ("jdbc:mariadb://db:3307/shop", "mysql+pymysql://u:p@db:3307/shop?charset=utf8mb4"),
        ("jdbc:sqlite:/data/shop.db", "sqlite://u:p@//data/shop.db"),
        ("jdbc:oracle:thin:@//db:1521/shop", "oracle+oracledb://u:p@db:1521?service_name=shop"),
        ("jdbc:oracle:thin:@db:1521:orcl", "oracle+oracledb://u:p@db:1521/orcl"),
        ("jdbc:sqlserver://db:1433;databaseName=shop;encrypt=true",
         "mssql+pymssql://u:p@db:1433/shop"),
        ("jdbc:sap://db:30015", "hana+hdbcli://u:p@db:30015"),
        ("postgresql://db/shop", "postgresql+psycopg://u:p@db/shop"),
        ("mssql+pyodbc://me:s@db/shop", "mssql+pyodbc://me:s@db/shop"),
    ],
)  # fmt: skip
def test_urls_of_jdbc_are_understood(given: str, wanted: str) -> None:
    assert url_of(given, "u", "p").render_as_string(hide_password=False) == wanted


@pytest.mark.parametrize("given", ["jdbc:derby:x", "jdbc:postgresql:x", "x", "jdbc:oracle:thin:x"])
def test_what_is_no_url_is_told_without_its_secrets(given: str) -> None:
    with pytest.raises(ConfigError, match="it is no URL of a database"):
        url_of(given)


def test_upserts_merge_where_there_is_no_shorter_word() -> None:
    assert ORACLE.upsert("orders", ["id"], ["id", "Name"]) == (
        'MERGE INTO orders target USING (SELECT :1 AS id, :2 AS "Name" FROM dual) incoming '
        'ON (target.id = incoming.id) WHEN MATCHED THEN UPDATE SET target."Name" = '
        'incoming."Name" WHEN NOT MATCHED THEN INSERT (id, "Name") '
        'VALUES (incoming.id, incoming."Name")'
    )
    assert MSSQL.upsert("[orders]", ["a", "b"], ["a", "b"]) == (
        "MERGE INTO [orders] WITH (HOLDLOCK) AS target USING (VALUES (%s, %s)) AS incoming "
        "([a], [b]) ON (target.[a] = incoming.[a] AND target.[b] = incoming.[b]) "
        "WHEN NOT MATCHED THEN INSERT ([a], [b]) VALUES (incoming.[a], incoming.[b]);"
    )
    assert HANA.upsert("orders", ["id"], ["id", "name"]) == (
        "UPSERT orders (id, name) VALUES (?, ?) WITH PRIMARY KEY"
    )
    with pytest.raises(ConnectError, match="upsert is not known for firebird"):
        OTHER.upsert("t", ["a"], ["a"])


def test_update_delete_and_tables_in_the_words_of_each() -> None:
    text, number = SchemaBuilder.string().build(), SchemaBuilder.int64().optional().build()
    amount = decimal_schema(2)
    plain = SchemaBuilder.string().default_value("it's").build()

    assert ORACLE.update("t", ["id"], ["id", "a", "b"]) == (
        "UPDATE t SET a = :1, b = :2 WHERE id = :3"
    )
    assert HANA.delete("t", ["a", "b"]) == "DELETE FROM t WHERE a = ? AND b = ?"
    columns = [
        ORACLE.column("id", text, key=True), ORACLE.column("n", number, key=False),
        ORACLE.column("amount", amount, key=False), ORACLE.column("t", TIMESTAMP_SCHEMA, key=False),
    ]  # fmt: skip
    assert ORACLE.create("orders", [str(one) for one in columns], ["id"]) == (
        "CREATE TABLE orders (id VARCHAR2(1000) NOT NULL, n NUMBER(19,0), "
        "amount NUMBER(*,2) NOT NULL, t TIMESTAMP NOT NULL, PRIMARY KEY (id))"
    )
    assert ORACLE.add("t", "a CLOB") == "ALTER TABLE t ADD (a CLOB)"
    assert (
        MSSQL.add("t", str(MSSQL.column("a", number, key=False))) == "ALTER TABLE t ADD [a] BIGINT"
    )
    assert HANA.column("a", amount, key=False) == "a DECIMAL(38,2) NOT NULL"
    assert MSSQL.column("a", plain, key=True) == "[a] NVARCHAR(450) NOT NULL"
    assert Statements("duckdb", "numeric_dollar", str).column("a", plain, key=False) == (
        "a VARCHAR DEFAULT 'it''s' NOT NULL"
    )
