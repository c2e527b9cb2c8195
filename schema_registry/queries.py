"""What can be asked of a registry without changing it. Confluent: the GET half of its resources.

All methods answer from memory, on the leader and on the others alike.
"""

from __future__ import annotations

from aliran.schema_registry import contracts, errors
from aliran.schema_registry.answers import CompatibilityAnswer
from aliran.schema_registry.guid import parse_guid
from aliran.schema_registry.models import (
    Config,
    ContextId,
    Mode,
    Registered,
    Schema,
    SubjectVersion,
)
from aliran.schema_registry.registry import Registration, Registry
from aliran.schema_registry.subjects import (
    DEFAULT_CONTEXT,
    GLOBAL_CONTEXT,
    WILDCARD,
    context_of,
    join,
    resolve,
    split,
)


class Queries:
    """Questions to a registry.

    Args:
        registry: The registry.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._state = registry.state

    @property
    def generation(self) -> int:
        """A number that grows with every change, so that answers can be kept until then."""
        return self._state.generation

    # ------------------------------------------------------------------ by id and GUID

    def find_id(self, schema_id: int, subject: str | None) -> Registered | None:
        """Return a version with this id.

        Without a context, `subject` is looked for in all of them; if it is nowhere, any version
        with the id will do.
        """
        with self._state.lock:
            found = self._state.find_id(schema_id, subject)
            if found is not None or not subject:
                return found
            context, plain = split(subject)
            if context != DEFAULT_CONTEXT or not plain:
                return None
            for name in self._state.context_names():
                found = self._state.find_id(schema_id, join(name, plain))
                if found is not None:
                    return found
            return self._state.find_id(schema_id, None)

    def require_id(self, schema_id: int, subject: str | None) -> Registered:
        """Return a version with this id.

        Raises:
            SchemaNotFoundError: There is none.
        """
        found = self.find_id(schema_id, subject)
        if found is None:
            raise errors.SchemaNotFoundError(schema_id)
        return found

    def versions_of_id(
        self, schema_id: int, subject: str | None, *, deleted: bool
    ) -> list[SubjectVersion]:
        """Return where an id is registered.

        Raises:
            SchemaNotFoundError: Nowhere.
        """
        with self._state.lock:
            found = self.find_id(schema_id, subject)
            if found is None:
                raise errors.SchemaNotFoundError
            return [
                SubjectVersion(subject=row.subject, version=row.version)
                for row in self._state.holders(schema_id, context_of(found.subject))
                if deleted or not row.deleted
            ]

    def find_guid(self, guid: str) -> list[ContextId]:
        """Return the ids of a GUID, by context."""
        digest = parse_guid(guid)
        if digest is None:
            return []
        with self._state.lock:
            return [
                ContextId(context=name, id=found)
                for name, context in sorted(self._state.contexts.items())
                if (found := context.by_digest.get(digest)) is not None
            ]

    def holders_of_guid(self, guid: str) -> list[Registered]:
        """Return where a GUID is registered, in all contexts.

        Raises:
            SchemaNotFoundError: Nowhere.
        """
        with self._state.lock:
            rows = [
                row
                for place in self.find_guid(guid)
                for row in self._state.holders(place.id, place.context)
            ]
        if not rows:
            raise errors.SchemaNotFoundError(guid)
        return rows

    def holders(self, row: Registered) -> list[Registered]:
        """Return where the content of a version is registered in its context."""
        with self._state.lock:
            return self._state.holders(row.id, context_of(row.subject))

    def max_id(self, row: Registered) -> int:
        """Return the highest id of a version's context."""
        return self._state.contexts[context_of(row.subject)].max_id

    # ------------------------------------------------------------------ subjects and versions

    def subjects(self, prefix: str, *, deleted: bool, deleted_only: bool) -> list[str]:
        """Return the subjects whose names begin so, sorted; `:*:` stands for any context."""
        with self._state.lock:
            return sorted(
                name
                for name, rows in self._state.subjects.items()
                if _matches(name, prefix)
                and _wanted(all(row.deleted for row in rows.values()), deleted, deleted_only)
            )

    def versions(
        self, subject: str, *, deleted: bool, deleted_only: bool, as_negative: bool = False
    ) -> list[int]:
        """Return the numbers of a subject's versions; deleted ones below zero with `as_negative`.

        Raises:
            SubjectNotFoundError: It has none.
        """
        with self._state.lock:
            if not self._state.has_subjects(subject, deleted=deleted or deleted_only):
                raise errors.SubjectNotFoundError(subject)
            if as_negative:
                rows = self._state.versions(subject, deleted=True)
                return [-row.version if row.deleted else row.version for row in rows]
            return [
                row.version
                for row in self._state.versions(subject, deleted=True)
                if _wanted(row.deleted, deleted, deleted_only)
            ]

    def version(self, subject: str, number: int, *, deleted: bool = False) -> Registered:
        """Return a version; without a context, the subject is looked for in all of them.

        Raises:
            SubjectNotFoundError: The subject has no version.
            VersionNotFoundError: It has others.
        """
        with self._state.lock:
            found = self._state.version(subject, number, deleted=deleted)
            if found is None and context_of(subject) == DEFAULT_CONTEXT:
                for name in self._state.context_names():
                    found = self._state.version(join(name, subject), number, deleted=deleted)
                    if found is not None:
                        break
            if found is None:
                raise self._missing(subject, number, deleted=deleted)
            return found

    def latest(self, subject: str) -> Registered | None:
        """Return the newest version of a subject, None where it has none."""
        with self._state.lock:
            return self._state.version(subject, -1)

    def _missing(self, subject: str, number: int, *, deleted: bool) -> errors.RegistryError:
        if not self._state.has_subjects(subject, deleted=deleted):
            return errors.SubjectNotFoundError(subject)
        return errors.VersionNotFoundError(number)

    def referenced_by(self, subject: str, number: int) -> list[int]:
        """Return the ids of the schemas that use a version.

        Raises:
            SubjectNotFoundError: The subject has no version.
            VersionNotFoundError: It has others.
        """
        with self._state.lock:
            row = self.version(subject, number, deleted=True)
            return sorted(set(self._state.referrers(row.subject, row.version).values()))

    def with_metadata(
        self, subject: str, properties: dict[str, str], *, deleted: bool
    ) -> Registered:
        """Return the newest version whose metadata has all these properties.

        Raises:
            SubjectNotFoundError: The subject has no version.
            SchemaNotFoundError: None of them has the properties.
        """
        with self._state.lock:
            for row in reversed(self._state.versions(subject, deleted=deleted)):
                metadata = row.content.metadata
                if (
                    metadata is not None
                    and properties.items() <= (metadata.properties or {}).items()
                ):
                    return row
            if not self._state.has_subjects(subject, deleted=deleted):
                raise errors.SubjectNotFoundError(subject)
            raise errors.SchemaNotFoundError

    def schemas(
        self, prefix: str, *, deleted: bool, latest_only: bool, rule_type: str
    ) -> list[Registered]:
        """Return the versions of all subjects whose names begin so, in order."""
        with self._state.lock:
            found = []
            for name in sorted(self._state.subjects):
                if not _matches(name, prefix):
                    continue
                rows = self._state.versions(name, deleted=deleted)
                found += [
                    row
                    for row in (rows[-1:] if latest_only else rows)
                    if not rule_type or contracts.has_rule_type(row.content.rule_set, rule_type)
                ]
            return found

    def aliased(
        self, prefix: str, *, deleted: bool, latest_only: bool, rule_type: str
    ) -> tuple[list[Registered], dict[str, list[str]]]:
        """Return the same with the subjects that names of this beginning stand for, and those."""
        with self._state.lock:
            aliases = self._aliases(prefix)
            wanted = {"deleted": deleted, "latest_only": latest_only}
            found = self.schemas(prefix, rule_type=rule_type, **wanted)
            for name in aliases:
                if not _matches(name, prefix):
                    rows = self.schemas(name, rule_type=rule_type, **wanted)
                    found += [row for row in rows if row.subject == name]
        return sorted(found, key=lambda row: (row.subject, row.version)), aliases

    def _aliases(self, prefix: str) -> dict[str, list[str]]:
        """Return by subject which others are settings that stand for it."""
        found: dict[str, list[str]] = {}
        for name, config in self._state.configs.items():
            if name is not None and config.alias and _matches(name, prefix):
                found.setdefault(resolve(config.alias, name), []).append(name)
        return found

    # ------------------------------------------------------------------ compatibility

    def compatibility(
        self, subject: str, content: Schema, number: int | None, *, normalize: bool, verbose: bool
    ) -> CompatibilityAnswer:
        """Return whether a schema could be registered.

        Args:
            subject: Under which subject.
            content: The schema.
            number: The version it is compared with, -1 for the newest; None for all that the
                subject's level demands.
            normalize: Whether it is brought into normal form.
            verbose: Whether reasons are given; then an invalid schema is a reason too.

        Raises:
            VersionNotFoundError: There is no such version.
            InvalidSchemaError: The schema is not valid, and `verbose` is not set.
        """
        with self._state.lock:
            config = self._state.config(subject)
            if number is None:
                rows = self._state.versions(subject)
            else:
                found = self._state.version(subject, number)
                if found is None and number != -1:
                    raise errors.VersionNotFoundError(number)
                rows = [found] if found is not None else []
        wanted = Registration(content=content, normalize=normalize)
        try:
            parsed = self._registry.parse_new(content, subject, config, wanted)
            messages = self._registry.incompatibilities(config, parsed, rows)
        except errors.InvalidSchemaError as error:
            if not verbose:
                raise
            messages = [error.message]
        return CompatibilityAnswer(not messages, messages if verbose else None)

    # ------------------------------------------------------------------ settings

    def config(self, scope: str | None, *, in_force: bool) -> Config:
        """Return the settings of a subject, a context or all (None).

        Args:
            scope: Of which.
            in_force: Whether those of the context, or of all, are returned where it has none.

        Raises:
            ConfigNotFoundError: It has none.
        """
        with self._state.lock:
            if in_force:
                return self.with_level(self._state.config(scope))
            found = self._state.configs.get(scope)
        if found is None:
            if scope is not None and split(scope)[0] != GLOBAL_CONTEXT:
                raise errors.ConfigNotFoundError(scope)
            found = Config()
        return self.with_level(found)

    def with_level(self, config: Config) -> Config:
        """Return settings with the level that holds where they say none."""
        values = {name: getattr(config, name) for name in Config.__struct_fields__}
        values["compatibility_level"] = config.compatibility_level or self._registry.default_level
        return Config(**values)

    def mode(self, scope: str | None, *, in_force: bool) -> Mode:
        """Return the mode of a subject, a context or all (None).

        Args:
            scope: Of which.
            in_force: Whether that of the context, or of all, is returned where it has none.

        Raises:
            ModeNotFoundError: It has none.
        """
        with self._state.lock:
            everywhere = self._state.modes.get(None)
            if in_force or everywhere == "READONLY_OVERRIDE":
                return self._state.mode(scope)
            found = self._state.modes.get(scope)
        if found is None:
            if scope is not None and split(scope)[0] != GLOBAL_CONTEXT:
                raise errors.ModeNotFoundError(scope)
            found = "READWRITE"
        return found

    # ------------------------------------------------------------------ names

    def contexts(self, prefix: str) -> list[str]:
        """Return the contexts whose names begin so."""
        with self._state.lock:
            names = [DEFAULT_CONTEXT, *self._state.context_names()]
        return [name for name in names if name.startswith(prefix)]

    def replace_alias(self, subject: str) -> str:
        """Return the subject that is meant by a name."""
        config = self._state.configs.get(subject)
        return resolve(config.alias, subject) if config is not None and config.alias else subject


def _wanted(is_deleted: bool, deleted: bool, deleted_only: bool) -> bool:
    return is_deleted if deleted_only else deleted or not is_deleted


def _matches(name: str, prefix: str) -> bool:
    """Return whether a subject's name begins so, in the context that the prefix names."""
    if prefix.startswith(WILDCARD):
        return split(name)[1].startswith(prefix.removeprefix(WILDCARD))
    if prefix.startswith(":.") and prefix.count(":") == 1:
        return name.startswith(prefix)  # the beginning of a context's name
    context, plain = split(prefix)
    own_context, own_plain = split(name)
    return own_context == context and own_plain.startswith(plain)
