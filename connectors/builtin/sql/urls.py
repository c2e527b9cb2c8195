"""`connection.url`: SQLAlchemy's URLs as they are, JDBC's translated."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from aliran.connectors.config.values import invalid

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "oracle": "oracle+oracledb",
    "sqlserver": "mssql+pymssql",
    "sap": "hana+hdbcli",
}
_PLAIN = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
_PLAIN |= {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "oracle": "oracle+oracledb"}
_LOCATION = re.compile(
    r"//(?:(?P<user>[^@/?:]+)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<host>\[[^\]]+\]|[^:/?;]*)(?::(?P<port>\d+))?(?:/(?P<database>[^?;]*))?(?P<rest>.*)",
    re.DOTALL,
)
_ORACLE = re.compile(
    r"oracle:thin:(?:[^@]*)@(?://)?(?P<host>[^:/]+)(?::(?P<port>\d+))?"
    r"(?:/(?P<service>[^?]+)|:(?P<sid>[^?]+))(?:\?.*)?"
)


def url_of(text: str, user: str | None = None, password: str | None = None) -> URL:
    """Return the URL of a database, for SQLAlchemy.

    Args:
        text: `postgresql+psycopg://host/db` or `jdbc:postgresql://host/db`.
        user: The user, unless the URL names one.
        password: The password, unless the URL has one.

    Raises:
        ConfigError: It is neither.
    """
    name = "connection.url"
    try:
        url = _jdbc(text[5:]) if text.lower().startswith("jdbc:") else make_url(text)
    except (ArgumentError, ValueError) as error:
        reason = str(error).replace(text, "it")  # it may hold a password
        raise invalid(name, "[hidden]", f"it is no URL of a database: {reason}") from None
    if url.drivername in _PLAIN:
        url = url.set(drivername=_PLAIN[url.drivername])
    if url.get_backend_name() == "mysql" and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url.set(username=url.username or user, password=url.password or password)


def _jdbc(text: str) -> URL:
    kind, _, rest = text.partition(":")
    kind = kind.lower()
    if kind not in _DRIVERS:
        known = ", ".join(f"jdbc:{one}:" for one in _DRIVERS)
        raise ValueError(f"jdbc:{kind}: is not known, but {known}")
    if kind in {"sqlite", "duckdb"}:
        return URL.create(kind, database=rest.partition("?")[0] or ":memory:")
    if kind == "oracle":
        return _oracle(text)
    if kind == "sap":
        rest = rest.removeprefix("//")
        rest = f"//{rest}"
    found = _LOCATION.fullmatch(rest)
    if found is None or not found["host"]:
        raise ValueError(f"expected jdbc:{kind}://HOST:PORT/DATABASE")
    options = dict(
        pair.split("=", 1) for pair in found["rest"].lstrip(";").split(";") if "=" in pair
    )
    given = dict(parse_qsl(found["rest"].partition("?")[2]))
    lowered = {key.lower(): value for key, value in (given | options).items()}
    query: dict[str, Any] = {"sslmode": given["sslmode"]} if "sslmode" in given else {}
    return URL.create(
        _DRIVERS[kind],
        username=found["user"] or lowered.get("user") or lowered.get("username"),
        password=found["password"] or lowered.get("password"),
        host=found["host"].strip("[]"),
        port=int(found["port"]) if found["port"] else None,
        database=found["database"] or lowered.get("databasename") or lowered.get("database"),
        query=query if kind == "postgresql" else {},
    )


def _oracle(text: str) -> URL:
    found = _ORACLE.fullmatch(text)
    if found is None:
        raise ValueError("expected jdbc:oracle:thin:@//HOST:PORT/SERVICE or @HOST:PORT:SID")
    service = {"service_name": found["service"]} if found["service"] else {}
    port = int(found["port"]) if found["port"] else None
    return URL.create(
        _DRIVERS["oracle"], host=found["host"], port=port, database=found["sid"], query=service
    )
