"""GUIDs against those that Confluent's registry gives out."""

from __future__ import annotations

import msgspec
import pytest

from aliran.schema_registry.guid import content_hash, guid_text, parse_guid
from aliran.schema_registry.models import Metadata, Reference, RuleSet, Schema

AVRO = (
    '{"type":"record","name":"Person","namespace":"io.confluent.kafka.example","fields":['
    '{"name":"name","type":"string"},{"name":"age","type":"int"},{"name":"ssn","type":"string"},'
    '{"name":"user","type":"io.confluent.kafka.example.User"},'
    '{"name":"address","type":"io.confluent.kafka.example.Address"}]}'
)
PROTOBUF = """syntax = "proto3";
package io.confluent.kafka.example;
import "google/protobuf/timestamp.proto";
message Person {
  string name = 1;
  int32 age = 2;
  string ssn = 3;
  User user = 4;
  Address address = 5;
}
message User {
  string id = 1;
  string email = 2;
}
message Address {
  string street = 1;
  string city = 2;
  string zip = 3;
}"""
JSON = r"""{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "title": "Person",
  "properties": {
    "name": {
      "type": "string"
    },
    "age": {
      "type": "integer",
      "minimum": 0
    },
    "ssn": {
      "type": "string",
      "pattern": "^[0-9]{3}-[0-9]{2}-[0-9]{4}$"
    },
    "user": {
      "$ref": "#/definitions/User"
    },
    "address": {
      "$ref": "#/definitions/Address"
    }
  },
  "required": ["name", "age"],
  "definitions": {
    "User": {
      "type": "object",
      "properties": {
        "id": {"type": "string"},
        "email": {"type": "string", "format": "email"}
      }
    },
    "Address": {
      "type": "object",
      "properties": {
        "street": {"type": "string"},
        "city": {"type": "string"},
        "zip": {"type": "string"}
      }
    }
  }
}"""
REFERENCES = (
    Reference(name="io.confluent.kafka.example.User", subject="User", version=1),
    Reference(name="io.confluent.kafka.example.Address", subject="Address", version=2),
)
METADATA = Metadata(
    tags={"environment": ["production", "staging"], "team": ["data-engineering"]},
    properties={
        "description": "Person schema for user management",
        "owner": "data-team",
        "version": "1.0.0",
    },
    sensitive=["credit-card", "ssn"],
)
RULES = msgspec.json.decode(
    b"""{"migrationRules": [
  {"name": "upgrade-rule-1", "doc": "Upgrade rule for field changes", "kind": "TRANSFORM",
   "mode": "UPGRADE", "type": "FIELD_UPDATE", "tags": ["PERSON"], "params": {"field": "name"},
   "expr": "field.name = field.name.toUpperCase()", "onSuccess": "none", "onFailure": "error"},
  {"name": "downgrade-rule-1", "doc": "Downgrade rule for compatibility", "kind": "TRANSFORM",
   "mode": "DOWNGRADE", "type": "FIELD_DELETE", "tags": ["PERSON"], "params": {"field": "ssn"},
   "expr": "delete field.ssn", "onSuccess": "none", "onFailure": "error"}],
 "domainRules": [
  {"name": "validation-rule-1", "doc": "Validate age field", "kind": "CONDITION",
   "mode": "WRITE", "type": "FIELD_VALIDATION", "tags": ["PERSON"], "params": {"field": "age"},
   "expr": "field.age >= 0 && field.age <= 150", "onSuccess": "none", "onFailure": "error"},
  {"name": "masking-rule-1", "doc": "Mask sensitive data on read", "kind": "TRANSFORM",
   "mode": "READ", "type": "DATA_MASKING", "tags": ["PERSON"], "params": {"field": "ssn"},
   "expr": "field.ssn = '***-**-****'", "onSuccess": "none", "onFailure": "error"}]}""",
    type=RuleSet,
)

# Type, which of references, metadata and rules there are, and the GUID (facts about the algorithm).
GOLDEN = """
AVRO 000 d629bb05-ad85-3d20-fbcb-895de3c459f7
AVRO 001 c0708b8f-65f6-b698-bffe-45c1dfa8987c
AVRO 010 2034166c-90a8-1166-0ff2-f5f62c80dbe0
AVRO 011 d9877161-cfdf-d8c5-4eb4-ab37ed50e9d5
AVRO 100 5c08d70e-5347-41b2-6369-199425d044eb
AVRO 101 96825311-eb10-b7f5-48be-2a023b4c018e
AVRO 110 3619d8e0-2ee8-de51-0d9e-2520d39174d5
AVRO 111 589556fb-ad98-e8e0-94fa-e6da3455433a
PROTOBUF 000 fd291f54-9ebf-6b66-69c4-d7c94f57d765
PROTOBUF 001 e0a5944a-07ec-f8b3-2e65-d618095d9b93
PROTOBUF 010 56052a3d-b48e-0af1-2f4e-fb4fc5defed4
PROTOBUF 011 89665e7a-68a3-0750-503e-cab9c5ab6494
PROTOBUF 100 2acee2f0-10ab-9e39-ff5e-a3c6301a16fc
PROTOBUF 101 ca144a0b-d04f-9cdf-5576-bc3e0872c2ec
PROTOBUF 110 1b1cd912-56b3-5aec-ed5e-628e4f8d6b99
PROTOBUF 111 6e27c5d9-341f-eedd-8d14-8e32f414f50e
JSON 000 8d9ce1c2-8624-0d98-53ec-66d14051c703
JSON 001 b1dd5216-670b-476a-bba4-2763ff8720d6
JSON 010 c1410156-b1ec-346c-3b3b-e8ef9df4fd20
JSON 011 4f438fbe-c518-fea5-e433-82bd8c77e72f
JSON 100 ee6044f3-6476-c191-e6b6-e3eceeea87d6
JSON 101 0476399c-ee06-5d92-14fd-f3afe300b400
JSON 110 916dad4b-fef3-50ed-25ab-de84bd91c74a
JSON 111 fbab57e1-71f5-063c-288a-03fbfb24c505
"""


@pytest.mark.parametrize("line", GOLDEN.split("\n")[1:-1])
def test_a_guid_is_the_one_of_confluent(line: str) -> None:
    kind, parts, guid = line.split()
    schema = Schema(
        schema={"AVRO": AVRO, "PROTOBUF": PROTOBUF, "JSON": JSON}[kind],
        references=REFERENCES if parts[0] == "1" else (),
        metadata=METADATA if parts[1] == "1" else None,
        rule_set=RULES if parts[2] == "1" else None,
    )
    assert guid_text(content_hash(schema)) == guid
    assert parse_guid(guid) == content_hash(schema)


def test_order_of_tags_and_properties_does_not_matter() -> None:
    turned = Metadata(
        tags=dict(reversed((METADATA.tags or {}).items())),
        properties=dict(reversed((METADATA.properties or {}).items())),
        sensitive=["ssn", "credit-card"],
    )
    one = Schema(schema=AVRO, metadata=METADATA)
    assert content_hash(one) == content_hash(Schema(schema=AVRO, metadata=turned))


def test_what_is_no_guid_is_none() -> None:
    assert parse_guid("nonsense") is None
