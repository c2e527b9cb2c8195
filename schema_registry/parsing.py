"""Contents → parsed schemas: looks up references, and remembers what was parsed.

Confluent: `AbstractSchemaProvider.resolveReferences`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from msgspec.structs import replace

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.base import ParsedSchema
from aliran.schema_registry.formats.table import schema_format
from aliran.schema_registry.models import Reference, Schema, SchemaTags
from aliran.schema_registry.state import State
from aliran.schema_registry.subjects import resolve

CACHED_SCHEMAS = 1_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """A content and what it is.

    Attributes:
        content: The content, its text in canonical form and references to `latest` resolved.
        schema: The parsed schema.
    """

    content: Schema
    schema: ParsedSchema


class SchemaParser:
    """Parses contents against what is registered.

    Args:
        state: Where references are looked up.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._cache: OrderedDict[object, ParsedSchema] = OrderedDict()
        self._lock = threading.Lock()

    def parse(
        self, content: Schema, subject: str, *, is_new: bool = False, normalize: bool = False
    ) -> Parsed:
        """Parse a content that belongs to `subject`.

        Args:
            content: As the user sent it, or as it is registered.
            subject: In whose context names of referenced subjects are meant.
            is_new: Whether it is checked strictly; references must not be deleted then.
            normalize: Whether it is brought into normal form.

        Raises:
            InvalidSchemaError: It is not valid, or a reference leads nowhere.
        """
        references, texts = self._resolve(content, subject, deleted=not is_new)
        schema_type, text = content.schema_type, content.schema
        key = (schema_type, text, tuple(texts.items()), is_new, normalize)
        with self._lock:
            schema = self._cache.get(key)
            if schema is not None:
                self._cache.move_to_end(key)
        if schema is None:
            schema = self._parse(content, texts, is_new=is_new, normalize=normalize)
            with self._lock:
                self._cache[key] = schema
                if len(self._cache) > CACHED_SCHEMAS:
                    self._cache.popitem(last=False)
        if normalize:
            references = tuple(
                sorted(
                    dict.fromkeys(references), key=lambda one: (one.name, one.subject, one.version)
                )
            )
        return Parsed(replace(content, schema=schema.canonical, references=references), schema)

    def tags(self, content: Schema, subject: str) -> list[SchemaTags]:
        """Return the parts of a content that have tags.

        Raises:
            InvalidSchemaError: It cannot be parsed.
        """
        return self.parse(content, subject).schema.tags()

    def retagged(
        self, content: Schema, subject: str, add: list[SchemaTags], remove: list[SchemaTags]
    ) -> Schema:
        """Return a content with other tags inside of its text.

        Raises:
            InvalidSchemaError: It has no such part.
        """
        schema = self.parse(content, subject).schema
        return replace(content, schema=schema.retagged(add, remove))

    def _parse(
        self, content: Schema, texts: dict[str, str], *, is_new: bool, normalize: bool
    ) -> ParsedSchema:
        try:
            schema = schema_format(content.schema_type).parse(content.schema, texts, is_new=is_new)
            if normalize:
                schema = schema.normalized()
            schema.canonical.encode()  # computed now, so that it fails here if it fails
        except InvalidSchemaError as error:
            raise InvalidSchemaError(
                f"Invalid schema of type {content.schema_type}, details: {error.message}"
            ) from error
        except UnicodeEncodeError as error:
            raise InvalidSchemaError(
                f"Invalid schema of type {content.schema_type}, details: it holds half of a "
                "surrogate pair, which is no character"
            ) from error
        except RecursionError as error:
            raise InvalidSchemaError(
                f"Invalid schema of type {content.schema_type}, details: nested too deeply"
            ) from error
        return schema

    def _resolve(
        self, content: Schema, subject: str, *, deleted: bool
    ) -> tuple[tuple[Reference, ...], dict[str, str]]:
        """Return the references with real versions, and the texts of all they lead to."""
        if not content.references:
            return (), {}
        texts: dict[str, str] = {}
        with self._state.lock:
            resolved = self._collect(content.references, subject, texts, set(), deleted=deleted)
        return resolved, texts

    def _collect(
        self,
        references: tuple[Reference, ...],
        subject: str,
        texts: dict[str, str],
        visited: set[str],
        *,
        deleted: bool,
    ) -> tuple[Reference, ...]:
        resolved = []
        for reference in references:
            target = resolve(reference.subject, subject)
            found = self._state.version(target, reference.version, deleted=deleted)
            if found is None:
                raise InvalidSchemaError(
                    f'No schema reference found for subject "{target}" and version '
                    f"{reference.version}"
                )
            resolved.append(replace(reference, version=found.version))
            if reference.name not in visited:
                visited.add(reference.name)
                self._collect(
                    found.content.references, found.subject, texts, visited, deleted=deleted
                )
                texts[reference.name] = found.content.schema
        return tuple(resolved)
