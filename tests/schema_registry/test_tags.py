"""Tags inside of schemas of the three formats, and fields that metadata reserves."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from aliran.schema_registry.formats.json_schema import JsonSchemaFormat
from aliran.schema_registry.formats.protobuf import ProtobufFormat
from aliran.schema_registry.models import SchemaEntity, SchemaTags

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


JSON = {
    "type": "object",
    "properties": {
        "card": {"type": "string", "confluent:tags": ["PII"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {}}}},
        "how": {"oneOf": [{"type": "string"}, {"type": "object", "properties": {"p.q": {}}}]},
        "maybe": {"type": ["null", "object"], "properties": {"z": {"type": "string"}}},
    },
    "if": {"properties": {"i": {}}},
    "definitions": {"D": {"properties": {"d": {"confluent:tags": ["DEEP"]}}}},
}
PROTO = """syntax = "proto3";
package shop;
message Order {
  message Line { int32 n = 1; }
  string card = 1 [deprecated = true];
  oneof how { string cash = 2; }
  map<string, Line> lines = 3;
}
"""


def change(path: str, kind: str, *tags: str) -> SchemaTags:
    return SchemaTags(
        schema_entity=SchemaEntity(entity_path=path, entity_type=kind), tags=list(tags)
    )


def paths(tags: list[SchemaTags]) -> dict[str, list[str]]:
    return {one.schema_entity.entity_path: one.tags for one in tags}


def test_parts_of_a_json_schema_have_tags() -> None:
    schema = JsonSchemaFormat().parse(json.dumps(JSON), {})
    found = paths(schema.tags())
    assert found == {
        "allof.1.object.card": ["PII"],
        "allof.1.object.definitions.D.object.d": ["DEEP"],
    }
    wanted = {
        "allof.1.object": "sr_record",
        "allof.1.object.lines.array.object.n": "sr_field",
        "allof.1.object.how.oneof.0.object.p.q": "sr_field",
        "allof.1.object.maybe.anyof.1.object.z": "sr_field",
        "allof.0.conditional.if.object.i": "sr_field",
    }
    text = schema.retagged(
        [change(path, kind, "A", 'B"') for path, kind in wanted.items()],
        [change("allof.1.object.card", "sr_field", "PII")],
    )
    again = JsonSchemaFormat().parse(text, {})
    expected = {path: ["A", 'B"'] for path in wanted}
    assert paths(again.tags()) == {**expected, "allof.1.object.definitions.D.object.d": ["DEEP"]}
    assert json.loads(text)["properties"]["card"] == {"type": "string"}


def test_parts_of_a_protobuf_file_have_tags() -> None:
    schema = ProtobufFormat().parse(PROTO, {})
    assert schema.tags() == []
    wanted = {
        "Order": "sr_record",
        "Order.card": "sr_field",
        "Order.cash": "sr_field",
        "Order.lines": "sr_field",
        "Order.Line": "sr_record",
        "Order.Line.n": "sr_field",
    }
    text = schema.retagged([change(path, kind, "A", 'B"') for path, kind in wanted.items()], [])
    assert 'import "confluent/meta.proto";' in text
    again = ProtobufFormat().parse(text, {})
    assert paths(again.tags()) == {path: ["A", 'B"'] for path in wanted}
    assert "deprecated = true" in text
    back = ProtobufFormat().parse(
        again.retagged([], [change(path, kind, "A", 'B"') for path, kind in wanted.items()]), {}
    )
    assert back.tags() == []
    assert "_meta" not in back.canonical


def test_both_spellings_of_an_option_of_protobuf_hold_tags() -> None:
    text = """syntax = "proto3";
import "confluent/meta.proto";
message M {
  option (confluent.message_meta).tags = "X";
  option (confluent.message_meta).doc = "why";
  string a = 1 [(confluent.field_meta) = { tags: ["P", "Q"], doc: "d" }];
}
"""
    schema = ProtobufFormat().parse(text, {})
    assert paths(schema.tags()) == {"M": ["X"], "M.a": ["P", "Q"]}
    changed = schema.retagged(
        [change("M", "sr_record", "Y")], [change("M.a", "sr_field", "P", "Q")]
    )
    again = ProtobufFormat().parse(changed, {})
    assert paths(again.tags()) == {"M": ["X", "Y"]}
    assert ('doc: "why"' in changed, 'doc: "d"' in changed) == (True, True)


@pytest.mark.parametrize(
    ("kind", "text", "path"),
    [
        ("JSON", json.dumps({"type": "object", "properties": {"card": {}}}), "object.card"),
        ("PROTOBUF", PROTO, "Order.card"),
    ],
)
def test_tags_of_all_formats_over_http(http: httpx.Client, kind: str, text: str, path: str) -> None:
    versions = "/subjects/s/versions"
    http.post(versions, json={"schema": text, "schemaType": kind})
    tag = entity(path, "sr_field", "PII")
    done = http.post(f"{versions}/1/tags", json={"tagsToAdd": [tag]}).json()
    assert done["version"] == 2
    assert http.get(f"{versions}/2?findTags=PII").json()["schemaTags"] == [tag]
    body = {"schema": text, "schemaType": kind, "propagateSchemaTags": True}
    assert http.post(versions, json=body).json()["schema"] == done["schema"]
    wrong = {"tagsToAdd": [entity("nowhere", "sr_field", "T")]}
    assert http.post(f"{versions}/1/tags", json=wrong).json()["error_code"] == 42201


@pytest.mark.parametrize(("kind", "text"), [("JSON", JSON), ("PROTOBUF", PROTO), ("AVRO", TEXT)])
def test_a_reserved_field_cannot_be_used(http: httpx.Client, kind: str, text: Any) -> None:
    body = {
        "schema": text if isinstance(text, str) else json.dumps(text),
        "schemaType": kind,
        "metadata": {"properties": {"confluent:reserved": "card,other"}},
    }
    http.put("/config/s", json={"validateFields": True})
    answer = http.post("/subjects/s/versions", json=body)
    assert answer.status_code == 409
    assert "conflicts with the reserved field card." in answer.json()["message"]
    assert "reserved field other" not in answer.json()["message"]
