"""JSON Schema over HTTP: references between subjects, and what an answer says about a refusal."""

from __future__ import annotations

import json
from typing import Any

import httpx


def body(schema: Any, **more: Any) -> dict[str, Any]:
    return {"schema": json.dumps(schema), "schemaType": "JSON", **more}


def test_schemas_refer_to_subjects_by_the_names_of_their_references(http: httpx.Client) -> None:
    money = {"type": "object", "properties": {"amount": {"type": "number"}}}
    http.post("/subjects/money/versions", json=body(money)).raise_for_status()
    order = {"type": "object", "properties": {"price": {"$ref": "money.json"}}}
    refused = http.post("/subjects/order/versions", json=body(order))
    assert (refused.status_code, refused.json()["error_code"]) == (422, 42201)
    assert "money.json" in refused.json()["message"]
    references = [{"name": "money.json", "subject": "money", "version": 1}]
    taken = http.post("/subjects/order/versions", json=body(order, references=references))
    assert taken.status_code == 200


def test_a_refusal_says_what_differs_and_what_to_do(http: httpx.Client) -> None:
    http.post("/subjects/s/versions", json=body({"type": "object"})).raise_for_status()
    wider = {"type": "object", "properties": {"a": {"type": "string"}}}
    refused = http.post("/subjects/s/versions", json=body(wider))
    assert refused.status_code == 409
    message = refused.json()["message"]
    assert 'incompatible with an earlier schema for subject "s"' in message
    assert "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL" in message
    assert "The new schema has an open content model" in message
    assert "compatibilityPolicy LENIENT" in message
