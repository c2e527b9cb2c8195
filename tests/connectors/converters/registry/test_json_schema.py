from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient as ConfluentClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.converters.registry.samples import (
    FEW,
    same,
    schemas,
    values,
    with_defaults,
    with_version_of,
)

from aliran.connectors.converters.registered import JsonSchemaConverter
from aliran.connectors.data import builder as b
from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Reference
from aliran.schema_registry.models import Schema as Content
from aliran.schema_registry.serdes.json_schema import JsonSchemaSerde

Make = Callable[..., JsonSchemaConverter]


@pytest.fixture(scope="module", params=["BASE64", "NUMERIC"])
def converter(make: Make, request: pytest.FixtureRequest) -> JsonSchemaConverter:
    options = {"decimal__format": request.param, "json__fail__invalid__schema": "true"}
    return make(JsonSchemaConverter, **options)


@FEW
@given(st.data())
def test_schemas_and_values_come_back(converter: JsonSchemaConverter, data: st.DataObject) -> None:
    schema = data.draw(schemas())
    value = data.draw(values(schema))

    written = converter.from_connect_data("random", schema, value)
    found = converter.to_connect_data("random", written)

    if value is None:
        assert written is None
        return
    assert found.schema == with_version_of(schema, found.schema)
    assert same(found.value, with_defaults(schema, value))


@pytest.mark.parametrize("value", [True, 1, 1.5, "a", [1, None, ["x"]], {"a": {"b": None}}])
def test_values_without_a_schema_come_back(make: Make, value: Any) -> None:
    converter = make(JsonSchemaConverter)

    found = converter.to_connect_data("any", converter.from_connect_data("any", None, value))

    assert found == (None, value)


def test_confluents_clients_read_it_and_we_read_theirs(
    make: Make, client: SchemaRegistryClient, confluent: ConfluentClient
) -> None:
    schema = (
        SchemaBuilder.struct()
        .name("Order")
        .field("id", b.INT64_SCHEMA)
        .field("price", logical.decimal_schema(2))
        .field("item", b.OPTIONAL_STRING_SCHEMA)
        .build()
    )
    converter = make(JsonSchemaConverter, decimal__format="NUMERIC")
    context = SerializationContext("jorders", MessageField.VALUE)
    order = Struct(schema, {"id": 7, "price": Decimal("1.50"), "item": "tea"})

    written = converter.from_connect_data("jorders", schema, order)
    text = client.version("jorders-value").schema
    plain = {"id": 7, "price": 1.5, "item": "tea"}
    assert JSONDeserializer(text, schema_registry_client=confluent)(written, context) == plain
    assert JsonSchemaSerde(dict, client).deserialize(written) == plain

    theirs = {
        "title": "Pay", "type": "object", "required": ["id"],
        "definitions": {"who": {"type": "object", "properties": {"name": {"type": "string"}}}},
        "properties": {
            "id": {"type": "integer"}, "kind": {"enum": ["A", "B"]},
            "who": {"$ref": "#/definitions/who"}, "tags": {"type": ["array", "null"],
            "items": {"type": "string"}}, "either": {"oneOf": [{"type": "string"},
            {"type": "number"}]},
        },
    }  # fmt: skip
    value = {"id": 1, "kind": "B", "who": {"name": "x"}, "tags": ["t"], "either": 1.5}
    written = JSONSerializer(json.dumps(theirs), confluent)(value, context)
    lenient = make(JsonSchemaConverter, use__optional__for__nonrequired="true")
    found = lenient.to_connect_data("jorders", written).value
    assert found["who"]["name"] == "x"
    assert (found["id"], found["kind"], found["tags"]) == (1, "B", ["t"])
    assert found["either"]["io.confluent.connect.json.OneOf.field.1"] == 1.5


def test_schemas_may_refer_to_others(make: Make, client: SchemaRegistryClient) -> None:
    inner = '{"type":"object","properties":{"x":{"type":"integer"}}}'
    client.register("inner", Content(schema=inner, schema_type="JSON"))
    outer = '{"type":"object","properties":{"in":{"$ref":"inner.json"}}}'
    references = (Reference(name="inner.json", subject="inner", version=1),)
    made = client.register("outer", Content(outer, schema_type="JSON", references=references))
    data = b"\0" + (made.id or 0).to_bytes(4, "big") + b'{"in":{"x":3}}'

    assert make(JsonSchemaConverter).to_connect_data("outer", data).value["in"]["x"] == 3


def test_what_goes_wrong_is_said(make: Make, client: SchemaRegistryClient) -> None:
    converter = make(JsonSchemaConverter, json__fail__invalid__schema="true")
    cyclic = '{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"next":{"$ref":"#/$defs/a"}}}}}'
    made = client.register("cyclic", Content(schema=cyclic, schema_type="JSON"))
    avro = client.register("avro", Content(schema='"string"'))
    number = client.register("number", Content(schema='{"type":"integer"}', schema_type="JSON"))

    def data(id_: int | None, payload: bytes) -> bytes:
        return b"\0" + (id_ or 0).to_bytes(4, "big") + payload

    with pytest.raises(DataError, match="holds itself"):
        converter.to_connect_data("wrong", data(made.id, b"{}"))
    with pytest.raises(DataError, match="is AVRO, which JsonSchemaConverter does not read"):
        converter.to_connect_data("wrong", data(avro.id, b"\0"))
    with pytest.raises(DataError, match="the value does not fit the schema at #/"):
        converter.to_connect_data("wrong", data(number.id, b'"x"'))
    with pytest.raises(DataError, match="Invalid type for STRING"):
        converter.from_connect_data("wrong", b.STRING_SCHEMA, 1)
