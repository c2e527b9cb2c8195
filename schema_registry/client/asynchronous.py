"""`AsyncSchemaRegistryClient`: a client for event loops."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from msgspec.structs import replace

from aliran.schema_registry.client import calls
from aliran.schema_registry.client.calls import Call, Compatibility, RegisteredSchema, Version
from aliran.schema_registry.client.session import Known, Session
from aliran.schema_registry.models import (
    CompatibilityLevel,
    Config,
    Mode,
    Schema,
    SubjectVersion,
)

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.schema_registry.client.session import SessionOptions

T = TypeVar("T")


class AsyncSchemaRegistryClient:
    """`SchemaRegistryClient` for `async` code: the same methods, to be awaited.

    Args:
        url: Address of a registry, or several; the next is asked where one does not answer.
        options: How to identify oneself, and how patient to be; see `SessionOptions`.

    Raises:
        ConfigError: An address is none, or two ways to identify oneself are given.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[SessionOptions]) -> None:
        self._session = Session(url, **options)
        self._http = httpx.AsyncClient(**self._session.options)
        self._known = Known()

    # ------------------------------------------------------------------ schemas

    async def register(
        self, subject: str, schema: Schema, *, normalize: bool = False
    ) -> RegisteredSchema:
        """Register a schema, unless it is there already; return it with its id."""
        known = self._known.registered(subject, schema, normalize=normalize)
        if known is None:
            found = await self._run(calls.register(subject, schema, normalize))
            known = calls.registered(subject, schema, found)
            self._known.remember_registered(subject, schema, known, normalize=normalize)
        return known

    async def look_up(
        self, subject: str, schema: Schema, *, normalize: bool = False, deleted: bool = False
    ) -> RegisteredSchema:
        """Return the version of a subject that has this content."""
        return await self._run(calls.look_up(subject, schema, normalize, deleted))

    async def schema_by_id(
        self, schema_id: int, *, subject: str | None = None, form: str = ""
    ) -> RegisteredSchema:
        """Return the schema of an id."""
        found = self._known.schema(schema_id, subject, form)
        if found is None:
            found = replace(await self._run(calls.by_id(schema_id, subject, form)), id=schema_id)
            self._known.remember_schema(schema_id, subject, form, found)
        return found

    async def schema_by_guid(self, guid: str, *, form: str = "") -> RegisteredSchema:
        """Return the schema of a GUID."""
        return await self._run(calls.by_guid(guid, form))

    async def subjects_of(self, schema_id: int, *, deleted: bool = False) -> list[SubjectVersion]:
        """Return where a schema is registered."""
        return await self._run(calls.places_of(schema_id, deleted))

    async def schema_types(self) -> list[str]:
        """Return the formats that the registry knows."""
        return await self._run(calls.types())

    async def contexts(self) -> list[str]:
        """Return all contexts."""
        return await self._run(calls.contexts())

    # ------------------------------------------------------------------ subjects

    async def subjects(self, prefix: str | None = None, *, deleted: bool = False) -> list[str]:
        """Return all subjects, or those that begin with `prefix`."""
        return await self._run(calls.subjects(prefix, deleted))

    async def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        """Return the numbers of a subject's versions."""
        return await self._run(calls.versions(subject, deleted))

    async def version(
        self, subject: str, version: Version = "latest", *, form: str = "", deleted: bool = False
    ) -> RegisteredSchema:
        """Return one version, by default the newest."""
        return await self._run(calls.version(subject, version, form, deleted))

    async def referenced_by(self, subject: str, version: Version = "latest") -> list[int]:
        """Return the ids of the schemas that refer to a version."""
        return await self._run(calls.referenced_by(subject, version))

    async def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete all versions of a subject; for good only after it was deleted softly."""
        self._known.forget_subject(subject)
        return await self._run(calls.delete_subject(subject, permanent))

    async def delete_version(
        self, subject: str, version: Version, *, permanent: bool = False
    ) -> int:
        """Delete one version; for good only after it was deleted softly."""
        self._known.forget_subject(subject)
        return await self._run(calls.delete_version(subject, version, permanent))

    async def check_compatibility(
        self, subject: str, schema: Schema, version: Version | None = None
    ) -> Compatibility:
        """Tell whether a schema could be registered, and why not."""
        return await self._run(calls.compatibility(subject, schema, version))

    # ------------------------------------------------------------------ settings

    async def compatibility_level(
        self, subject: str | None = None, *, fallback: bool = True
    ) -> CompatibilityLevel:
        """Return the level of a subject, or of all; `fallback`: that of all where it has none."""
        return await self._run(calls.level(subject, fallback))

    async def set_compatibility_level(
        self, level: CompatibilityLevel, subject: str | None = None
    ) -> None:
        """Set the level of a subject, or of all."""
        await self._run(calls.set_level(subject, level))

    async def config(self, subject: str | None = None, *, fallback: bool = True) -> Config:
        """Return all settings of a subject, or of all."""
        return await self._run(calls.config(subject, fallback))

    async def set_config(self, config: Config, subject: str | None = None) -> None:
        """Set the settings of a subject, or of all."""
        await self._run(calls.set_config(subject, config))

    async def delete_config(self, subject: str | None = None) -> None:
        """Forget the settings of a subject, or of all."""
        await self._run(calls.delete_config(subject))

    async def mode(self, subject: str | None = None, *, fallback: bool = True) -> Mode:
        """Return the mode of a subject, or of all."""
        return await self._run(calls.mode(subject, fallback))

    async def set_mode(
        self, mode: Mode, subject: str | None = None, *, force: bool = False
    ) -> None:
        """Set the mode of a subject, or of all; `force` even where there are schemas."""
        await self._run(calls.set_mode(subject, mode, force))

    async def delete_mode(self, subject: str) -> None:
        """Forget the mode of a subject."""
        await self._run(calls.delete_mode(subject))

    async def associated_subjects(self, topic: str) -> list[dict[str, Any]]:
        """Return the subjects that are bound to a topic, as the registry tells them."""
        return await self._run(calls.associated(topic))

    # ------------------------------------------------------------------ inside

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncSchemaRegistryClient({', '.join(self._session.urls)})"

    async def _run(self, call: Call[T]) -> T:
        session, failures = self._session, []
        for address in session.tries():
            try:
                answer = await self._http.request(**session.request(call, address))
            except httpx.TransportError as error:
                failures.append(session.failure(address, error))
                continue
            if answer.status_code < 500:
                return session.read(call, answer, address)
            failures.append(session.failure(address, answer))
        raise session.unavailable(call, failures)
