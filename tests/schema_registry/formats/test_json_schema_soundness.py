"""What is judged compatible can be read: random pairs of schemas, against a real validator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from tests.schema_registry.formats.json_schema_pairs import pairs, values

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.json_schema import JsonSchema, JsonSchemaFormat

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VALUES = values()


def parsed(schema: Any) -> JsonSchema:
    return JsonSchemaFormat().parse(json.dumps(schema), {})


def in_draft(schema: Any) -> Any:
    return {"$schema": DRAFT, **schema} if isinstance(schema, dict) else schema


def has_usable_defaults(schema: Any) -> bool:
    """Tell whether a reader that fills in defaults gets something valid; else it is no default."""
    if isinstance(schema, list):
        return all(map(has_usable_defaults, schema))
    if not isinstance(schema, dict):
        return True
    if "default" in schema and not jsonschema_rs.is_valid(schema, schema["default"]):
        return False
    if "default" in json.dumps(schema) and {"maxProperties", "patternProperties"} & schema.keys():
        return False
    return all(map(has_usable_defaults, schema.values()))


def with_defaults(schema: Any, value: Any) -> Any:
    """Return what a reader makes of an object: absent properties have their defaults."""
    if not (isinstance(schema, dict) and isinstance(value, dict)):
        return value
    defaults = {
        name: each["default"]
        for name, each in schema.get("properties", {}).items()
        if isinstance(each, dict) and "default" in each
    }
    return {**defaults, **value}


def judged(seed: int, count: int) -> Iterator[tuple[Any, Any, bool, list[Any]]]:
    """Yield pairs, whether the second may read the first, and the values it cannot read."""
    for old, new in ((in_draft(one), in_draft(other)) for one, other in pairs(seed, count)):
        if not has_usable_defaults(new):
            continue
        try:
            compatible = not parsed(new).read_incompatibilities(parsed(old))
        except InvalidSchemaError:
            continue
        before, now = jsonschema_rs.validator_for(old), jsonschema_rs.validator_for(new)
        lost = [
            value
            for value in VALUES
            if before.is_valid(value)
            and not now.is_valid(value)
            and not now.is_valid(with_defaults(new, value))
        ]
        yield old, new, compatible, lost


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_what_is_compatible_is_never_lost(seed: int) -> None:
    verdicts = list(judged(seed, 300))
    for old, new, compatible, lost in verdicts:
        assert not (compatible and lost), f"{old}\n{new}\nloses {lost[0]!r}"
    accepted = sum(compatible for _, _, compatible, _ in verdicts)
    assert len(verdicts) / 5 < accepted < len(verdicts)  # the test has seen both
