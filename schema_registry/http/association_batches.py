"""Associations of many resources in one request; each has a result or an error of its own.

Confluent: `AssociationsResource.batchGetAssociations` and `mutateAssociations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Literal

from aliran.schema_registry.answers import ErrorAnswer, SchemaAnswer, answer
from aliran.schema_registry.associations import TOPIC, Associations, Resource
from aliran.schema_registry.errors import InvalidAssociationError, RegistryError
from aliran.schema_registry.http.associations import (
    AssociationAnswer,
    AssociationBody,
    InfoBody,
    info_of,
)
from aliran.schema_registry.http.requests import Request
from aliran.schema_registry.http.routing import Route, Work
from aliran.schema_registry.models import Association, Lifecycle, Model
from aliran.schema_registry.queries import Queries
from aliran.schema_registry.subjects import normalize

_MULTI_STATUS = 207


class GetBody(Model, frozen=True):
    """Whose associations are asked for. Confluent: `AssociationGetRequest`."""

    resource_name: str | None = None
    resource_namespace: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    association_types: list[str] | None = None
    lifecycle: Lifecycle | None = None


class BatchGetBody(Model, frozen=True):
    """Many questions. Confluent: `AssociationBatchGetRequest`."""

    requests: list[GetBody] | None = None


class OpBody(InfoBody, frozen=True, kw_only=True):
    """One change. Confluent: `AssociationOp` and its kinds."""

    op_type: Literal["CREATE", "UPSERT", "DELETE"]
    cascade_lifecycle: bool | None = None


class OpsBody(AssociationBody, frozen=True):
    """A resource and changes to its associations. Confluent: `AssociationOpRequest`."""

    associations: list[OpBody] | None = None  # type: ignore[assignment]


class BatchBody(Model, frozen=True):
    """Many changes. Confluent: `AssociationBatchRequest`."""

    requests: list[OpsBody] | None = None


class ResultAnswer(Model, frozen=True, kw_only=True):
    """What became of one of them. Confluent: `AssociationResult`."""

    error: ErrorAnswer | None = None
    result: AssociationAnswer | None = None


class BatchAnswer(Model, frozen=True):
    """What became of them all, in order. Confluent: `AssociationBatchResponse`."""

    results: list[ResultAnswer]


class AssociationBatchRoutes:
    """Answers requests about associations of many resources.

    Args:
        associations: The associations.
        queries: Questions to the registry.
    """

    def __init__(self, associations: Associations, queries: Queries) -> None:
        self._associations = associations
        self._queries = queries

    def routes(self) -> Iterator[Route]:
        """Yield the rows of the table."""
        for what, handler, work in (
            ("batchGet", self._get_all, Work.THINK),
            ("batchMutate", self._change_all, Work.WRITE),
        ):
            yield Route("POST", f"/associations:{what}", handler, work, status=_MULTI_STATUS)

    # ------------------------------------------------------------------ asking

    def _get_all(self, request: Request) -> Any:
        results = []
        for one in _required(request.json(BatchGetBody).requests):
            try:
                results.append(ResultAnswer(result=self._get(request, one)))
            except RegistryError as error:
                results.append(_failed(error))
        return BatchAnswer(results)

    def _get(self, request: Request, wanted: GetBody) -> AssociationAnswer:
        if not wanted.resource_id and not wanted.resource_name:
            raise InvalidAssociationError(
                "resourceId", "either resourceId or resourceName must be specified"
            )
        if wanted.resource_name and not wanted.resource_namespace:
            raise InvalidAssociationError(
                "resourceNamespace", "must be specified when resourceName is specified"
            )
        types = wanted.association_types or ()
        found: list[Association] = []
        if wanted.resource_type in {None, "", TOPIC}:
            if wanted.resource_id:
                found = self._associations.of_resource_id(
                    wanted.resource_id, types, wanted.lifecycle
                )
            else:
                found = self._associations.of_resource(
                    wanted.resource_name or "",
                    wanted.resource_namespace or "",
                    types,
                    wanted.lifecycle,
                )
        found = [one for one in found if request.principal.may_read(one.subject)]
        schemas = {}
        if request.flag("includeSchemas"):
            schemas = {
                one.subject: answer(row)
                for one in found
                if (row := self._queries.latest(one.subject)) is not None
            }
        first: Any = found[0] if found else wanted
        return AssociationAnswer(
            resource_name=wanted.resource_name or first.resource_name,
            resource_namespace=wanted.resource_namespace or first.resource_namespace,
            resource_id=wanted.resource_id or first.resource_id,
            resource_type=wanted.resource_type or TOPIC,
            associations=[info_of(one, schemas.get(one.subject)) for one in found],
        )

    # ------------------------------------------------------------------ changing

    def _change_all(self, request: Request) -> Any:
        context = normalize(request.text("context"))
        dry_run = request.flag("dryRun")
        results = []
        for one in _required(request.json(BatchBody).requests):
            try:
                done = self._change(one, context=context, dry_run=dry_run)
                results.append(ResultAnswer(result=done))
            except RegistryError as error:
                results.append(_failed(error))
        return BatchAnswer(results)

    def _change(self, body: OpsBody, *, context: str, dry_run: bool) -> AssociationAnswer:
        """Do what is asked for one resource; neighbours of one kind are done together."""
        resource = body.resource()
        body.wanted()  # all are valid, or nothing is done
        schemas: dict[str, SchemaAnswer] = {}
        for kind, run in groupby(body.associations or (), key=lambda one: one.op_type):
            if kind == "DELETE":
                self._delete(resource, list(run), dry_run)
                continue
            done = self._associations.put(
                resource,
                [one.wanted() for one in run],
                creates=kind == "CREATE",
                context=context,
                dry_run=dry_run,
            )
            schemas |= {one.subject: answer(row) for one, row in done if row is not None}
        found = [] if dry_run else self._associations.of_resource_id(resource.id)
        return AssociationAnswer(
            resource_name=resource.name,
            resource_namespace=resource.namespace,
            resource_id=resource.id,
            resource_type=resource.kind,
            associations=[info_of(one, schemas.get(one.subject)) for one in found],
        )

    def _delete(self, resource: Resource, ops: list[OpBody], dry_run: bool) -> None:
        for one in ops:
            self._associations.delete(
                resource.id,
                [one.association_type or "value"],
                cascade=one.cascade_lifecycle is True,
                dry_run=dry_run,
            )


def _required(requests: list[Any] | None) -> list[Any]:
    if not requests:
        raise InvalidAssociationError("requests", "cannot be null or empty")
    return requests


def _failed(error: RegistryError) -> ResultAnswer:
    return ResultAnswer(error=ErrorAnswer(error.error_code, error.message))
