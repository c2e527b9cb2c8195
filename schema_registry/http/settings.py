"""`/config`, `/mode`, `/contexts` and what the server says about itself.

Confluent: `ConfigResource`, `ModeResource`, `ContextsResource`, `ServerMetadataResource`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast, get_args

from aliran.schema_registry import errors
from aliran.schema_registry.changes import Changes
from aliran.schema_registry.http.bodies import ConfigBody, ModeBody
from aliran.schema_registry.http.requests import Request, page
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.models import Mode
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.subjects import DEFAULT_CONTEXT, GLOBAL_CONTEXT, is_valid, join, split
from aliran.schema_registry.subjects import normalize as normalize_subject

_MODES = get_args(Mode)


class SettingRoutes:
    """Answers requests about settings.

    Args:
        queries: Questions to the registry.
        changes: Changes to it.
        cluster_id: Gives the id of the Kafka cluster.
        group_id: The name of the group of registries.
    """

    def __init__(
        self, queries: Queries, changes: Changes, cluster_id: Callable[[], str], group_id: str
    ) -> None:
        self._queries = queries
        self._changes = changes
        self._cluster_id = cluster_id
        self._group_id = group_id

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        for what, get, put, delete in (
            ("config", self._config, self._put_config, self._delete_config),
            ("mode", self._mode, self._put_mode, self._delete_mode),
        ):
            for pattern in (f"/{what}", f"/{what}/{{subject}}"):
                yield Route("GET", pattern, get, Work.READ)
                yield Route("PUT", pattern, put, Work.WRITE)
                yield Route("DELETE", pattern, delete, Work.WRITE)
        yield Route("GET", "/contexts", self._contexts, Work.READ)
        yield Route("DELETE", "/contexts/{context}", self._delete_context, Work.WRITE)
        yield Route("GET", "/", self._root, Work.READ)
        yield Route("POST", "/", self._root, Work.READ)
        yield Route("GET", "/v1/metadata/id", self._identity, Work.READ)
        yield Route("GET", "/v1/metadata/version", self._version, Work.READ)
        yield Route("GET", "/v1/metadata/deployment", self._deployment, Work.READ)

    # ------------------------------------------------------------------ settings

    def _config(self, request: Request, subject: str | None = None) -> Any:
        return self._queries.config(_scope(subject), in_force=request.flag("defaultToGlobal"))

    def _put_config(self, request: Request, subject: str | None = None) -> Any:
        changes = request.json(ConfigBody).changes()
        if subject is not None and not is_valid(subject, for_settings=True):
            raise errors.InvalidSubjectError(subject)
        return ConfigBody.of(self._changes.update_config(_scope(subject), changes))

    def _delete_config(self, _request: Request, subject: str | None = None) -> Any:
        config = self._changes.delete_config(_scope(subject))
        return self._queries.with_level(config)

    # ------------------------------------------------------------------ modes

    def _mode(self, request: Request, subject: str | None = None) -> Any:
        scope = _scope(subject)
        return {"mode": self._queries.mode(scope, in_force=request.flag("defaultToGlobal"))}

    def _put_mode(self, request: Request, subject: str | None = None) -> Any:
        wanted = request.json(ModeBody).mode
        if subject is not None and not is_valid(subject, for_settings=True):
            raise errors.InvalidSubjectError(subject)
        scope = _scope(subject)
        mode = wanted.upper() if isinstance(wanted, str) else wanted
        if mode is not None and mode not in _MODES:
            raise errors.InvalidModeError(
                "Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD."
            )
        if mode == "FORWARD" and (scope is None or split(scope) != (GLOBAL_CONTEXT, "")):
            raise errors.InvalidModeError("Forward mode only supported on global level")
        self._changes.set_mode(scope, cast(Mode | None, mode), force=request.flag("force"))
        return {"mode": wanted}

    def _delete_mode(self, request: Request, subject: str | None = None) -> Any:
        mode = self._changes.delete_mode(_scope(subject), recursive=request.flag("recursive"))
        return {"mode": mode} if mode is not None else {}

    # ------------------------------------------------------------------ contexts and the server

    def _contexts(self, request: Request) -> Any:
        names = self._queries.contexts(request.text("contextPrefix"))
        # The default one is nobody's secret.
        may_see = request.principal.may_see
        names = [name for name in names if name == DEFAULT_CONTEXT or may_see(join(name, ""))]
        return page(names, request.number("offset", 0), request.number("limit", -1))

    def _delete_context(self, _request: Request, context: str) -> Any:
        self._changes.delete_context(normalize_subject(context))

    @staticmethod
    def _root(_request: Request) -> Any:
        return {}

    def _identity(self, _request: Request) -> Any:
        clusters = {
            "kafka-cluster": self._cluster_id(),
            "schema-registry-cluster": self._group_id,
        }
        return {"scope": {"path": [], "clusters": clusters}, "id": ""}

    @staticmethod
    def _version(_request: Request) -> Any:
        return {"version": "8.1.1", "commitId": "aliran"}

    @staticmethod
    def _deployment(_request: Request) -> Any:
        return {}


def _scope(subject: str | None) -> str | None:
    """Return where a setting belongs: None for the default context as a whole."""
    if subject is None or split(subject) == (DEFAULT_CONTEXT, ""):
        return None
    return normalize_subject(subject)
