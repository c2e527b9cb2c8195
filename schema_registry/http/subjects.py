"""`/subjects` and `/compatibility`.

Confluent: `SubjectsResource`, `SubjectVersionsResource`, `CompatibilityResource`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from aliran.schema_registry.changes import Changes
from aliran.schema_registry.errors import InvalidSubjectError
from aliran.schema_registry.http.bodies import SchemaBody, TagsBody
from aliran.schema_registry.http.requests import Request, page, parse_version
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.http.schemas import SchemaRoutes
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.subjects import WILDCARD, is_valid, normalize

_VERSION = "/subjects/{subject}/versions/{version}"


class SubjectRoutes:
    """Answers requests about subjects and their versions.

    Args:
        registry: The registry.
        queries: Questions to it.
        changes: Changes to it.
        schemas: Shapes the answers about a version.
    """

    def __init__(
        self, registry: Registry, queries: Queries, changes: Changes, schemas: SchemaRoutes
    ) -> None:
        self._registry = registry
        self._queries = queries
        self._changes = changes
        self._shaped = schemas.shaped

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        yield Route("GET", "/subjects", self._list, Work.THINK)
        yield Route("POST", "/subjects/{subject}", self._look_up, Work.THINK)
        yield Route("GET", "/subjects/{subject}/metadata", self._with_metadata, Work.READ)
        yield Route("GET", "/subjects/{subject}/versions", self._versions, Work.READ)
        yield Route(
            "POST", "/subjects/{subject}/versions", self._register, Work.WRITE, self._registered
        )
        yield Route("GET", _VERSION, self._version, Work.READ)
        yield Route("GET", f"{_VERSION}/schema", self._version_text, Work.READ)
        yield Route("GET", f"{_VERSION}/referencedby", self._referenced_by, Work.READ)
        yield Route("POST", f"{_VERSION}/tags", self._tag, Work.WRITE)
        yield Route("DELETE", "/subjects/{subject}", self._delete, Work.WRITE)
        yield Route("DELETE", _VERSION, self._delete_version, Work.WRITE)
        compatibility = "/compatibility/subjects/{subject}/versions"
        yield Route("POST", compatibility, self._compatible, Work.THINK)
        yield Route("POST", f"{compatibility}/{{version}}", self._compatible, Work.THINK)

    def _list(self, request: Request) -> Any:
        names = self._queries.subjects(
            request.text("subjectPrefix", WILDCARD),
            deleted=request.flag("deleted"),
            deleted_only=_deleted_only(request),
        )
        names = [name for name in names if request.principal.may_read(name)]
        return page(names, request.number("offset", 0), request.number("limit", -1))

    def _versions(self, request: Request, subject: str) -> Any:
        numbers = self._queries.versions(
            normalize(subject),
            deleted=request.flag("deleted"),
            deleted_only=_deleted_only(request),
        )
        return page(numbers, request.number("offset", 0), request.number("limit", -1))

    def _version(self, request: Request, subject: str, version: str) -> Any:
        row = self._queries.version(
            normalize(subject), parse_version(version), deleted=request.flag("deleted")
        )
        return self._shaped(row, request)

    def _version_text(self, request: Request, subject: str, version: str) -> Any:
        return self._version(request, subject, version).schema.encode()

    def _referenced_by(self, request: Request, subject: str, version: str) -> Any:
        ids = self._queries.referenced_by(normalize(subject), parse_version(version))
        return page(ids, request.number("offset", 0), request.number("limit", -1))

    def _with_metadata(self, request: Request, subject: str) -> Any:
        pairs = zip(request.texts("key"), request.texts("value"), strict=False)
        row = self._queries.with_metadata(
            normalize(subject), dict(pairs), deleted=request.flag("deleted")
        )
        return self._shaped(row, request)

    def _look_up(self, request: Request, subject: str) -> Any:
        row = self._registry.lookup.require(
            normalize(subject),
            request.json(SchemaBody).content(),
            normalize=request.flag("normalize"),
            deleted=request.flag("deleted"),
        )
        return self._shaped(row, request)

    def _register(self, request: Request, subject: str) -> Any:
        body = request.json(SchemaBody)
        if not is_valid(subject):
            raise InvalidSubjectError(subject)
        wanted = body.registration(normalize=request.flag("normalize"), force=request.flag("force"))
        row = self._registry.register(normalize(subject), wanted)
        return replace(self._shaped(row, request), subject=None)

    def _registered(self, request: Request, subject: str) -> Any:
        """Return what registering answers where the schema is registered already, else None."""
        body = request.json(SchemaBody)
        wanted = body.registration(normalize=request.flag("normalize"), force=False)
        row = self._registry.find_registered(normalize(subject), wanted)
        return None if row is None else replace(self._shaped(row, request), subject=None)

    def _tag(self, request: Request, subject: str, version: str) -> Any:
        if not is_valid(subject):
            raise InvalidSubjectError(subject)
        body = request.json(TagsBody)
        row = self._queries.version(normalize(subject), parse_version(version))
        latest = self._queries.latest(row.subject)
        done = self._registry.register(normalize(subject), body.registration(row, latest))
        return replace(self._shaped(done, request), subject=None)

    def _delete(self, request: Request, subject: str) -> Any:
        return self._changes.delete_subject(normalize(subject), permanent=request.flag("permanent"))

    def _delete_version(self, request: Request, subject: str, version: str) -> Any:
        return self._changes.delete_version(
            normalize(subject), parse_version(version), permanent=request.flag("permanent")
        )

    def _compatible(self, request: Request, subject: str, version: str | None = None) -> Any:
        return self._queries.compatibility(
            normalize(subject),
            request.json(SchemaBody).content(),
            None if version is None else parse_version(version),
            normalize=request.flag("normalize"),
            verbose=request.flag("verbose"),
        )


def _deleted_only(request: Request) -> bool:
    """Confluent's parameter, and the one that confluent-kafka-python sends."""
    return request.flag("deletedOnly") or request.flag("deleted_only")
