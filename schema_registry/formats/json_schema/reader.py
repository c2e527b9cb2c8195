"""Reads a JSON Schema into nodes, following every `$ref`.

A schema often holds keywords of several kinds side by side: `type` with `enum`, or `anyOf` with
`properties`. Each kind becomes a node of its own, and they stand together as an `allOf`; so does
the library on which Confluent's rules are defined. `$ref` in drafts up to 7 hides its siblings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from referencing import Registry, Specification
from referencing._core import Resolver
from referencing.exceptions import Unresolvable

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.json_schema import nodes

_STRING = ("minLength", "maxLength", "pattern", "format")
_NUMBER = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_ARRAY = (
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedItems",
)
_OBJECT = (
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "minProperties",
    "maxProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
    "unevaluatedProperties",
)
_TYPE_OF_KEYWORD = {
    **dict.fromkeys(_STRING, "string"),
    **dict.fromkeys(_NUMBER, "number"),
    **dict.fromkeys(_ARRAY, "array"),
    **dict.fromkeys(_OBJECT, "object"),
}
_FAMILY = {"integer": "number"}
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_ANNOTATIONS = ("$id", "id", "title", "description", "default")


def text_of(value: Any) -> str:
    """Return JSON with sorted keys: equal texts are equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Reader:
    """Reads one document and what it refers to.

    Args:
        document: The schema.
        registry: All documents that `$ref` may name.
        specification: The draft, which says what `$id` and `$ref` mean.
        is_modern: Whether it is 2019-09 or later, where `$ref` has siblings.
        has_prefix_items: Whether it is 2020-12, where `items` stands behind `prefixItems`.
    """

    def __init__(
        self,
        document: Any,
        registry: Registry[Any],
        specification: Specification[Any],
        *,
        is_modern: bool,
        has_prefix_items: bool,
    ) -> None:
        self._registry = registry
        self._specification = specification
        self._is_modern = is_modern
        self._has_prefix_items = has_prefix_items
        self._document = document
        self._known: dict[int, nodes.Node] = {}
        self._alive: list[Any] = []  # keeps what ids in `_known` stand for
        self._unread: list[tuple[nodes.Reference, Any, Resolver[Any]]] = []

    def read(self) -> nodes.Node:
        """Return the node of the whole document.

        Raises:
            InvalidSchemaError: A `$ref` leads nowhere.
        """
        resource = self._specification.create_resource(self._document)
        root = self._node(self._document, self._registry.resolver_with_root(resource))
        while self._unread:  # not at once: chains of references may be long
            reference, source, resolver = self._unread.pop()
            reference.target = self._node(source, resolver)
        return root

    # ------------------------------------------------------------------ one schema

    def _node(self, source: Any, resolver: Resolver[Any]) -> nodes.Node:
        if isinstance(source, bool):
            return nodes.Anything(source="true") if source else nodes.Nothing(source="false")
        known = self._known.get(id(source))
        if known is not None:
            return known
        resolver = resolver.in_subresource(self._specification.create_resource(source))
        # Known before it is complete: a reference inside may lead back to it.
        holder = nodes.Reference(source=text_of(source))
        self._known[id(source)] = holder
        self._alive.append(source)
        node = holder.target = self._read(source, resolver)
        self._known[id(source)] = node
        return node

    def _read(self, source: Mapping[str, Any], resolver: Resolver[Any]) -> nodes.Node:
        parts: list[nodes.Node] = []
        if "$ref" in source:
            parts.append(self._reference(source["$ref"], resolver))
            if not self._is_modern:
                return self._described(parts[0], source)
        for extract in (self._values, self._combinations, self._conditions, self._types):
            parts += extract(source, resolver)
        if not parts:
            node: nodes.Node = nodes.Anything()
        elif len(parts) == 1:
            node = parts[0]
        else:
            node = nodes.Combined(criterion="allOf", members=tuple(parts))
        return self._described(node, source)

    def _described(self, node: nodes.Node, source: Mapping[str, Any]) -> nodes.Node:
        node.source = text_of(source)
        node.has_default = "default" in source
        node.annotations = {name: source[name] for name in _ANNOTATIONS if name in source}
        node.connect_type = source.get("connect.type")
        return node

    def _reference(self, name: str, resolver: Resolver[Any]) -> nodes.Node:
        try:
            found = resolver.lookup(name)
        except Unresolvable as error:
            raise InvalidSchemaError(
                f"Unresolved $ref {name!r}: no such definition in the schema, and no reference of "
                "that name; add it to the references of the request"
            ) from error
        reference = nodes.Reference()
        self._unread.append((reference, found.contents, found.resolver))
        return reference

    # ------------------------------------------------------------------ kinds of keywords

    def _values(self, source: Mapping[str, Any], _resolver: Resolver[Any]) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        if "enum" in source:
            values = frozenset(map(text_of, source["enum"]))
            found.append(nodes.Enum(values=values, source=text_of({"enum": source["enum"]})))
        if "const" in source:
            value = text_of(source["const"])
            found.append(nodes.Const(value=value, source=f'{{"const":{value}}}'))
        return found

    def _combinations(self, source: Mapping[str, Any], resolver: Resolver[Any]) -> list[nodes.Node]:
        found: list[nodes.Node] = []
        for criterion in _COMBINATIONS:
            if criterion in source:
                members = tuple(self._node(each, resolver) for each in source[criterion])
                text = text_of({criterion: source[criterion]})
                found.append(nodes.Combined(criterion=criterion, members=members, source=text))  # type: ignore[arg-type]
        if "not" in source:
            refused = self._node(source["not"], resolver)
            found.append(nodes.Not(refused=refused, source=text_of({"not": source["not"]})))
        return found

    def _conditions(self, source: Mapping[str, Any], resolver: Resolver[Any]) -> list[nodes.Node]:
        if "if" not in source or not ("then" in source or "else" in source):
            return []
        then, otherwise = (
            self._node(source[name], resolver) if name in source else None
            for name in ("then", "else")
        )
        condition = text_of(source["if"])
        parts = {name: source[name] for name in ("if", "then", "else") if name in source}
        return [
            nodes.Conditional(
                condition=condition, then=then, otherwise=otherwise, source=text_of(parts)
            )
        ]

    def _types(self, source: Mapping[str, Any], resolver: Resolver[Any]) -> list[nodes.Node]:
        """Read `type` with the keywords of each type, and keywords of types it does not name."""
        named = source.get("type", [])
        names = [named] if isinstance(named, str) else list(named)
        members = [self._typed(name, source, resolver) for name in names]
        if isinstance(named, str) or len(members) == 1:
            found = members
        elif members:
            found = [
                nodes.Combined(criterion="anyOf", members=tuple(members), source=text_of(named))
            ]
        else:
            found = []
        if names:  # what belongs to other types restricts nothing
            return found
        others = dict.fromkeys(
            _TYPE_OF_KEYWORD[word] for word in source if word in _TYPE_OF_KEYWORD
        )
        return [self._typed(name, source, resolver, is_typed=False) for name in others]

    def _typed(
        self,
        name: str,
        source: Mapping[str, Any],
        resolver: Resolver[Any],
        *,
        is_typed: bool = True,
    ) -> nodes.Node:
        family = _FAMILY.get(name, name)
        words = {word for word, of in _TYPE_OF_KEYWORD.items() if of == family}
        own = {word: value for word, value in source.items() if word in words}
        make: Callable[..., nodes.Node] = {
            "string": self._text,
            "number": self._number,
            "array": self._array,
            "object": self._object,
            "boolean": lambda *_: nodes.Boolean(),
            "null": lambda *_: nodes.Null(),
        }[family]
        node = make(own, resolver)
        node.source = text_of({"type": name, **own})
        if isinstance(node, nodes.Typed):
            node.is_typed = is_typed
        if isinstance(node, nodes.Number):
            node.is_integer = name == "integer"
        return node

    def _text(self, own: Mapping[str, Any], _resolver: Resolver[Any]) -> nodes.Node:
        return nodes.Text(bounds=_bounds(own, "minLength", "maxLength"), pattern=own.get("pattern"))

    def _number(self, own: Mapping[str, Any], _resolver: Resolver[Any]) -> nodes.Node:
        exclusive = {
            word for word in ("exclusiveMinimum", "exclusiveMaximum") if own.get(word) is True
        }
        return nodes.Number(bounds=_bounds(own, *_NUMBER), exclusive=frozenset(exclusive))

    def _array(self, own: Mapping[str, Any], resolver: Resolver[Any]) -> nodes.Node:
        every: Any = None
        prefix: tuple[nodes.Node, ...] = ()
        additional: nodes.Node | None = None
        items, behind = own.get("items"), own.get("additionalItems")
        if self._has_prefix_items:
            prefix = tuple(self._node(each, resolver) for each in own.get("prefixItems", ()))
            if prefix or items is False:
                every, behind = None, items
            else:
                every, behind = items, None
        elif isinstance(items, list):
            prefix = tuple(self._node(each, resolver) for each in items)
        else:  # without a list of items, additionalItems says nothing
            every, behind = items, None
        if every is not None:
            every = self._node(every, resolver)
        if behind is not None:
            additional = self._node(behind, resolver)
        bounds = _bounds(own, "minItems", "maxItems", "minContains", "maxContains")
        if "contains" in own:
            bounds.setdefault("minContains", 1)
        return nodes.Array(
            bounds=bounds,
            every=every,
            prefix=prefix,
            additional=additional,
            unevaluated=self._optional(own, "unevaluatedItems", resolver),
            contains=self._optional(own, "contains", resolver),
            is_unique=own.get("uniqueItems") is True,
        )

    def _object(self, own: Mapping[str, Any], resolver: Resolver[Any]) -> nodes.Node:
        mixed = own.get("dependencies", {})
        names = {**own.get("dependentRequired", {})}
        names |= {key: value for key, value in mixed.items() if isinstance(value, list)}
        schemas = {**own.get("dependentSchemas", {})}
        schemas |= {key: value for key, value in mixed.items() if not isinstance(value, list)}
        required = own.get("required")
        return nodes.Object(
            bounds=_bounds(own, "minProperties", "maxProperties"),
            properties=self._by_name(own.get("properties", {}), resolver),
            required=frozenset(required if isinstance(required, list) else ()),
            patterns=self._by_name(own.get("patternProperties", {}), resolver),
            additional=self._optional(own, "additionalProperties", resolver),
            unevaluated=self._optional(own, "unevaluatedProperties", resolver),
            names=self._optional(own, "propertyNames", resolver),
            needed_names={key: frozenset(value) for key, value in names.items()},
            needed_schemas=self._by_name(schemas, resolver),
        )

    def _by_name(
        self, sources: Mapping[str, Any], resolver: Resolver[Any]
    ) -> dict[str, nodes.Node]:
        return {name: self._node(each, resolver) for name, each in sources.items()}

    def _optional(
        self, own: Mapping[str, Any], word: str, resolver: Resolver[Any]
    ) -> nodes.Node | None:
        return self._node(own[word], resolver) if word in own else None


def _bounds(own: Mapping[str, Any], *words: str) -> dict[str, Any]:
    return {word: own[word] for word in words if word in own and not isinstance(own[word], bool)}
