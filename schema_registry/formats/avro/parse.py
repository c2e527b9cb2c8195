"""Text of Avro schemas → nodes, as lenient and as strict as Java's parser.

Schemas that are stored already are taken as they are; new ones must have valid names, and defaults
that fit. Avro: `JsonSchemaParser`, `Schema.Parser`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.avro.canonical import to_text
from aliran.schema_registry.formats.avro.defaults import is_valid_default
from aliran.schema_registry.formats.avro.types import (
    MISSING,
    PRIMITIVES,
    Array,
    AvroType,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Props,
    Record,
    Union,
    Unresolved,
    kind,
)
from aliran.schema_registry.formats.jackson import dumps

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|/\*.*?\*/|//[^\n]*', re.DOTALL)
_RESERVED = frozenset(
    {"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
)
_ENUM_RESERVED = _RESERVED | {"default"}
_FIELD_RESERVED = frozenset({"default", "doc", "name", "order", "type", "aliases"})
_MAX_INT = (1 << 31) - 1


def parse(texts: Iterable[str], *, strict: bool) -> list[AvroType]:
    """Parse schemas, each of which may use the named types of those before it.

    Args:
        texts: The schemas; what is wanted is the last.
        strict: Whether names and defaults are checked.

    Raises:
        InvalidSchemaError: One is not valid; says where.
    """
    parser = _Parser(strict)
    try:
        parsed = [parser.type_of(_loads(text), "") for text in texts]
        resolved = [parser.resolve(node) for node in parsed]
        parser.check_definitions()
        return resolved
    except RecursionError as error:
        raise InvalidSchemaError("the schema is nested too deeply") from error


def _loads(text: str) -> Any:
    try:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return json.loads(_COMMENT.sub(lambda match: match[1] or " ", text))
    except ValueError as error:
        raise InvalidSchemaError(f"not JSON: {error}") from error


_Head: TypeAlias = tuple[str, str, str, str | None, tuple[str, ...]]
"""Kind, name, namespace, doc and aliases of a named type."""


class _Parser:
    """Named types found so far, and what was said before its type was known."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.names: dict[str, AvroType] = {}
        self._waiting = False
        self._visited: set[int] = set()
        self._defined_again: list[tuple[str, AvroType, AvroType]] = []

    # ------------------------------------------------------------------ types

    def type_of(self, node: Any, namespace: str) -> AvroType:
        """Return what a piece of JSON stands for."""
        if isinstance(node, str):
            return self._named_type(node, namespace)
        if isinstance(node, list):
            return self._union(node, namespace)
        if not isinstance(node, dict):
            raise InvalidSchemaError(f"Schema not yet supported: {dumps(node)}")
        name = node.get("type")
        if name is None:
            raise InvalidSchemaError(f"No type: {dumps(node)}")
        if not isinstance(name, str):
            return self.type_of(name, namespace)
        if name in PRIMITIVES:
            return Primitive(name, _props(node, _RESERVED))
        if name in {"record", "error", "enum", "fixed"}:
            return self._definition(name, node, namespace)
        if name == "array":
            return Array(self._part(node, "items", namespace), _props(node, _RESERVED))
        if name == "map":
            return Map(self._part(node, "values", namespace), _props(node, _RESERVED))
        return self._named_type(name, namespace)

    def _part(self, node: dict[str, Any], name: str, namespace: str) -> AvroType:
        if name not in node:
            what = "items" if name == "items" else "values"
            raise InvalidSchemaError(
                f"Array has no {what} type: {dumps(node)}".replace(
                    "Array", "Array" if name == "items" else "Map"
                )
            )
        return self.type_of(node[name], namespace)

    def _named_type(self, name: str, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name)
        full = f"{namespace}.{name}" if namespace and "." not in name else name
        for candidate in (full, name):
            found = self.names.get(candidate)
            if found is not None:
                return found
        self._waiting = True
        return Unresolved((full, name))

    def _union(self, node: list[Any], namespace: str) -> Union:
        branches = [self.type_of(part, namespace) for part in node]
        seen = set()
        for branch in branches:
            if isinstance(branch, Union):
                raise InvalidSchemaError(f"Nested union: {dumps(node)}")
            name = _branch_name(branch)
            if name in seen:
                raise InvalidSchemaError(f"Duplicate in union:{name}")
            seen.add(name)
        return Union(branches)

    # ------------------------------------------------------------------ named types

    def _definition(self, kind_name: str, node: dict[str, Any], namespace: str) -> AvroType:
        name = node.get("name")
        if not isinstance(name, str):
            raise InvalidSchemaError(f"No name in schema: {dumps(node)}")
        space = node.get("namespace")
        space, _, name = (
            name.rpartition(".")
            if "." in name
            else (
                space if isinstance(space, str) else namespace,
                "",
                name,
            )
        )
        self._check_name(name)
        for part in space.split(".") if space else ():
            self._check_name(part)
        doc = node.get("doc")
        named: _Head = (
            kind_name,
            name,
            space,
            doc if isinstance(doc, str) else None,
            tuple(_qualified(alias, space) for alias in _aliases(node)),
        )
        if kind_name == "enum":
            return self._enum(named, node)
        if kind_name == "fixed":
            size = node.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_INT:
                raise InvalidSchemaError(f"Invalid or no size: {dumps(node)}")
            return self._define(Fixed(*named, _props(node, _RESERVED), size))
        record = Record(*named, _props(node, _RESERVED))
        self._define(record)
        fields = node.get("fields")
        if not isinstance(fields, list):
            raise InvalidSchemaError(f"Record has no fields: {dumps(node)}")
        for field in fields:
            record.fields.append(self._field(field, record))
        return record

    def _define(self, named: Record | Enum | Fixed) -> AvroType:
        if named.full_name in PRIMITIVES:
            raise InvalidSchemaError(f"Schemas may not be named after primitives: {named.name}")
        known = self.names.setdefault(named.full_name, named)
        if known is not named:
            self._defined_again.append((named.full_name, known, named))
        return named

    def _enum(self, named: _Head, node: dict[str, Any]) -> AvroType:
        symbols = node.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
            raise InvalidSchemaError(f"Enum has no symbols: {dumps(node)}")
        seen: set[str] = set()
        for symbol in symbols:
            self._check_name(symbol)
            if symbol in seen:
                raise InvalidSchemaError(f"Duplicate enum symbol: {symbol}")
            seen.add(symbol)
        default = node.get("default")
        if default is not None and default not in symbols:
            raise InvalidSchemaError(
                f"The Enum Default: {default} is not in the enum symbol set: [{', '.join(symbols)}]"
            )
        return self._define(
            Enum(
                *named, props=_props(node, _ENUM_RESERVED), symbols=tuple(symbols), default=default
            )
        )

    def _field(self, node: Any, record: Record) -> Field:
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            raise InvalidSchemaError(f"No field name: {dumps(node)}")
        name: str = node["name"]
        self._check_name(name)
        if any(name == other.name for other in record.fields):
            raise InvalidSchemaError(f"Duplicate field {name} in record {record.full_name}")
        if node.get("type") is None:
            raise InvalidSchemaError(f"No field type: {dumps(node)}")
        node_type = self.type_of(node["type"], record.namespace)
        doc, default = node.get("doc"), node.get("default", MISSING)
        if isinstance(default, str) and node_type.type in {"float", "double"}:
            default = _number(default)
        order = node.get("order")
        order = order.lower() if isinstance(order, str) else "ascending"
        if order not in {"ascending", "descending", "ignore"}:
            raise InvalidSchemaError(f"No enum constant: the order of {name} is {node['order']!r}")
        return Field(
            name,
            node_type,
            doc if isinstance(doc, str) else None,
            default,
            order,
            _aliases(node),
            _props(node, _FIELD_RESERVED),
        )

    def _check_name(self, name: str) -> None:
        if self.strict and not _NAME.fullmatch(name):
            raise InvalidSchemaError(f"Illegal character in: {name}" if name else "Empty name")

    # ------------------------------------------------------------------ names used before

    def resolve(self, node: AvroType) -> AvroType:
        """Put types in the place of names that were used before them, and check defaults."""
        if isinstance(node, Unresolved):
            for name in node.names:
                if name in self.names:
                    return self.names[name]
            raise InvalidSchemaError(f"Undefined schema: {node.names[0]}")
        if (not self._waiting and not self.strict) or id(node) in self._visited:
            return node
        self._visited.add(id(node))
        if isinstance(node, Array):
            node.items = self.resolve(node.items)
        elif isinstance(node, Map):
            node.values = self.resolve(node.values)
        elif isinstance(node, Union):
            node.branches = [self.resolve(branch) for branch in node.branches]
        elif isinstance(node, Record):
            for field in node.fields:
                field.type = self.resolve(field.type)
                self._check_default(node, field)
        return node

    def check_definitions(self) -> None:
        """See that what is defined twice is the same both times."""
        for name, first, second in self._defined_again:
            if to_text(first, set()) != to_text(second, set()):
                raise InvalidSchemaError(f"Can't redefine: {name}")

    def _check_default(self, record: Record, field: Field) -> None:
        if not self.strict or field.default is MISSING:
            return
        if not is_valid_default(field.type, field.default):
            raise InvalidSchemaError(
                f"Invalid default for field {field.name}: {dumps(field.default)} not a "
                f"{kind(field.type).lower()} (in {record.full_name})"
            )


def _branch_name(branch: AvroType) -> str:
    if isinstance(branch, Named):
        return branch.full_name
    return branch.names[0] if isinstance(branch, Unresolved) else branch.type


def _qualified(name: str, namespace: str) -> str:
    return f"{namespace}.{name}" if namespace and "." not in name else name


def _aliases(node: dict[str, Any]) -> tuple[str, ...]:
    aliases = node.get("aliases")
    if aliases is None:
        return ()
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise InvalidSchemaError(f"aliases not an array of names: {dumps(node)}")
    return tuple(dict.fromkeys(aliases))


def _props(node: dict[str, Any], reserved: frozenset[str]) -> Props:
    return {name: value for name, value in node.items() if name not in reserved}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidSchemaError(f'For input string: "{text}"') from None
