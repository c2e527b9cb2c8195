"""Deleting, settings and modes: what changes a registry beside registering.

Confluent: the write half of `KafkaSchemaRegistry`. Only the leader of a cluster calls this.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from aliran.schema_registry import errors, records
from aliran.schema_registry.models import Config, Mode, Registered
from aliran.schema_registry.records import Row
from aliran.schema_registry.registry import Registry
from aliran.schema_registry.subjects import context_of, covers, is_context


class Changes:
    """Changes a registry.

    Args:
        registry: The registry.
        mode_changes: Whether modes may be set.
    """

    def __init__(self, registry: Registry, *, mode_changes: bool = True) -> None:
        self._registry = registry
        self._state = registry.state
        self._mode_changes = mode_changes

    # ------------------------------------------------------------------ deleting

    def delete_version(self, subject: str, number: int, *, permanent: bool) -> int:
        """Delete a version, softly at first and then, if wanted, for good; return its number.

        Args:
            subject: The subject.
            number: The version; -1 for the newest.
            permanent: Whether a version that is deleted softly already is forgotten.

        Raises:
            RegistryError: It is not there, not deleted softly before, deleted already, used by
                others, or the subject is read-only.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            row = self._state.version(subject, number, deleted=True)
            if row is None:
                if not self._state.has_subjects(subject, deleted=True):
                    raise errors.SubjectNotFoundError(subject)
                raise errors.VersionNotFoundError(number)
            if row.deleted and not permanent:
                raise errors.VersionSoftDeletedError(subject, str(number))
            self._registry.check_writable(subject)
            self._check_unused(row)
            if not permanent:
                self._registry.log.append([records.schema_row(replace(row, deleted=True))])
                return row.version
            if not row.deleted:
                raise errors.VersionNotSoftDeletedError(subject, row.version)
            self._forget([row])
            return row.version

    def delete_subject(self, subject: str, *, permanent: bool) -> list[int]:
        """Delete all versions of a subject, softly at first and then, if wanted, for good.

        Args:
            subject: The subject.
            permanent: Whether versions that are deleted softly already are forgotten.

        Returns:
            The numbers of the versions.

        Raises:
            RegistryError: It is not there, not deleted softly before, deleted already, used by
                others, or read-only.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            if not self._state.has_subjects(subject, deleted=True):
                raise errors.SubjectNotFoundError(subject)
            if not permanent and not self._state.has_subjects(subject):
                raise errors.SubjectSoftDeletedError(subject)
            self._registry.check_writable(subject)
            rows = [
                row
                for name in sorted(self._state.subjects_in(subject, deleted=True))
                if name == subject
                for row in self._state.versions(name, deleted=permanent)
            ]
            for row in rows:
                self._check_unused(row)
                if permanent and not row.deleted:
                    raise errors.SubjectNotSoftDeletedError(subject)
            if permanent:
                self._forget(rows)
            elif rows:
                self._registry.log.append([records.delete_subject_row(subject, rows[-1].version)])
            return [row.version for row in rows]

    def _check_unused(self, row: Registered) -> None:
        if self._state.referrers(row.subject, row.version):
            raise errors.ReferenceExistsError(row.subject, row.version)

    def _forget(self, gone: Iterable[Registered]) -> None:
        """Delete versions for good, and the settings of subjects that have none left.

        Their ids are remembered, since compaction will forget that they ever were.
        """
        rows: list[Row] = [records.noop_row(self._state.max_ids())]
        left: dict[str, set[int]] = {}
        for row in gone:
            rows += self._state.tombstones(row.subject, row.version)
            left.setdefault(row.subject, set(self._state.subjects[row.subject])).discard(
                row.version
            )
        for subject, versions in left.items():
            if not versions and subject in self._state.modes:
                rows.append(records.mode_row(subject, None))
            if not versions and subject in self._state.configs:
                rows.append(records.config_row(subject, None))
        self._registry.log.append(rows)

    def delete_context(self, context: str) -> None:
        """Delete a context that has no subjects.

        Raises:
            ContextNotEmptyError: It has some, possibly deleted softly.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            if any(covers(context, name) for name in self._state.subjects):
                raise errors.ContextNotEmptyError(context)
            self._registry.log.append([records.context_row(context_of(context), exists=False)])

    # ------------------------------------------------------------------ settings

    def update_config(self, subject: str | None, changes: dict[str, object]) -> Config:
        """Change settings of a subject, a context or all; return what is set there now.

        Args:
            subject: The subject or context; None for all.
            changes: New values by name of the field; None takes a value away.

        Raises:
            OperationNotPermittedError: It is read-only.
        """
        with self._registry.writing:
            self._registry.check_writable(subject)
            self._registry.log.catch_up()
            config = replace(self._own_config(subject) or Config(), **changes)
            self._registry.log.append([records.config_row(subject, config)])
            return config

    def delete_config(self, subject: str | None) -> Config:
        """Take away what is set for a subject, a context or all; return what it was.

        Raises:
            SubjectNotFoundError: Nothing is set.
            OperationNotPermittedError: It is read-only.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            config = self._own_config(subject)
            if config is None and subject is not None:
                raise errors.SubjectNotFoundError(subject)
            self._registry.check_writable(subject)
            self._registry.log.append([records.config_row(subject, None)])
            return config or Config()

    def _own_config(self, subject: str | None) -> Config | None:
        value = self._state.configs.get(subject)
        if value is None:
            return None
        return Config(**{name: getattr(value, name) for name in Config.__struct_fields__})

    # ------------------------------------------------------------------ modes

    def set_mode(self, subject: str | None, mode: Mode | None, *, force: bool) -> None:
        """Set the mode of a subject, a context or all.

        Args:
            subject: The subject or context; None for all.
            mode: The mode; None takes it away.
            force: Whether IMPORT may be set although schemas are there.

        Raises:
            OperationNotPermittedError: Schemas are there, or modes may not be set.
            ReferenceExistsError: A deleted version that would be forgotten is used.
        """
        with self._registry.writing:
            self._check_mode_changes()
            self._registry.log.catch_up()
            rows: list[Row] = []
            if mode == "IMPORT" and self._state.mode(subject) != "IMPORT" and not force:
                if self._state.has_subjects(subject):
                    raise errors.OperationNotPermittedError(
                        "Cannot import since found existing subjects"
                    )
                rows = self._leftovers(subject)
            self._registry.log.append([*rows, records.mode_row(subject, mode)])

    def _leftovers(self, scope: str | None) -> list[Row]:
        """Return the rows that forget all versions that are deleted softly."""
        rows: list[Row] = [records.noop_row(self._state.max_ids())]
        for name in self._state.subjects_in(scope, deleted=True):
            for row in self._state.versions(name, deleted=True):
                self._check_unused(row)
                rows += self._state.tombstones(name, row.version)
        return [*rows, records.clear_subject_row(scope)]

    def delete_mode(self, subject: str | None, *, recursive: bool) -> Mode | None:
        """Take away the mode of a subject, a context or all; return what it was.

        Args:
            subject: The subject or context; None for all.
            recursive: Whether the modes of all subjects of a context are taken away as well.

        Raises:
            SubjectNotFoundError: None is set.
            OperationNotPermittedError: Modes may not be set.
        """
        with self._registry.writing:
            self._check_mode_changes()
            self._registry.log.catch_up()
            mode = self._state.modes.get(subject)
            if mode is None and subject is not None and not recursive:
                raise errors.SubjectNotFoundError(subject)
            scopes = [subject]
            if recursive and (subject is None or is_context(subject)):
                scopes += [
                    name
                    for name in self._state.modes
                    if name is not None and name != subject and covers(subject or "", name)
                ]
            self._registry.log.append([records.mode_row(scope, None) for scope in scopes])
            return mode or ("READWRITE" if subject is None else None)

    def _check_mode_changes(self) -> None:
        if not self._mode_changes:
            raise errors.OperationNotPermittedError("Mode changes are not allowed")
