"""A topic → S3 → a topic while the worker is killed: nothing may be lost, in S3 nothing doubled.

    python -m tests.connectors.proof.s3 --records 1000000 --kills 20

The objects, read in the order of their names, must hold exactly the records of each partition. On
the way back records may come twice, but each must come, in order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

import moto_server
from connect_process import ConnectProcess

from aliran.broker.embedded import EmbeddedBroker

BUCKET = "proof"
PARTITIONS = 2
JSON = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false",
}


class Proof:
    """The servers, and what is asked of them."""

    def __init__(self, folder: Path, broker: EmbeddedBroker, s3: Any, options: Mapping[str, str],
                 count: int, per_object: int) -> None:  # fmt: skip
        self.folder = folder
        self.servers = broker.bootstrap_servers
        self.s3 = s3
        self.options = options
        self.count = count
        self.per_object = per_object

    def produce(self) -> None:
        """Write the numbers from 0 on, by turns into the partitions."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20})
        for number in range(self.count):
            text = f'{{"n": {number}, "text": "record number {number}"}}'
            while True:
                try:
                    producer.produce("proof", text, partition=number % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.flush()

    def objects(self) -> list[str]:
        """Return the names, in order."""
        names = []
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            names += [one["Key"] for one in page.get("Contents", ())]
        return sorted(names)

    def run(self, name: str, config: Mapping[str, Any], kills: int, done: Callable[[], int],
            wanted: int) -> float:  # fmt: skip
        """Run a connector, killed now and then; return the seconds until all is done."""
        folder = self.folder / name
        folder.mkdir()
        worker = ConnectProcess(folder, self.servers, {name: {**config, **self.options, **JSON}})
        started, killed = time.monotonic(), 0
        with worker:
            while (found := done()) < wanted:
                if killed < kills and found >= wanted * (killed + 1) // (kills + 2):
                    worker.kill()
                    killed += 1
                    worker.start()
                if time.monotonic() - started > 1200:
                    raise SystemExit(f"{name}: {found} of {wanted} after 20 minutes")
                time.sleep(0.02)
            took = time.monotonic() - started
        assert killed == kills, f"only {killed} kills fitted into the time"
        return took

    def to_s3(self, kills: int) -> float:
        """Write the topic into objects; return the seconds."""
        config = {
            "connector.class": "S3Sink", "topics": "proof", "flush.size": self.per_object,
            "consumer.override.group.instance.id": "proof",
        }  # fmt: skip
        objects = self.count // self.per_object
        return self.run("to-s3", config, kills, lambda: len(self.objects()), objects)

    def compare(self) -> None:
        """Check that the objects hold each partition exactly."""
        found: dict[str, list[int]] = {}
        for name in self.objects():
            body = self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()
            partition = name.split("/")[2].removeprefix("partition=")
            numbers = found.setdefault(partition, [])
            first = int(name.rpartition("+")[2].removesuffix(".json"))
            assert first == len(numbers), f"{name} begins at {len(numbers)}"
            numbers += [json.loads(line)["n"] for line in body.splitlines()]
        for number in range(PARTITIONS):
            expected = list(range(number, self.count, PARTITIONS))
            assert found[str(number)] == expected, f"partition {number} differs"

    def back(self, kills: int) -> tuple[float, int]:
        """Read the objects into a topic; return the seconds, and how many records came twice."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers, "group.id": "look",
                "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 200,
            }
        )  # fmt: skip
        consumer.subscribe(["again"])
        seen: list[list[int]] = [[] for _ in range(PARTITIONS)]
        fresh = [0] * PARTITIONS

        def done() -> int:
            for message in consumer.consume(20_000, timeout=0.05):
                if message.error() is None:
                    number = json.loads(message.value() or b"")["n"]
                    row = seen[message.partition() or 0]
                    # what comes again goes back; what is new goes on without a gap
                    at = fresh[number % PARTITIONS]
                    assert number // PARTITIONS <= at, f"{number} came before {at}"
                    fresh[number % PARTITIONS] += number // PARTITIONS == at
                    row.append(number)
            return sum(fresh)

        config = {
            "connector.class": "S3Source", "topic": "again", "poll.interval.ms": 200,
            "topic.creation.default.partitions": PARTITIONS,
            "topic.creation.default.replication.factor": 1,
        }  # fmt: skip
        took = self.run("back", config, kills, done, self.count)
        consumer.close()
        assert {number % PARTITIONS for number in seen[0]} == {0}
        return took, sum(map(len, seen)) - self.count


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    given = parser.parse_args()
    per_object = max(1, given.records // (PARTITIONS * 100))
    count = per_object * PARTITIONS * 100
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedBroker() as broker,
        moto_server.moto(Path(name)) as server,
    ):
        s3 = moto_server.client(server, "s3")
        location = {"LocationConstraint": "us-west-2"}
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
        options = {k.replace("__", "."): str(v) for k, v in moto_server.options(server).items()}
        options |= {"s3.bucket.name": BUCKET, "s3.region": "us-west-2"}
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        admin.create_topics([NewTopic("proof", PARTITIONS, 1)])["proof"].result()
        proof = Proof(Path(name), broker, s3, options, count, per_object)
        proof.produce()
        there_s = proof.to_s3(given.kills)
        proof.compare()
        back_s, twice = proof.back(given.kills)
    print(
        f"s3: {count:,} records, {PARTITIONS * 100} objects, exact; topic to S3 in {there_s:.1f} s "
        f"({count / there_s:,.0f}/s) over {given.kills} kills; back in {back_s:.1f} s "
        f"({count / back_s:,.0f}/s) over {given.kills} kills, {twice:,} records twice"
    )


if __name__ == "__main__":
    main()
