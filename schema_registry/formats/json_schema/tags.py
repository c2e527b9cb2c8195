"""Tags inside of JSON Schemas: the keyword `confluent:tags` of objects and properties.

A path leads through what a schema is made of: `object.card`, `object.lines.array.object`,
`oneof.1.object`; alternatives are counted in an order of their own, not that of the text.
Confluent: `JsonSchema.inlineTaggedEntities`, `JsonSchemaUtils.findMatchingEntity`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aliran.schema_registry.formats.tagging import FIELD, RECORD, changed_tags, found_tags
from aliran.schema_registry.models import SchemaTags

ATTRIBUTE = "confluent:tags"
_COMBINED = {"allOf": "allof", "anyOf": "anyof", "oneOf": "oneof"}
_OBJECT = ("properties", "additionalProperties", "patternProperties", "required", "dependencies")
_ARRAY = ("items", "additionalItems", "prefixItems", "contains", "minItems", "maxItems")

_Parts = Iterator[tuple[tuple[str, str], dict[str, Any]]]


def tagged(document: Any) -> list[SchemaTags]:
    """Return all parts of a schema that have tags."""
    return found_tags(dict(_parts(document, "")), _tags)


def change_tags(document: Any, add: list[SchemaTags], remove: list[SchemaTags]) -> None:
    """Add tags to parts of a schema, and take others away.

    Raises:
        InvalidSchemaError: There is no such part.
    """
    for part, tags in changed_tags(dict(_parts(document, "")), _tags, add, remove):
        if tags:
            part[ATTRIBUTE] = tags
        else:
            part.pop(ATTRIBUTE, None)


def _tags(part: dict[str, Any]) -> list[str]:
    tags = part.get(ATTRIBUTE)
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _parts(node: Any, scope: str, *, in_field: bool = False) -> _Parts:
    """Yield kind, path and schema of all parts."""
    if not isinstance(node, dict):
        return
    faces = _faces(node)
    for number, (_, face) in enumerate(faces):
        # What is several things at once is all of them.
        inside = f"{scope}allof.{number}." if len(faces) > 1 else scope
        if face in _COMBINED:
            alternatives = sorted(node[face], key=_order)
            for index, one in enumerate(alternatives):
                yield from _parts(one, f"{inside}{_COMBINED[face]}.{index}.")
        elif face == "types":
            for index, kind in enumerate(sorted(node["type"])):
                yield from _typed(node, kind, f"{inside}anyof.{index}.", in_field=False)
        elif face == "not":
            yield from _parts(node["not"], f"{inside}not.")
        elif face == "if":
            for name in ("if", "then", "else"):
                yield from _parts(node.get(name), f"{inside}conditional.{name}.")
        else:
            yield from _typed(node, face, inside, in_field=in_field)


def _typed(node: dict[str, Any], kind: str, scope: str, *, in_field: bool) -> _Parts:
    if kind == "array":
        yield from _parts(node.get("items"), f"{scope}array.")
    if kind != "object":
        return
    if not in_field:
        yield (RECORD, f"{scope}object"), node
    for name, each in _named(node, "properties"):
        path = f"{scope}object.{name}"
        if isinstance(each, dict):
            yield (FIELD, path), each
        yield from _parts(each, f"{path}.", in_field=True)
    for keyword in ("definitions", "$defs"):
        for name, each in _named(node, keyword):
            yield from _parts(each, f"{scope}object.{keyword}.{name}.")


def _named(node: dict[str, Any], keyword: str) -> Iterator[tuple[str, Any]]:
    found = node.get(keyword)
    if isinstance(found, dict):
        yield from found.items()


def _faces(node: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a schema is, in order: Confluent's name of the class, and which."""
    if "$ref" in node:
        return [("REFERENCE", "$ref")]
    found = [("COMBINED", name) for name in _COMBINED if isinstance(node.get(name), list)]
    if "if" in node:
        found.append(("CONDITIONAL", "if"))
    if "not" in node:
        found.append(("NOT", "not"))
    found += [(name.upper(), name) for name in ("const", "enum") if name in node]
    kind = node.get("type")
    if isinstance(kind, list) and len(kind) > 1:
        return sorted([*found, ("COMBINED", "types")])
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind is None and any(name in node for name in _OBJECT):
        kind = "object"
    if kind is None and any(name in node for name in _ARRAY):
        kind = "array"
    if isinstance(kind, str) and not (found and found[-1][1] in ("const", "enum")):
        found.append((kind.upper().replace("INTEGER", "NUMBER"), kind))
    return sorted(found)


def _order(node: Any) -> tuple[Any, ...]:
    """Return what alternatives are ordered by. Confluent: `JsonSchemaComparator`."""
    if not isinstance(node, dict):
        return ("TRUE" if node else "FALSE", "", "", "", 0, [])
    faces = _faces(node)
    name = "COMBINED" if len(faces) > 1 else faces[0][0] if faces else "EMPTY"
    face = faces[0][1] if faces else ""
    parts: list[str] = []
    if face == "object":
        parts = sorted(name for name, _ in _named(node, "properties"))
    elif face in ("enum", "const"):
        values = node["enum"] if face == "enum" else [node["const"]]
        parts = sorted(map(_text, values))
    texts = (_text(node[key]) if key in node else "" for key in ("title", "description", "default"))
    return (name, *texts, len(parts), parts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
