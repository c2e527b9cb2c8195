"""`/schemas`: contents by id and GUID. Confluent: `SchemasResource`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from aliran.schema_registry.answers import SchemaAnswer, answer
from aliran.schema_registry.associations import TOPIC, Associations
from aliran.schema_registry.errors import BadRequestError
from aliran.schema_registry.formats.table import SCHEMA_TYPES
from aliran.schema_registry.http.access import ForbiddenError
from aliran.schema_registry.http.requests import Request, page, parse_int
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.models import Association, Registered, SubjectVersion
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.subjects import DEFAULT_CONTEXT, WILDCARD, context_of, resolve

_MAX_SCHEMAS = 1_000


class SchemaRoutes:
    """Answers requests about contents.

    Args:
        registry: The registry.
        queries: Questions to it.
        associations: Which subjects belong to which topics.
    """

    def __init__(self, registry: Registry, queries: Queries, associations: Associations) -> None:
        self._registry = registry
        self._queries = queries
        self._associations = associations

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        for pattern, handler, work in (
            ("/schemas", self._list, Work.THINK),
            ("/schemas/types", self._types, Work.READ),
            ("/schemas/ids/{id}", self._by_id, Work.READ),
            ("/schemas/ids/{id}/schema", self._text_by_id, Work.READ),
            ("/schemas/ids/{id}/subjects", self._subjects, Work.READ),
            ("/schemas/ids/{id}/versions", self._versions, Work.READ),
            ("/schemas/guids/{guid}", self._by_guid, Work.READ),
            ("/schemas/guids/{guid}/ids", self._ids, Work.READ),
        ):
            yield Route("GET", pattern, handler, work)

    def shaped(self, row: Registered, request: Request) -> SchemaAnswer:
        """Return the answer about a version, in the form that the request asks for."""
        form = request.text("format").strip()
        text = None
        if form:
            text = self._registry.parser.parse(row.content, row.subject).schema.formatted(form)
        shaped = answer(row, text)
        if request.text("referenceFormat") == "qualified" and (
            context_of(row.subject) != DEFAULT_CONTEXT
        ):
            references = tuple(
                replace(one, subject=resolve(one.subject, row.subject)) for one in shaped.references
            )
            shaped = replace(shaped, references=references)
        if wanted := request.texts("findTags"):
            found = self._registry.parser.tags(row.content, row.subject)
            tags = [one for one in found if "*" in wanted or not set(wanted).isdisjoint(one.tags)]
            shaped = replace(shaped, schema_tags=tags or None)
        return shaped

    @staticmethod
    def _types(_request: Request) -> Any:
        return SCHEMA_TYPES

    def _list(self, request: Request) -> Any:
        aliases: dict[str, list[str]] = {}
        prefix, rule_type = request.text("subjectPrefix"), request.text("ruleType")
        deleted, latest_only = request.flag("deleted"), request.flag("latestOnly")
        if request.flag("aliases"):
            rows, aliases = self._queries.aliased(
                prefix, deleted=deleted, latest_only=latest_only, rule_type=rule_type
            )
        else:
            rows = self._queries.schemas(
                prefix, deleted=deleted, latest_only=latest_only, rule_type=rule_type
            )
        may_read = request.principal.may_read
        rows = [row for row in rows if may_read(row.subject)]
        associated = self._associated(request)
        if associated is not None:
            rows = [row for row in rows if row.subject in associated]
        offset, limit = request.number("offset", 0), request.number("limit", -1)
        return [
            replace(
                answer(row),
                aliases=[*filter(may_read, aliases.get(row.subject, ()))] or None,
                associations=(associated or {}).get(row.subject) or None,
            )
            for row in page(rows, offset, limit, _MAX_SCHEMAS)
        ]

    def _associated(self, request: Request) -> Mapping[str, list[Association]] | None:
        """Return by subject the associations that are asked for; None where none are.

        Raises:
            BadRequestError: There is no such lifecycle.
        """
        lifecycles = {text.upper() for text in request.texts("lifecycle")}
        if not lifecycles <= {"STRONG", "WEAK", "NONE"}:
            raise BadRequestError("HTTP 404 Not Found", 404)
        kind, types = request.text("resourceType"), request.texts("associationType")
        if not kind and not types and not lifecycles:
            return None
        known = self._associations.by_subject(types) if kind in {"", TOPIC} else {}
        found: dict[str, list[Association]] = {}
        for subject, ones in known.items():
            wanted = [one for one in ones if not lifecycles or one.lifecycle in lifecycles]
            if wanted:
                found[subject] = wanted
        if "NONE" in lifecycles:
            for subject in self._queries.subjects(WILDCARD, deleted=True, deleted_only=False):
                if subject not in known:
                    found[subject] = []
        return found

    def _find(self, schema_id: str, request: Request) -> Registered:
        row = self._queries.require_id(parse_int(schema_id), request.text("subject") or None)
        return self._readable([row, *self._queries.holders(row)], request, f"id {schema_id}")

    @staticmethod
    def _readable(rows: list[Registered], request: Request, what: str) -> Registered:
        """Return the first place of a content that may be read; the others are not named.

        Raises:
            ForbiddenError: There is none.
        """
        for row in rows:
            if request.principal.may_read(row.subject):
                return row
        raise ForbiddenError(
            f"User '{request.principal.name}' is not allowed to read the schema of {what}"
        )

    def _by_id(self, request: Request, schema_id: str) -> Any:
        row = self._find(schema_id, request)
        shaped = replace(self.shaped(row, request), id=None)
        if not request.text("subject"):
            shaped = replace(shaped, subject=None, version=None)
        if request.flag("fetchMaxId"):
            shaped = replace(shaped, max_id=self._queries.max_id(row))
        return shaped

    def _text_by_id(self, request: Request, schema_id: str) -> Any:
        return self.shaped(self._find(schema_id, request), request).schema.encode()

    def _places(self, request: Request, schema_id: str) -> list[SubjectVersion]:
        places = self._queries.versions_of_id(
            parse_int(schema_id), request.text("subject") or None, deleted=request.flag("deleted")
        )
        return [place for place in places if request.principal.may_read(place.subject)]

    def _subjects(self, request: Request, schema_id: str) -> Any:
        places = self._places(request, schema_id)
        names = list(dict.fromkeys(place.subject for place in places))
        return page(names, request.number("offset", 0), request.number("limit", -1))

    def _versions(self, request: Request, schema_id: str) -> Any:
        places = self._places(request, schema_id)
        return page(places, request.number("offset", 0), request.number("limit", -1))

    def _by_guid(self, request: Request, guid: str) -> Any:
        row = self._readable(self._queries.holders_of_guid(guid), request, f"GUID {guid}")
        return replace(self.shaped(row, request), id=None, subject=None, version=None)

    def _ids(self, request: Request, guid: str) -> Any:
        found = self._queries.find_guid(guid)
        if not found:
            return found
        may_read = request.principal.may_read
        seen = {
            context_of(row.subject)
            for row in self._queries.holders_of_guid(guid)
            if may_read(row.subject)
        }
        return [one for one in found if one.context in seen]
