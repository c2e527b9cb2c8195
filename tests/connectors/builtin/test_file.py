from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from confluent_kafka import Consumer
from tests.connectors.conftest import JSON, STRING, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

PROGRAM = "import sys; from aliran.cli.main import main; sys.exit(main())"


def values(connect: Connect, topic: str, count: int) -> list[str]:
    return [one.value().decode() for one in connect.read(topic, count)]


def test_a_file_is_followed_over_a_roll(connect: Connect, lines: Path) -> None:
    connect.put("tail", "FileStreamSource", file=lines, topic="tail")
    values(connect, "tail", 3)

    with lines.open("a") as file:
        file.write("four\nfi")
        file.flush()
        file.write("ve\n")
    lines.rename(lines.with_name("lines.txt.1"))
    lines.write_text("six\n")

    assert values(connect, "tail", 6) == ["one", "two", "three", "four", "five", "six"]


def test_a_roll_while_nobody_looks_loses_nothing(connect: Connect, lines: Path) -> None:
    connect.put("away", "FileStreamSource", file=lines, topic="away")
    values(connect, "away", 3)
    connect.rest.put("/connectors/away/stop")

    with lines.open("a") as file:
        file.write("four\n")
    lines.rename(lines.with_name("lines.txt.1"))
    lines.write_text("five\n")
    connect.rest.put("/connectors/away/resume")

    assert values(connect, "away", 5) == ["one", "two", "three", "four", "five"]


def test_a_file_that_is_cut_off_is_read_anew(connect: Connect, lines: Path) -> None:
    connect.put("cut", "FileStreamSource", file=lines, topic="cut")
    values(connect, "cut", 3)

    os.truncate(lines, 0)
    with lines.open("a") as file:
        file.write("new\n")

    assert values(connect, "cut", 4)[3] == "new"


def test_rows_and_json_lines_have_fields(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('id,name\n1,"a, b"\n2,c\n')
    (tmp_path / "in.json").write_text('{"id": 1}\n\n[2]\n')
    plain = {"value__converter": JSON, "value__converter__schemas__enable": "false"}

    connect.put("rows", "FileStreamSource", file=tmp_path / "in.csv", topic="rows", format="csv",
                **plain)  # fmt: skip
    connect.put("docs", "FileStreamSource", file=tmp_path / "in.json", topic="docs",
                format="json", **plain)  # fmt: skip

    rows = [json.loads(one) for one in values(connect, "rows", 2)]
    assert rows == [{"id": "1", "name": "a, b"}, {"id": "2", "name": "c"}]
    assert [json.loads(one) for one in values(connect, "docs", 2)] == [{"id": 1}, [2]]


def test_a_sink_writes_rows_and_rolls(connect: Connect, tmp_path: Path) -> None:
    connect.write("out-rows", b'{"a": 1, "b": "x,y"}', b'{"a": 2}')
    out, rolled = tmp_path / "out.csv", tmp_path / "out.txt"
    plain = {"value__converter": JSON, "value__converter__schemas__enable": "false"}

    connect.put("csv-out", "FileStreamSink", file=out, topics="out-rows", format="csv", **plain)
    connect.put("roll-out", "FileStreamSink", file=rolled, topics="out-rows", roll__bytes=5)

    eventually(lambda: out.read_text() == 'a,b\n1,"x,y"\n2,\n')
    eventually(lambda: rolled.with_name("out.txt.1").exists())
    files = [*sorted(tmp_path.glob("out.txt.*")), rolled]
    text = "".join(one.read_text() for one in files)
    assert text == '{"a": 1, "b": "x,y"}\n{"a": 2}\n'


def test_a_row_that_does_not_fit_fails_the_task(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("a,b\n1\n")

    config = {
        "connector.class": "FileStreamSource", "file": str(tmp_path / "bad.csv"),
        "topic": "badrow", "format": "csv", "aliran.restart.attempts": "0",
    }  # fmt: skip
    connect.rest.put("/connectors/badrow/config", json=config)

    def trace() -> str | None:
        tasks = connect.status("badrow")["tasks"]
        found: str | None = tasks[0].get("trace") if tasks else None
        return found

    assert "the row at byte 4 has 1 fields, the header 2" in eventually(trace)


def test_generated_data_is_the_same_for_a_seed(connect: Connect) -> None:
    fields = (
        '{"id": "sequence", "who": ["ann", "ben"], "n": {"min": 1, "max": 6}, "t": "timestamp"}'
    )
    options = {
        "fields": fields, "key__field": "who", "iterations": 20, "max__interval__ms": 0,
        "value__converter": JSON, "value__converter__schemas__enable": "false",
    }  # fmt: skip

    for topic in ("made-1", "made-2"):
        connect.put(topic, "Datagen", topic=topic, **options)
    first, second = (connect.read(topic, 20) for topic in ("made-1", "made-2"))

    assert [one.value() for one in first] == [one.value() for one in second]
    rows = [json.loads(one.value()) for one in first]
    assert [row["id"] for row in rows] == list(range(20))
    assert {row["who"] for row in rows} == {"ann", "ben"}
    assert all(one.key().decode() == row["who"] for one, row in zip(first, rows, strict=True))


def test_nothing_is_lost_when_the_worker_is_killed(tmp_path: Path) -> None:
    count, kills = 30_000, 4
    source = tmp_path / "in.txt"
    source.write_text("".join(f"line {n}\n" for n in range(count)))
    with EmbeddedBroker() as broker:
        worker = tmp_path / "worker.properties"
        worker.write_text(
            f"bootstrap.servers={broker.bootstrap_servers}\nlisteners=http://127.0.0.1:0\n"
            f"offset.storage.file.filename={tmp_path / 'offsets'}\noffset.flush.interval.ms=50\n"
        )
        connector = tmp_path / "source.json"
        config = {
            "connector.class": "FileStreamSource", "file": str(source), "topic": "killed",
            "value.converter": STRING, "batch.size": 200,
        }  # fmt: skip
        connector.write_text(json.dumps({"name": "killed", "config": config}))
        consumer = Consumer(
            {
                "bootstrap.servers": broker.bootstrap_servers, "group.id": "look",
                "auto.offset.reset": "earliest", "topic.metadata.refresh.interval.ms": 200,
            }
        )  # fmt: skip
        consumer.subscribe(["killed"])
        found: list[int] = []

        def count_up_to(wanted: int) -> bool:
            read = consumer.consume(1000, timeout=0.05)
            found.extend(int((one.value() or b"").split()[1]) for one in read if not one.error())
            return len(found) >= wanted

        for number in range(kills + 1):
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "connect", "run", str(worker), str(connector)],
                stdout=subprocess.DEVNULL,
            )
            if number < kills:
                eventually(partial(count_up_to, len(found) + 1))
            else:
                eventually(lambda: count_up_to(0) and len(set(found)) == count, 60)
            process.kill()
            process.wait()
        consumer.close()

    assert set(found) == set(range(count))
    assert (tmp_path / "offsets").exists()
