"""Tags inside of Avro schemas."""

from __future__ import annotations

import json
from typing import Any

import httpx

TEXT = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "card", "type": "string"}, {"name": "sum", "type": "int"}],
    }
)


def entity(path: str, kind: str, *tags: str) -> dict[str, Any]:
    return {"schemaEntity": {"entityPath": path, "entityType": kind}, "tags": list(tags)}


CARD = entity("shop.Order.card", "sr_field", "PII", "SECRET")


def test_tags_are_added_found_removed_and_handed_on(http: httpx.Client) -> None:
    path = "/subjects/s/versions"
    http.post(path, json={"schema": TEXT})
    rule = {"name": "r", "type": "CEL", "mode": "WRITE"}
    changes = {
        "tagsToAdd": [entity(".shop.Order.card", "sr_field", "PII", "SECRET")],
        "rulesToMerge": {"domainRules": [rule]},
    }
    second = http.post(f"{path}/latest/tags", json=changes).json()
    assert second["version"] == 2
    assert json.loads(second["schema"])["fields"][0]["confluent:tags"] == ["PII", "SECRET"]
    assert second["metadata"]["properties"] == {"confluent:version": "2"}
    assert second["ruleSet"]["domainRules"][0]["name"] == "r"
    assert http.get(f"{path}/2?findTags=*").json()["schemaTags"] == [CARD]
    assert http.get("/schemas/ids/2?findTags=PII").json()["schemaTags"] == [CARD]
    assert "schemaTags" not in http.get(f"{path}/2?findTags=OTHER").json()
    body = {"schema": TEXT, "propagateSchemaTags": True}
    handed_on = http.post(path, json=body).json()
    assert (handed_on["version"], handed_on["schema"]) == (3, second["schema"])
    removed = http.post(
        f"{path}/2/tags",
        json={
            "tagsToRemove": [entity("shop.Order.card", "sr_field", "SECRET")],
            "tagsToAdd": [entity("shop.Order", "sr_record", "TOP")],
            "rulesToRemove": ["r"],
        },
    ).json()
    assert json.loads(removed["schema"])["confluent:tags"] == ["TOP"]
    assert json.loads(removed["schema"])["fields"][0]["confluent:tags"] == ["PII"]
    assert "domainRules" not in removed["ruleSet"]


def test_tags_can_come_with_a_schema(http: httpx.Client) -> None:
    answer = http.post("/subjects/s/versions", json={"schema": TEXT, "schemaTagsToAdd": [CARD]})
    assert json.loads(answer.json()["schema"])["fields"][0]["confluent:tags"] == ["PII", "SECRET"]
    assert answer.json()["metadata"]["properties"] == {"confluent:version": "1"}


def test_what_is_not_there_cannot_be_tagged(http: httpx.Client) -> None:
    http.post("/subjects/s/versions", json={"schema": TEXT})
    for path, kind in (("shop.Order.x", "sr_field"), ("Order", "sr_record"), ("", "sr_x")):
        changes = {"tagsToAdd": [entity(path, kind, "T")]}
        answer = http.post("/subjects/s/versions/1/tags", json=changes)
        assert answer.json()["error_code"] == 42201
        assert "No matching path" in answer.json()["message"]
    assert http.post("/subjects/x/versions/1/tags", json={}).json()["error_code"] == 40401
    both = {"ruleSet": {}, "rulesToRemove": ["a"]}
    assert http.post("/subjects/s/versions/1/tags", json=both).json()["error_code"] == 42210
