"""`/associations`: which subjects belong to which topics. Confluent: `AssociationsResource`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aliran.schema_registry.answers import SchemaAnswer, answer
from aliran.schema_registry.associations import TOPIC, Associations, Resource, Wanted
from aliran.schema_registry.errors import InvalidAssociationError
from aliran.schema_registry.http.bodies import SchemaBody
from aliran.schema_registry.http.requests import Request, page
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.models import Association, Lifecycle, Model
from aliran.schema_registry.subjects import is_valid, normalize

_MAX_ASSOCIATIONS = 1_000


class InfoBody(Model, frozen=True):
    """One association as sent. Confluent: `AssociationCreateOrUpdateInfo`."""

    subject: str | None = None
    association_type: str | None = None
    lifecycle: Lifecycle | None = None
    frozen: bool | None = None
    schema: SchemaBody | None = None
    normalize: bool | None = None

    def wanted(self) -> Wanted:
        """Return what is asked for.

        Raises:
            RegistryError: A property is not valid.
        """
        kind = self.association_type or "value"
        if kind not in {"key", "value"}:
            raise InvalidAssociationError("associationType", "must be either 'key' or 'value'")
        if self.subject is not None and (not self.subject or not is_valid(self.subject)):
            raise InvalidAssociationError("subject", "is not a valid subject")
        schema = None
        if self.schema is not None:
            schema = self.schema.registration(normalize=self.normalize is True, force=False)
        return Wanted(
            subject=self.subject,
            association_type=kind,
            lifecycle=self.lifecycle,
            frozen=self.frozen,
            schema=schema,
        )


class AssociationBody(Model, frozen=True):
    """A resource and its associations as sent. Confluent: `AssociationCreateOrUpdateRequest`."""

    resource_name: str | None = None
    resource_namespace: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    associations: list[InfoBody] | None = None

    def resource(self) -> Resource:
        """Return the resource.

        Raises:
            InvalidAssociationError: A property is missing, or its type is no topic.
        """
        for name, value in (
            ("resourceName", self.resource_name),
            ("resourceNamespace", self.resource_namespace),
            ("resourceId", self.resource_id),
        ):
            if not value:
                raise InvalidAssociationError(name, "cannot be null or empty")
        if self.resource_type not in {None, "", TOPIC}:
            raise InvalidAssociationError("resourceType", f"must be '{TOPIC}'")
        return Resource(
            name=self.resource_name or "",
            namespace=self.resource_namespace or "",
            id=self.resource_id or "",
            kind=TOPIC,
        )

    def wanted(self) -> list[Wanted]:
        """Return the associations.

        Raises:
            RegistryError: There are none, a type comes twice, or a property is not valid.
        """
        found = [one.wanted() for one in self.associations or ()]
        if not found:
            raise InvalidAssociationError("associations", "cannot be null or empty")
        types = [one.association_type for one in found]
        for kind in types:
            if types.count(kind) > 1:
                raise InvalidAssociationError(
                    "associationType",
                    f"may only appear once per request, but '{kind}' appears more than once",
                )
        return found


class InfoAnswer(Model, frozen=True, kw_only=True):
    """One association, with the schema that was registered for it. Confluent: `AssociationInfo`."""

    subject: str
    association_type: str
    lifecycle: Lifecycle
    frozen: bool
    schema: SchemaAnswer | None = None


class AssociationAnswer(Model, frozen=True, kw_only=True):
    """A resource and what has changed of it. Confluent: `AssociationResponse`."""

    resource_name: str | None
    resource_namespace: str | None
    resource_id: str | None
    resource_type: str
    associations: list[InfoAnswer]


def info_of(association: Association, schema: SchemaAnswer | None) -> InfoAnswer:
    """Return how an association is shown as one of a resource."""
    return InfoAnswer(
        subject=association.subject,
        association_type=association.association_type,
        lifecycle=association.lifecycle,
        frozen=association.frozen,
        schema=schema,
    )


class AssociationRoutes:
    """Answers requests about associations.

    Args:
        associations: The associations.
    """

    def __init__(self, associations: Associations) -> None:
        self._associations = associations

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        by_id = "/associations/resources/{id}"
        yield Route("GET", "/associations/subjects/{subject}", self._of_subject, Work.READ)
        yield Route("GET", f"{by_id}/{{name}}", self._of_resource, Work.READ)
        yield Route("GET", by_id, self._of_resource_id, Work.READ)
        yield Route("POST", "/associations", self._create, Work.WRITE)
        yield Route("PUT", by_id, self._put, Work.WRITE)
        yield Route("DELETE", by_id, self._delete, Work.WRITE)

    def _of_subject(self, request: Request, subject: str) -> Any:
        found = self._associations.of_subject(normalize(subject), *_filters(request))
        return _page(request, found)

    def _of_resource(self, request: Request, namespace: str, name: str) -> Any:
        found = self._associations.of_resource(name, namespace, *_filters(request))
        return _page(request, found)

    def _of_resource_id(self, request: Request, resource_id: str) -> Any:
        found = self._associations.of_resource_id(resource_id, *_filters(request))
        return _page(request, found)

    def _create(self, request: Request) -> Any:
        return self._change(request, request.json(AssociationBody), creates=True)

    def _put(self, request: Request, resource_id: str) -> Any:
        body = request.json(AssociationBody)
        if body.resource_id not in {None, resource_id}:
            raise InvalidAssociationError(
                "resourceId", "Resource ID in the path parameter does not match that of the body"
            )
        return self._change(request, body, creates=False, resource_id=resource_id)

    def _change(
        self,
        request: Request,
        body: AssociationBody,
        *,
        creates: bool,
        resource_id: str | None = None,
    ) -> Any:
        if resource_id is not None:
            body = AssociationBody(
                resource_name=body.resource_name,
                resource_namespace=body.resource_namespace,
                resource_id=resource_id,
                resource_type=body.resource_type,
                associations=body.associations,
            )
        resource = body.resource()
        done = self._associations.put(
            resource,
            body.wanted(),
            creates=creates,
            context=normalize(request.text("context")),
            dry_run=request.flag("dryRun"),
        )
        infos = [info_of(one, None if row is None else answer(row)) for one, row in done]
        return AssociationAnswer(
            resource_name=resource.name,
            resource_namespace=resource.namespace,
            resource_id=resource.id,
            resource_type=resource.kind,
            associations=infos,
        )

    def _delete(self, request: Request, resource_id: str) -> Any:
        self._associations.delete(
            resource_id,
            request.texts("associationType"),
            cascade=request.flag("cascadeLifecycle"),
            dry_run=request.flag("dryRun"),
        )


def _filters(request: Request) -> tuple[list[str], str | None]:
    return request.texts("associationType"), request.text("lifecycle").upper() or None


def _page(request: Request, found: list[Association]) -> list[Association]:
    may_read = request.principal.may_read
    readable = [one for one in found if may_read(one.subject)]
    return page(
        readable, request.number("offset", 0), request.number("limit", -1), _MAX_ASSOCIATIONS
    )
