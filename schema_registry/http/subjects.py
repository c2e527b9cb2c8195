"""`/subjects` and `/compatibility`.

Confluent: `SubjectsResource`, `SubjectVersionsResource`, `CompatibilityResource`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from aliran.schema_registry.changes import Changes
from aliran.schema_registry.errors import InvalidSubjectError, SubjectNotFoundError
from aliran.schema_registry.http.bodies import SchemaBody, TagsBody
from aliran.schema_registry.http.requests import Request, page, parse_version
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.http.schemas import SchemaRoutes
from aliran.schema_registry.models import Registered
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.subjects import WILDCARD, is_valid, normalize, resolve

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
            as_negative=request.flag("deletedAsNegative"),
        )
        return page(numbers, request.number("offset", 0), request.number("limit", -1))

    def _version(self, request: Request, subject: str, version: str) -> Any:
        row = self._found(request, subject, version, deleted=request.flag("deleted"))
        return self._shaped(row, request)

    def _found(
        self, request: Request, subject: str, version: str, *, deleted: bool = False
    ) -> Registered:
        row = self._queries.version(normalize(subject), parse_version(version), deleted=deleted)
        return _seen(row, request, subject)

    def _version_text(self, request: Request, subject: str, version: str) -> Any:
        return self._version(request, subject, version).schema.encode()

    def _referenced_by(self, request: Request, subject: str, version: str) -> Any:
        row = self._found(request, subject, version, deleted=True)
        ids = self._queries.referenced_by(row.subject, row.version)
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
            _body(request, subject).content(),
            normalize=request.flag("normalize"),
            deleted=request.flag("deleted"),
        )
        return self._shaped(_seen(row, request, subject), request)

    def _register(self, request: Request, subject: str) -> Any:
        body = _body(request, subject)
        if not is_valid(subject):
            raise InvalidSubjectError(subject)
        wanted = body.registration(normalize=request.flag("normalize"), force=request.flag("force"))
        row = self._registry.register(normalize(subject), wanted)
        return replace(self._shaped(row, request), subject=None)

    def _registered(self, request: Request, subject: str) -> Any:
        """Return what registering answers where the schema is registered already, else None."""
        body = _body(request, subject)
        wanted = body.registration(normalize=request.flag("normalize"), force=False)
        row = self._registry.find_registered(normalize(subject), wanted)
        return None if row is None else replace(self._shaped(row, request), subject=None)

    def _tag(self, request: Request, subject: str, version: str) -> Any:
        if not is_valid(subject):
            raise InvalidSubjectError(subject)
        body = request.json(TagsBody)
        row = self._found(request, subject, version)
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
            _body(request, subject).content(),
            None if version is None else parse_version(version),
            normalize=request.flag("normalize"),
            verbose=request.flag("verbose"),
        )


def _seen(row: Registered, request: Request, subject: str) -> Registered:
    """Return what was found under a subject, maybe in another context, if it may be read.

    Raises:
        SubjectNotFoundError: It may not, and is not spoken of.
    """
    if not request.principal.may_read(row.subject):
        raise SubjectNotFoundError(normalize(subject))
    return row


def _body(request: Request, subject: str) -> SchemaBody:
    """Return the schema that was sent, which refers to nothing that its sender may not read.

    Raises:
        ForbiddenError: It does: it could be read in what is built from it, or its errors.
    """
    body = request.json(SchemaBody)
    for one in body.references or ():
        if one.subject is not None:
            request.principal.check(resolve(one.subject, normalize(subject)), writes=False)
    return body


def _deleted_only(request: Request) -> bool:
    """Confluent's parameter, and the one that confluent-kafka-python sends."""
    return request.flag("deletedOnly") or request.flag("deleted_only")
