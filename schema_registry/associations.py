"""Which subjects belong to which topics, where that is more than a matter of names.

A STRONG association is owned by its topic: it is made with it, its subject has a name of its own
and nobody else's, and it is frozen. A WEAK one only points to a subject. Confluent: `Association`,
since 8.1.2; its clients ask for them before they fall back to the topic's name.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from aliran.schema_registry import errors, records
from aliran.schema_registry.changes import Changes
from aliran.schema_registry.models import Association, Lifecycle, Registered
from aliran.schema_registry.registry import Registration, Registry
from aliran.schema_registry.subjects import join, normalize, resolve

TOPIC = "topic"
"""The one kind of resource there is."""

ANY = "-"
"""Stands for every name, or every namespace, of a resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One association as a user asks for it; None for what they do not say.

    Attributes:
        subject: Its subject.
        association_type: "key" or "value".
        lifecycle: STRONG or WEAK.
        frozen: Whether it can be changed.
        schema: What is registered under the subject with it.
    """

    subject: str | None
    association_type: str
    lifecycle: Lifecycle | None
    frozen: bool | None
    schema: Registration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What subjects are associated with.

    Attributes:
        name: Of a topic: its name.
        namespace: Of a topic: the id of its cluster.
        id: Never changes, not even when a topic of the same name is made again.
        kind: "topic".
    """

    name: str
    namespace: str
    id: str
    kind: str

    def default_subject(self, association_type: str) -> str:
        """Return the subject that a STRONG association of this resource has."""
        return normalize(join(f".{self.namespace}", f"{self.name}-{association_type}"))


class Associations:
    """The associations of a registry.

    Args:
        registry: The registry.
        changes: Changes to it.
    """

    def __init__(self, registry: Registry, changes: Changes) -> None:
        self._registry = registry
        self._changes = changes
        self._state = registry.state

    # ------------------------------------------------------------------ asking

    def of_resource(
        self, name: str, namespace: str, types: Collection[str], lifecycle: str | None
    ) -> list[Association]:
        """Return those of a resource; `-` stands for any name or namespace."""
        return [
            one
            for one in self._all(types, lifecycle)
            if name in {ANY, one.resource_name} and namespace in {ANY, one.resource_namespace}
        ]

    def of_resource_id(
        self, resource_id: str, types: Collection[str] = (), lifecycle: str | None = None
    ) -> list[Association]:
        """Return those of the resource with this id."""
        return [one for one in self._all(types, lifecycle) if one.resource_id == resource_id]

    def of_subject(
        self, subject: str, types: Collection[str] = (), lifecycle: str | None = None
    ) -> list[Association]:
        """Return those of a subject."""
        return [one for one in self._all(types, lifecycle) if one.subject == subject]

    def by_subject(self, types: Collection[str]) -> dict[str, list[Association]]:
        """Return those of all subjects that have any."""
        found: dict[str, list[Association]] = {}
        for one in self._all(types, None):
            found.setdefault(one.subject, []).append(one)
        return found

    def _all(self, types: Collection[str], lifecycle: str | None) -> list[Association]:
        with self._state.lock:
            found = list(self._state.associations.values())
        return sorted(
            (
                one
                for one in found
                if (not types or one.association_type in types)
                and lifecycle in {None, one.lifecycle}
            ),
            key=lambda one: (one.resource_name, one.resource_namespace, one.association_type),
        )

    # ------------------------------------------------------------------ changing

    def put(
        self,
        resource: Resource,
        wanted: Iterable[Wanted],
        *,
        creates: bool,
        context: str,
        dry_run: bool,
    ) -> list[tuple[Association, Registered | None]]:
        """Make or change the associations of a resource, all or none.

        Args:
            resource: The resource.
            wanted: Its associations.
            creates: Whether the resource is new; then STRONG ones can be made.
            context: In which context subjects are meant that name none: `:.ctx:` or "".
            dry_run: Whether only is checked what would happen.

        Returns:
            What has changed, with the schema that was registered for it.

        Raises:
            RegistryError: Something of it is not allowed; then nothing has changed.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            known = {one.association_type: one for one in self.of_resource_id(resource.id)}
            settled = [
                (
                    one,
                    self._settle(resource, one, known.get(one.association_type), creates, context),
                )
                for one in wanted
            ]
            changed = [(one, new) for one, new in settled if new != known.get(one.association_type)]
            final = known | {one.association_type: new for one, new in settled}
            if len({one.lifecycle for one in final.values()}) > 1:
                raise errors.InvalidAssociationError(
                    "lifecycle",
                    "all associations for a resource must have the same lifecycle, but got "
                    + ", ".join(f"{name}={one.lifecycle}" for name, one in final.items()),
                )
            for one, new in settled:
                self._check_subject(one, new)
            if dry_run:
                return []
            done = [
                (new, self._registry.register(new.subject, one.schema) if one.schema else None)
                for one, new in changed
            ]
            if done:
                self._registry.log.append([records.association_row(new) for new, _ in done])
            return done

    def _settle(
        self,
        resource: Resource,
        wanted: Wanted,
        known: Association | None,
        creates: bool,
        context: str,
    ) -> Association:
        """Return what an association will be, with what the user does not say filled in."""
        lifecycle = wanted.lifecycle or (known.lifecycle if known is not None else None)
        if wanted.schema is not None:
            if lifecycle == "WEAK":
                raise errors.InvalidAssociationError(
                    "lifecycle", "cannot be WEAK when schema is provided"
                )
            lifecycle = "STRONG"
        lifecycle = lifecycle or "WEAK"
        frozen = lifecycle == "STRONG"
        if wanted.frozen is not None and wanted.frozen != frozen:
            raise errors.InvalidAssociationError(
                "frozen",
                f"association with lifecycle of {lifecycle} cannot be "
                f"frozen={'true' if wanted.frozen else 'false'}",
            )
        default = resource.default_subject(wanted.association_type)
        subject = self._subject(wanted, known, default, frozen, context)
        new = Association(
            guid=known.guid if known is not None else str(uuid.uuid4()),
            subject=subject,
            resource_name=resource.name,
            resource_namespace=resource.namespace,
            resource_id=resource.id,
            resource_type=resource.kind,
            association_type=wanted.association_type,
            lifecycle=lifecycle,
            frozen=frozen,
            created_ms=known.created_ms if known is not None else None,
        )
        if known is None:
            self._check_new(wanted, new, creates)
            return new
        new = replace(new, updated_ms=known.updated_ms)
        if new != known:
            self._check_change(known, new, creates)
        return new

    def _subject(
        self,
        wanted: Wanted,
        known: Association | None,
        default: str,
        strong: bool,
        context: str,
    ) -> str:
        if wanted.subject is not None:
            subject = resolve(wanted.subject, context)
            config = self._state.configs.get(subject)
            if config is not None and config.alias:
                subject = resolve(config.alias, subject)
        elif known is not None:
            subject = known.subject
        elif strong:
            subject = default
        else:
            raise errors.InvalidAssociationError(
                "subject", "must be provided for WEAK associations"
            )
        if strong and subject != default:
            raise errors.InvalidAssociationError(
                "subject", f"frozen associations must use subject '{default}'"
            )
        if not strong and subject == default:
            raise errors.InvalidAssociationError(
                "subject", f"WEAK associations cannot use subject '{default}'"
            )
        self._registry.check_writable(subject)
        return subject

    def _check_new(self, wanted: Wanted, new: Association, creates: bool) -> None:
        if new.lifecycle == "WEAK" or self._state.mode(new.subject) == "IMPORT":
            return
        if not creates:
            raise errors.InvalidAssociationError(
                "lifecycle",
                "cannot be STRONG when creating an association; STRONG associations must be "
                "created with the topic",
            )
        if wanted.schema is None:
            raise errors.InvalidAssociationError(
                "schema", "schema must be provided when creating a frozen association"
            )
        latest = self._state.version(new.subject, -1)
        if latest is not None and (
            latest.version != 1
            or self._registry.find_registered(new.subject, wanted.schema) is None
        ):
            raise errors.InvalidAssociationError(
                "frozen",
                "cannot create a frozen association when schemas already exist in the subject",
            )

    @staticmethod
    def _check_change(known: Association, new: Association, creates: bool) -> None:
        if creates:
            raise errors.AssociationForResourceExistsError(
                known.association_type, known.resource_name
            )
        if new.subject != known.subject:
            raise errors.InvalidAssociationError(
                "subject",
                f"subject of association cannot be changed from '{known.subject}' to "
                f"'{new.subject}'",
            )
        if known.frozen:
            raise errors.AssociationFrozenError(known.association_type, known.subject)

    def _check_subject(self, wanted: Wanted, new: Association) -> None:
        """Check that the subject has a schema, and no associations that exclude this one."""
        if wanted.schema is None and self._state.version(new.subject, -1) is None:
            raise errors.NoActiveVersionError(new.subject)
        others = [one for one in self.of_subject(new.subject) if one.guid != new.guid]
        if new.lifecycle == "STRONG":
            if others:
                raise errors.AssociationForSubjectExistsError(new.subject)
            for row in self._state.versions(new.subject):
                if self._state.referrers(row.subject, row.version):
                    raise errors.ReferenceExistsError(row.subject, row.version)
        elif any(one.lifecycle == "STRONG" for one in others):
            raise errors.StrongAssociationExistsError(new.subject)

    def delete(
        self, resource_id: str, types: Collection[str], *, cascade: bool, dry_run: bool
    ) -> None:
        """Take associations of a resource away.

        Args:
            resource_id: The resource.
            types: Which; empty for all.
            cascade: Whether the subjects of STRONG ones are deleted for good as well; only then
                STRONG ones can be taken away.
            dry_run: Whether only is checked what would happen.

        Raises:
            RegistryError: There are none, or one is frozen.
        """
        with self._registry.writing:
            self._registry.log.catch_up()
            gone = self.of_resource_id(resource_id, types)
            if not gone:
                raise errors.AssociationNotFoundError(resource_id)
            for one in gone:
                self._registry.check_writable(one.subject)
                if one.frozen and not cascade:
                    raise errors.AssociationFrozenError(one.association_type, one.subject)
            if dry_run:
                return
            for one in gone:
                self._registry.log.append([records.association_row(one, exists=False)])
                strong = one.lifecycle == "STRONG"
                if strong and cascade and self._state.mode(one.subject) != "IMPORT":
                    if self._state.has_subjects(one.subject):
                        self._changes.delete_subject(one.subject, permanent=False)
                    if self._state.has_subjects(one.subject, deleted=True):
                        self._changes.delete_subject(one.subject, permanent=True)
