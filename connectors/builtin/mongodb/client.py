"""Clients of MongoDB, and what their errors mean."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from bson import json_util
from pymongo import MongoClient
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.uri_parser import parse_uri

from aliran.connectors.config.values import Password
from aliran.connectors.errors import ConfigError, ConnectError, RetriableError

LOCAL = Password("mongodb://localhost:27017")
"""`connection.uri`, unless another one is given."""

_AWAY = {6, 7, 89, 91, 112, 133, 189, 234, 262, 9001, 10107, 11600, 11602, 13435, 13436}
_HISTORY_LOST = {280, 286}


def client(uri: Password) -> MongoClient[dict[str, Any]]:
    """Return a client, which connects when it is used.

    Raises:
        ConfigError: The URI makes no sense.
    """
    try:
        return MongoClient(
            uri.value, appname="aliran", serverSelectionTimeoutMS=5000, tz_aware=True
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise ConfigError(f"connection.uri makes no sense: {error}") from error


def place(uri: Password) -> str:
    """Return where a server is, without user and password.

    Raises:
        ConfigError: The URI makes no sense.
    """
    try:
        nodes = parse_uri(uri.value, validate=False)["nodelist"]
    except (PyMongoError, ValueError) as error:
        raise ConfigError(f"connection.uri makes no sense: {error}") from error
    return "mongodb://" + ",".join(f"{host}:{port}" for host, port in nodes)


@contextlib.contextmanager
def errors(what: str) -> Iterator[None]:
    """Turn MongoDB's errors into ours.

    Raises:
        RetriableError: The server is away.
        ConnectError: It refuses.
    """
    try:
        yield
    except AutoReconnect as error:  # also when none is found
        raise RetriableError(f"{what}: MongoDB is away: {_short(error)}") from error
    except OperationFailure as error:
        if error.code in _HISTORY_LOST:
            raise ConnectError(
                f"{what}: the oplog no longer has the changes from the stored resume token on "
                f"({_short(error)}). They are lost: reset the connector's offsets "
                "(DELETE /connectors/…/offsets), with startup.mode=copy_existing, and make the "
                "oplog larger"
            ) from error
        if error.code in _AWAY or error.has_error_label("RetryableWriteError"):
            raise RetriableError(f"{what}: {_short(error)}") from error
        hint = ""
        if error.code == 40573:
            hint = ". Change streams need a replica set or a sharded cluster"
        elif error.code in {13, 18}:
            hint = ". See user, password, authSource and roles"
        raise ConnectError(f"{what}: {_short(error)}{hint}") from error
    except PyMongoError as error:
        raise ConnectError(f"{what}: {_short(error)}") from error


def _short(error: Exception) -> str:
    return str(error).partition(", full error")[0].partition(", Timeout:")[0]


def from_json(option: str, text: str) -> Any:
    """Return what an option says in (extended) JSON.

    Raises:
        ConfigError: It is none.
    """
    try:
        return json_util.loads(text)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError.of(option, text, f"it is no JSON: {error}") from error


def canonical(value: Any) -> str:
    """Return a value as JSON from which the same value can be made."""
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


def uncanonical(text: str) -> Any:
    """Return the value that `canonical` was given.

    Raises:
        ValueError: It is no JSON.
    """
    return json_util.loads(text, json_options=json_util.CANONICAL_JSON_OPTIONS)


def simplified(value: Any) -> str:
    """Return a value as plain JSON, as MongoDB's `SimplifiedJson` shows it."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    shown = json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))
    if isinstance(shown, dict) and len(shown) == 1:  # {"$oid": …}, {"$numberDecimal": …}
        inner = next(iter(shown.values()))
        return inner["base64"] if isinstance(inner, dict) and "base64" in inner else inner
    return shown
