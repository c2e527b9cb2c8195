"""The worker as a program: what `aliran connect run` runs."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aliran.connectors.config.properties import parse_properties
from aliran.connectors.distributed.server import DistributedServer
from aliran.connectors.errors import ConfigError
from aliran.connectors.server import ConnectServer
from aliran.core.errors import AliranError
from aliran.core.garbage import TunedCollector

_DEFAULTS = {"aliran.isolation": "process"} if hasattr(os, "fork") else {}


def run_worker(worker: Path, connectors: Sequence[Path], *, distributed: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; return the exit status.

    Prints one line on standard output once clients can connect. What keeps it from starting, a
    wrong connector included, is said in one line on standard error, with status 1.

    Args:
        worker: Properties of the worker.
        connectors: Files of connectors.
        distributed: Whether the worker is one of several.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        configs = [read_connector(path) for path in connectors]
        props = {**_DEFAULTS, **parse_properties(_text(worker))}
        kind = DistributedServer if distributed else ConnectServer
        with kind(props) as server:
            for name, config in configs:
                # What is away now may be there again soon: the tasks wait for it.
                server.herder.put(name, config, replace=False, check=False)
            print(
                f"aliran connect ready: {server.url} (Kafka at {server.bootstrap_servers})",
                flush=True,
            )
            with TunedCollector():
                stopping.wait()
    except AliranError as error:
        print(f"aliran connect: {error}", file=sys.stderr)
        return 1
    return 0


def read_connector(path: Path) -> tuple[str, dict[str, str | None]]:
    """Return name and configuration of a connector's file.

    JSON files hold `{"name": …, "config": {…}}` or the configuration alone; others are properties.

    Raises:
        ConfigError: The file cannot be read, or says no name.
    """
    text = _text(path)
    config: dict[str, Any]
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{path} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path} must hold an object of options")
        inside = found.get("config")
        config = dict(inside) if isinstance(inside, dict) else found
        if isinstance(inside, dict) and "name" in found:
            config = {**config, "name": found["name"]}
        config = {
            name: value if value is None or isinstance(value, str) else json.dumps(value)
            for name, value in config.items()
        }
    else:
        config = dict(parse_properties(text))
    name = config.get("name")
    if not name:
        raise ConfigError(f"{path} says no name: every connector needs name=…")
    return name, config


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
