from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from confluent_kafka import Producer
from connect_process import ConnectProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}
NUMBERS = {"type": "struct", "fields": [{"field": "n", "type": "int32"}]}


def names(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


def numbers(connect: Connect, topic: str, count: int) -> list[int]:
    return [json.loads(one.value())["n"] for one in connect.read(topic, count)]


def test_parquet_there_and_back(connect: Connect, tmp_path: Path) -> None:
    values = [json.dumps({"schema": NUMBERS, "payload": {"n": n}}).encode() for n in range(30)]
    connect.write("to-parquet", *values)
    options = {"folder": tmp_path, "format__class": "parquet", "value__converter": JSON}

    connect.put("to-parquet", "FolderSink", topics="to-parquet", flush__size=10, **options)
    connect.put("from-parquet", "FolderSource", topic="from-parquet", file__settled__ms=0,
                poll__interval__ms=50, record__batch__max__size=4, **options)  # fmt: skip

    back = [json.loads(one.value()) for one in connect.read("from-parquet", 30)]
    assert [one["payload"]["n"] for one in back] == list(range(30))
    assert pq.read_table(tmp_path / names(tmp_path)[1])["n"].to_pylist() == list(range(10, 20))


def test_files_of_a_folder_are_read_once_and_moved(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.json").write_text('{"n": 2}\n{"n": 3}')
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'{"n": 1}\n'))
    (tmp_path / "deep" / "c.json").write_text('{"n": 4}\n')
    (tmp_path / ".hidden.json").write_text("no")
    (tmp_path / "other.txt").write_text("no")

    connect.put("folder", "FolderSource", topic="folder", folder=tmp_path, file__settled__ms=0,
                file__pattern="*.json*", after__read__action="move", poll__interval__ms=50,
                **PLAIN)  # fmt: skip
    assert numbers(connect, "folder", 4) == [1, 2, 3, 4]
    finished = ["a.json.gz", "b.json", "deep/c.json"]
    eventually(lambda: names(tmp_path / "finished") == finished)
    (tmp_path / "empty.json").write_text("")
    (tmp_path / ".b.json").write_text('{"n": 5}\n')
    (tmp_path / ".b.json").rename(tmp_path / "b.json")  # a new file, though its name is not

    assert numbers(connect, "folder", 5) == [1, 2, 3, 4, 5]
    finished.insert(2, "b.json.1")
    eventually(lambda: names(tmp_path / "finished") == finished)
    assert (tmp_path / "empty.json").exists()


def test_a_worker_goes_on_inside_of_a_file(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("".join(f'{{"n": {n}}}\n' for n in range(5000)))
    config = {
        "connector.class": "FolderSource", "folder": str(tmp_path), "topic": "inside",
        "file.settled.ms": "0", "record.batch.max.size": "3", "value.converter": JSON,
        "value.converter.schemas.enable": "false",
    }  # fmt: skip
    made = {"name": "inside", "config": config, "initial_state": "STOPPED"}
    assert connect.rest.post("/connectors", json=made).status_code == 201
    eventually(lambda: connect.status("inside")["connector"]["state"] == "STOPPED")

    def alter(offset: dict[str, Any]) -> str:
        row = {"partition": {"folder": str(tmp_path), "file": "a.json"}, "offset": offset}
        return connect.rest.patch("/connectors/inside/offsets", json={"offsets": [row]}).text

    assert "must be a number from 0 on" in alter({"record": -1})
    assert "altered successfully" in alter({"record": 4990})
    connect.rest.put("/connectors/inside/resume")

    assert numbers(connect, "inside", 10) == list(range(4990, 5000))


def test_a_folder_that_is_not_there_is_told(connect: Connect, tmp_path: Path) -> None:
    config = {"connector.class": "FolderSource", "topic": "t", "folder": str(tmp_path / "none")}

    answer = connect.rest.put("/connectors/none/config", json=config)

    assert answer.status_code == 400
    assert "none cannot be read: No such file or directory" in answer.text


def test_kill_nine_repeats_nothing(tmp_path: Path) -> None:
    out, count = tmp_path / "out", 3000
    out.mkdir()
    with EmbeddedBroker() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        for number in range(count):
            producer.produce("killed", f'{{"n": {number}}}')
        producer.flush()
        config: dict[str, Any] = {
            "connector.class": "FolderSink", "topics": "killed", "flush.size": 75,
            "folder": out, "key.converter": STRING, "value.converter": JSON,
            "value.converter.schemas.enable": "false",
            "consumer.override.group.instance.id": "folder",
        }  # fmt: skip
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        worker.start()
        eventually(lambda: len(names(out)) > 8, 60)
        worker.kill()
        with worker:
            eventually(lambda: len(list(out.rglob("*+0+*.json"))) == count // 75, 60)
    files = sorted(out.rglob("killed+0+*.json"))
    found = [json.loads(line)["n"] for one in files for line in one.read_text().splitlines()]
    assert found == list(range(count))
