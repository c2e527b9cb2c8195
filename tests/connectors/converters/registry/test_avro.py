from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient as ConfluentClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
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

from aliran.connectors.converters.registered import AvroConverter
from aliran.connectors.data import builder as b
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError, RetriableError
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Schema as Content
from aliran.schema_registry.serdes.avro import AvroSerde
from aliran.schema_registry.server import RegistryServer

Make = Callable[..., AvroConverter]


@pytest.fixture(scope="module")
def avro(make: Make) -> AvroConverter:
    return make(AvroConverter)


@FEW
@given(st.data())
def test_schemas_and_values_come_back(avro: AvroConverter, data: st.DataObject) -> None:
    schema = data.draw(schemas())
    value = data.draw(values(schema))

    written = avro.from_connect_data("random", schema, value)
    found = avro.to_connect_data("random", written)

    if value is None:
        assert written is None
        return
    assert found.schema == with_version_of(schema, found.schema)
    assert same(found.value, with_defaults(schema, value))


@pytest.mark.parametrize("value", [True, 1, 1.5, "a", b"b", [1, None, ["x"]], {"a": {1: None}}])
def test_values_without_a_schema_come_back(make: Make, value: Any) -> None:
    converter = make(AvroConverter)

    found = converter.to_connect_data("any", converter.from_connect_data("any", None, value))

    assert found == (None, value)


def row(**fields: Schema) -> Schema:
    builder = SchemaBuilder.struct().name("shop.Order")
    for name, schema in fields.items():
        builder.field(name, schema)
    return builder.build()


def test_confluents_clients_read_it_and_we_read_theirs(
    make: Make, client: SchemaRegistryClient, confluent: ConfluentClient
) -> None:
    schema = row(id=b.INT64_SCHEMA, item=b.OPTIONAL_STRING_SCHEMA)
    converter = make(AvroConverter)
    context = SerializationContext("orders", MessageField.VALUE)

    order = Struct(schema, {"id": 7, "item": "tea"})
    written = converter.from_connect_data("orders", schema, order)
    assert AvroDeserializer(confluent)(written, context) == {"id": 7, "item": "tea"}
    assert AvroSerde(dict, client).deserialize(written) == {"id": 7, "item": "tea"}

    avro = {
        "type": "record", "name": "Pay", "fields": [
            {"name": "id", "type": "int", "default": 3},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
            {"name": "more", "type": ["null", "int", "long", "string", {
                "type": "record", "name": "More", "fields": [{"name": "x", "type": "float"}]}]},
        ],
    }  # fmt: skip
    serializer = AvroSerializer(confluent, json.dumps(avro))
    for more, field in ((None, None), (2**40, "long"), (5, "int"), ("s", "string"),
                        ({"x": 1.5}, "More")):  # fmt: skip
        written = serializer({"id": 1, "kind": "B", "more": more}, context)
        found = converter.to_connect_data("orders", written)
        assert found.value["kind"] == "B"
        union = found.value["more"]
        assert (union is None) if field is None else union[field] is not None
        if isinstance(more, int):
            assert union[field] == more
        again = converter.from_connect_data("back", found.schema, found.value)
        assert converter.to_connect_data("back", again).value == found.value
    assert found.schema is not None
    assert found.schema.name == "Pay"
    assert found.schema.field("id").schema.default_value == 3  # type: ignore[union-attr]


def test_options_change_what_is_written(make: Make, client: SchemaRegistryClient) -> None:
    schema = (
        SchemaBuilder.struct().name("my-shop.Order").doc("d").field("a b", b.INT8_SCHEMA).build()
    )
    bare = make(AvroConverter, connect__meta__data="false", scrub__invalid__names="true")
    by_record = {"value__subject__name__strategy": "RecordNameStrategy"}
    record = make(AvroConverter, scrub__invalid__names="true", **by_record)

    found = bare.to_connect_data(
        "bare", bare.from_connect_data("bare", schema, Struct(schema, {"a b": 1}))
    )
    record.from_connect_data("record", schema, Struct(schema, {"a b": 1}))

    assert json.loads(client.version("bare-value").schema) == {
        "type": "record", "name": "Order", "namespace": "my_shop",
        "fields": [{"name": "a_b", "type": "int"}],
    }  # fmt: skip
    assert found.value["a_b"] == 1
    assert "my_shop.Order" in client.subjects()


@pytest.mark.parametrize("generalized", ["true", "false"])
def test_enums_survive_where_they_are_wanted(
    make: Make, client: SchemaRegistryClient, generalized: str
) -> None:
    options = {"enhanced__avro__schema__support": "true"}
    converter = make(AvroConverter, generalized__sum__type__support=generalized, **options)
    topic = f"enums-{generalized}"
    avro = '{"type":"enum","name":"Kind","namespace":"x","symbols":["A","B"],"default":"A"}'
    registered = client.register(f"{topic}-value", Content(schema=avro))
    data = b"\0" + (registered.id or 0).to_bytes(4, "big") + b"\2"

    found = converter.to_connect_data(topic, data)
    converter.from_connect_data(f"{topic}-copy", found.schema, found.value)

    assert found.value == "B"
    copied = json.loads(client.version(f"{topic}-copy-value").schema)
    assert (copied["type"], copied["symbols"], copied["default"]) == ("enum", ["A", "B"], "A")


def test_what_goes_wrong_is_said(make: Make, registry: RegistryServer) -> None:
    converter = make(AvroConverter)
    schema = row(n=b.INT32_SCHEMA)
    twice = SchemaBuilder.struct().field("a", schema).field("b", row(n=b.STRING_SCHEMA)).build()

    with pytest.raises(DataError, match="begins with a zero byte and the id of"):
        converter.to_connect_data("wrong", b"{}")
    with pytest.raises(DataError, match=r"no schema with id 99999.*40403"):
        converter.to_connect_data("wrong", b"\0\0\1\x86\x9f\0")
    with pytest.raises(DataError, match=r"two different schemas of the name shop\.Order"):
        converter.from_connect_data("wrong", twice, Struct(twice))
    with pytest.raises(DataError, match="Invalid type for INT32"):
        converter.from_connect_data("wrong", b.INT32_SCHEMA, "no number")
    written = converter.from_connect_data("wrong", schema, Struct(schema, {"n": 1}))
    with pytest.raises(DataError, match="Failed to deserialize data for topic wrong"):
        converter.to_connect_data("wrong", (written or b"")[:5])


def test_a_registry_that_is_away_can_be_waited_for(registry: RegistryServer) -> None:
    converter = AvroConverter()
    converter.configure({"schema.registry.url": "http://127.0.0.1:1"})

    with pytest.raises(RetriableError, match="no schema registry answered"):
        converter.from_connect_data("away", b.STRING_SCHEMA, "x")
    with pytest.raises(RetriableError, match="no schema registry answered"):
        converter.to_connect_data("away", b"\0\0\0\0\1\2")
    converter.close()


def test_an_incompatible_schema_is_refused_with_the_reason(
    make: Make, client: SchemaRegistryClient
) -> None:
    converter = make(AvroConverter)
    old, new = row(a=b.INT64_SCHEMA), row(a=b.STRING_SCHEMA)
    converter.from_connect_data("strict", old, Struct(old, {"a": 1}))
    client.set_compatibility_level("BACKWARD", "strict-value")

    with pytest.raises(DataError, match=r"no schema to write topic strict with.*TYPE_MISMATCH"):
        converter.from_connect_data("strict", new, Struct(new, {"a": "x"}))


def test_the_newest_schema_is_used_if_asked_for(make: Make, client: SchemaRegistryClient) -> None:
    newest = {
        "type": "record", "name": "Order", "namespace": "shop", "fields": [
            {"name": "a", "type": "long"}, {"name": "b", "type": "string", "default": "-"}],
    }  # fmt: skip
    client.register("latest-value", Content(schema=json.dumps(newest)))
    converter = make(AvroConverter, auto__register__schemas="false", use__latest__version="true")
    schema = row(a=b.INT64_SCHEMA)

    written = converter.from_connect_data("latest", schema, Struct(schema, {"a": 1}))

    assert converter.to_connect_data("latest", written).value.to_dict() == {"a": 1, "b": "-"}
    assert client.versions("latest-value") == [1]
