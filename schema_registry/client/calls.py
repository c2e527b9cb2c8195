"""The requests of a registry client as data; the two clients differ only in how they send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from aliran.schema_registry.models import (
    CompatibilityLevel,
    Config,
    Metadata,
    Mode,
    Model,
    Reference,
    RuleSet,
    Schema,
    SchemaType,
    SubjectVersion,
)

T = TypeVar("T")
Version = int | str
"""A number from 1 on, or "latest"."""


class RegisteredSchema(Model, frozen=True, kw_only=True):
    """A schema as a registry knows it; what an older one does not say is None.

    Attributes:
        schema: Its text.
        schema_type: Its format.
        id: Its number, which stands in front of data.
        guid: Its identity across registries.
        subject: Where it was found.
        version: Its number in the subject.
    """

    schema: str
    schema_type: SchemaType = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: Metadata | None = None
    rule_set: RuleSet | None = None
    id: int | None = None
    guid: str | None = None
    subject: str | None = None
    version: int | None = None


class Compatibility(msgspec.Struct, frozen=True):
    """Whether a schema could be registered.

    Attributes:
        is_compatible: Whether it could.
        messages: Why not.
    """

    is_compatible: bool
    messages: tuple[str, ...] = ()


class _Id(msgspec.Struct):
    id: int
    guid: str | None = None


class _Level(msgspec.Struct, rename="camel"):
    compatibility_level: CompatibilityLevel


class _Mode(msgspec.Struct):
    mode: Mode


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how to read its answer."""

    method: str
    path: str
    read: Callable[[bytes], T]
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def _reader(kind: type[T]) -> Callable[[bytes], T]:
    return msgspec.json.Decoder(kind, strict=False).decode


_read_schema = _reader(RegisteredSchema)
_read_id = _reader(_Id)
_read_names = _reader(list[str])
_read_numbers = _reader(list[int])
_read_number = _reader(int)
_read_places = _reader(list[SubjectVersion])
_read_compatibility = _reader(Compatibility)
_decode_level = _reader(_Level)
_decode_mode = _reader(_Mode)
_read_config = _reader(Config)


def _read_level(data: bytes) -> CompatibilityLevel:
    return _decode_level(data).compatibility_level


def _read_mode(data: bytes) -> Mode:
    return _decode_mode(data).mode


def _ignore(_: bytes) -> None:
    """Read nothing of an answer."""


def _subject(name: str, *more: object) -> str:
    return "/".join(["/subjects", quote(name, safe=""), *map(str, more)])


def _setting(what: str, subject: str | None) -> str:
    return f"/{what}" if subject is None else f"/{what}/{quote(subject, safe='')}"


def _given(**parameters: str | bool | int | None) -> dict[str, str]:
    """Leave out what is not asked for."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in parameters.items()
        if value not in (None, False, "")
    }


# ---------------------------------------------------------------------------- schemas


def register(subject: str, schema: Schema, normalize: bool) -> Call[_Id]:
    """Register a schema."""
    parameters = _given(normalize=normalize)
    return Call("POST", _subject(subject, "versions"), _read_id, parameters, schema)


def registered(subject: str, schema: Schema, found: _Id) -> RegisteredSchema:
    """Return a schema with the id that it got."""
    return RegisteredSchema(
        schema=schema.schema,
        schema_type=schema.schema_type,
        references=schema.references,
        metadata=schema.metadata,
        rule_set=schema.rule_set,
        id=found.id,
        guid=found.guid,
        subject=subject,
    )


def look_up(subject: str, schema: Schema, normalize: bool, deleted: bool) -> Call[RegisteredSchema]:
    """Find a schema in a subject."""
    parameters = _given(normalize=normalize, deleted=deleted)
    return Call("POST", _subject(subject), _read_schema, parameters, schema)


def by_id(schema_id: int, subject: str | None, form: str) -> Call[RegisteredSchema]:
    """Find a schema by its number."""
    parameters = _given(subject=subject, format=form)
    return Call("GET", f"/schemas/ids/{schema_id}", _read_schema, parameters)


def by_guid(guid: str, form: str) -> Call[RegisteredSchema]:
    """Find a schema by its GUID."""
    return Call("GET", f"/schemas/guids/{quote(guid, safe='')}", _read_schema, _given(format=form))


def places_of(schema_id: int, deleted: bool) -> Call[list[SubjectVersion]]:
    """Ask where a schema is registered."""
    path = f"/schemas/ids/{schema_id}/versions"
    return Call("GET", path, _read_places, _given(deleted=deleted))


def types() -> Call[list[str]]:
    """Ask which formats there are."""
    return Call("GET", "/schemas/types", _read_names)


def contexts() -> Call[list[str]]:
    """Ask for all contexts."""
    return Call("GET", "/contexts", _read_names)


# ---------------------------------------------------------------------------- subjects


def subjects(prefix: str | None, deleted: bool) -> Call[list[str]]:
    """Ask for all subjects."""
    return Call("GET", "/subjects", _read_names, _given(subjectPrefix=prefix, deleted=deleted))


def versions(subject: str, deleted: bool) -> Call[list[int]]:
    """Ask for the versions of a subject."""
    return Call("GET", _subject(subject, "versions"), _read_numbers, _given(deleted=deleted))


def version(subject: str, number: Version, form: str, deleted: bool) -> Call[RegisteredSchema]:
    """Ask for one version."""
    parameters = _given(format=form, deleted=deleted)
    return Call("GET", _subject(subject, "versions", number), _read_schema, parameters)


def referenced_by(subject: str, number: Version) -> Call[list[int]]:
    """Ask which schemas refer to a version."""
    return Call("GET", _subject(subject, "versions", number, "referencedby"), _read_numbers)


def delete_subject(subject: str, permanent: bool) -> Call[list[int]]:
    """Delete all versions of a subject."""
    return Call("DELETE", _subject(subject), _read_numbers, _given(permanent=permanent))


def delete_version(subject: str, number: Version, permanent: bool) -> Call[int]:
    """Delete one version."""
    path = _subject(subject, "versions", number)
    return Call("DELETE", path, _read_number, _given(permanent=permanent))


def compatibility(subject: str, schema: Schema, number: Version | None) -> Call[Compatibility]:
    """Ask whether a schema could be registered; against all that counts, or one version."""
    path = f"/compatibility{_subject(subject, 'versions')}"
    if number is not None:
        path = f"{path}/{number}"
    return Call("POST", path, _read_compatibility, {"verbose": "true"}, schema)


# ---------------------------------------------------------------------------- settings


def level(subject: str | None, fallback: bool) -> Call[CompatibilityLevel]:
    """Ask for the compatibility level of a subject, or of all."""
    parameters = _given(defaultToGlobal=fallback)
    return Call("GET", _setting("config", subject), _read_level, parameters)


def config(subject: str | None, fallback: bool) -> Call[Config]:
    """Ask for all settings of a subject, or of all."""
    parameters = _given(defaultToGlobal=fallback)
    return Call("GET", _setting("config", subject), _read_config, parameters)


def set_level(subject: str | None, new: CompatibilityLevel) -> Call[None]:
    """Set the compatibility level of a subject, or of all."""
    return Call("PUT", _setting("config", subject), _ignore, body={"compatibility": new})


def set_config(subject: str | None, new: Config) -> Call[None]:
    """Set the settings of a subject, or of all."""
    return Call("PUT", _setting("config", subject), _ignore, body=new)


def delete_config(subject: str | None) -> Call[None]:
    """Forget the settings of a subject, or of all."""
    return Call("DELETE", _setting("config", subject), _ignore)


def mode(subject: str | None, fallback: bool) -> Call[Mode]:
    """Ask for the mode of a subject, or of all."""
    return Call("GET", _setting("mode", subject), _read_mode, _given(defaultToGlobal=fallback))


def set_mode(subject: str | None, new: Mode, force: bool) -> Call[None]:
    """Set the mode of a subject, or of all."""
    parameters = _given(force=force)
    return Call("PUT", _setting("mode", subject), _ignore, parameters, {"mode": new})


def delete_mode(subject: str) -> Call[None]:
    """Forget the mode of a subject."""
    return Call("DELETE", _setting("mode", subject), _ignore)


def associated(topic: str) -> Call[list[dict[str, Any]]]:
    """Ask which subjects are bound to a topic."""
    path = f"/associations/resources/-/{quote(topic, safe='')}"
    return Call("GET", path, msgspec.json.decode)
