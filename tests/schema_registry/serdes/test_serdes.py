"""Serdes with a running registry: classes of all kinds, evolution, subjects, what goes wrong."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, TypedDict
from uuid import UUID

import msgspec
import pytest

from aliran.core.errors import ConfigError
from aliran.schema_registry import serdes
from aliran.schema_registry.client import RegistryAnswerError, SchemaRegistryClient
from aliran.schema_registry.models import Reference, Schema
from aliran.schema_registry.serdes import AvroSerde, JsonSchemaSerde
from aliran.schema_registry.serdes.avro_types import avro_schema
from aliran.schema_registry.serdes.base import RegistrySerde
from aliran.schema_registry.serdes.classes import class_for
from aliran.schema_registry.server import RegistryServer
from aliran.serdes.errors import SerializationError


class Side(Enum):
    BUY = "BUY"
    SELL = "SELL"


class Leg(msgspec.Struct):
    price: float
    side: Side = Side.BUY


class Order(msgspec.Struct):
    item: str
    count: int = 1
    legs: list[Leg] = []
    note: str | None = None
    at: dt.datetime | None = None
    tags: dict[str, int] = {}
    raw: bytes = b""
    amount: decimal.Decimal | None = None
    reference: UUID | None = None


ORDER = Order(
    "tea",
    2,
    [Leg(1.5, Side.SELL)],
    "hot",
    dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC),
    {"a": 1},
    b"\0\xff",
    decimal.Decimal("12.5"),
    UUID(int=7),
)


@dataclass
class Point:
    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)


class Plain(TypedDict):
    name: str
    age: int | None


class OldOrder(msgspec.Struct):
    item: str


class NewOrder(msgspec.Struct):
    item: str
    price: float = 1.0


NewOrder.__name__ = OldOrder.__name__ = "Tea"


@pytest.fixture
def client(server: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(server.url) as made:
        yield made


SERDES = pytest.mark.parametrize("serde", [AvroSerde, JsonSchemaSerde])


@SERDES
@pytest.mark.parametrize(
    ("target", "value"),
    [
        (Order, ORDER),
        (Order, Order("plain")),
        (Point, Point(1, names=["p"])),
        (Plain, {"name": "n", "age": None}),
    ],
)
def test_values_come_back(client: Any, serde: Any, target: Any, value: Any) -> None:
    made = serde(target, client).for_topic("things", is_key=False)
    data = made.serialize(value)
    assert data[:5] == b"\0\0\0\0\1"
    assert made.deserialize(data) == value
    assert made.serialize(None) is None
    assert client.subjects() == ["things-value"]


@SERDES
def test_a_reader_with_a_newer_class_fills_in_defaults(client: Any, serde: Any) -> None:
    old = serde(OldOrder, client).for_topic("tea", is_key=False)
    new = serde(NewOrder, client).for_topic("tea", is_key=False)
    assert new.deserialize(old.serialize(OldOrder("oolong"))) == NewOrder("oolong", 1.0)
    new.serialize(NewOrder("assam"))
    assert client.versions("tea-value") == [1, 2]


def test_a_reader_with_an_older_class_skips_what_it_does_not_know(client: Any) -> None:
    new = AvroSerde(NewOrder, client).for_topic("tea", is_key=False)
    old = AvroSerde(OldOrder, client).for_topic("tea", is_key=False)
    assert old.deserialize(new.serialize(NewOrder("assam", 9.0))) == OldOrder("assam")


@SERDES
def test_headers_carry_the_guid(client: Any, serde: Any) -> None:
    made = serde(Point, client).for_topic("points", is_key=True)
    data, header = made.to_record(Point(3))
    assert header[0] == "__key_schema_id"
    assert made.from_record(data, [("other", b""), header]) == Point(3)
    with_prefix = made.serialize(Point(4))
    assert made.from_record(with_prefix, []) == Point(4)
    number = ("__key_schema_id", with_prefix[:5])
    assert made.from_record(data, [number]) == Point(3)


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("topic", "orders-key"),
        ("record", "Leg"),
        ("topic_record", "orders-Leg"),
        ("associated", "orders-key"),
        (lambda topic, is_key, record: f"{topic}/{is_key}/{record}", "orders/True/Leg"),
    ],
)
def test_subjects(client: Any, strategy: Any, subject: str) -> None:
    made = AvroSerde(Leg, client, subject_strategy=strategy).for_topic("orders", is_key=True)
    made.serialize(Leg(1.0))
    assert client.subjects() == [subject]


def test_without_registering_a_schema_must_be_there(client: Any) -> None:
    made = AvroSerde(Leg, client, auto_register=False).for_topic("legs", is_key=False)
    with pytest.raises(SerializationError, match="40401"):
        made.serialize(Leg(1.0))
    client.register("legs-value", Schema(schema=json.dumps(avro_schema(Leg))))
    assert made.deserialize(made.serialize(Leg(1.0))) == Leg(1.0)


def test_values_without_class_are_written_with_the_newest_schema(client: Any) -> None:
    made = AvroSerde(dict, client).for_topic("legs", is_key=False)
    client.register("legs-value", Schema(schema=json.dumps(avro_schema(Leg))))
    leg = {"price": 2.0, "side": "SELL"}
    assert made.deserialize(made.serialize(leg)) == leg
    checked = JsonSchemaSerde(dict, client).for_topic("points", is_key=False)
    point = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    client.register("points-value", Schema(schema=json.dumps(point), schema_type="JSON"))
    assert checked.deserialize(checked.serialize({"x": 1})) == {"x": 1}
    with pytest.raises(SerializationError, match="#/x"):
        checked.serialize({"x": "one"})


def test_schemas_that_refer_to_others(client: Any) -> None:
    client.register("leg", Schema(schema=json.dumps(avro_schema(Leg))))
    text = '{"type":"record","name":"Trip","fields":[{"name":"leg","type":"Leg"}]}'
    references = (Reference(name="Leg", subject="leg", version=1),)
    made = AvroSerde(dict, client, schema=text, references=references)
    bound = made.for_topic("trips", is_key=False)
    trip = {"leg": {"price": 1.0, "side": "BUY"}}
    assert bound.deserialize(bound.serialize(trip)) == trip
    written = client.version("trips-value")
    assert msgspec.structs.fields(class_for(written, client))[0].name == "leg"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b'{"x":1}', "begins with a zero byte"), (b"\0\0\0", "3 bytes"), (b"\0\0\0\0\x09a", "40403")],
)
def test_data_of_others_is_told(client: Any, data: bytes, reason: str) -> None:
    made = AvroSerde(Point, client).for_topic("points", is_key=False)
    with pytest.raises(SerializationError, match=reason):
        made.deserialize(data)


def test_wrong_values_are_told(client: Any) -> None:
    made = AvroSerde(Point, client).for_topic("points", is_key=False)
    with pytest.raises(SerializationError, match="AvroSerde\\(Point\\)"):
        made.serialize({"x": "one"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (object, "no Avro schema"),
        (dict[int, str], "keys of text"),
        (tuple[int, str], "what it holds"),
    ],
)
def test_types_without_a_schema_are_told(client: Any, target: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        avro_schema(target)


def test_fields_have_descriptions_and_earlier_names(client: Any) -> None:
    class Renamed(msgspec.Struct):
        product: Annotated[str, msgspec.Meta(description="What", extra={"aliases": ["item"]})]
        price: Annotated[float, msgspec.Meta(ge=0)] = 1.0

    Renamed.__name__ = "Tea"
    assert avro_schema(Renamed)["fields"] == [
        {"name": "product", "doc": "What", "aliases": ["item"], "type": "string"},
        {"name": "price", "type": "double", "default": 1.0},
    ]
    old = AvroSerde(OldOrder, client).for_topic("tea", is_key=False)
    new = AvroSerde(Renamed, client).for_topic("tea", is_key=False)
    assert new.deserialize(old.serialize(OldOrder("assam"))) == Renamed("assam")
    new.serialize(Renamed("ceylon"))
    assert client.versions("tea-value") == [1, 2]
    found: Any = class_for(client.version("tea-value"), client)
    assert avro_schema(found) == avro_schema(Renamed)


def test_a_registry_that_is_away_is_told() -> None:
    with RegistryServer() as server:
        made = AvroSerde(Point, server.url).for_topic("points", is_key=False)
    with pytest.raises(SerializationError) as error:
        made.serialize(Point(1))
    assert str(error.value).startswith(
        "AvroSerde(Point) has no schema: no schema registry answered"
    )
    with pytest.raises(SerializationError, match="has no schema: no schema registry answered"):
        made.deserialize(b"\0\0\0\0\1\2")


def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastavro", None)
    monkeypatch.delitem(sys.modules, "aliran.schema_registry.serdes.avro")
    with pytest.raises(
        ConfigError, match=r"needs the package fastavro: pip install 'aliran\[avro\]'"
    ):
        _ = serdes.AvroSerde


def test_unknown_options_are_told(client: Any) -> None:
    with pytest.raises(ConfigError, match="auto_register"):
        AvroSerde(Point, client, auto_registr=True)  # type: ignore[call-arg]


def test_a_serde_that_writes_needs_a_topic(client: Any) -> None:
    unbound: RegistrySerde[Point] = AvroSerde(Point, client)
    with pytest.raises(SerializationError, match="for_topic"):
        unbound.serialize(Point(1))


def test_incompatible_classes_are_refused_before_data_is_written(client: Any) -> None:
    class Changed(msgspec.Struct):
        item: str
        must: int

    Changed.__name__ = "Tea"
    AvroSerde(OldOrder, client).for_topic("tea", is_key=False).serialize(OldOrder("a"))
    changed = AvroSerde(Changed, client).for_topic("tea", is_key=False)
    with pytest.raises(SerializationError) as error:
        changed.serialize(Changed("b", 1))
    assert isinstance(error.value.__cause__, RegistryAnswerError)
    first, reason, hint = str(error.value).splitlines()
    assert first.startswith("AvroSerde(Tea) cannot write: its schema does not fit the earlier ones")
    assert reason.startswith("  READER_FIELD_MISSING_DEFAULT_VALUE: The field 'must' at path")
    assert hint == "  try: give the field must a default"


@SERDES
def test_classes_of_schemas(client: Any, serde: Any) -> None:
    data = serde(Order, client).for_topic("orders", is_key=False).serialize(ORDER)
    made: Any = class_for(client.version("orders-value"), client)
    found = serde(made, client).for_topic("orders", is_key=False).deserialize(data)
    assert made.__name__ == "Order"
    assert (found.item, found.count, found.raw) == ("tea", 2, b"\0\xff")
    assert found.legs[0].price == 1.5
    assert made(item="x").legs == []
