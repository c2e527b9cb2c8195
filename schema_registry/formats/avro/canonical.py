"""Nodes → text: Java's `Schema.toString()`, and Confluent's normal form.

The first is what is stored: it keeps doc, aliases, order and attributes, and drops only white space
and what Avro does not know. Confluent: `AvroSchemaUtils.toNormalizedString`.
"""

from __future__ import annotations

from typing import Any

from aliran.schema_registry.formats.avro.types import (
    MISSING,
    TYPE_NAMES,
    Array,
    AvroType,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Union,
    Unresolved,
)
from aliran.schema_registry.formats.jackson import dumps


def to_text(node: AvroType, known: set[str]) -> str:
    """Return the text of a schema; types whose full names are in `known` stay names."""
    return dumps(_tree(node, set(known), ""))


def _tree(node: AvroType, known: set[str], namespace: str) -> Any:
    if isinstance(node, Primitive):
        return {"type": node.type, **node.props} if node.props else node.type
    if isinstance(node, Union):
        return [_tree(branch, known, namespace) for branch in node.branches]
    if isinstance(node, Array):
        return {"type": "array", "items": _tree(node.items, known, namespace), **node.props}
    if isinstance(node, Map):
        return {"type": "map", "values": _tree(node.values, known, namespace), **node.props}
    if isinstance(node, Unresolved):
        raise AssertionError("names are resolved before they are written")
    if node.full_name in known:
        return _relative(node.name, node.namespace, namespace)
    known.add(node.full_name)
    tree: dict[str, Any] = {"type": node.type, "name": node.name}
    if node.namespace != namespace:
        tree["namespace"] = node.namespace
    if node.doc is not None:
        tree["doc"] = node.doc
    if isinstance(node, Record):
        tree["fields"] = [_field_tree(field, known, node.namespace) for field in node.fields]
    elif isinstance(node, Enum):
        tree["symbols"] = node.symbols
        if node.default is not None:
            tree["default"] = node.default
    else:
        tree["size"] = node.size
    tree.update(node.props)
    if node.aliases:
        tree["aliases"] = [
            alias.rpartition(".")[2] if alias.rpartition(".")[0] == node.namespace else alias
            for alias in node.aliases
        ]
    return tree


def _relative(name: str, own: str, namespace: str) -> str:
    if not own or (own == namespace and name not in TYPE_NAMES):
        return name
    return f"{own}.{name}"


def _field_tree(field: Field, known: set[str], namespace: str) -> dict[str, Any]:
    tree: dict[str, Any] = {"name": field.name, "type": _tree(field.type, known, namespace)}
    if field.doc is not None:
        tree["doc"] = field.doc
    if field.default is not MISSING:
        tree["default"] = field.default
    if field.order != "ascending":
        tree["order"] = field.order
    if field.aliases:
        tree["aliases"] = field.aliases
    return {**tree, **field.props}


# ---------------------------------------------------------------------- normal form


def to_normal_text(node: AvroType, known: set[str]) -> str:
    """Return the text in which schemas that mean the same are equal."""
    return dumps(_normal(node, set(known)))


def _normal(node: AvroType, known: set[str]) -> Any:
    if isinstance(node, Union):
        return [_normal(branch, known) for branch in node.branches]
    if isinstance(node, Array):
        return {"type": "array", "items": _normal(node.items, known), **_sorted(node.props)}
    if isinstance(node, Map):
        return {"type": "map", "values": _normal(node.values, known), **_sorted(node.props)}
    if isinstance(node, Primitive):
        if not node.props:
            return node.type
        return {"type": node.type, **_logical(node), **_sorted(node.props)}
    if isinstance(node, Unresolved):
        raise AssertionError("names are resolved before they are written")
    if node.full_name in known:
        return node.full_name
    known.add(node.full_name)
    tree: dict[str, Any] = {"name": node.full_name, "type": node.type}
    if isinstance(node, Enum):
        tree["symbols"] = node.symbols
    elif isinstance(node, Fixed):
        tree.update(size=node.size, **_logical(node))
    else:
        tree["type"] = "record"
        tree["fields"] = [_normal_field(field, known) for field in node.fields]
    if node.doc:
        tree["doc"] = node.doc
    if node.aliases:
        tree["aliases"] = sorted(node.aliases)
    if isinstance(node, Enum) and node.default is not None:
        tree["default"] = node.default
    return {**tree, **_sorted(node.props)}


def _normal_field(field: Field, known: set[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "name": field.name,
        "type": _normal(field.type, known),
        "order": field.order.upper(),
    }
    if field.doc is not None:
        tree["doc"] = field.doc
    if field.aliases:
        tree["aliases"] = sorted(field.aliases)
    if field.default is not MISSING:
        tree["default"] = field.default
    return {**tree, **_sorted(field.props)}


_LOGICAL_TYPES = {
    "date": "int",
    "time-millis": "int",
    "time-micros": "long",
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "timestamp-nanos": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long",
    "uuid": "string",
    "big-decimal": "bytes",
}


def _logical(node: Primitive | Fixed) -> dict[str, Any]:
    """Return the attributes that stand first: those of a logical type that is valid here."""
    name = node.props.get("logicalType")
    if not isinstance(name, str):
        return {}
    if name == "decimal" and node.type in {"bytes", "fixed"}:
        precision, scale = node.props.get("precision"), node.props.get("scale", 0)
        if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision:
            return {}
        return {"logicalType": name, "precision": precision} | ({"scale": scale} if scale else {})
    if isinstance(node, Fixed):
        valid = (name, node.size) in {("duration", 12), ("uuid", 16)}
    else:
        valid = _LOGICAL_TYPES.get(name) == node.type
    return {"logicalType": name} if valid else {}


def _sorted(props: dict[str, Any]) -> dict[str, Any]:
    return {name: _deep_sorted(props[name]) for name in sorted(props)}


def _deep_sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _deep_sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_deep_sorted(one) for one in value]
    return value
