"""Kafka's own command-line tools and Kafka Streams on the JVM, with our broker and our files.

Maven resolves the jars into its own cache; only their list is kept, under build/.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import confluent_kafka
import pytest
from broker_process import BrokerProcess
from foreign_clients import CODECS, Sent, write_confluent
from jvm_programs import QUICK, running

pytestmark = [
    pytest.mark.compat,
    pytest.mark.xdist_group("jvm"),
    pytest.mark.skipif(shutil.which("java") is None, reason="needs Java 17"),
    pytest.mark.skipif(shutil.which("mvn") is None, reason="needs Maven to fetch Kafka's jars"),
]

TOOLS = "org.apache.kafka.tools"
GROUPS = f"{TOOLS}.consumer.group.ConsumerGroupCommand"
CONFIGS = "kafka.admin.ConfigCommand"
Tool = Callable[..., str]


@pytest.fixture
def tool(server: BrokerProcess, class_path: str) -> Tool:
    """Runs a tool of Kafka with the broker's address; returns what it printed."""

    def run(name: str, *words: str, feed: str | None = None, broker: bool = True) -> str:
        where = ["--bootstrap-server", server.address] if broker else []
        done = subprocess.run(
            ["java", *QUICK, "-cp", class_path, name, *where, *words],
            input=feed,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "Exception" not in done.stderr
        return done.stdout

    return run


def rows(output: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in output.splitlines() if line.strip()]


def test_kafka_topics(tool: Tool, name: str) -> None:
    topics = f"{TOOLS}.TopicCommand"
    settings = ["--partitions", "3", "--config", "retention.ms=3600000"]
    assert tool(topics, "--create", "--topic", name, *settings) == f"Created topic {name}.\n"
    tool(topics, "--alter", "--topic", name, "--partitions", "4")
    head, *partitions = tool(topics, "--describe", "--topic", name).splitlines()
    assert "PartitionCount: 4" in head
    assert "Configs: retention.ms=3600000" in head
    assert [line.split("Partition: ")[1].split()[0] for line in partitions] == list("0123")
    assert all("Leader: 1\tReplicas: 1\tIsr: 1" in line for line in partitions)
    tool(topics, "--delete", "--topic", name)
    assert name not in tool(topics, "--list").split()


def test_kafka_configs(server: BrokerProcess, tool: Tool, name: str) -> None:
    server.create_topic(name, 1, retention_ms="3600000")
    change = ["--add-config", "max.message.bytes=2000000", "--delete-config", "retention.ms"]
    tool(CONFIGS, "--alter", "--topic", name, *change)
    _, *settings = rows(tool(CONFIGS, "--describe", "--topic", name))
    assert [words[0] for words in settings] == ["max.message.bytes=2000000"]
    of_broker = tool(CONFIGS, "--describe", "--broker", "1", "--all")
    assert "group.min.session.timeout.ms=500" in of_broker


def test_console_clients_groups_and_offsets(server: BrokerProcess, tool: Tool, name: str) -> None:
    server.create_topic(name, 2)
    with_key = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
    lines = [f"k{number}:value {number}" for number in range(50)]
    tool(f"{TOOLS}.ConsoleProducer", "--topic", name, *with_key, feed="\n".join(lines) + "\n")
    ends = tool(f"{TOOLS}.GetOffsetShell", "--topic", name).split()
    counts = [int(each.rpartition(":")[2]) for each in ends]
    assert sum(counts) == 50
    assert all(counts)
    show = ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"]
    reader = ["--topic", name, "--from-beginning", "--max-messages", "50", "--group", name]
    printed = tool(f"{TOOLS}.consumer.ConsoleConsumer", *reader, *show)
    assert sorted(printed.splitlines()) == sorted(lines)

    assert name in tool(GROUPS, "--list").split()
    _, *described = rows(tool(GROUPS, "--describe", "--group", name))
    found = {words[2]: words[3:6] for words in described}
    assert found == {str(at): [str(count), str(count), "0"] for at, count in enumerate(counts)}
    to_start = ["--reset-offsets", "--to-earliest", "--execute", "--topic", name]
    _, *reset = rows(tool(GROUPS, *to_start, "--group", name))
    assert {tuple(words[1:]) for words in reset} == {(name, "0", "0"), (name, "1", "0")}
    tool(GROUPS, "--delete", "--group", name)
    assert name not in tool(GROUPS, "--list").split()


def test_load_generators_and_versions(server: BrokerProcess, tool: Tool, name: str) -> None:
    server.create_topic(name, 2)
    load = ["--num-records", "10000", "--record-size", "100", "--throughput", "-1"]
    codec = ["--command-property", "compression.type=lz4"]
    said = tool(f"{TOOLS}.ProducerPerformance", "--topic", name, *load, *codec)
    assert said.startswith("10000 records sent")
    words = ["--topic", name, "--max-messages", "100", "--acks", "-1"]
    summary = json.loads(tool(f"{TOOLS}.VerifiableProducer", *words).splitlines()[-1])
    assert (summary["sent"], summary["acked"]) == (100, 100)
    ends = tool(f"{TOOLS}.GetOffsetShell", "--topic", name).split()
    assert sum(int(each.rpartition(":")[2]) for each in ends) == 10_100
    versions = tool(f"{TOOLS}.BrokerApiVersionsCommand")
    assert versions.startswith(f"{server.address} (id: 1 ")
    assert re.search(r"Produce\(0\): 0 to \d+ \[usable: \d+\]", versions)


def test_kafka_dump_log_reads_our_files(server: BrokerProcess, tool: Tool, name: str) -> None:
    now = int(time.time() * 1000)
    server.create_topic(name, 1, segment_bytes="20000", index_interval_bytes="1000")
    for codec in CODECS * 3:
        records = [
            Sent(0, b"k", f"value {number}".encode(), now, (("h", b"1"),)) for number in range(300)
        ]
        write_confluent(server.address, name, records, codec)
    consumer = confluent_kafka.Consumer({"bootstrap.servers": server.address, "group.id": name})
    consumer.commit(offsets=[confluent_kafka.TopicPartition(name, 0, 7)], asynchronous=False)
    consumer.close()
    dump = f"{TOOLS}.DumpLogSegments"
    folder = server.data / f"{name}-0"
    logs = sorted(folder.glob("*.log"))
    assert len(logs) > 1
    listed = ",".join(map(str, logs))
    shown = tool(dump, "--files", listed, "--deep-iteration", "--print-data-log", broker=False)
    record = re.compile(
        r"^\| offset: (\d+) .* headerKeys: \[h\] key: k payload: (.*)$", re.MULTILINE
    )
    expected = [(str(number), f"value {number % 300}") for number in range(4_500)]
    assert record.findall(shown) == expected
    assert "isvalid: false" not in shown
    assert set(re.findall(r"compresscodec: (\w+)", shown)) == set(CODECS)
    indexes = ",".join(str(each) for each in sorted(folder.glob("*.*index")))
    sane = tool(dump, "--files", indexes, "--index-sanity-check", broker=False)
    assert "mismatches" not in sane.lower()
    assert "corrupt" not in sane.lower()
    offsets = ",".join(str(each) for each in server.data.glob("__consumer_offsets-*/*.log"))
    decoded = tool(dump, "--files", offsets, "--offsets-decoder", broker=False)
    assert f'"group":"{name}","topic":"{name}","partition":0' in decoded


def test_kafka_streams_counts_words(
    server: BrokerProcess, class_path: str, name: str, tmp_path: Path
) -> None:
    for topic in (f"{name}-lines", f"{name}-counts"):
        server.create_topic(topic, 2)
    rng = random.Random(1)
    words = [f"word{rng.randrange(40)}" for _ in range(4_000)]
    now = int(time.time() * 1000)
    lines = [
        Sent(at % 2, None, " ".join(words[at : at + 4]).encode(), now + at, ())
        for at in range(0, len(words), 4)
    ]
    write_confluent(server.address, f"{name}-lines", lines, "lz4")
    arguments = [server.address, name, str(tmp_path / "state")]
    with running(class_path, "WordCount.java", *arguments):
        counts = read_counts(server.address, f"{name}-counts", Counter(words))
    assert counts == Counter(words)
    changelog = f"{name}-words-changelog"
    assert read_counts(server.address, changelog, Counter(words)) == Counter(words)


def read_counts(address: str, topic: str, until: Counter[str]) -> dict[str, int]:
    """Read a topic of counts until each word has the count it must come to."""
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False}
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, number, 0) for number in range(2)])
    counts: dict[str, int] = {}
    deadline = time.monotonic() + 45
    try:
        while counts != until and time.monotonic() < deadline:
            for message in consumer.consume(1_000, timeout=0.2):
                assert message.error() is None
                key, value = message.key(), message.value()
                assert isinstance(key, bytes)
                assert isinstance(value, bytes)
                counts[key.decode()] = int.from_bytes(value)
    finally:
        consumer.close()
    return counts
