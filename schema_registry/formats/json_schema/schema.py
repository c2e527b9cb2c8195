"""The format JSON: parses a JSON Schema, checks it against its draft, compares it with others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

import jsonschema
from jsonschema import validators
from jsonschema.exceptions import SchemaError
from jsonschema_specifications import REGISTRY as DRAFTS
from referencing import Resource
from referencing.jsonschema import specification_with

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats import jackson
from aliran.schema_registry.formats.base import Incompatibility, ParsedSchema
from aliran.schema_registry.formats.json_schema import containers, nodes, rules, tags, values
from aliran.schema_registry.formats.json_schema.comparison import differences
from aliran.schema_registry.formats.json_schema.reader import Reader
from aliran.schema_registry.models import CompatibilityPolicy, SchemaTags, SchemaType

# They register themselves.
_COMPARISONS = (containers, values)

_DEFAULT = "http://json-schema.org/draft-07/schema#"
_MODERN = ("2019-09", "2020-12")


class JsonSchema:
    """A valid JSON Schema. Confluent: `JsonSchema`."""

    schema_type: SchemaType = "JSON"

    def __init__(self, document: Any, references: Mapping[str, str]) -> None:
        self._document = document
        self._references = references

    @cached_property
    def canonical(self) -> str:
        """Its text without spaces; keys keep their order."""
        return jackson.dumps(self._document)

    @property
    def name(self) -> str | None:
        """Its title."""
        title = self._document.get("title") if isinstance(self._document, dict) else None
        return title if isinstance(title, str) else None

    def normalized(self) -> JsonSchema:
        """Return it with sorted keys."""
        return JsonSchema(_sorted(self._document), self._references)

    def formatted(self, form: str) -> str:
        """Return `canonical`: JSON Schema has no other form."""
        del form
        return self.canonical

    def has_top_level_field(self, name: str) -> bool:
        """Return whether it has a property of this name."""
        properties = self._document.get("properties") if isinstance(self._document, dict) else None
        return isinstance(properties, dict) and name in properties

    def tags(self) -> list[SchemaTags]:
        """Return the parts of it that have tags."""
        return tags.tagged(self._document)

    def retagged(self, add: list[SchemaTags], remove: list[SchemaTags]) -> str:
        """Return its text with tags added to parts of it, and others taken away.

        Raises:
            InvalidSchemaError: There is no such part.
        """
        copy = json.loads(self.canonical)
        tags.change_tags(copy, add, remove)
        return jackson.dumps(copy)

    @cached_property
    def root(self) -> nodes.Node:
        """The graph of its nodes.

        Raises:
            InvalidSchemaError: A `$ref` leads nowhere.
        """
        draft = _draft_of(self._document)
        specification = specification_with(draft)
        registry = DRAFTS
        base = (
            self._document.get("$id") or self._document.get("id")
            if isinstance(self._document, dict)
            else None
        )
        for name, text in self._references.items():
            contents = _with_both_definitions(json.loads(text))
            resource = Resource.from_contents(contents, default_specification=specification)
            registry = registry.with_resource(name, resource)
            if isinstance(base, str):
                registry = registry.with_resource(urljoin(base, name), resource)
        reader = Reader(
            _with_both_definitions(self._document),
            registry,
            specification,
            is_modern=any(year in draft for year in _MODERN),
            has_prefix_items="2020-12" in draft,
        )
        return reader.read()

    def read_incompatibilities(
        self, writer: ParsedSchema, policy: CompatibilityPolicy = "STRICT"
    ) -> list[Incompatibility]:
        """Return why it cannot read everything that `writer` wrote."""
        if not isinstance(writer, JsonSchema):
            raise TypeError(f"a JSON Schema is compared with another, got {writer!r}")
        return [
            rules.incompatibility(found.rule, found.pointer)
            for found in differences(writer.root, self.root, policy)
            if not rules.is_compatible(found.rule, policy)
        ]


class JsonSchemaFormat:
    """Makes `JsonSchema`s. Confluent: `JsonSchemaProvider`."""

    schema_type: SchemaType = "JSON"

    def parse(
        self, text: str, references: Mapping[str, str], *, is_new: bool = False
    ) -> JsonSchema:
        """Parse and validate; documents that no reference names are never fetched.

        Args:
            text: The schema.
            references: Texts of the schemas that `$ref` names.
            is_new: Whether properties whose name begins with `$$` are refused: those names are
                reserved.

        Raises:
            InvalidSchemaError: It is no JSON, no schema of its draft, or a `$ref` leads nowhere.
        """
        document = _load(text)
        _check_draft(document)
        schema = JsonSchema(document, references)
        root = nodes.behind_references(schema.root)
        if is_new and isinstance(root, nodes.Object):
            for name in root.properties:
                if name.startswith("$$"):
                    raise InvalidSchemaError(
                        f"#/properties/{name}: Field names cannot start with $$ prefix"
                    )
        return schema


def _load(text: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidSchemaError(f"the schema is not JSON: {error}") from error
    if not isinstance(document, dict | bool):
        raise InvalidSchemaError(
            f"a JSON Schema is an object or a boolean, this is {type(document).__name__}"
        )
    return document


def _draft_of(document: Any) -> str:
    """Return the address of the draft it is written in; the default, as Confluent's, is draft 7."""
    draft = document.get("$schema") if isinstance(document, dict) else None
    if isinstance(draft, str) and validators.validator_for({"$schema": draft}, default=None):
        return draft
    return _DEFAULT


def _check_draft(document: Any) -> None:
    draft = validators.validator_for({"$schema": _draft_of(document)}, jsonschema.Draft7Validator)
    try:
        draft.check_schema(document)
    except SchemaError as error:
        path = "/".join(map(str, error.absolute_path))
        raise InvalidSchemaError(f"#/{path}: {error.message}") from error
    except RecursionError as error:
        raise InvalidSchemaError("the schema is nested too deeply") from error


def _with_both_definitions(document: Any) -> Any:
    """Let `#/$defs/X` find what stands under `definitions`, as Confluent does."""
    old = document.get("definitions") if isinstance(document, dict) else None
    if not isinstance(old, dict) or not isinstance(document.get("$defs", {}), dict):
        return document
    return {**document, "$defs": {**old, **document.get("$defs", {})}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value
