"""`SchemaRegistryClient`: a client that waits for answers."""

from __future__ import annotations

import weakref
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


class SchemaRegistryClient:
    """A client of a schema registry. Confluent: `SchemaRegistryClient`.

    Schemas by id, and what was registered, are kept: asking again costs nothing. Threads may share
    one.

    Example:
        >>> from aliran.schema_registry.server import RegistryServer
        >>> from aliran.schema_registry.models import Schema
        >>> with RegistryServer() as server, SchemaRegistryClient(server.url) as client:
        ...     client.register("names-value", Schema(schema='"string"')).id
        1

    Args:
        url: Address of a registry, or several; the next is asked where one does not answer.
        options: How to identify oneself, and how patient to be; see `SessionOptions`.

    Raises:
        ConfigError: An address is none, or two ways to identify oneself are given.
    """

    def __init__(self, url: str | Sequence[str], **options: Unpack[SessionOptions]) -> None:
        self._session = Session(url, **options)
        self._http = httpx.Client(**self._session.options)
        # Serdes and applications that are given an address never close what they made of it.
        weakref.finalize(self, self._http.close)
        self._known = Known()

    # ------------------------------------------------------------------ schemas

    def register(
        self, subject: str, schema: Schema, *, normalize: bool = False
    ) -> RegisteredSchema:
        """Register a schema, unless it is there already; return it with its id.

        Raises:
            RegistryAnswerError: It is invalid (42201) or incompatible (409).
        """
        known = self._known.registered(subject, schema, normalize=normalize)
        if known is None:
            found = self._run(calls.register(subject, schema, normalize))
            known = calls.registered(subject, schema, found)
            self._known.remember_registered(subject, schema, known, normalize=normalize)
        return known

    def look_up(
        self, subject: str, schema: Schema, *, normalize: bool = False, deleted: bool = False
    ) -> RegisteredSchema:
        """Return the version of a subject that has this content.

        Raises:
            RegistryAnswerError: The subject (40401) or the schema (40403) is not there.
        """
        return self._run(calls.look_up(subject, schema, normalize, deleted))

    def schema_by_id(
        self, schema_id: int, *, subject: str | None = None, form: str = ""
    ) -> RegisteredSchema:
        """Return the schema of an id.

        Args:
            schema_id: The number that stands in front of data.
            subject: Where it is expected, for registries with several contexts.
            form: "resolved" or "serialized" for other forms of the text.

        Raises:
            RegistryAnswerError: There is none (40403).
        """
        found = self._known.schema(schema_id, subject, form)
        if found is None:
            found = replace(self._run(calls.by_id(schema_id, subject, form)), id=schema_id)
            self._known.remember_schema(schema_id, subject, form, found)
        return found

    def schema_by_guid(self, guid: str, *, form: str = "") -> RegisteredSchema:
        """Return the schema of a GUID.

        Raises:
            RegistryAnswerError: There is none (40403).
        """
        return self._run(calls.by_guid(guid, form))

    def subjects_of(self, schema_id: int, *, deleted: bool = False) -> list[SubjectVersion]:
        """Return where a schema is registered."""
        return self._run(calls.places_of(schema_id, deleted))

    def schema_types(self) -> list[str]:
        """Return the formats that the registry knows."""
        return self._run(calls.types())

    def contexts(self) -> list[str]:
        """Return all contexts."""
        return self._run(calls.contexts())

    # ------------------------------------------------------------------ subjects

    def subjects(self, prefix: str | None = None, *, deleted: bool = False) -> list[str]:
        """Return all subjects, or those that begin with `prefix`."""
        return self._run(calls.subjects(prefix, deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[int]:
        """Return the numbers of a subject's versions."""
        return self._run(calls.versions(subject, deleted))

    def version(
        self, subject: str, version: Version = "latest", *, form: str = "", deleted: bool = False
    ) -> RegisteredSchema:
        """Return one version, by default the newest.

        Raises:
            RegistryAnswerError: The subject (40401) or the version (40402) is not there.
        """
        return self._run(calls.version(subject, version, form, deleted))

    def referenced(self, schema: RegisteredSchema, *, form: str = "") -> dict[str, str]:
        """Return the texts of all schemas that one refers to by their names, deepest first."""
        texts: dict[str, str] = {}
        for reference in schema.references:
            found = self.version(reference.subject, reference.version, form=form, deleted=True)
            texts |= self.referenced(found, form=form)
            texts[reference.name] = found.schema
        return texts

    def referenced_by(self, subject: str, version: Version = "latest") -> list[int]:
        """Return the ids of the schemas that refer to a version."""
        return self._run(calls.referenced_by(subject, version))

    def delete_subject(self, subject: str, *, permanent: bool = False) -> list[int]:
        """Delete all versions of a subject; for good only after it was deleted softly."""
        self._known.forget_subject(subject)
        return self._run(calls.delete_subject(subject, permanent))

    def delete_version(self, subject: str, version: Version, *, permanent: bool = False) -> int:
        """Delete one version; for good only after it was deleted softly."""
        self._known.forget_subject(subject)
        return self._run(calls.delete_version(subject, version, permanent))

    def check_compatibility(
        self, subject: str, schema: Schema, version: Version | None = None
    ) -> Compatibility:
        """Tell whether a schema could be registered, and why not.

        Args:
            subject: Where.
            schema: What.
            version: The version to compare with; by default all that the subject's level names.
        """
        return self._run(calls.compatibility(subject, schema, version))

    # ------------------------------------------------------------------ settings

    def compatibility_level(
        self, subject: str | None = None, *, fallback: bool = True
    ) -> CompatibilityLevel:
        """Return the level of a subject, or of all; `fallback`: that of all where it has none."""
        return self._run(calls.level(subject, fallback))

    def set_compatibility_level(
        self, level: CompatibilityLevel, subject: str | None = None
    ) -> None:
        """Set the level of a subject, or of all."""
        self._run(calls.set_level(subject, level))

    def config(self, subject: str | None = None, *, fallback: bool = True) -> Config:
        """Return all settings of a subject, or of all."""
        return self._run(calls.config(subject, fallback))

    def set_config(self, config: Config, subject: str | None = None) -> None:
        """Set the settings of a subject, or of all."""
        self._run(calls.set_config(subject, config))

    def delete_config(self, subject: str | None = None) -> None:
        """Forget the settings of a subject, or of all."""
        self._run(calls.delete_config(subject))

    def mode(self, subject: str | None = None, *, fallback: bool = True) -> Mode:
        """Return the mode of a subject, or of all."""
        return self._run(calls.mode(subject, fallback))

    def set_mode(self, mode: Mode, subject: str | None = None, *, force: bool = False) -> None:
        """Set the mode of a subject, or of all; `force` even where there are schemas."""
        self._run(calls.set_mode(subject, mode, force))

    def delete_mode(self, subject: str) -> None:
        """Forget the mode of a subject."""
        self._run(calls.delete_mode(subject))

    def associated_subjects(self, topic: str) -> list[dict[str, Any]]:
        """Return the subjects that are bound to a topic, as the registry tells them."""
        return self._run(calls.associated(topic))

    # ------------------------------------------------------------------ inside

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SchemaRegistryClient({', '.join(self._session.urls)})"

    def _run(self, call: Call[T]) -> T:
        session, failures = self._session, []
        for address in session.tries():
            try:
                answer = self._http.request(**session.request(call, address))
            except httpx.TransportError as error:
                failures.append(session.failure(address, error))
                continue
            if answer.status_code < 500:
                return session.read(call, answer, address)
            failures.append(session.failure(address, answer))
        raise session.unavailable(call, failures)
