"""Confluent's rules for JSON Schema, one change at a time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aliran.schema_registry.errors import InvalidSchemaError, SchemaTooLargeError
from aliran.schema_registry.formats.json_schema import JsonSchema, JsonSchemaFormat, comparison


def parsed(schema: Any, **references: Any) -> JsonSchema:
    texts = {name: json.dumps(each) for name, each in references.items()}
    return JsonSchemaFormat().parse(json.dumps(schema), texts)


def refusals(old: Any, new: Any, policy: Any = "STRICT") -> list[str]:
    """Return what stops `new` from reading what `old` wrote, as `RULE path`."""
    found = parsed(new).read_incompatibilities(parsed(old), policy)
    return sorted(f"{each.rule} {each.path}" for each in found)


def thing(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT: dict[str, Any] = {"type": "string"}
CLOSED = {"additionalProperties": False}

COMPATIBLE: list[tuple[str, Any, Any]] = [
    ("a wider number", {"type": "integer"}, {"type": "number"}),
    ("anything", {"type": "integer"}, {}),
    ("from false", False, {"type": "string"}),
    ("no upper limit any more", {**TEXT, "maxLength": 3}, TEXT),
    ("a longer enum", {"enum": ["a"]}, {"enum": ["b", "a"]}),
    ("optional in a closed model", thing() | CLOSED, thing(a=TEXT) | CLOSED),
    (
        "required with default in a closed model",
        thing() | CLOSED,
        thing(a={**TEXT, "default": ""}) | CLOSED | {"required": ["a"]},
    ),
    ("the empty schema in an open model", thing(), thing(a={})),
    ("removed from an open model", thing(a=TEXT), thing()),
    (
        "covered by a partially open model",
        thing(a=TEXT) | CLOSED,
        thing() | {"additionalProperties": TEXT},
    ),
    ("covered by a pattern", thing(a=TEXT) | CLOSED, thing() | {"patternProperties": {"^a": {}}}),
    ("opened", thing() | CLOSED, thing()),
    ("no longer required", thing(a=TEXT) | {"required": ["a"]}, thing(a=TEXT)),
    ("one more alternative", {"anyOf": [TEXT]}, {"anyOf": [{"type": "null"}, TEXT]}),
    ("one condition less", {"allOf": [TEXT, {"maxLength": 3}]}, {"allOf": [TEXT]}),
    ("a type becomes an alternative", TEXT, {"oneOf": [{"type": "null"}, TEXT]}),
    ("oneOf becomes anyOf", {"oneOf": [TEXT]}, {"anyOf": [TEXT, {"type": "null"}]}),
    ("another type allowed", TEXT, {"type": ["string", "null"]}),
    ("less refused", {"not": {"type": ["string", "null"]}}, {"not": TEXT}),
    ("a divisor", {"type": "number", "multipleOf": 1.0}, {"type": "number", "multipleOf": 0.5}),
    ("titles", {**TEXT, "title": "a"}, {**TEXT, "title": "b", "description": "c"}),
    (
        "an item more in a closed array",
        {"type": "array", "items": [TEXT], "additionalItems": False},
        {"type": "array", "items": [TEXT, TEXT], "additionalItems": False},
    ),
    (
        "a variant told apart by a constant",
        {"oneOf": [thing(k={"const": "a"}) | {"required": ["k"]}]},
        {"oneOf": [thing(k={"const": c}) | {"required": ["k"]} for c in "ab"]},
    ),
]

REFUSED: list[tuple[Any, Any, str]] = [
    ({"type": "number"}, {"type": "integer"}, "TYPE_NARROWED #/"),
    (TEXT, {"type": "null"}, "TYPE_CHANGED #/"),
    ({}, TEXT, "TYPE_CHANGED #/"),
    ({"maxLength": 3}, {**TEXT, "maxLength": 3}, "TYPE_NARROWED #/"),
    (TEXT, {**TEXT, "maxLength": 3}, "MAX_LENGTH_ADDED #/maxLength"),
    ({**TEXT, "minLength": 3}, {**TEXT, "minLength": 4}, "MIN_LENGTH_INCREASED #/minLength"),
    ({**TEXT, "pattern": "a"}, {**TEXT, "pattern": "b"}, "PATTERN_CHANGED #/pattern"),
    ({"enum": [1, 2]}, {"enum": [1]}, "ENUM_ARRAY_NARROWED #/enum"),
    ({"const": 1}, {"const": 2}, "ENUM_ARRAY_CHANGED #/const"),
    (
        thing(),
        thing(a=TEXT),
        "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/a",
    ),
    (
        thing() | CLOSED,
        thing(a=TEXT) | CLOSED | {"required": ["a"]},
        "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a",
    ),
    (
        thing(a=TEXT) | CLOSED,
        thing() | CLOSED,
        "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/a",
    ),
    (thing(a=TEXT), thing(a=TEXT) | CLOSED, "ADDITIONAL_PROPERTIES_REMOVED #/additionalProperties"),
    (
        thing(a=TEXT),
        thing(a=TEXT) | {"required": ["a"]},
        "REQUIRED_ATTRIBUTE_ADDED #/required/a",
    ),
    # Without a schema for it, a required property is nothing that Confluent looks at.
    (thing(), thing() | {"required": ["a"]}, "REQUIRED_ATTRIBUTE_ADDED #/required/a"),
    (
        thing(),
        thing() | {"patternProperties": {"^a": TEXT}},
        "PATTERN_PROPERTY_ADDED #/patternProperties/^a",
    ),
    ({"anyOf": [TEXT, {"type": "null"}]}, {"anyOf": [TEXT]}, "SUM_TYPE_NARROWED #/"),
    ({"allOf": [TEXT]}, {"allOf": [TEXT, {"minLength": 1}]}, "PRODUCT_TYPE_EXTENDED #/"),
    (
        {"anyOf": [TEXT, {"type": "null"}]},
        {"anyOf": [{"type": "array"}, {"type": "null"}]},
        "COMBINED_TYPE_SUBSCHEMAS_CHANGED #/",
    ),
    ({"anyOf": [TEXT, {}]}, {"oneOf": [TEXT, {}]}, "COMBINED_TYPE_CHANGED #/"),
    ({"not": TEXT}, {"not": {"type": ["string", "null"]}}, "NOT_TYPE_EXTENDED #/not"),
    ({"oneOf": [TEXT]}, {"oneOf": [TEXT, {"maxLength": 3}]}, "ALTERNATIVES_MAY_OVERLAP #/oneOf"),
    ({"type": "array"}, {"type": "array", "contains": TEXT}, "CONTAINS_ADDED #/contains"),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}, "UNIQUE_ITEMS_ADDED #/uniqueItems"),
    (
        {"type": "array", "items": [TEXT]},
        {"type": "array", "items": [TEXT, TEXT]},
        "ITEM_ADDED_TO_OPEN_CONTENT_MODEL #/items/1",
    ),
    ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 0},) * 2
    + ("",),
]


@pytest.mark.parametrize(
    ("old", "new"), [row[1:] for row in COMPATIBLE], ids=[r[0] for r in COMPATIBLE]
)
def test_compatible(old: Any, new: Any) -> None:
    assert refusals(old, new) == []


@pytest.mark.parametrize(("old", "new", "reason"), REFUSED)
def test_refused(old: Any, new: Any, reason: str) -> None:
    found = refusals(old, new)
    assert (reason in found) if reason else (found == [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (thing(), thing(a=TEXT)),
        (thing(a=TEXT) | CLOSED, thing() | CLOSED),
        (thing(), thing() | CLOSED),
    ],
)
def test_the_lenient_policy_trusts_writers(old: Any, new: Any) -> None:
    assert refusals(old, new) != []
    assert refusals(old, new, "LENIENT") == []


def test_exclusive_limits_of_draft_4_are_booleans() -> None:
    draft = {"$schema": "http://json-schema.org/draft-04/schema#", "type": "number", "minimum": 0}
    strict = {**draft, "exclusiveMinimum": True}
    assert refusals(draft, strict) == ["EXCLUSIVE_MINIMUM_ADDED #/exclusiveMinimum"]
    assert refusals(strict, draft) == []


def test_a_refusal_has_confluents_words_and_says_what_to_do() -> None:
    (found,) = parsed(thing(a=TEXT)).read_incompatibilities(parsed(thing()))
    assert found.message == (
        '{errorType:"OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", description:"The %s schema '
        "has an open content model and has a property or item at path '#/properties/a' which is "
        "missing in the %s schema'}"
    )
    assert "additionalProperties" in found.hint


# ---------------------------------------------------------------------------- references


TREE = {
    "$ref": "#/definitions/node",
    "definitions": {
        "node": thing(
            value=TEXT, children={"type": "array", "items": {"$ref": "#/definitions/node"}}
        )
        | CLOSED
    },
}


def test_a_schema_may_refer_to_itself() -> None:
    narrower = json.loads(json.dumps(TREE))
    narrower["definitions"]["node"]["properties"]["value"] = {**TEXT, "maxLength": 3}
    assert refusals(TREE, TREE) == []
    assert refusals(narrower, TREE) == []
    assert "MAX_LENGTH_ADDED #/properties/value/maxLength" in refusals(TREE, narrower)


def test_a_cycle_does_not_hide_a_change_further_along_it() -> None:
    def pair(limit: int | None) -> Any:
        b = thing(
            a={"$ref": "#/definitions/a"}, v=TEXT if limit is None else {**TEXT, "maxLength": limit}
        )
        a = thing(b={"$ref": "#/definitions/b"})
        return {
            "definitions": {"a": a | CLOSED, "b": b | CLOSED},
            "anyOf": [{"$ref": "#/definitions/a"}, {"$ref": "#/definitions/b"}],
        }

    assert refusals(pair(None), pair(3)) != []
    assert refusals(pair(3), pair(None)) == []


def test_definitions_that_all_refer_to_each_other_are_compared_once() -> None:
    names = [f"d{number}" for number in range(14)]
    everything = {"anyOf": [{"$ref": f"#/definitions/{name}"} for name in names]}
    definitions = {
        name: thing(k={"const": name}, child=everything) | CLOSED | {"required": ["k"]}
        for name in names
    }
    schema = {**everything, "definitions": definitions}
    assert refusals(schema, schema) == []


def test_other_documents_are_found_by_the_names_of_references() -> None:
    money = thing(amount={"type": "number"}) | CLOSED
    old = parsed(thing(price={"$ref": "money.json"}), **{"money.json": money})
    narrower = {"money.json": thing(amount={"type": "integer"}) | CLOSED}
    new = parsed(thing(price={"$ref": "money.json"}), **narrower)
    assert [f"{each.rule} {each.path}" for each in new.read_incompatibilities(old)] == [
        "TYPE_NARROWED #/properties/price/properties/amount"
    ]
    base = {"$id": "http://example.com/order.json", **thing(price={"$ref": "money.json#/$defs/m"})}
    assert parsed(base, **{"money.json": {"definitions": {"m": money}}}).name is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "an object or a boolean, this is list"),
        ('{"type": "strange"}', "#/type"),
        ('{"$ref": "#/definitions/absent"}', "Unresolved $ref"),
        ('{"$ref": "http://localhost:1/never-fetched.json"}', "Unresolved $ref"),
        ('{"properties": {"$$x": {}}}', "$$ prefix"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_schema_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSchemaError) as error:
        JsonSchemaFormat().parse(text, {}, is_new=True)
    assert reason in str(error.value)


def test_texts() -> None:
    schema = JsonSchemaFormat().parse('{ "type" : "object",\n "title": "Größe", "$id": "x" }', {})
    assert schema.canonical == '{"type":"object","title":"Größe","$id":"x"}'
    assert schema.normalized().canonical == '{"$id":"x","title":"Größe","type":"object"}'
    assert schema.name == "Größe"


def test_an_alternative_that_comes_twice_takes_nothing_any_more() -> None:
    def parsed(*members: Any) -> JsonSchema:
        return JsonSchemaFormat().parse(json.dumps({"oneOf": members}), {})

    one, other, flag = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
    once, twice = parsed(one, flag), parsed(one, flag, flag)
    assert [found.rule for found in twice.read_incompatibilities(once)] == [
        "ALTERNATIVES_MAY_OVERLAP"
    ]
    assert parsed(flag, flag).read_incompatibilities(parsed(flag))
    assert not twice.read_incompatibilities(twice)
    assert not parsed(one, flag, flag, other).read_incompatibilities(twice)
    assert not once.read_incompatibilities(twice)


def test_what_has_too_many_pairs_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def nested(depth: int, leaf: str) -> Any:
        if not depth:
            return {"type": leaf}
        inside = [{"properties": {f"p{n}": nested(depth - 1, leaf)}} for n in range(4)]
        return {"anyOf": [{"type": "object", **one} for one in inside]}

    old, new = (
        JsonSchemaFormat().parse(json.dumps(nested(3, leaf)), {}) for leaf in ("integer", "string")
    )
    new.read_incompatibilities(old)
    monkeypatch.setattr(comparison, "MOST_COMPARED", 100)
    with pytest.raises(SchemaTooLargeError, match="more than 100 pairs"):
        new.read_incompatibilities(old)
