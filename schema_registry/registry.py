"""The rules of registering, looking up and deleting schemas. Confluent: `KafkaSchemaRegistry`.

Knows nothing of HTTP. All that changes is written through the log and seen in the state when a
method returns; only the leader of a cluster calls the methods that write.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from msgspec.structs import replace

from aliran.schema_registry import compatibility, contracts, errors, records
from aliran.schema_registry.formats.base import ParsedSchema
from aliran.schema_registry.guid import content_hash
from aliran.schema_registry.log import SchemaLog
from aliran.schema_registry.lookup import Lookup
from aliran.schema_registry.models import (
    CompatibilityLevel,
    Config,
    Registered,
    Schema,
    SchemaTags,
)
from aliran.schema_registry.parsing import Parsed, SchemaParser
from aliran.schema_registry.records import Row
from aliran.schema_registry.state import State
from aliran.schema_registry.subjects import DEFAULT_CONTEXT, context_of, context_prefix, join

_MAX_INT = (1 << 31) - 1
_LARGE = 4_096
"""Characters of a schema from which on comparing it may keep others waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a user asks to register.

    Attributes:
        content: The schema; an empty text stands for that of the newest version.
        id: The id it must get (IMPORT mode), None for any.
        version: The number it must get, 0 for any; -1 for the next, written into the metadata.
        normalize: Whether it is brought into normal form.
        force: Whether compatibility is not checked.
        propagate_tags: Whether tags inside the newest version's text are taken over.
        tags_to_add: Tags that parts of the schema get.
        tags_to_remove: Tags that are taken from parts of the schema.
    """

    content: Schema
    id: int | None = None
    version: int = 0
    normalize: bool = False
    force: bool = False
    propagate_tags: bool = False
    tags_to_add: tuple[SchemaTags, ...] = ()
    tags_to_remove: tuple[SchemaTags, ...] = ()


class Registry:
    """A registry over a log.

    Args:
        state: What is registered.
        log: Where changes are written.
        default_level: The compatibility level where nothing is set.
        incompatible_code: `error_code` of an incompatible schema: 409 as Confluent up to 8.1.1, or
            40901 as from 8.1.2 on.

    Attributes:
        writing: Held by whoever writes, from looking at the state until it has changed.
    """

    def __init__(
        self,
        state: State,
        log: SchemaLog,
        *,
        default_level: CompatibilityLevel = "BACKWARD",
        incompatible_code: int = 409,
    ) -> None:
        self.state = state
        self.log = log
        self.parser: SchemaParser = SchemaParser(state)
        self.lookup: Lookup = Lookup(state, self.parser)
        self.writing: threading.RLock = threading.RLock()
        self.default_level = default_level
        self._incompatible_code = incompatible_code

    # ------------------------------------------------------------------ registering

    def register(self, subject: str, wanted: Registration) -> Registered:
        """Register a schema under a subject, or return where it is registered there already.

        Raises:
            RegistryError: It is not valid, not compatible, or the subject's mode forbids it.
        """
        self.check_register_mode(subject, wanted.id)
        rehearsed = self._rehearsed(subject, wanted)
        with self.writing:
            self.check_register_mode(subject, wanted.id)
            self.log.catch_up()
            config, mode = self.state.config(subject), self.state.mode(subject)
            importing = mode in {"IMPORT", "FORWARD"}
            earlier = self.state.versions(subject)
            number = self.state.next_version(subject)
            wanted = self._with_tags(subject, wanted)
            content = wanted.content
            if not importing:
                content = self._fill_in(wanted, config, earlier, number)
            parsed = self.parse_new(content, subject, config, wanted)
            existing, schema_id = self._find_existing(subject, wanted, parsed, earlier)
            if existing is not None:
                return existing
            known_to_fit = rehearsed == (parsed.content, config, earlier)
            if not importing and not wanted.force and not known_to_fit:
                self._check_compatible(subject, config, parsed, earlier)
            if wanted.version > 0:
                if number != wanted.version and not importing:
                    raise errors.InvalidSchemaError("Version is not one more than previous version")
                number = wanted.version
            return self._write(subject, number, schema_id, parsed.content)

    def _rehearsed(
        self, subject: str, wanted: Registration
    ) -> tuple[Schema, Config, Sequence[Registered]] | None:
        """Parse and compare a large schema while others may write: that can take seconds.

        Returns:
            What is compatible with what under which settings; None for a small schema, which is
            not worth it, and where nothing was compared.

        Raises:
            RegistryError: See `register`; nothing that is written meanwhile will help.
        """
        if len(wanted.content.schema) < _LARGE or wanted.force:
            return None
        self.log.catch_up()
        with self.state.lock:
            config, mode = self.state.config(subject), self.state.mode(subject)
            earlier = self.state.versions(subject)
            number = self.state.next_version(subject)
        if mode in {"IMPORT", "FORWARD"}:
            return None
        wanted = self._with_tags(subject, wanted)
        content = self._fill_in(wanted, config, earlier, number)
        parsed = self.parse_new(content, subject, config, wanted)
        if self._find_existing(subject, wanted, parsed, earlier)[0] is not None:
            return None
        self._check_compatible(subject, config, parsed, earlier)
        return parsed.content, config, earlier

    def check_register_mode(self, subject: str, schema_id: int | None) -> None:
        """Check that the mode of a subject allows to register.

        Raises:
            OperationNotPermittedError: It does not.
        """
        self.check_writable(subject)
        mode = self.state.mode(subject)
        if schema_id is not None:
            if mode not in {"IMPORT", "FORWARD"}:
                raise self._wrong_mode(subject, "not in import mode")
        elif mode != "READWRITE":
            raise self._wrong_mode(subject, "not in read-write mode")

    def check_writable(self, subject: str | None) -> None:
        """Check that a subject (None: all) is not read-only.

        Raises:
            OperationNotPermittedError: It is.
        """
        if self.state.mode(subject) in {"READONLY", "READONLY_OVERRIDE"}:
            raise self._wrong_mode(subject, "in read-only mode")

    @staticmethod
    def _wrong_mode(subject: str | None, what: str) -> errors.OperationNotPermittedError:
        context = context_prefix(subject or "")
        return errors.OperationNotPermittedError(
            f"Subject {'null' if subject is None else subject} in context {context} is {what}"
        )

    def _fill_in(
        self, wanted: Registration, config: Config, earlier: Sequence[Registered], number: int
    ) -> Schema:
        content = wanted.content
        previous = earlier[-1].content if earlier else None
        if not content.schema.strip():
            if previous is None:
                raise errors.InvalidSchemaError("Empty schema")
            content = replace(
                content,
                schema=previous.schema,
                schema_type=previous.schema_type,
                references=previous.references,
            )
        if wanted.propagate_tags and earlier:
            tags = self.parser.tags(earlier[-1].content, earlier[-1].subject)
            if tags:
                content = self.parser.retagged(content, earlier[-1].subject, tags, [])
        return contracts.fill_in(content, config, previous, number, mark=wanted.version != 0)

    def _with_tags(self, subject: str, wanted: Registration) -> Registration:
        """Change the tags inside of the text; the version is written into the metadata then."""
        if not wanted.tags_to_add and not wanted.tags_to_remove:
            return wanted
        content = self.parser.retagged(
            wanted.content, subject, list(wanted.tags_to_add), list(wanted.tags_to_remove)
        )
        return dataclasses.replace(wanted, content=content, version=wanted.version or -1)

    def parse_new(
        self, content: Schema, subject: str, config: Config, wanted: Registration
    ) -> Parsed:
        """Parse what is to be registered, as strictly as the settings say."""
        if not content.schema.strip():
            raise errors.InvalidSchemaError("Empty schema")
        return self.parser.parse(
            content,
            subject,
            is_new=wanted.id is None and config.checks_new_schemas,
            normalize=wanted.normalize or config.normalize is True,
        )

    def _find_existing(
        self,
        subject: str,
        wanted: Registration,
        parsed: Parsed,
        earlier: Sequence[Registered],
    ) -> tuple[Registered | None, int | None]:
        """Return the version that has this content already, and the id that the content has."""
        schema_id = wanted.id
        context = context_of(subject)
        known = self.state.id_of(parsed.content, content_hash(parsed.content), context)
        if known is not None and schema_id in {None, known}:
            schema_id = known
            if wanted.version == 0:
                for row in self.state.holders(known, context):
                    if row.subject == subject and not row.deleted:
                        return row, known
        if wanted.version == 0:
            for row in reversed(earlier):
                if schema_id in {None, row.id} and self.lookup.means_same(parsed, row):
                    return row, row.id
        return None, schema_id

    def _check_compatible(
        self, subject: str, config: Config, parsed: Parsed, earlier: Sequence[Registered]
    ) -> None:
        found = self.incompatibilities(config, parsed, earlier)
        if found:
            error = errors.IncompatibleSchemaError(
                "Schema being registered is incompatible with an earlier schema for subject "
                f'"{subject}", details: [{", ".join(found)}]'
            )
            error.error_code = self._incompatible_code
            raise error

    def incompatibilities(
        self, config: Config, parsed: Parsed, earlier: Sequence[Registered]
    ) -> list[str]:
        """Return what of a content breaks the settings in force; empty when nothing does.

        Args:
            config: The settings.
            parsed: The content.
            earlier: The versions it is compared with, oldest first.
        """
        level = config.compatibility_level or self.default_level
        found: list[str] = []
        if config.validate_fields:
            found = _reserved_field_messages(parsed, earlier[-1] if earlier else None)
        if config.compatibility_group is not None:
            wanted = contracts.group_of(parsed.content.metadata, config.compatibility_group)
            earlier = [
                row
                for row in earlier
                if contracts.group_of(row.content.metadata, config.compatibility_group) == wanted
            ]
        found += compatibility.messages(
            parsed.schema,
            [
                compatibility.Earlier(row.version, partial(self._parse_registered, row))
                for row in earlier
            ],
            level,
            config.compatibility_policy or "STRICT",
        )
        if found:
            validates = "true" if config.validate_fields else "false"
            found.append(f"{{validateFields: '{validates}', compatibility: '{level}'}}")
        return found

    def _parse_registered(self, row: Registered) -> ParsedSchema:
        return self.parser.parse(row.content, row.subject).schema

    def _write(
        self, subject: str, number: int, schema_id: int | None, content: Schema
    ) -> Registered:
        context = context_of(subject)
        rows: list[Row] = []
        if context != DEFAULT_CONTEXT and context not in self.state.declared_contexts:
            rows.append(records.context_row(context))
        if schema_id is None:
            known = self.state.contexts.get(context)
            schema_id = (known.max_id if known is not None else 0) + 1
        else:
            self._check_id(schema_id, context, content)
        if max(schema_id, number) > _MAX_INT:
            raise errors.OperationNotPermittedError(
                f"The next id, {schema_id}, or version, {number}, of subject {subject} does not "
                "fit into 32 bits, which is all that messages have for it: a high one was imported"
            )
        row = Registered(
            subject=subject,
            version=number,
            id=schema_id,
            content=content,
            digest=content_hash(content),
            deleted=False,
            timestamp_ms=0,
        )
        for old in self.state.versions(subject, deleted=True):
            if old.deleted and old.id == schema_id and old.version < number:
                rows += self.state.tombstones(subject, old.version)
        rows.append(records.schema_row(row))
        self.log.append(rows)
        written = self.state.version(subject, number)
        if written is None or written.id != schema_id:
            raise errors.StoreError(
                f"version {number} of subject '{subject}' was written but is not there: another "
                "registry writes to the topic at the same time"
            )
        return written

    def _check_id(self, schema_id: int, context: str, content: Schema) -> None:
        for row in self.state.holders(schema_id, context)[:1]:
            if row.content != content:
                raise errors.OperationNotPermittedError(
                    f"Overwrite new schema with id {schema_id} in context {join(context, '')} is "
                    "not permitted."
                )

    def find_registered(self, subject: str, wanted: Registration) -> Registered | None:
        """Return what `register` would return without writing; None where it might write."""
        config = self.state.config(subject)
        plain = Registration(content=wanted.content, normalize=wanted.normalize)
        if wanted != plain or config.has_contract:
            return None
        return self.lookup.find(subject, wanted.content, normalize=wanted.normalize)


def _reserved_field_messages(parsed: Parsed, previous: Registered | None) -> list[str]:
    """Return how a schema breaks what the metadata of it, or of the last version, reserves."""
    reserved = contracts.reserved_fields(parsed.content.metadata)
    before = contracts.reserved_fields(previous.content.metadata) if previous is not None else set()
    found = [
        f"The new schema has reserved field {name} removed from its metadata which is present in "
        "the old schema's metadata."
        for name in sorted(before - reserved)
    ]
    return found + [
        f"The new schema has field that conflicts with the reserved field {name}."
        for name in sorted(reserved)
        if parsed.schema.has_top_level_field(name)
    ]
