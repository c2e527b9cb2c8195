"""The registry in memory: what the rows of `_schemas` add up to, with its indexes. No I/O.

`apply` takes the rows in the order of the topic. It never fails: a row that cannot be understood is
counted and left out. All other methods only read. Whoever reads more than one thing holds `lock`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from aliran.schema_registry import records
from aliran.schema_registry.models import Association, Config, Mode, Registered, Schema
from aliran.schema_registry.subjects import (
    DEFAULT_CONTEXT,
    GLOBAL_CONTEXT,
    context_of,
    context_prefix,
    covers,
    join,
    resolve,
    split,
)

_T = TypeVar("_T")
_GLOBAL_SCOPE = join(GLOBAL_CONTEXT, "")
_Version = tuple[str, int]


class Context:
    """The ids of one context.

    Attributes:
        ids: Where each id is registered, first come first.
        by_digest: The id of each content.
        max_id: The highest id ever given out.
        referrers: For each version that others use: which versions those are; deleted ones left
            out.
    """

    __slots__ = ("by_digest", "ids", "max_id", "referrers")

    def __init__(self) -> None:
        self.ids: dict[int, dict[_Version, None]] = {}
        self.by_digest: dict[bytes, int] = {}
        self.max_id: int = 0
        self.referrers: dict[_Version, dict[_Version, int]] = {}


class State:
    """All that is registered.

    Attributes:
        lock: Held while a row is applied.
        subjects: The versions of each subject by their number, deleted ones too.
        contexts: The ids of each context.
        configs: Settings by subject or context; None for all.
        modes: Modes by subject or context; None for all.
        declared_contexts: Contexts that a row of their own makes exist.
        associations: Subjects that belong to resources, by the key of their row.
        generation: Grows with every row, so that what was computed before can be dropped.
        skipped: How many rows were left out, by reason.
        rows: How many rows were applied.
    """

    def __init__(self) -> None:
        self.lock: threading.RLock = threading.RLock()
        self.subjects: dict[str, dict[int, Registered]] = {}
        self.contexts: dict[str, Context] = {}
        self.configs: dict[str | None, Config] = {}
        self.modes: dict[str | None, Mode] = {}
        self.declared_contexts: set[str] = set()
        self.associations: dict[records.Key, Association] = {}
        self.generation: int = 0
        self.skipped: Counter[str] = Counter()
        self.rows: int = 0
        self._odd_keys: dict[_Version, set[bytes]] = {}
        self._apply_by_type: dict[str, Callable[[records.Key, bytes | None, int], None]] = {
            "CONFIG": self._apply_config,
            "MODE": self._apply_mode,
            "DELETE_SUBJECT": self._apply_delete_subject,
            "CLEAR_SUBJECT": self._apply_clear_subject,
            "CONTEXT": self._apply_context,
            "ASSOC": self._apply_association,
            "NOOP": self._apply_noop,
        }

    # ------------------------------------------------------------------ rows

    def apply(self, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Take over one row. Rows that cannot be understood are counted in `skipped`."""
        with self.lock:
            self.rows += 1
            self.generation += 1
            try:
                decoded = records.decode_key(key or b"")
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.skipped["no key of a schema registry"] += 1
                return
            apply = self._apply_by_type.get(decoded.keytype)
            try:
                if decoded.keytype == "SCHEMA":
                    self._apply_schema(key or b"", decoded, value, timestamp_ms)
                elif apply is not None:
                    apply(decoded, value, timestamp_ms)
                else:
                    self.skipped[f"unknown key type {decoded.keytype[:40]}"] += 1
            except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError):
                self.skipped[f"{decoded.keytype} row that cannot be read"] += 1

    def _apply_schema(
        self, raw_key: bytes, key: records.Key, value: bytes | None, timestamp_ms: int
    ) -> None:
        if key.subject is None or key.version is None:
            raise ValueError("a schema's key needs subject and version")
        if value is None:
            self._remove(key.subject, key.version)
            return
        if raw_key != records.schema_key(key.subject, key.version):
            self._odd_keys.setdefault((key.subject, key.version), set()).add(raw_key)
        decoded = records.decode_schema(value)
        context = self._context(context_of(key.subject))
        context.max_id = max(context.max_id, decoded.id)
        holders = context.ids.get(decoded.id)
        if holders:
            subject, version = next(iter(holders))
            if self.subjects[subject][version].content.schema != decoded.schema:
                self.skipped["schema with the id of another one"] += 1
                return
        self._put(records.registered(decoded, key.subject, key.version, timestamp_ms))

    def _apply_config(self, key: records.Key, value: bytes | None, _timestamp_ms: int) -> None:
        if value is None:
            self.configs.pop(key.subject, None)
        else:
            self.configs[key.subject] = records.decode_config(value)

    def _apply_mode(self, key: records.Key, value: bytes | None, _timestamp_ms: int) -> None:
        if value is None:
            self.modes.pop(key.subject, None)
        else:
            self.modes[key.subject] = records.decode_mode(value).mode

    def _apply_delete_subject(
        self, _key: records.Key, value: bytes | None, _timestamp_ms: int
    ) -> None:
        if value is None:
            return
        deleted = records.decode_delete_subject(value)
        for row in list(self.subjects.get(deleted.subject, {}).values()):
            if row.version <= deleted.version and not row.deleted:
                self._put(msgspec.structs.replace(row, deleted=True))

    def _apply_clear_subject(
        self, key: records.Key, value: bytes | None, _timestamp_ms: int
    ) -> None:
        if value is None:
            return
        for name in list(self.subjects):
            if key.subject is None or covers(key.subject, name):
                for row in list(self.subjects[name].values()):
                    if row.deleted:
                        self._remove(name, row.version)

    def _apply_context(self, key: records.Key, value: bytes | None, _timestamp_ms: int) -> None:
        if key.context is None:
            raise ValueError("a context's key needs its name")
        if value is None:
            self.declared_contexts.discard(key.context)
        else:
            self.declared_contexts.add(key.context)

    def _apply_association(self, key: records.Key, value: bytes | None, timestamp_ms: int) -> None:
        if value is None:
            self.associations.pop(key, None)
        else:
            self.associations[key] = records.association(
                records.decode_association(value), timestamp_ms
            )

    def _apply_noop(self, _key: records.Key, value: bytes | None, _timestamp_ms: int) -> None:
        if value:
            for name, max_id in records.decode_noop(value).max_ids.items():
                context = self._context(name)
                context.max_id = max(context.max_id, max_id)

    def _context(self, name: str) -> Context:
        found = self.contexts.get(name)
        if found is None:
            found = self.contexts[name] = Context()
        return found

    def _put(self, row: Registered) -> None:
        """Add a version, or replace it."""
        place = (row.subject, row.version)
        context = self._context(context_of(row.subject))
        versions = self.subjects.setdefault(row.subject, {})
        old = versions.get(row.version)
        if old is not None and old.id != row.id:
            self._forget_id(context, old)
        versions[row.version] = row
        context.ids.setdefault(row.id, {})[place] = None
        context.by_digest[row.digest] = row.id
        if old is not None:
            self._unrefer(old)
        if row.content.references and not row.deleted:
            for target in self._targets(row):
                home = self._context(context_of(target[0]))
                home.referrers.setdefault(target, {})[place] = row.id

    def _remove(self, subject: str, version: int) -> None:
        """Forget a version."""
        self._odd_keys.pop((subject, version), None)
        versions = self.subjects.get(subject, {})
        row = versions.pop(version, None)
        if row is None:
            return
        if not versions:
            del self.subjects[subject]
        self._forget_id(self.contexts[context_of(subject)], row)
        self._unrefer(row)

    @staticmethod
    def _forget_id(context: Context, row: Registered) -> None:
        holders = context.ids.get(row.id, {})
        holders.pop((row.subject, row.version), None)
        if not holders:
            context.ids.pop(row.id, None)
            if context.by_digest.get(row.digest) == row.id:
                del context.by_digest[row.digest]

    def _unrefer(self, row: Registered) -> None:
        for target in self._targets(row):
            referrers = self.contexts[context_of(target[0])].referrers
            users = referrers.get(target)
            if users is not None:
                users.pop((row.subject, row.version), None)
                if not users:
                    del referrers[target]

    @staticmethod
    def _targets(row: Registered) -> Iterator[_Version]:
        for reference in row.content.references:
            yield resolve(reference.subject, row.subject), reference.version

    # ------------------------------------------------------------------ reading

    def versions(self, subject: str, *, deleted: bool = False) -> list[Registered]:
        """Return the versions of a subject, oldest first; with the soft-deleted ones if wanted."""
        rows = self.subjects.get(subject, {})
        return [rows[number] for number in sorted(rows) if deleted or not rows[number].deleted]

    def version(self, subject: str, number: int, *, deleted: bool = False) -> Registered | None:
        """Return one version of a subject; -1 for the newest that is not deleted."""
        if number == -1:
            return next(reversed(self.versions(subject)), None)
        row = self.subjects.get(subject, {}).get(number)
        return None if row is None or (row.deleted and not deleted) else row

    def tombstones(self, subject: str, version: int) -> list[records.Row]:
        """Return the rows that delete a version for good.

        There is one more for each other spelling of its key, which compaction would keep.
        """
        odd: list[records.Row] = [
            (key, None) for key in sorted(self._odd_keys.get((subject, version), ()))
        ]
        return [*odd, records.schema_tombstone(subject, version)]

    def next_version(self, subject: str) -> int:
        """Return the number of a subject's next version: one more than it ever had."""
        return max(self.subjects.get(subject, ()), default=0) + 1

    def has_subjects(self, scope: str | None, *, deleted: bool = False) -> bool:
        """Return whether a subject, or a context (None: any), holds a version."""
        return next(self.subjects_in(scope, deleted=deleted), None) is not None

    def subjects_in(self, scope: str | None, *, deleted: bool = False) -> Iterator[str]:
        """Yield the subjects that a subject, or a context (None: all), stands for."""
        exact = scope is not None and split(scope)[1]
        for name in [scope] if exact and scope is not None else list(self.subjects):
            if scope is None or covers(scope, name):
                rows = self.subjects.get(name, {})
                if any(deleted or not row.deleted for row in rows.values()):
                    yield name

    def holders(self, schema_id: int, context: str) -> list[Registered]:
        """Return where an id is registered in a context, deleted versions too."""
        found = self.contexts.get(context)
        places = found.ids.get(schema_id, {}) if found is not None else {}
        return [self.subjects[subject][version] for subject, version in places]

    def find_id(self, schema_id: int, subject: str | None) -> Registered | None:
        """Return a version with this id, in `subject` or in the context that it names."""
        context, plain = split(subject or "")
        for row in self.holders(schema_id, context):
            if not plain or row.subject == subject:
                return row
        return None

    def id_of(self, content: Schema, digest: bytes, context: str) -> int | None:
        """Return the id of a content in a context."""
        found = self.contexts.get(context)
        schema_id = found.by_digest.get(digest) if found is not None else None
        if schema_id is None or self.holders(schema_id, context)[0].content != content:
            return None
        return schema_id

    def referrers(self, subject: str, version: int) -> dict[_Version, int]:
        """Return which undeleted versions use one, with their ids."""
        found = self.contexts.get(context_of(subject))
        return {} if found is None else found.referrers.get((subject, version), {})

    def context_names(self) -> list[str]:
        """Return all contexts but the default one, sorted."""
        used = {name for name, context in self.contexts.items() if context.ids}
        return sorted((used | self.declared_contexts) - {DEFAULT_CONTEXT})

    def max_ids(self) -> dict[str, int]:
        """Return the highest id ever given out, by context."""
        return {name: found.max_id for name, found in self.contexts.items() if found.max_id}

    def config(self, subject: str | None) -> Config:
        """Return the settings in force: the subject's, or its context's, or those of all."""
        return _in_scope(self.configs, subject) or Config()

    def mode(self, subject: str | None) -> Mode:
        """Return the mode in force: the subject's, or its context's, or that of all."""
        everywhere = _in_scope(self.modes, None)
        if everywhere == "READONLY_OVERRIDE":
            return everywhere
        return _in_scope(self.modes, subject) or "READWRITE"


def _in_scope(values: dict[str | None, _T], subject: str | None) -> _T | None:
    """Look for the value of a subject, then of its context, then of all."""
    prefix = None if subject is None else context_prefix(subject) or None
    for scope in (subject, prefix, _GLOBAL_SCOPE):
        found = values.get(scope)
        if found is not None:
            return found
    return None
