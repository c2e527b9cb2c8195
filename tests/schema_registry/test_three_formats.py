"""Avro, JSON Schema and Protobuf through the same rules, over HTTP."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from google.protobuf import descriptor_pb2

AVRO = {
    "type": "AVRO",
    "base": '{"type":"record","name":"User","fields":[{"name":"id","type":"int"}]}',
    "using": '{"type":"record","name":"Order","fields":[{"name":"by","type":"User"}]}',
    "name": "User",
    "narrower": '{"type":"record","name":"Order","fields":[{"name":"n","type":"int"}]}',
}
JSON = {
    "type": "JSON",
    "base": '{"type":"object","properties":{"id":{"type":"integer"}}}',
    "using": '{"type":"object","properties":{"by":{"$ref":"user.json"}}}',
    "name": "user.json",
    "narrower": '{"type":"object","properties":{"by":{"type":"string"}}}',
}
PROTOBUF = {
    "type": "PROTOBUF",
    "base": 'syntax = "proto3";\npackage shop;\nmessage User { int32 id = 1; }',
    "using": (
        'syntax = "proto3";\npackage shop;\nimport "user.proto";\nmessage Order { User by = 1; }'
    ),
    "name": "user.proto",
    "narrower": 'syntax = "proto3";\npackage shop;\nmessage Order { string by = 1; }',
}


def register(http: httpx.Client, subject: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/subjects/{subject}/versions", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("example", [AVRO, JSON, PROTOBUF], ids=lambda example: example["type"])
def test_all_rules_hold_for_each(http: httpx.Client, example: dict[str, str]) -> None:
    kind = example["type"]
    base = register(http, "user", schema=example["base"], schemaType=kind)
    assert base["schemaType"] == kind
    reference = {"name": example["name"], "subject": "user", "version": 1}
    using = {"schema": example["using"], "schemaType": kind, "references": [reference]}
    assert register(http, "order", **using)["references"] == [reference]
    assert register(http, "order", **using)["version"] == 1
    assert http.get("/subjects/user/versions/1/referencedby").json() == [2]
    assert http.post("/subjects/order", json=using).json()["id"] == 2
    text = http.get("/schemas/ids/2").json()["schema"]
    again = {**using, "schema": text}
    assert http.post("/subjects/order", json=again).json()["version"] == 1
    narrower = {"schema": example["narrower"], "schemaType": kind}
    answer = http.post("/subjects/order/versions", json=narrower)
    assert answer.status_code == 409
    assert "{hint: " in answer.json()["message"]
    other = {"schema": '"int"'} if kind != "AVRO" else {"schema": "{}", "schemaType": "JSON"}
    answer = http.post("/subjects/order/versions", json=other)
    assert "Incompatible because of different schema type" in answer.json()["message"]
    for form in ("", "resolved", "serialized", "ignore_extensions", "nonsense"):
        assert http.get(f"/schemas/ids/2?format={form}").json()["schema"]
    assert http.delete("/subjects/user").json()["error_code"] == 42206


def test_protobuf_comes_and_goes_as_a_descriptor(http: httpx.Client) -> None:
    register(http, "user", schema=PROTOBUF["base"], schemaType="PROTOBUF")
    encoded = http.get("/schemas/ids/1?format=serialized").json()["schema"]
    file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(encoded))
    assert (file.package, file.message_type[0].name) == ("shop", "User")
    body = {"schema": encoded, "schemaType": "PROTOBUF"}
    assert http.post("/subjects/user", json=body).json()["version"] == 1


def test_json_in_another_order_is_the_same(http: httpx.Client) -> None:
    register(http, "s", schema='{"type":"object","title":"T"}', schemaType="JSON")
    turned = {"schema": '{"title":"T","type":"object"}', "schemaType": "JSON"}
    assert http.post("/subjects/s", json=turned).json()["version"] == 1
    assert json.loads(http.get("/schemas/ids/1/schema").text)["title"] == "T"
