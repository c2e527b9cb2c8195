from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import moto_server
import pytest
from confluent_kafka import Producer
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("s3")

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    started = moto_server.moto(tmp_path_factory.mktemp("moto")).start()
    yield started
    started.stop()


class Bucket:
    """A bucket, and the options that lead there."""

    def __init__(self, server: ServerProcess, name: str) -> None:
        self.s3 = moto_server.client(server, "s3")
        self.name = name
        self.options: Mapping[str, Any] = {
            **moto_server.options(server), "s3__bucket__name": name, "s3__region": "us-west-2",
        }  # fmt: skip
        location = {"LocationConstraint": "us-west-2"}
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)

    def names(self) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(one["Key"] for one in found)

    def get(self, name: str) -> bytes:
        data: bytes = self.s3.get_object(Bucket=self.name, Key=name)["Body"].read()
        return data

    def put(self, name: str, data: bytes) -> None:
        self.s3.put_object(Bucket=self.name, Key=name, Body=data)


@pytest.fixture
def bucket(server: ServerProcess, request: pytest.FixtureRequest) -> Bucket:
    name = request.node.originalname.replace("_", "-")[:50]
    return Bucket(server, f"{name}-{abs(hash(request.node.name)) % 10_000}")


def write(connect: Connect, topic: str, values: list[Any], **more: Any) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for number, value in enumerate(values):
        data = None if value is None else json.dumps(value).encode()
        producer.produce(topic, data, f"k{number}", **more)
    producer.flush()


def trace(connect: Connect, name: str) -> str:
    def found() -> Any:
        tasks = connect.status(name)["tasks"]
        return tasks and tasks[0].get("trace")

    return str(eventually(found))


def test_objects_are_named_after_their_first_offset(connect: Connect, bucket: Bucket) -> None:
    write(connect, "named", [{"n": n} for n in range(25)])

    connect.put("named", "S3Sink", topics="named", flush__size=10, **bucket.options, **PLAIN)

    folder = "topics/named/partition=0/named+0+"
    eventually(lambda: len(bucket.names()) == 2)
    assert bucket.names() == [f"{folder}0000000000.json", f"{folder}0000000010.json"]
    lines = bucket.get(bucket.names()[1]).splitlines()
    assert [json.loads(one)["n"] for one in lines] == list(range(10, 20))


BYTES = "io.confluent.connect.s3.format.bytearray.ByteArrayFormat"


@pytest.mark.parametrize("kind", ["json", "avro", "parquet", BYTES])
def test_there_and_back(connect: Connect, bucket: Bucket, kind: str) -> None:
    name = kind.rpartition(".")[2].lower()
    schema = {"type": "struct", "optional": False, "name": "T", "fields": [
        {"field": "n", "type": "int32", "optional": False},
        {"field": "at", "type": "int64", "optional": True, "version": 1,
         "name": "org.apache.kafka.connect.data.Timestamp"},
    ]}  # fmt: skip
    rows = [{"n": n, "at": 1_700_000_000_000 + n} for n in range(40)]
    values = [{"schema": schema, "payload": row} for row in rows]
    converter = {"value__converter": JSON}
    if "bytes" in name or "bytearray" in name:
        converter = {"value__converter": "org.apache.kafka.connect.converters.ByteArrayConverter"}
    write(connect, f"there-{name}", values, headers=[("h", b"v")])

    connect.put(f"there-{name}", "S3Sink", topics=f"there-{name}", flush__size=20,
                format__class=kind, store__kafka__keys="true", store__kafka__headers="true",
                **bucket.options, **converter)  # fmt: skip
    connect.put(f"back-{name}", "S3Source", topic=f"back-{name}", format__class=kind,
                poll__interval__ms=100, store__kafka__keys="true", store__kafka__headers="true",
                **bucket.options, **converter)  # fmt: skip
    back = connect.read(f"back-{name}", 40)

    assert [one.key() for one in back] == [f"k{n}".encode() for n in range(40)]
    assert {tuple(one.headers()) for one in back} == {(("h", b"v"),)}
    found = [json.loads(one.value()) for one in back]
    if name in {"avro", "parquet"}:
        assert [one["schema"] for one in found] == [schema] * 40
    assert [one.get("payload", one) for one in found] == rows
    connect.rest.put(f"/connectors/back-{name}/stop")
    offsets = connect.rest.get(f"/connectors/back-{name}/offsets").json()["offsets"]
    assert offsets[0]["offset"] == {"start": 20, "record": 20, "done": True}


def test_folders_by_field_and_gzip(connect: Connect, bucket: Bucket) -> None:
    rows = [{"place": {"country": country}, "n": n} for n, country in enumerate("abaab/")]
    write(connect, "fields", rows)

    connect.put("fields", "S3Sink", topics="fields", flush__size=6, partitioner__class="Field",
                partition__field__name="place.country", s3__compression__type="gzip",
                format__class="JsonFormat", **bucket.options, **PLAIN)  # fmt: skip

    eventually(lambda: len(bucket.names()) == 3)
    assert bucket.names() == [
        "topics/fields/place.country=%2F/fields+0+0000000005.json.gz",
        "topics/fields/place.country=a/fields+0+0000000000.json.gz",
        "topics/fields/place.country=b/fields+0+0000000001.json.gz",
    ]
    lines = gzip.decompress(bucket.get(bucket.names()[1])).splitlines()
    assert [json.loads(one)["n"] for one in lines] == [0, 2, 3]


def test_folders_by_time_in_a_zone_and_rotation_by_record_time(
    connect: Connect, bucket: Bucket
) -> None:
    # 2026-03-28T22:30Z is 23:30 in Berlin; a day later summer time has begun there
    times = ["2026-03-28T22:30:00Z", "2026-03-28T22:59:59Z", "2026-03-28T23:00:00Z",
             "2026-03-29T22:30:00Z", "2026-03-29T23:59:00Z"]  # fmt: skip
    write(connect, "times", [{"at": one} for one in times])

    connect.put("times", "S3Sink", topics="times", flush__size=1000,
                partitioner__class="io.confluent.connect.storage.partitioner.HourlyPartitioner",
                timezone="Europe/Berlin", locale="en-US", timestamp__extractor="RecordField",
                timestamp__field="at", rotate__interval__ms=600_000, **bucket.options,
                **PLAIN)  # fmt: skip

    eventually(lambda: len(bucket.names()) == 4)
    assert bucket.names() == [
        f"topics/times/year=2026/month=03/day={day}/hour={hour}/times+0+000000000{offset}.json"
        for day, hour, offset in [(28, 23, 0), (28, 23, 1), (29, "00", 2), (30, "00", 3)]
    ]


def test_a_clock_may_end_objects(connect: Connect, bucket: Bucket) -> None:
    write(connect, "clock", [{"n": 1}, {"n": 2}])

    connect.put("clock", "S3Sink", topics="clock", flush__size=1000,
                rotate__schedule__interval__ms=100, **bucket.options, **PLAIN)  # fmt: skip

    eventually(bucket.names)
    offsets = "/connectors/clock/offsets"
    eventually(lambda: connect.rest.get(offsets).json()["offsets"])
    found = [one for name in bucket.names() for one in bucket.get(name).splitlines()]
    assert found == [b'{"n":1}', b'{"n":2}']


def test_a_new_schema_ends_the_object_unless_it_is_compatible(
    connect: Connect, bucket: Bucket
) -> None:
    def value(version: int, fields: list[str]) -> dict[str, Any]:
        described = [{"field": f, "type": "string", "optional": True} for f in fields]
        schema = {"type": "struct", "name": "S", "version": version, "fields": described}
        return {"schema": schema, "payload": dict.fromkeys(fields, str(version))}

    one, two = value(1, ["a"]), value(2, ["a", "b"])
    write(connect, "evolve", [one, two, one, one])
    for mode in ("NONE", "BACKWARD"):
        connect.put(f"evolve-{mode}", "S3Sink", topics="evolve", topics__dir=mode, flush__size=3,
                    schema__compatibility=mode, format__class="avro", value__converter=JSON,
                    **bucket.options)  # fmt: skip

    expected = ["BACKWARD/evolve/partition=0/evolve+0+0000000000.avro",
                "BACKWARD/evolve/partition=0/evolve+0+0000000001.avro",
                "NONE/evolve/partition=0/evolve+0+0000000000.avro",
                "NONE/evolve/partition=0/evolve+0+0000000001.avro"]  # fmt: skip
    eventually(lambda: bucket.names() == expected)


def test_large_objects_are_sent_in_parts(connect: Connect, bucket: Bucket) -> None:
    texts = [str(number) + "x" * 900_000 for number in range(13)]
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for one in texts:
        producer.produce("large", one)
    producer.flush()

    connect.put("large", "S3Sink", topics="large", flush__size=13, format__class="lines",
                s3__part__size=5 << 20, **bucket.options)  # fmt: skip

    eventually(bucket.names)
    assert bucket.get(bucket.names()[0]).decode().splitlines() == texts
    head = bucket.s3.head_object(Bucket=bucket.name, Key=bucket.names()[0])
    assert head["ETag"].strip('"').endswith("-3")
    assert not bucket.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_poison_goes_to_the_dead_letters_or_ends_the_task(connect: Connect, bucket: Bucket) -> None:
    write(connect, "poison", [{"a": 1}, {"b": 2}, {"a": 3}])
    options = {"topics": "poison", "flush__size": 2, "partitioner__class": "Field",
               "partition__field__name": "a", **bucket.options, **PLAIN}  # fmt: skip

    connect.put("poison-dlq", "S3Sink", errors__tolerance="all",
                errors__deadletterqueue__topic__name="poison-dead",
                errors__deadletterqueue__topic__replication__factor=1, **options)  # fmt: skip
    connect.put("poison", "S3Sink", aliran__restart__attempts=0, **options)

    assert [one.value() for one in connect.read("poison-dead", 1)] == [b'{"b": 2}']
    eventually(lambda: len(bucket.names()) == 2)
    assert "poison-0 at offset 1 cannot be written: the value has no field a" in trace(
        connect, "poison"
    )


def test_values_without_a_schema_cannot_be_parquet(connect: Connect, bucket: Bucket) -> None:
    write(connect, "schemaless", [{"a": 1}])

    connect.put("schemaless", "S3Sink", topics="schemaless", flush__size=1, format__class="parquet",
                aliran__restart__attempts=0, **bucket.options, **PLAIN)  # fmt: skip

    assert "Parquet needs values with a schema of structs" in trace(connect, "schemaless")


def test_tombstones_fail_or_are_left_out(connect: Connect, bucket: Bucket) -> None:
    write(connect, "nulls", [{"a": 1}, None, {"a": 2}])

    connect.put("nulls-out", "S3Sink", topics="nulls", flush__size=2,
                behavior__on__null__values="ignore", **bucket.options, **PLAIN)  # fmt: skip
    connect.put("nulls", "S3Sink", topics="nulls", flush__size=9, aliran__restart__attempts=0,
                **bucket.options, **PLAIN)  # fmt: skip

    eventually(bucket.names)
    assert bucket.get(bucket.names()[0]).splitlines() == [b'{"a":1}', b'{"a":2}']
    assert "nulls-0 at offset 1 cannot be written: the record has no value" in trace(
        connect, "nulls"
    )


def test_any_objects_under_a_prefix_are_read_once_and_put_away(
    connect: Connect, bucket: Bucket
) -> None:
    bucket.put("in/b.json", b'{"n": 2}\n{"n": 3}\n')
    bucket.put("in/a.json.gz", gzip.compress(b'{"n": 1}\n'))
    bucket.put("in/other.txt", b"no JSON\n")
    bucket.put("elsewhere/c.json", b'{"n": 0}\n')

    connect.put("generic", "S3Source", mode="GENERIC", topic="generic", topics__dir="in",
                file__pattern="*.json*", poll__interval__ms=100, after__read__action="move",
                after__read__folder="done", **bucket.options, **PLAIN)  # fmt: skip
    assert len(connect.read("generic", 3)) == 3
    bucket.put("in/a0.json", b'{"n": 4}\n')

    found = [json.loads(one.value())["n"] for one in connect.read("generic", 4)]
    assert found == [1, 2, 3, 4]
    moved = ["done/a.json.gz", "done/a0.json", "done/b.json"]
    eventually(lambda: bucket.names() == [*moved, "elsewhere/c.json", "in/other.txt"])


def test_an_object_that_cannot_be_read_is_named(connect: Connect, bucket: Bucket) -> None:
    bucket.put("in/bad.json", b'{"n": 1}\n{"n":')
    bucket.put("in/good.json", b'{"n": 2}\n')
    options = {"mode": "GENERIC", "topics__dir": "in", "poll__interval__ms": 100, **bucket.options,
               **PLAIN}  # fmt: skip

    connect.put("bad", "S3Source", topic="bad", aliran__restart__attempts=0, **options)
    connect.put("bad-log", "S3Source", topic="bad-log", behavior__on__error="log", **options)

    assert "in/bad.json cannot be read behind record 1: line 2 is no JSON" in trace(connect, "bad")
    found = [json.loads(one.value())["n"] for one in connect.read("bad-log", 2)]
    assert found == [1, 2]


def test_wrong_options_are_told(connect: Connect) -> None:
    def errors(kind: str, **options: Any) -> dict[str, str]:
        given = {"connector.class": kind, "name": "x", "topics": "t"}
        given |= {name.replace("__", "."): str(value) for name, value in options.items()}
        url = f"/connector-plugins/{kind}/config/validate"
        rows = connect.rest.put(url, json=given).json()["configs"]
        return {row["value"]["name"]: row["value"]["errors"][0] for row in rows
                if row["value"]["errors"]}  # fmt: skip

    given = {"s3__bucket__name": "b", "flush__size": 1}
    assert "there are no credentials" in errors("S3Sink", **given)["connector.class"]
    assert "partition.field.name" in errors("S3Sink", partitioner__class="Field", **given)
    assert "path.format" in errors("S3Sink", partitioner__class="TimeBased", **given)
    assert "timezone" in errors("S3Sink", timezone="Mars/Base", **given)
    assert "format.class" in errors("S3Sink", format__class="xml", **given)
    assert "topic" in errors("S3Source", mode="GENERIC", **given)


def test_a_bucket_that_is_not_there_is_told_before_the_connector_is_made(
    connect: Connect, server: ServerProcess
) -> None:
    config = {"connector.class": "S3Sink", "topics": "t", "flush.size": "1",
              "s3.bucket.name": "nowhere", "aliran.check": "true"}  # fmt: skip
    config |= {k.replace("__", "."): v for k, v in moto_server.options(server).items()}

    answer = connect.rest.put("/connectors/nowhere/config", json=config)

    assert answer.status_code == 400, answer.text
    assert "there is no such bucket" in answer.text


def test_s3_away_for_a_while_loses_nothing(connect: Connect, tmp_path: Path) -> None:
    server = moto_server.moto(tmp_path).start()
    bucket = Bucket(server, "away")
    connect.put("away", "S3Sink", topics="away", flush__size=2, **bucket.options, **PLAIN)
    write(connect, "away", [{"n": 0}, {"n": 1}])
    eventually(bucket.names)

    server.kill()
    write(connect, "away", [{"n": n} for n in range(2, 6)])
    eventually(lambda: "away" in (connect.status("away")["name"]))
    server.start()
    Bucket(server, "away")

    eventually(lambda: len(bucket.names()) == 2)
    found = [json.loads(line)["n"] for name in bucket.names() for line in
             bucket.get(name).splitlines()]  # fmt: skip
    assert found == [2, 3, 4, 5]
    assert connect.status("away")["tasks"][0]["state"] == "RUNNING"
    connect.rest.delete("/connectors/away")
    server.stop()


def test_kill_nine_repeats_nothing(server: ServerProcess, tmp_path: Path) -> None:
    bucket, count = Bucket(server, "killed"), 3000
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for number in range(count):
            producer.produce("killed", f'{{"n": {number}}}')
        producer.flush()
        config = {
            "connector.class": "S3Sink", "topics": "killed", "flush.size": 75,
            "key.converter": STRING, "value.converter": JSON,
            "value.converter.schemas.enable": "false",
            "consumer.override.group.instance.id": "s3",  # its partitions wait for it
        }  # fmt: skip
        config |= {name.replace("__", "."): value for name, value in bucket.options.items()}

        def more_than(wanted: int) -> bool:
            return len(bucket.names()) > wanted

        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        for kill in range(1, 3):
            worker.start()
            eventually(partial(more_than, kill * 6), 60)
            worker.kill()
        with worker:
            eventually(lambda: len(bucket.names()) == count // 75, 60)
    found = [json.loads(line)["n"] for name in bucket.names() for line in
             bucket.get(name).splitlines()]  # fmt: skip
    assert found == list(range(count))
