"""What `benchmarks/connect.py` measures: connectors, converters and transformations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

_PACKAGE = "org.apache.kafka.connect."
_STRING = {"value.converter": f"{_PACKAGE}storage.StringConverter"}
_JSON = {"value.converter": f"{_PACKAGE}json.JsonConverter"}
_PLAIN_JSON = {**_JSON, "value.converter.schemas.enable": "false"}
_AVRO = {"value.converter": "io.confluent.connect.avro.AvroConverter"}
_HOIST = {"hoist.type": "HoistField$Value", "hoist.field": "line"}
_INSERT = {"insert.type": "InsertField$Value", "insert.static.field": "source"}
_INSERT |= {"insert.static.value": "bench", "insert.topic.field": "topic"}
_RENAME = {"rename.type": "ReplaceField$Value", "rename.renames": "line:text"}


def _transforms(*steps: dict[str, str]) -> dict[str, str]:
    names = [next(iter(step)).split(".")[0] for step in steps]
    found = {"transforms": ",".join(names)}
    for step in steps:
        for name, value in step.items():
            full = f"{_PACKAGE}transforms.{value}" if name.endswith(".type") else value
            found[f"transforms.{name}"] = full
    return found


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure.

    Attributes:
        name: What is printed.
        kind: What the connector is.
        options: Options of the connector.
        ours_only: Whether Kafka has nothing like it.
    """

    name: str
    kind: Literal["source", "sink"]
    options: dict[str, str] = field(default_factory=dict)
    ours_only: bool = False

    @property
    def slug(self) -> str:
        """The name, as topics may be called."""
        return "".join(one if one.isalnum() else "-" for one in self.name)

    def expected(self, count: int) -> Iterator[bytes]:
        """Yield the lines that a sink writes."""
        return lines(count)


ONE = _transforms(_HOIST)
THREE = _transforms(_HOIST, _INSERT, _RENAME)
CASES = [
    Case("file -> topic, String", "source", _STRING),
    Case("file -> topic, JSON", "source", _JSON),
    Case("file -> topic, JSON, 1 transform", "source", {**_JSON, **ONE}),
    Case("file -> topic, JSON, 3 transforms", "source", {**_JSON, **THREE}),
    Case("file -> topic, Avro, 1 transform", "source", {**_AVRO, **ONE}, ours_only=True),
    Case("file -> topic, Avro, 3 transforms", "source", {**_AVRO, **THREE}, ours_only=True),
    Case("topic -> file, String", "sink", _STRING),
    Case("topic -> file, JSON", "sink", _PLAIN_JSON),
]


def lines(count: int) -> Iterator[bytes]:
    """Yield lines of about 100 bytes."""
    return (b"%012d the quick brown fox jumps over the lazy dog %s\n" % (n, b"x" * 40)
            for n in range(count))  # fmt: skip


def prepare(
    case: Case, broker: str, registry: str, topic: str, folder: Path, out: Path
) -> dict[str, str]:
    """Make the topic and what is in it; return the connector's configuration."""
    config = dict(case.options)
    if config["value.converter"].startswith("io.confluent."):
        config["value.converter.schema.registry.url"] = registry
    if case.kind == "source":
        _fill(broker, topic, iter(()))
        kind, place = "FileStreamSourceConnector", {"topic": topic, "file": str(folder / "in.txt")}
    else:
        if not (folder / case.slug).exists():
            (folder / case.slug).touch()
            quote = b'"%s"' if config == _PLAIN_JSON else b"%s"
            with open(folder / "in.txt", "rb") as file:
                _fill(broker, topic, (quote % line.rstrip() for line in file))
        kind, place = "FileStreamSinkConnector", {"topics": topic, "file": str(out)}
        config["consumer.override.auto.offset.reset"] = "earliest"
    return {"connector.class": f"{_PACKAGE}file.{kind}", "tasks.max": "1", **place, **config}


def _fill(broker: str, topic: str, values: Iterator[bytes]) -> None:
    admin = AdminClient({"bootstrap.servers": broker})  # held, or it is gone before it answers
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 20})
    for value in values:
        while True:
            try:
                producer.produce(topic, value)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
