"""What a serde with schemas costs a record, beside the library that it stands on, used barely.

`python benchmarks/registry_serdes.py` prints µs a record as JSON; `registry.py` beside it runs it
in a process of its own. Measurements take turns, in rounds so short that some of them run without
being disturbed: the least of each is what counts, the more so on a busy machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import fastavro
import msgspec
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from aliran.schema_registry.client import SchemaRegistryClient
from aliran.schema_registry.serdes import AvroSerde, JsonSchemaSerde, ProtobufSerde
from aliran.schema_registry.serdes.avro_types import avro_schema
from aliran.schema_registry.server import RegistryServer

_ROUNDS = 300
_RECORDS = 100

Pairs = dict[str, tuple[Callable[[], Any], Callable[[], Any]]]


class Place(msgspec.Struct):
    """A record in the record."""

    city: str
    zip_code: int


class Order(msgspec.Struct):
    """Ten fields, of most kinds."""

    id: int
    item: str
    price: float
    paid: bool
    note: str | None
    sizes: list[int]
    counts: dict[str, int]
    place: Place
    at: int
    raw: bytes


ORDER = Order(
    1, "tea, green", 1.5, True, "iced", [1, 2, 3], {"a": 1, "b": 2}, Place("Linz", 4020), 5, b"abc"
)
AS_DICT = msgspec.to_builtins(ORDER, builtin_types=(bytes,))


def avro(client: SchemaRegistryClient) -> Pairs:
    """Return how to write and read a record: barely, as dicts, as Structs."""
    schema = fastavro.parse_schema(avro_schema(Order))
    dicts = AvroSerde(dict, client, schema=json.dumps(avro_schema(Order)))
    plain = dicts.for_topic("avro", is_key=False)
    typed = AvroSerde(Order, client).for_topic("avro", is_key=False)

    def write() -> bytes:
        buffer = BytesIO()
        fastavro.schemaless_writer(buffer, schema, AS_DICT)
        return buffer.getvalue()

    bare, data = write(), typed.serializer(ORDER)
    return {
        "fastavro, dicts": (write, lambda: fastavro.schemaless_reader(BytesIO(bare), schema, None)),
        "AvroSerde(dict)": (lambda: plain.serializer(AS_DICT), lambda: plain.deserializer(data)),
        "AvroSerde(Struct)": (lambda: typed.serializer(ORDER), lambda: typed.deserializer(data)),
    }


def json_schema(client: SchemaRegistryClient) -> Pairs:
    """Return how to write and read a record as JSON."""
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Order).decode
    typed = JsonSchemaSerde(Order, client).for_topic("json", is_key=False)
    bare, data = encode(ORDER), typed.serializer(ORDER)
    return {
        "msgspec, Structs": (lambda: encode(ORDER), lambda: decode(bare)),
        "JsonSchemaSerde(Struct)": (
            lambda: typed.serializer(ORDER),
            lambda: typed.deserializer(data),
        ),
    }


def protobuf(client: SchemaRegistryClient) -> Pairs:
    """Return how to write and read a message of ten fields."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", syntax="proto3")
    message = file.message_type.add(name="Order")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, kind) in enumerate(
        [
            *((f"number_{each}", kinds.TYPE_INT64) for each in range(4)),
            *((f"text_{each}", kinds.TYPE_STRING) for each in range(4)),
            *((f"float_{each}", kinds.TYPE_DOUBLE) for each in range(2)),
        ],
        1,
    ):
        message.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    made = descriptor_pool.Default().Add(file) or descriptor_pool.Default().FindFileByName(
        file.name
    )
    order_class = message_factory.GetMessageClass(made.message_types_by_name["Order"])
    order = order_class(number_0=1, number_1=2, text_0="tea", text_1="iced", float_0=1.5)
    typed: Any = ProtobufSerde(order_class, client).for_topic("protobuf", is_key=False)
    bare, data = order.SerializeToString(), typed.serializer(order)
    return {
        "protobuf, messages": (order.SerializeToString, lambda: order_class.FromString(bare)),
        "ProtobufSerde(message)": (
            lambda: typed.serializer(order),
            lambda: typed.deserializer(data),
        ),
    }


@contextmanager
def registry() -> Iterator[SchemaRegistryClient]:
    """Give a client of a registry in this process, which nobody asks while we measure."""
    with RegistryServer() as server, SchemaRegistryClient(server.url) as client:
        yield client


def microseconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    for _ in range(_RECORDS):
        function()
    return (time.perf_counter() - started) / _RECORDS * 1e6


def main() -> None:
    """Measure all, and print the least and the median of each."""
    with registry() as client:
        pairs = {**avro(client), **json_schema(client), **protobuf(client)}
        found: dict[str, dict[str, list[float]]] = {
            name: {"encode": [], "decode": []} for name in pairs
        }
        for _ in range(_ROUNDS):
            for name, (write, read) in pairs.items():
                found[name]["encode"].append(microseconds(write))
                found[name]["decode"].append(microseconds(read))
    json.dump(
        {
            name: {
                f"{what}_{kind}": round(choose(numbers), 3)
                for what, numbers in took.items()
                for kind, choose in (("least", min), ("median", statistics.median))
            }
            for name, took in found.items()
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
