"""Where a content is registered, also where it was sent in another form. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from aliran.schema_registry import contracts, errors
from aliran.schema_registry.guid import content_hash
from aliran.schema_registry.models import Metadata, Registered, Schema
from aliran.schema_registry.parsing import Parsed, SchemaParser
from aliran.schema_registry.state import State
from aliran.schema_registry.subjects import DEFAULT_CONTEXT, context_of, join


class Lookup:
    """Finds contents under subjects.

    Args:
        state: What is registered.
        parser: Parses contents.
    """

    def __init__(self, state: State, parser: SchemaParser) -> None:
        self._state = state
        self._parser = parser

    def require(
        self, subject: str, content: Schema, *, normalize: bool = False, deleted: bool = False
    ) -> Registered:
        """Return the version of a subject that has this content.

        In the default context a subject stands for those of its name in other contexts too.

        Raises:
            SubjectNotFoundError: Nothing is registered under the subject.
            SchemaNotFoundError: Something is, but not this.
            InvalidSchemaError: The content is not valid.
        """
        found = self.find(subject, content, normalize=normalize, deleted=deleted)
        if found is None and context_of(subject) == DEFAULT_CONTEXT:
            for context in self._state.context_names():
                name = join(context, subject)
                if name in self._state.subjects:
                    found = self.find(name, content, normalize=normalize, deleted=deleted)
                if found is not None:
                    break
        if found is None:
            if not self._state.has_subjects(subject, deleted=deleted):
                raise errors.SubjectNotFoundError(subject)
            raise errors.SchemaNotFoundError
        return found

    def find(
        self, subject: str, content: Schema, *, normalize: bool, deleted: bool = False
    ) -> Registered | None:
        """Return the version of a subject, in its own context, that has this content.

        Raises:
            InvalidSchemaError: The content is not valid.
        """
        config = self._state.config(subject)
        normalize = normalize or config.normalize is True
        if not content.schema.strip():
            return None
        parsed = self._parser.parse(content, subject, normalize=normalize)
        with self._state.lock:
            rows = self._state.versions(subject, deleted=deleted)
        found = self._matching(parsed, rows, subject, deleted=deleted)
        if found is not None or not rows:
            return found
        latest = self._state.version(subject, -1)
        if latest is None:
            return None
        filled = contracts.fill_in(content, config, latest.content, None, mark=False)
        if filled == content:
            return None
        parsed = self._parser.parse(filled, subject, normalize=normalize)
        return self._matching(parsed, rows, subject, deleted=deleted)

    def _matching(
        self, parsed: Parsed, rows: Sequence[Registered], subject: str, *, deleted: bool
    ) -> Registered | None:
        context = context_of(subject)
        with self._state.lock:
            known = self._state.id_of(parsed.content, content_hash(parsed.content), context)
            if known is not None:
                for row in self._state.holders(known, context):
                    if row.subject == subject and (deleted or not row.deleted):
                        return row
        return next((row for row in reversed(rows) if self.means_same(parsed, row)), None)

    def means_same(self, new: Parsed, row: Registered) -> bool:
        """Return whether a content is a registered one but for resolved references and the like.

        Confluent: `ParsedSchema.canLookup`.
        """
        old = row.content
        if new.content.schema_type != old.schema_type:
            return False
        same_references = new.content.references == old.references
        if not same_references and (new.content.references or not old.references):
            return False
        if new.content.rule_set != old.rule_set or not _same_but_version(
            new.content.metadata, old.metadata, row.version
        ):
            return False
        if new.content.schema == old.schema:
            return True
        if old.schema_type == "PROTOBUF":
            return False
        try:
            return self._normal_text(new.content, row.subject, resolved=not same_references) == (
                self._normal_text(old, row.subject, resolved=not same_references)
            )
        except errors.InvalidSchemaError:
            return False

    def _normal_text(self, content: Schema, subject: str, *, resolved: bool) -> str:
        if resolved and content.schema_type == "AVRO" and content.references:
            text = self._parser.parse(content, subject).schema.formatted("resolved")
            content = replace(content, schema=text, references=())
        return self._parser.parse(content, subject, normalize=True).schema.canonical


def _same_but_version(new: Metadata | None, old: Metadata | None, version: int) -> bool:
    """Compare metadata; one of the two may lack the property `confluent:version`."""
    new_version, old_version = contracts.version_of(new), contracts.version_of(old)
    if new_version is not None and old_version is None:
        return new_version == str(version) and contracts.without_version(new) == (old or Metadata())
    if new_version is None and old_version is not None:
        return (new or Metadata()) == contracts.without_version(old)
    return new == old
