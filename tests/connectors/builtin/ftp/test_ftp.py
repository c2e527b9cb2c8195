"""FTP against pyftpdlib's server, SFTP against asyncssh's: the same tests for both."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import sftp_server
from confluent_kafka import Consumer
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}
SECRET = "s3cret"


class Server:
    """A server for a folder, in a process of its own."""

    kind: str

    def __init__(self, root: Path, command: list[str]) -> None:
        self.root = root
        self._process = ServerProcess([sys.executable, *command], root.parent / "server.log")
        self.port = self._process.port

    def start(self) -> None:
        self._process.start()

    def stop(self) -> None:
        self._process.kill()

    def options(self) -> dict[str, Any]:
        raise AssertionError


class Ftp(Server):
    kind = "FtpSource"

    def __init__(self, root: Path) -> None:
        arguments = ["-i", "127.0.0.1", "-p", "{port}", "-w", "-u", "me", "-P", SECRET]
        super().__init__(root, ["-m", "pyftpdlib", *arguments, "-d", str(root)])

    def options(self) -> dict[str, Any]:
        return {"ftp__host": "127.0.0.1", "ftp__port": self.port, "ftp__username": "me",
                "ftp__password": SECRET, "folder": "/in"}  # fmt: skip


class Sftp(Server):
    kind = "SftpSource"

    def __init__(self, root: Path) -> None:
        key, self.known = root.parent / "key", root.parent / "known_hosts"
        made = asyncssh.generate_private_key("ssh-ed25519")
        made.write_private_key(str(key))
        super().__init__(root, [sftp_server.__file__, "{port}", str(root), str(key), "me", SECRET])
        text = made.export_public_key().decode().strip()
        self.known.write_text(f"[127.0.0.1]:{self.port} {text}\n")

    def options(self) -> dict[str, Any]:
        return {"sftp__host": "127.0.0.1", "sftp__port": self.port, "sftp__username": "me",
                "sftp__password": SECRET, "sftp__known__hosts": self.known,
                "folder": "/in"}  # fmt: skip


@pytest.fixture(params=[Ftp, Sftp])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    made: Server = request.param(root)
    made.start()
    yield made
    made.stop()


def put(connect: Connect, server: Server, name: str, **options: Any) -> str:
    given = {
        "file__settled__ms": 0,
        "poll__interval__ms": 50,
        **PLAIN,
        **server.options(),
        **options,
    }
    topic = f"{name}-{server.kind}"
    connect.put(topic, server.kind, topic=topic, **given)
    return topic


def names(folder: Path) -> list[str]:
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


def numbers(connect: Connect, topic: str, count: int) -> list[int]:
    return [json.loads(one.value())["n"] for one in connect.read(topic, count)]


def test_files_are_read_once_and_moved(connect: Connect, server: Server) -> None:
    folder = server.root / "in"
    (folder / "deep").mkdir()
    (folder / "a b.json").write_text('{"n": 1}\n{"n": 2}\n')
    (folder / "deep" / "ü.json").write_text('{"n": 3}\n')
    (folder / "other.txt").write_text("no")

    topic = put(connect, server, "once", file__pattern="*.json", after__read__action="move")
    assert numbers(connect, topic, 3) == [1, 2, 3]
    (folder / ".new").write_text('{"n": 4}\n')
    (folder / ".new").rename(folder / "new.json")

    assert numbers(connect, topic, 4) == [1, 2, 3, 4]
    expected = ["finished/a b.json", "finished/deep/ü.json", "finished/new.json", "other.txt"]
    eventually(lambda: names(folder) == expected)
    connect.rest.delete(f"/connectors/{topic}")


def test_files_are_deleted_when_they_are_in_the_topic(connect: Connect, server: Server) -> None:
    (server.root / "in" / "a.json").write_text("".join(f'{{"n": {n}}}\n' for n in range(3000)))

    topic = put(connect, server, "delete", after__read__action="delete")

    assert numbers(connect, topic, 3000) == list(range(3000))
    eventually(lambda: not list((server.root / "in").iterdir()))
    connect.rest.delete(f"/connectors/{topic}")


def test_a_server_that_is_away_for_a_while(connect: Connect, server: Server) -> None:
    (server.root / "in" / "a.json").write_text('{"n": 1}\n')
    topic = put(connect, server, "away")
    connect.read(topic, 1)

    server.stop()
    (server.root / "in" / "b.json").write_text('{"n": 2}\n')
    server.start()

    assert numbers(connect, topic, 2) == [1, 2]
    assert connect.status(topic)["tasks"][0]["state"] == "RUNNING"
    connect.rest.delete(f"/connectors/{topic}")


def test_what_is_wrong_is_told_before(connect: Connect, server: Server, tmp_path: Path) -> None:
    def refused(**options: Any) -> str:
        config = {"connector.class": server.kind, "topic": "t"}
        given = {**server.options(), **options}
        config |= {name.replace("__", "."): str(value) for name, value in given.items()}
        answer = connect.rest.put("/connectors/refused/config", json=config)
        assert answer.status_code == 400, answer.text
        assert SECRET not in answer.text
        return answer.text

    kind = server.kind.removesuffix("Source").lower()
    wrong = refused(**{f"{kind}__password": "other"})
    assert "uthentication failed" in wrong
    assert "/nowhere" in refused(folder="/nowhere")
    if kind == "sftp":
        (tmp_path / "empty").write_text("")
        assert "is unknown: add it to sftp.known.hosts" in refused(
            sftp__known__hosts=tmp_path / "empty"
        )


def test_kill_nine_loses_nothing(server: Server, tmp_path: Path) -> None:
    count = 4000
    for file in range(8):
        rows = range(file * count // 8, (file + 1) * count // 8)
        lines = "".join(f'{{"n": {n}}}\n' for n in rows)
        (server.root / "in" / f"{file}.json").write_text(lines)
    with EmbeddedBroker() as broker:
        config = {
            "connector.class": server.kind, "topic": "killed", "file.settled.ms": 0,
            "record.batch.max.size": 50, "after.read.action": "move", "key.converter": STRING,
            "value.converter": JSON, "value.converter.schemas.enable": "false",
        }  # fmt: skip
        config |= {name.replace("__", "."): value for name, value in server.options().items()}
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"killed": config})
        found = Found(broker)
        worker.start()
        eventually(lambda: found.at_least(100), 60)
        worker.kill()
        with worker:
            eventually(lambda: found.at_least(count), 60)
            eventually(lambda: len(list((server.root / "in" / "finished").iterdir())) == 8, 60)
        found.consumer.close()
    assert found.numbers == set(range(count))


class Found:
    """What is in the topic."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        settings = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "look",
                    "auto.offset.reset": "earliest",
                    "topic.metadata.refresh.interval.ms": 200}  # fmt: skip
        self.consumer = Consumer(settings)
        self.consumer.subscribe(["killed"])
        self.numbers: set[int] = set()

    def at_least(self, wanted: int) -> bool:
        for one in self.consumer.consume(5000, timeout=0.05):
            if one.error() is None:
                self.numbers.add(json.loads(one.value() or b"")["n"])
        return len(self.numbers) >= wanted
