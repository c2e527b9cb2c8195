"""Data of confluent-kafka's serializers and of ours: each reads the other's, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient as TheirClient
from confluent_kafka.schema_registry import topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from aliran.schema_registry.client import SchemaRegistryClient
from aliran.schema_registry.serdes import AvroSerde, JsonSchemaSerde
from aliran.schema_registry.server import RegistryServer

TOPIC = "orders"
PLACE = SerializationContext(TOPIC, MessageField.VALUE)


class Order(msgspec.Struct):
    item: str
    count: int = 1
    note: str | None = None


VALUES: list[dict[str, Any]] = [
    {"item": "tea", "count": 2, "note": None},
    {"item": "Öl", "count": -1, "note": "a" * 300},
]


@pytest.fixture
def url() -> Iterator[str]:
    with RegistryServer() as server:
        yield server.url


@pytest.mark.parametrize(
    ("serde", "writer", "reader"),
    [
        (AvroSerde, AvroSerializer, AvroDeserializer),
        (JsonSchemaSerde, JSONSerializer, JSONDeserializer),
    ],
)
def test_each_reads_what_the_other_wrote(url: str, serde: Any, writer: Any, reader: Any) -> None:
    with SchemaRegistryClient(url) as client, TheirClient({"url": url}) as theirs:
        ours = serde(Order, client).for_topic(TOPIC, is_key=False)
        for value in VALUES:
            order = msgspec.convert(value, Order)
            data = ours.serialize(order)
            schema = client.version(f"{TOPIC}-value").schema
            if writer is AvroSerializer:
                strategy = {"subject.name.strategy": topic_subject_name_strategy}
                write, read = writer(theirs, schema, conf=strategy), reader(theirs)
            else:
                write, read = writer(schema, theirs), reader(schema)
            assert read(data, PLACE) == value
            written = write(value, PLACE)
            assert ours.deserialize(written) == order
            if writer is AvroSerializer:
                assert written == data
            assert written[:5] == data[:5]  # the same schema
