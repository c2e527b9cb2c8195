"""`/connectors`: what there is and how it is, and everything that changes it.

Kafka: `ConnectorsResource`. Beyond Kafka: `?wait=RUNNING&timeout=30` on `/status` answers when the
connector and its tasks are in that state (408 if they are not in time); `/log?lines=100` answers
the last lines of the log of its process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from aliran.connectors.errors import ConfigError, NotFoundError
from aliran.connectors.rest.app import Answer, Route, body_of
from aliran.connectors.runtime.herder import Herder
from aliran.connectors.runtime.isolation.process import tail
from aliran.connectors.runtime.isolation.processes import log_of
from aliran.connectors.runtime.offset_changes import NOTHING_GIVEN
from aliran.connectors.runtime.status import State
from aliran.core.http import HttpError, HttpRequest

_ONE = "/connectors/{connector}"
_MAX_WAIT_S = 300.0


class NewConnector(msgspec.Struct, forbid_unknown_fields=True):
    """The body that makes a connector. Kafka: `CreateConnectorRequest`."""

    config: dict[str, str | int | float | bool | None] | None = None
    name: str | None = None
    initial_state: str | None = None


class NewOffsets(msgspec.Struct, forbid_unknown_fields=True):
    """The body that sets offsets. Kafka: `ConnectorOffsets`."""

    offsets: list[dict[str, Any]] | None = None


class ConnectorRoutes:
    """Answers requests about connectors.

    Args:
        herder: Knows them.
    """

    def __init__(self, herder: Herder) -> None:
        self._herder = herder

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        yield Route("GET", "/connectors", self._list)
        yield Route("POST", "/connectors", self._create)
        yield Route("GET", _ONE, lambda _, name: Answer(self._herder.info(name)))
        yield Route("DELETE", _ONE, self._delete)
        yield Route("GET", f"{_ONE}/config", lambda _, name: Answer(self._herder.config(name)))
        yield Route("PUT", f"{_ONE}/config", self._put_config)
        yield Route("PATCH", f"{_ONE}/config", self._patch_config)
        yield Route("GET", f"{_ONE}/status", self._status)
        yield Route("GET", f"{_ONE}/tasks", lambda _, name: Answer(self._herder.tasks(name)))
        yield Route("GET", f"{_ONE}/tasks/{{task}}/status", self._task_status)
        yield Route("POST", f"{_ONE}/tasks/{{task}}/restart", self._restart_task)
        yield Route("POST", f"{_ONE}/restart", self._restart)
        yield Route("PUT", f"{_ONE}/pause", self._pause)
        yield Route("PUT", f"{_ONE}/resume", self._resume)
        yield Route("PUT", f"{_ONE}/stop", self._stop)
        yield Route("GET", f"{_ONE}/offsets", self._offsets)
        yield Route("PATCH", f"{_ONE}/offsets", self._alter_offsets)
        yield Route("DELETE", f"{_ONE}/offsets", self._reset_offsets)
        yield Route("GET", f"{_ONE}/log", self._log)
        yield Route("GET", f"{_ONE}/topics", self._topics)
        yield Route("PUT", f"{_ONE}/topics/reset", self._reset_topics)

    # ------------------------------------------------------------------ what there is

    def _list(self, request: HttpRequest) -> Answer:
        wanted = request.texts("expand")
        if not wanted:
            return Answer(self._herder.names())
        found: dict[str, dict[str, Any]] = {}
        for name in self._herder.names():
            row: dict[str, Any] = {}
            try:
                if "status" in wanted:
                    row["status"] = self._herder.status(name)
                if "info" in wanted:
                    row["info"] = self._herder.info(name)
            except NotFoundError:
                continue  # it has gone, or nobody has said yet how it is
            found[name] = row
        return Answer(found)

    def _status(self, request: HttpRequest, name: str) -> Answer:
        wanted = request.text("wait")
        if wanted:
            try:
                state = State(wanted.upper())
                timeout_s = float(request.text("timeout", "30"))
            except ValueError:
                raise HttpError(
                    f"wait must be one of {', '.join(State)}, timeout a number of seconds"
                ) from None
            if not self._herder.wait_until(name, state, min(timeout_s, _MAX_WAIT_S)):
                return Answer(self._herder.status(name), 408)
        return Answer(self._herder.status(name))

    def _task_status(self, _request: HttpRequest, name: str, task: str) -> Answer:
        return Answer(self._herder.task_status(name, _number(task)))

    # ------------------------------------------------------------------ making and changing

    def _create(self, request: HttpRequest) -> Answer:
        body = body_of(request, NewConnector)
        config = _texts(body.config or {})
        name = body.name if body.name is not None else config.get("name") or ""
        _check_name(name, config)
        state = None
        if body.initial_state is not None:
            try:
                state = State(body.initial_state.upper())
            except ValueError:
                state = State.DESTROYED
            if state not in {State.RUNNING, State.PAUSED, State.STOPPED}:
                raise HttpError(
                    f"initial_state must be RUNNING, PAUSED or STOPPED, not {body.initial_state}"
                )
        _, info = self._herder.put(name, config, target=state, replace=False)
        return Answer(info, 201, f"/connectors/{name}")

    def _put_config(self, request: HttpRequest, name: str) -> Answer:
        config = _texts(body_of(request, dict[str, str | int | float | bool | None]))
        _check_name(name, config)
        is_new, info = self._herder.put(name, config, replace=True)
        return Answer(info, 201, f"/connectors/{name}") if is_new else Answer(info)

    def _patch_config(self, request: HttpRequest, name: str) -> Answer:
        changes = _texts(body_of(request, dict[str, str | int | float | bool | None]))
        _check_name(name, changes)
        return Answer(self._herder.patch(name, changes))

    def _delete(self, _request: HttpRequest, name: str) -> Answer:
        self._herder.delete(name)
        return Answer(status=204)

    # ------------------------------------------------------------------ states

    def _restart(self, request: HttpRequest, name: str) -> Answer:
        include, failed = request.flag("includeTasks"), request.flag("onlyFailed")
        plan = self._herder.restart(name, include_tasks=include, only_failed=failed)
        return Answer(plan, 202) if include or failed else Answer(status=204)

    def _restart_task(self, _request: HttpRequest, name: str, task: str) -> Answer:
        self._herder.restart_task(name, _number(task))
        return Answer(status=204)

    def _pause(self, _request: HttpRequest, name: str) -> Answer:
        self._herder.set_target(name, State.PAUSED)
        return Answer(status=202)

    def _resume(self, _request: HttpRequest, name: str) -> Answer:
        self._herder.set_target(name, State.RUNNING)
        return Answer(status=202)

    def _stop(self, _request: HttpRequest, name: str) -> Answer:
        self._herder.set_target(name, State.STOPPED)
        return Answer(status=204)

    # ------------------------------------------------------------------ offsets and topics

    def _offsets(self, _request: HttpRequest, name: str) -> Answer:
        kind = self._herder.info(name)["type"]
        rows = self._herder.offsets.listed(name, kind, self._herder.config(name))
        return Answer({"offsets": rows})

    def _alter_offsets(self, request: HttpRequest, name: str) -> Answer:
        rows = body_of(request, NewOffsets).offsets or []
        if not rows:
            raise ConfigError(NOTHING_GIVEN)
        plugin = self._herder.require_stopped(name)
        config = self._herder.config(name)
        return Answer({"message": self._herder.offsets.alter(name, plugin, config, rows)})

    def _reset_offsets(self, _request: HttpRequest, name: str) -> Answer:
        plugin = self._herder.require_stopped(name)
        config = self._herder.config(name)
        return Answer({"message": self._herder.offsets.reset(name, plugin, config)})

    def _tracked(self, option: str, text: str) -> None:
        if not self._herder.worker.settings[option]:
            raise HttpError(text, 403)

    def _topics(self, _request: HttpRequest, name: str) -> Answer:
        self._tracked("topic.tracking.enable", "Topic tracking is disabled.")
        return Answer({name: {"topics": self._herder.topics(name)}})

    def _log(self, request: HttpRequest, name: str) -> Answer:
        config, worker = self._herder.config(name), self._herder.worker
        if worker.isolated(config) is None:
            raise HttpError(
                f"Connector {name} runs in the worker's own process and logs where that does; "
                "aliran.isolation=process gives it a process and a log",
                404,
            )
        lines = _number(request.text("lines", "100"))
        path = log_of(worker, name, config)
        return Answer({"file": str(path), "lines": tail(path, lines).splitlines()})

    def _reset_topics(self, _request: HttpRequest, name: str) -> Answer:
        self._tracked("topic.tracking.enable", "Topic tracking is disabled.")
        self._tracked("topic.tracking.allow.reset", "Topic tracking reset is disabled.")
        self._herder.reset_topics(name)
        return Answer(status=202)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise HttpError("HTTP 404 Not Found", 404)
    return int(text)


def _texts(config: dict[str, Any]) -> dict[str, str | None]:
    """Return values as texts: numbers and booleans of JSON are taken, too, as by Jackson."""
    return {
        name: value
        if value is None or isinstance(value, str)
        else msgspec.json.encode(value).decode()
        for name, value in config.items()
    }


def _check_name(name: str, config: dict[str, str | None]) -> None:
    inside = config.get("name")
    if inside is not None and inside != name:
        raise ConfigError(
            f"Connector name configuration ({inside}) doesn't match connector name in the URL "
            f"({name})"
        )
