"""The topic `_schemas`: its bytes, rows that are odd, rows that others wrote, and kill -9."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_process import start_registry

from aliran.broker.embedded import EmbeddedBroker
from aliran.clients.embedded import EmbeddedTransport
from aliran.core.types import Columns, TopicPartition
from aliran.schema_registry import records
from aliran.schema_registry.config import RegistryConfig
from aliran.schema_registry.errors import StoreError
from aliran.schema_registry.models import Config, Registered, Schema
from aliran.schema_registry.server import RegistryServer
from aliran.schema_registry.state import State

PARTITION = TopicPartition("_schemas", 0)


def write(broker: EmbeddedBroker, *rows: tuple[bytes | None, bytes | None]) -> None:
    """Write rows to the topic as any client would."""
    transport = EmbeddedTransport(broker.broker, "here")
    keys, values = [key for key, _ in rows], [value for _, value in rows]
    transport.send(Columns(*PARTITION, range(0), keys, values, [1_700_000_000_000] * len(rows)))
    transport.close()


def test_keys_and_values_are_those_of_confluent() -> None:
    content = Schema(schema='"int"')
    row = Registered("s", 3, 7, content, bytes(16), False, 0)
    assert records.schema_row(row) == (
        b'{"keytype":"SCHEMA","subject":"s","version":3,"magic":1}',
        (
            b'{"subject":"s","version":3,"id":7,"md5":"AAAAAAAAAAAAAAAAAAAAAA==","schema":"\\"int\\"",'
            b'"deleted":false}'
        ),
    )
    assert records.config_row(None, Config(compatibility_level="FULL")) == (
        b'{"keytype":"CONFIG","magic":0}',
        b'{"compatibilityLevel":"FULL"}',
    )
    assert records.mode_row("s", "IMPORT")[0] == b'{"keytype":"MODE","subject":"s","magic":0}'
    assert records.delete_subject_row("s", 2) == (
        b'{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}',
        b'{"subject":"s","version":2}',
    )
    assert records.clear_subject_row(":.c:")[0] == (
        b'{"keytype":"CLEAR_SUBJECT","subject":":.c:","magic":0}'
    )
    assert records.context_row(".c") == (
        b'{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}',
        b'{"tenant":"default","context":".c"}',
    )
    assert records.noop_row({})[0] == b'{"keytype":"NOOP","magic":0}'


# What Confluent 8 and Karapace have written: order of fields, absent fields, other key types.
FOREIGN = [
    ('{"keytype":"NOOP","magic":0}', None),
    ('{"keytype":"SCHEMA","subject":"a","version":1,"magic":1}',
     ('{"subject":"a","version":1,"id":1,"md5":"gFI8VOPTsyIz2TTPIsVlRQ==","schemaType":"AVRO",'
     '"schema":"\\"string\\"","deleted":false}')),
    ('{"subject": "k", "version": 1, "magic": 1, "keytype": "SCHEMA"}',
     '{"deleted": false, "id": 2, "schema": "\\"long\\"", "subject": "k", "version": 1}'),
    ('{"keytype":"SCHEMA","subject":"k","version":2,"magic":1}',
     ('{"subject":"k","version":2,"id":5,"schemaType":"AVRO","references":[{"name":"string","subject"'
     ':"a","version":1}],"metadata":{"properties":{"x":"y"}},"ruleSet":{"domainRules":[{"name":"r",'
     '"kind":"TRANSFORM","mode":"WRITE","type":"CEL","disabled":false}]},"schema":"\\"double\\"",'
     '"deleted":false,"somethingNew":{"a":[1]}}')),
    ('{"keytype":"CONFIG","subject":null,"magic":0}', '{"compatibilityLevel":"FULL"}'),
    ('{"keytype":"CONFIG","subject":"a","magic":0}', '{"subject":"a","compatibilityLevel":"NONE"}'),
    ('{"keytype":"MODE","subject":"k","magic":0}', '{"subject":"k","mode":"READONLY"}'),
    ('{"keytype":"DELETE_SUBJECT","subject":"a","magic":0}', '{"subject":"a","version":1}'),
    ('{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}',
     '{"tenant":"default","context":".c"}'),
]  # fmt: skip

ODD = [
    (b"", b"a value without a key"),
    (b"not json", b"{}"),
    (b"\xff\xfe", None),
    (b"[]", b"{}"),
    (b'{"keytype":"EXPORTER","subject":"x","magic":0}', b"{}"),
    (b'{"keytype":"SCHEMA","subject":"s","version":"one","magic":1}', b"{}"),
    (b'{"keytype":"SCHEMA","magic":1}', b"{}"),
    (b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}', b"\x00\x01"),
    (b'{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}', b'{"subject":"s"}'),
    (b'{"keytype":"CONFIG","magic":0}', b'{"compatibilityLevel":"SOMETIMES"}'),
    (b'{"keytype":"MODE","magic":0}', b"{}"),
    (b'{"keytype":"SCHEMA","subject":"other","version":1,"magic":1}',
     b'{"subject":"other","version":1,"id":1,"schema":"\\"bytes\\"","deleted":false}'),
]  # fmt: skip


def test_a_topic_of_confluent_or_karapace_opens(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        broker.broker.topics.create("_schemas", 1, {"cleanup.policy": "compact"})
        write(
            broker,
            *((key.encode(), None if value is None else value.encode()) for key, value in FOREIGN),
        )
        with RegistryServer(broker=broker) as server, httpx.Client(base_url=server.url) as http:
            assert not server.state.skipped
            assert http.get("/subjects").json() == ["k"]
            assert http.get("/subjects/k/versions").json() == [1, 2]
            assert http.get("/subjects?deleted=true").json() == ["a", "k"]
            assert http.get("/schemas/ids/5").json()["ruleSet"]["domainRules"][0]["name"] == "r"
            assert http.get("/config").json()["compatibilityLevel"] == "FULL"
            assert http.get("/mode/k").json() == {"mode": "READONLY"}
            assert http.get("/contexts").json() == [".", ".c"]
            assert http.get("/subjects/a/versions/1/referencedby?deleted=true").json() == [5]
            again = http.post("/subjects/new/versions", json={"schema": '"string"'}).json()
            assert again["id"] == 1
            assert http.post("/subjects/new2/versions", json={"schema": '"int"'}).json()["id"] == 6


def test_odd_rows_are_counted_and_left_out() -> None:
    with RegistryServer() as server, httpx.Client(base_url=server.url) as http:
        assert http.post("/subjects/s/versions", json={"schema": '"int"'}).json()["id"] == 1
        broker = server.broker
        write(broker, *ODD)
        answer = http.post("/subjects/s/versions", json={"schema": '"long"'})
        assert answer.json()["id"] == 2
        assert sum(server.state.skipped.values()) == len(ODD)
        assert http.get("/subjects").json() == ["s"]


def test_no_spelling_of_a_key_is_left_behind() -> None:
    key, value = FOREIGN[2]
    with RegistryServer() as server, httpx.Client(base_url=server.url) as http:
        write(server.broker, (key.encode(), (value or "").encode()))
        assert http.delete("/subjects/k").json() == [1]
        assert http.delete("/subjects/k?permanent=true").json() == [1]
        transport = EmbeddedTransport(server.broker.broker, "here")
        start, end = transport.bounds([PARTITION])[PARTITION]
        rows = [
            row
            for columns in transport.read(PARTITION, start, end)
            for row in zip(columns.keys, columns.values, strict=True)
        ]
        assert (key.encode(), None) in rows


def test_what_others_write_is_seen() -> None:
    with RegistryServer() as server, httpx.Client(base_url=server.url) as http:
        row = Registered("theirs", 1, 9, Schema(schema='"int"'), bytes(16), False, 0)
        write(server.broker, records.schema_row(row))
        assert http.post("/subjects/ours/versions", json={"schema": '"long"'}).json()["id"] == 10
        assert http.get("/subjects").json() == ["ours", "theirs"]


def test_a_topic_that_forgets_is_refused() -> None:
    with EmbeddedBroker() as broker:
        broker.broker.topics.create("_schemas", 1, {"cleanup.policy": "delete"})
        with pytest.raises(StoreError, match=r"cleanup\.policy=delete"):
            RegistryServer(broker=broker).start()
        broker.broker.topics.create("wide", 2, {"cleanup.policy": "compact"})
        with pytest.raises(StoreError, match="has 2 partitions"):
            RegistryServer(broker=broker, config=RegistryConfig(topic="wide")).start()


def test_rows_give_the_same_state_whenever_they_come() -> None:
    one, two = State(), State()
    for key, value in FOREIGN:
        one.apply(key.encode(), None if value is None else value.encode(), 5)
    for _ in range(2):  # a reader that starts again behind a crash sees rows twice
        for key, value in FOREIGN:
            two.apply(key.encode(), None if value is None else value.encode(), 5)
    assert one.subjects == two.subjects
    assert one.max_ids() == two.max_ids() == {".": 5}


# ---------------------------------------------------------------------- kill -9


def test_nothing_acknowledged_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    acknowledged: dict[str, dict[str, Any]] = {}

    def register(worker: int, url: str) -> None:
        with httpx.Client(base_url=url, timeout=5) as http:
            for number in range(10_000):
                fields = [{"name": f"f{number % 40}_{worker % 2}", "type": "int", "default": 0}]
                text = json.dumps({"type": "record", "name": "R", "fields": fields})
                try:
                    answer = http.post(
                        f"/subjects/s{worker}-{number}/versions", json={"schema": text}
                    )
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    acknowledged[f"s{worker}-{number}"] = answer.json()

    for _ in range(2):
        process, url = start_registry("--data", str(tmp_path))
        before = len(acknowledged)
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            running = [threads.submit(register, worker, url) for worker in range(4)]
            while len(acknowledged) < before + 120:
                concurrent.futures.wait(running, timeout=0.01)
            process.kill()
            process.communicate()
            for each in running:
                each.result()
    process, url = start_registry("--data", str(tmp_path))
    with httpx.Client(base_url=url) as http:
        ids: dict[str, int] = {}
        for subject, answer in acknowledged.items():
            found = http.get(f"/subjects/{subject}/versions/{answer['version']}").json()
            assert found["id"] == answer["id"]
            assert ids.setdefault(found["schema"], found["id"]) == found["id"]
        assert len(set(ids.values())) == len(ids)
    process.terminate()
    process.communicate()
    assert process.returncode == 0
