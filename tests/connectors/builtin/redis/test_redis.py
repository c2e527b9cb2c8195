from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import message_servers
import pytest
import redis
from confluent_kafka import Producer
from connect_process import ConnectProcess
from server_process import ServerProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually, read_topic

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("redis")

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with message_servers.redis_server(tmp_path_factory.mktemp("redis")) as started:
        yield started


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Any]:
    with redis.Redis(port=server.port, decode_responses=True) as made:
        yield made


@pytest.fixture
def uri(server: ServerProcess) -> dict[str, str]:
    return {"redis__uri": f"redis://127.0.0.1:{server.port}/0"}


def write(connect: Connect, topic: str, *rows: tuple[str | None, Any]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, None if value is None else json.dumps(value), key)
    producer.flush()


def trace(connect: Connect, name: str) -> str:
    def found() -> Any:
        tasks = connect.status(name)["tasks"]
        return tasks and tasks[0].get("trace")

    return str(eventually(found))


def test_a_stream_is_read_behind_the_last_id(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    ids = [client.xadd("s:1", {"n": n, "who": "é"}) for n in range(3)]
    connect.put("stream", "RedisSource", redis__stream__name="s:1", **uri, **PLAIN)
    found = connect.read("s.1", 3)
    connect.rest.put("/connectors/stream/stop")
    connect.status("stream", wait="STOPPED")
    ids.append(client.xadd("s:1", {"n": 3, "who": "x"}))
    connect.rest.put("/connectors/stream/resume")
    found = connect.read("s.1", 4)
    connect.rest.put("/connectors/stream/stop")
    connect.status("stream", wait="STOPPED")

    assert [json.loads(one.value()) for one in found] == [
        {"n": "0", "who": "é"}, {"n": "1", "who": "é"}, {"n": "2", "who": "é"},
        {"n": "3", "who": "x"},
    ]  # fmt: skip
    assert [one.key().decode() for one in found] == ids
    offsets = connect.rest.get("/connectors/stream/offsets").json()["offsets"]
    assert offsets == [{"partition": {"stream": "s:1"}, "offset": {"id": ids[3]}}]

    row = {"partition": {"stream": "s:1"}, "offset": {"id": "x"}}
    told = connect.rest.patch("/connectors/stream/offsets", json={"offsets": [row]})
    assert told.status_code == 400
    assert "'x' is no id of a stream" in told.text


def test_a_stream_that_was_made_anew_is_told(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    client.xadd("anew", {"n": 1}, id="5-5")
    options = {"redis__stream__name": "anew", "aliran__restart__attempts": 0, **uri}
    connect.put("anew", "RedisSource", redis__stream__field="n", **options)
    assert connect.read("anew", 1)[0].value() == b"1"
    connect.rest.put("/connectors/anew/stop")
    connect.status("anew", wait="STOPPED")
    client.delete("anew")
    client.xadd("anew", {"n": 1}, id="1-1")
    connect.rest.put("/connectors/anew/resume")

    assert "ends at 1-1, before the stored offset 5-5" in trace(connect, "anew")


def test_consumers_of_a_group_acknowledge_what_kafka_has(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    for n in range(40):
        client.xadd("grouped", {"n": n})
    client.xgroup_create("grouped", "g", "0-0")
    client.xreadgroup("g", "died", {"grouped": ">"}, count=10)  # and never acknowledged
    client.xreadgroup("g", "consumer-0", {"grouped": ">"}, count=10)

    connect.put(
        "grouped", "RedisSource", redis__stream__name="grouped", tasks__max=2,
        redis__stream__consumer__group="g", redis__stream__claim__idle__ms=50,
        redis__stream__field="n", **uri,
    )  # fmt: skip
    found = connect.read("grouped", 40)
    eventually(lambda: client.xpending("grouped", "g")["pending"] == 0)
    connect.rest.put("/connectors/grouped/stop")

    assert {int(one.value()) for one in found} == set(range(40))


def test_elements_of_a_list_leave_it_when_kafka_has_them(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    client.rpush("jobs:aliran:jobs", "0", "1")  # under way when an earlier run was killed
    client.rpush("jobs", *range(2, 50))

    connect.put(
        "jobs", "RedisSource", redis__type="list", redis__list__names="jobs", topic="jobs",
        batch__size=10, **uri,
    )  # fmt: skip
    found = connect.read("jobs", 50)
    eventually(lambda: client.exists("jobs", "jobs:aliran:jobs") == 0)
    connect.rest.put("/connectors/jobs/stop")

    assert [int(one.value()) for one in found] == list(range(50))


def test_channels_and_keys(connect: Connect, client: Any, uri: dict[str, str]) -> None:
    client.set("u:1", "old")
    connect.put(
        "channels", "RedisSource", redis__type="pubsub", redis__channels="news",
        redis__channel__patterns="w.*", topic="channels", **uri,
    )  # fmt: skip
    connect.put(
        "keys", "RedisSource", redis__type="keys", redis__keys__pattern="u:*", topic="keys",
        redis__keys__notify="true", **uri, **PLAIN,
    )  # fmt: skip
    eventually(lambda: client.publish("news", "a") and client.publish("w.x", "b"))
    assert connect.read("keys", 1)[0].key() == b"u:1"
    steps = [
        ("u:2", {"a": "1"}), ("u:3", ["x", "y"]), ("u:4", ["p", "q"]), ("u:5", {"m": 2.5}),
    ]  # fmt: skip
    client.hset("u:2", "a", "1")
    client.rpush("u:3", "x", "y")
    client.sadd("u:4", "q", "p")
    client.zadd("u:5", {"m": 2.5})
    found = connect.read("keys", 5)
    client.delete("u:1")
    gone = connect.read("keys", 6)[5]
    heard = connect.read("channels", 2)
    for name in ("channels", "keys"):
        connect.rest.put(f"/connectors/{name}/stop")

    assert [(one.key().decode(), json.loads(one.value())) for one in found] == [
        ("u:1", "old"), *steps,
    ]  # fmt: skip
    assert (gone.key(), gone.value()) == (b"u:1", None)
    assert {(one.key(), one.value()) for one in heard} >= {(b"w.x", b"b")}


def test_hashes_are_rows_and_go_with_a_tombstone(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    row = {"id": 1, "name": "é", "ok": True, "more": {"a": [1]}, "none": None}
    write(connect, "users", ("1", row), ("2", {"id": 2}), ("2", None), ("3", "no row"))
    write(connect, "users", ("4", {"id": 4}), ("4", {"x": 1}))

    connect.put(
        "users", "RedisSink", topics="users", redis__command="HSET", redis__ttl__ms=60_000,
        redis__hash__replace="true", errors__tolerance="all",
        errors__deadletterqueue__topic__name="users-dead",
        errors__deadletterqueue__topic__replication__factor=1, **uri, **PLAIN,
    )  # fmt: skip
    dead = connect.read("users-dead", 1)
    eventually(lambda: client.hgetall("users:4") == {"x": "1"})
    connect.rest.put("/connectors/users/stop")

    assert client.hgetall("users:1") == {
        "id": "1", "name": "é", "ok": "true", "more": '{"a":[1]}',
    }  # fmt: skip
    assert 0 < client.pttl("users:1") <= 60_000
    assert client.exists("users:2") == 0
    assert dead[0].value() == b'"no row"'
    assert client.hgetall("aliran:connect:users") == {"users-0": "6"}


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("SET", lambda client: client.get("SET:k")),
        ("RPUSH", lambda client: client.lindex("RPUSH", 0)),
        ("SADD", lambda client: next(iter(client.smembers("SADD")), None)),
        ("XADD", lambda client: dict(client.xrange("XADD")).popitem()[1].get("value")
         if client.exists("XADD") else None),
    ],
)  # fmt: skip
def test_other_commands(
    connect: Connect, client: Any, uri: dict[str, str], command: str, found: Any
) -> None:
    connect.write(command, b"text")
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    producer.produce(command, "text", "k")
    producer.flush()
    connect.put(command, "RedisSink", topics=command, redis__command=command,
                errors__tolerance="all", **uri)  # fmt: skip
    eventually(lambda: found(client) == "text")
    connect.rest.put(f"/connectors/{command}/stop")


def test_a_refused_record_stops_exactly_there(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    client.set("bad:1", "a text, no hash")
    write(connect, "bad", ("0", {"a": 1}), ("1", {"a": 1}), ("2", {"a": 1}))

    connect.put("bad", "RedisSink", topics="bad", redis__command="HSET",
                aliran__restart__attempts=0, **uri, **PLAIN)  # fmt: skip

    told = trace(connect, "bad")
    assert "bad-0 at offset 1 cannot be written" in told
    assert "WRONGTYPE" in told
    assert client.hgetall("aliran:connect:bad") == {"bad-0": "1"}


def test_a_server_that_is_away_is_waited_for(
    connect: Connect, server: ServerProcess, client: Any, uri: dict[str, str]
) -> None:
    connect.put("there", "RedisSource", redis__stream__name="there", **uri, **PLAIN)
    connect.put("back", "RedisSink", topics="there", redis__key="back", **uri, **PLAIN)
    connect.put("work", "RedisSource", redis__type="list", redis__list__names="work",
                topic="work", **uri)  # fmt: skip
    client.rpush("work", 0, 1)
    client.xadd("there", {"n": 0})
    eventually(lambda: client.xlen("back") == 1)

    server.kill()
    write(connect, "there", (None, {"n": "1"}))
    eventually(lambda: connect.status("there")["tasks"][0]["state"] == "RUNNING")
    server.start()
    eventually(lambda: client.xlen("back") == 2)
    client.xadd("there", {"n": 2})
    eventually(lambda: client.xlen("back") == 3)
    client.rpush("work", 2)
    eventually(lambda: not client.exists("work", "work:aliran:work"))
    assert {int(one.value()) for one in connect.read("work", 3)} == {0, 1, 2}
    for name in ("there", "back", "work"):
        connect.rest.put(f"/connectors/{name}/stop")

    assert [one["n"] for _, one in client.xrange("back")] == ["0", "1", "2"]


def test_what_cannot_work_is_told_before(
    connect: Connect, client: Any, uri: dict[str, str]
) -> None:
    client.set("text", "x")
    options = {"redis.uri": uri["redis__uri"]}
    for more, why in (
        ({"redis.stream.name": "text"}, "the key text is a string, not a stream"),
        ({}, "redis.type=stream needs it"),
        ({"redis.stream.name": "a", "redis.uri": "redis://127.0.0.1:9"}, "is away"),
        ({"redis.stream.name": "a", "redis.password": "x"}, "see redis.username"),
        ({"redis.stream.name": "a", "redis.uri": "http://x"}, "it must be redis://"),
    ):
        config = {"connector.class": "RedisSource", **options, **more}
        told = connect.rest.put("/connectors/wrong/config", json=config)
        assert told.status_code == 400
        assert why in told.text


def test_nothing_is_lost_or_doubled_when_the_worker_is_killed(
    tmp_path: Path, client: Any, uri: dict[str, str]
) -> None:
    count, kills = 4000, 3
    with client.pipeline(transaction=False) as pipe:
        for n in range(count):
            pipe.xadd("killed", {"n": n})
        pipe.execute()
    shared = {"redis.uri": uri["redis__uri"], "key.converter": STRING, "value.converter": STRING}
    with EmbeddedBroker() as broker:
        worker = ConnectProcess(
            tmp_path, broker.bootstrap_servers,
            {
                "in": {"connector.class": "RedisSource", "redis.stream.name": "killed",
                       "redis.stream.field": "n", "batch.size": 20, **shared},
                "out": {"connector.class": "RedisSink", "topics": "killed", "redis.key": "out",
                        "redis.command": "RPUSH", **shared,
                        "consumer.override.group.instance.id": "out"},
            },
            {"offset.flush.interval.ms": "20"},
        )  # fmt: skip
        for kill in range(1, kills + 1):
            worker.start()
            eventually(lambda: client.llen("out") >= kill * 50)  # noqa: B023
            worker.kill()
        worker.start()
        eventually(lambda: len(set(client.lrange("out", 0, -1))) == count)
        worker.stop()
        topic = read_topic(broker.bootstrap_servers, "killed", client.llen("out"))

    # the topic may have records twice; the list has exactly what the topic has
    assert [one.value().decode() for one in topic] == client.lrange("out", 0, -1)
    assert {int(one.value()) for one in topic} == set(range(count))
