"""`ProtobufSerde`: nested messages, imported files, headers, and confluent-kafka's serializers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient as TheirClient
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pool, message_factory

from aliran.core.errors import ConfigError
from aliran.schema_registry.client import RegistryAnswerError, SchemaRegistryClient
from aliran.schema_registry.formats.protobuf.compiling import compile_schema
from aliran.schema_registry.serdes import ProtobufSerde
from aliran.schema_registry.serdes.classes import class_for
from aliran.schema_registry.server import RegistryServer
from aliran.serdes.errors import SerializationError

UNIT = 'syntax = "proto3"; package money; message Unit { string name = 1; }'
MONEY = (
    'syntax = "proto3"; package money; import "unit.proto"; '
    "message Money { int64 cents = 1; Unit unit = 2; }"
)
ORDERS = """syntax = "proto3"; package shop; import "sub/money.proto";
import "google/protobuf/timestamp.proto";
message Other {}
message Order {
  message Empty {}
  message Line { string item = 1; money.Money price = 2; }
  repeated Line lines = 1;
  google.protobuf.Timestamp at = 2;
}"""
FILES = {"unit.proto": UNIT, "sub/money.proto": MONEY}


def messages(text: str = ORDERS, name: str = "orders.proto") -> Any:
    """Return the classes of a file by their names, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    *imported, file = compile_schema(text, FILES)
    file.name = name
    for each in (*imported, file):
        pool.Add(each)
    return lambda full: message_factory.GetMessageClass(pool.FindMessageTypeByName(full))


@pytest.fixture
def client(server: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(server.url) as made:
        yield made


def order() -> Any:
    made = messages()("shop.Order")()
    made.lines.add(item="tea").price.unit.name = "EUR"
    made.at.seconds = 17
    return made


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("shop.Other", b"\0"),
        ("shop.Order", b"\x02\x02"),
        ("shop.Order.Line", b"\x04\x02\x02"),
    ],
)
def test_data_says_which_message_it_is(client: Any, name: str, indexes: bytes) -> None:
    kind = messages()(name)
    serde = ProtobufSerde(kind, client).for_topic("orders", is_key=False)
    data = serde.serialize(kind())
    assert data is not None
    assert data[5:] == indexes
    assert serde.deserialize(data) == kind()


def test_imported_files_are_registered_as_references(client: Any) -> None:
    made = order()
    serde = ProtobufSerde(type(made), client).for_topic("orders", is_key=False)
    assert serde.deserialize(serde.serialize(made)) == made
    assert client.subjects() == ["orders-value", "sub/money.proto", "unit.proto"]
    (reference,) = client.version("orders-value").references
    assert (reference.name, reference.subject, reference.version) == (
        "sub/money.proto",
        "sub/money.proto",
        1,
    )


def test_without_registering_a_schema_must_be_there(client: Any) -> None:
    made = order()
    strict = ProtobufSerde(type(made), client, auto_register=False)
    bound = strict.for_topic("orders", is_key=False)
    with pytest.raises(SerializationError, match="40401"):
        bound.serialize(made)
    ProtobufSerde(type(made), client).for_topic("orders", is_key=False).serialize(made)
    assert bound.deserialize(bound.serialize(made)) == made


def test_headers_carry_the_guid(client: Any) -> None:
    made = order()
    serde = ProtobufSerde(type(made), client).for_topic("orders", is_key=False)
    data, header = serde.to_record(made)
    assert serde.from_record(data, [header]) == made


def test_the_newest_schema_names_the_data(client: Any) -> None:
    made = order()
    ProtobufSerde(type(made), client).for_topic("orders", is_key=False).serialize(made)
    latest = ProtobufSerde(type(made), client, use_latest=True).for_topic("orders", is_key=False)
    assert latest.deserialize(latest.serialize(made)) == made


def test_incompatible_messages_are_refused(client: Any) -> None:
    old = messages('syntax = "proto3"; message M { int32 a = 1; }')("M")
    new = messages('syntax = "proto3"; message M { string a = 1; }')("M")
    ProtobufSerde(old, client).for_topic("t", is_key=False).serialize(old(a=1))
    with pytest.raises(SerializationError, match="FIELD_SCALAR_KIND_CHANGED") as error:
        ProtobufSerde(new, client).for_topic("t", is_key=False).serialize(new(a="x"))
    assert isinstance(error.value.__cause__, RegistryAnswerError)


@pytest.mark.parametrize("data", [b"\0\0\0\0\1", b"\0\0\0\0\1\x04\x02", b"\0\0\0\0\1\x80", b"{}"])
def test_data_of_others_is_told(client: Any, data: bytes) -> None:
    made = order()
    serde = ProtobufSerde(type(made), client).for_topic("orders", is_key=False)
    with pytest.raises(SerializationError, match="ProtobufSerde"):
        serde.deserialize(data)


def test_wrong_values_are_told(client: Any) -> None:
    with pytest.raises(ConfigError, match="no message class"):
        ProtobufSerde(dict, client)
    serde = ProtobufSerde(messages()("shop.Other"), client).for_topic("t", is_key=False)
    with pytest.raises(SerializationError, match="Other messages"):
        serde.serialize(order())


def test_a_class_of_a_registered_schema(client: Any) -> None:
    made = messages('syntax = "proto3"; message M { int32 a = 1; }')("M")(a=7)
    ProtobufSerde(type(made), client).for_topic("t", is_key=False).serialize(made)
    kind: Any = class_for(client.version("t-value", form="serialized"))
    assert kind.FromString(made.SerializeToString()).a == 7


def test_confluents_serializers_and_ours_read_each_other(server: RegistryServer) -> None:
    made, place = order(), SerializationContext("orders", MessageField.VALUE)
    conf = {"use.deprecated.format": False}
    with SchemaRegistryClient(server.url) as client, TheirClient({"url": server.url}) as theirs:
        serde = ProtobufSerde(type(made), client).for_topic("orders", is_key=False)
        data = serde.serialize(made)
        assert ProtobufDeserializer(type(made), conf, theirs)(data, place) == made
        written = ProtobufSerializer(type(made), theirs, conf)(made, place)
        assert written == data
        assert serde.deserialize(written) == made
