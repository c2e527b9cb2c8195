"""The registry as a program: what `aliran registry` runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args

from aliran.core.errors import AliranError, ConfigError
from aliran.schema_registry.config import RegistryConfig
from aliran.schema_registry.http.access import Access
from aliran.schema_registry.models import CompatibilityLevel
from aliran.schema_registry.server import RegistryServer

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def run_server(
    listen: str,
    data_dir: str | os.PathLike[str],
    bootstrap_servers: str | None,
    settings: Mapping[str, str],
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status.

    Prints one line on standard output once clients can connect. What keeps it from starting is
    said in one line on standard error, with status 1.

    Args:
        listen: "HOST:PORT"; port 0 takes a free one.
        data_dir: Where the broker inside keeps its data.
        bootstrap_servers: A Kafka cluster in place of the broker inside.
        settings: Fields of `RegistryConfig` by name; all others are librdkafka's.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        made = read_config(settings)
        if made.kafka and bootstrap_servers is None:
            raise ConfigError(
                f"there is no setting {', '.join(made.kafka)}; those of librdkafka are for a "
                "cluster: give --bootstrap-servers as well"
            )
        with RegistryServer(
            listen=listen,
            data_dir=data_dir,
            bootstrap_servers=bootstrap_servers,
            config=made,
        ) as server:
            where = (
                f"schemas on {bootstrap_servers}"
                if bootstrap_servers is not None
                else f"data in {os.path.abspath(data_dir)}"
            )
            print(f"aliran registry ready: {server.url} ({where})", flush=True)
            while not stopping.wait(3600):
                pass
    except AliranError as error:
        print(f"aliran registry: {error}", file=sys.stderr)
        return 1
    return 0


def read_config(settings: Mapping[str, str]) -> RegistryConfig:
    """Return settings given as text.

    Raises:
        ConfigError: A value cannot be what its name says.
    """
    own = {field.name: field.type for field in fields(RegistryConfig)}
    values: dict[str, Any] = {}
    kafka: dict[str, str] = {}
    for name, text in settings.items():
        if name not in own or name == "kafka":
            kafka[name] = text
        elif name == "access":
            values[name] = Access.load(text)
        elif name == "compatibility":
            values[name] = text.upper()
            if values[name] not in get_args(CompatibilityLevel):
                known = ", ".join(get_args(CompatibilityLevel))
                raise ConfigError(f"there is no compatibility level {text!r}; the levels: {known}")
        else:
            values[name] = _value(name, text, str(own[name]))
    return RegistryConfig(**values, kafka=kafka)


def _value(name: str, text: str, kind: str) -> object:
    if kind == "int":
        if not text.isdigit():
            raise ConfigError(f"{name} must be a whole number, not {text!r}")
        return int(text)
    if kind == "float":
        try:
            return float(text)
        except ValueError:
            raise ConfigError(f"{name} must be a number, not {text!r}") from None
    if kind == "bool":
        if text.lower() not in _TRUE | _FALSE:
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return text.lower() in _TRUE
    return text
