"""`/`, `/health`, `/connector-plugins` and `/admin/loggers`.

Kafka: `RootResource`, `ConnectorPluginsResource`, `LoggingResource`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.errors import ConfigError
from aliran.connectors.rest.app import Answer, Route, body_of
from aliran.connectors.runtime.definitions import SINK, SOURCE
from aliran.connectors.runtime.herder import Herder
from aliran.connectors.runtime.loggers import LEVELS, known_loggers, level_of, set_level
from aliran.core.http import HttpError, HttpRequest

_VERSION = "4.3.0"
_PLUGIN = "/connector-plugins/{plugin}/config"


class NewLevel(msgspec.Struct):
    """The body that sets a logger's level."""

    level: str | None = None


class PluginRoutes:
    """Answers requests about the worker.

    Args:
        herder: Knows plugins.
        cluster_id: Gives the id of the Kafka cluster.
    """

    def __init__(self, herder: Herder, cluster_id: Callable[[], str]) -> None:
        self._herder = herder
        self._plugins = herder.worker.plugins
        self._cluster_id = cluster_id

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        yield Route("GET", "/", self._root)
        yield Route("GET", "/health", self._health)
        yield Route("GET", "/connector-plugins", self._list)
        yield Route("GET", _PLUGIN, self._config)
        yield Route("PUT", f"{_PLUGIN}/validate", self._validate)
        yield Route("GET", "/admin/loggers", self._loggers)
        yield Route("GET", "/admin/loggers/{logger}", self._logger)
        yield Route("PUT", "/admin/loggers/{logger}", self._set_level)

    def _root(self, _request: HttpRequest) -> Answer:
        return Answer(
            {"version": _VERSION, "commit": "aliran", "kafka_cluster_id": self._cluster_id()}
        )

    @staticmethod
    def _health(_request: HttpRequest) -> Answer:
        message = "Worker has completed startup and is ready to handle requests."
        return Answer({"status": "healthy", "message": message})

    # ------------------------------------------------------------------ plugins

    def _list(self, request: HttpRequest) -> Answer:
        only = request.text("connectorsOnly", "true").lower() != "false"
        return Answer([one.description() for one in self._plugins.all(connectors_only=only)])

    def _config(self, _request: HttpRequest, name: str) -> Answer:
        plugin = self._plugins.find(name)
        if plugin is None:
            raise HttpError(f"Unknown plugin {name}.", 404)
        own: ConfigDef = plugin.make().config()
        keys = dict(own.keys)
        if plugin.kind in {"source", "sink"}:
            common = SOURCE if plugin.kind == "source" else SINK
            keys |= common.keys
        return Answer([key.description() for key in keys.values() if not key.internal])

    def _validate(self, request: HttpRequest, name: str) -> Answer:
        given = body_of(request, dict[str, str | int | float | bool | None])
        config = {
            key: value if value is None or isinstance(value, str) else str(value).lower()
            for key, value in given.items()
        }
        plugin = self._plugins.find(name)
        wanted = config.get("connector.class") or name
        if plugin is None and wanted == name:
            raise HttpError(f"Unknown plugin {name}.", 404)
        if self._plugins.connector(wanted) != plugin:
            raise ConfigError(
                f"Included connector type {wanted} does not match request type {name}"
            )
        findings = self._herder.validate({**config, "connector.class": wanted})
        return Answer(findings.answer())

    # ------------------------------------------------------------------ loggers

    @staticmethod
    def _row(name: str, logger: logging.Logger) -> dict[str, Any]:
        level, modified = level_of(name, logger)
        return {"level": level, "last_modified": modified}

    def _loggers(self, _request: HttpRequest) -> Answer:
        return Answer({name: self._row(name, one) for name, one in known_loggers().items()})

    def _logger(self, _request: HttpRequest, name: str) -> Answer:
        logger = known_loggers().get(name)
        if logger is None:
            raise HttpError(f"Logger {name} not found.", 404)
        return Answer(self._row(name, logger))

    def _set_level(self, request: HttpRequest, name: str) -> Answer:
        level = (body_of(request, NewLevel).level or "").upper()
        if not level:
            raise ConfigError("Desired 'level' parameter was not specified in request.")
        if level not in LEVELS:
            raise HttpError(f"invalid log level '{level}'.", 404)
        if request.text("scope") == "cluster":
            self._herder.set_cluster_level(name, level)
            return Answer(status=204)
        return Answer(set_level(name, level))
