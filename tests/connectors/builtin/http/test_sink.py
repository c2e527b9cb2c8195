from __future__ import annotations

import json
from typing import Any

from broker_process import safe_port
from confluent_kafka import Producer
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, Connect, eventually

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


def write(connect: Connect, topic: str, *rows: tuple[str | None, Any]) -> None:
    producer = Producer({"bootstrap.servers": connect.server.bootstrap_servers})
    for key, value in rows:
        producer.produce(topic, None if value is None else json.dumps(value), key)
    producer.flush()


def test_batches_are_bisected_until_the_bad_record_stands_alone(connect: Connect) -> None:
    taken: list[int] = []

    def picky(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer()
        numbers = json.loads(asked.body)
        if any(one["n"] in {3, 17} for one in numbers):
            return Answer(b"what is 3?", 422)
        taken.extend(one["n"] for one in numbers)
        return Answer()

    write(connect, "picky", *((None, {"n": n}) for n in range(20)))
    with Scripted(picky) as server:
        connect.put(
            "picky", "HttpSink", topics="picky", http__api__url=server.url,
            request__body__format="json", batch__max__size=10, errors__tolerance="all",
            errors__deadletterqueue__topic__name="picky-dead",
            errors__deadletterqueue__topic__replication__factor=1,
            errors__deadletterqueue__context__headers__enable="true", **PLAIN,
        )  # fmt: skip
        dead = connect.read("picky-dead", 2)
        eventually(lambda: len(taken) >= 18)
        connect.rest.put("/connectors/picky/stop")

    assert taken == [n for n in range(20) if n not in {3, 17}]
    assert [json.loads(one.value())["n"] for one in dead] == [3, 17]
    told = dict(dead[0].headers())["__connect.errors.exception.message"].decode()
    assert "picky-0 at offset 3 cannot be written" in told
    assert "422 Unprocessable Entity: what is 3?" in told


def test_a_server_that_is_away_gets_everything_when_it_is_back(connect: Connect) -> None:
    port, seen, busy = safe_port(), list[tuple[str, str, bytes]](), [2]

    def back(asked: Asked) -> Answer:
        if asked.method == "HEAD":
            return Answer()
        busy[0] -= 1
        if busy[0] >= 0:
            return Answer(status=503, headers={"Retry-After": "0"})
        seen.append((asked.method, asked.path, asked.body))
        assert asked.headers["x-a"] == "1"
        return Answer()

    options = {
        "http__api__url": f"http://127.0.0.1:{port}/${{topic}}/${{key}}", "headers": "X-A:1|X-B:2",
        "retry__backoff__ms": 50, "behavior__on__null__values": "delete",
    }  # fmt: skip
    with Scripted(lambda _: Answer(), port):
        connect.put("away", "HttpSink", topics="away", **options)
    write(connect, "away", ("a/b", 1), ("c", 2), ("c", None))
    eventually(lambda: connect.status("away")["tasks"][0]["state"] == "RUNNING")
    with Scripted(back, port):
        eventually(lambda: len(seen) >= 3)
        connect.rest.put("/connectors/away/stop")

    assert seen == [
        ("POST", "/away/a%2Fb", b"1"), ("POST", "/away/c", b"2"), ("DELETE", "/away/c", b""),
    ]  # fmt: skip


def test_a_refusal_without_dead_letters_ends_the_task(connect: Connect) -> None:
    write(connect, "refused", (None, {"n": 1}))
    with Scripted(lambda asked: Answer(status=200 if asked.method == "HEAD" else 400)) as server:
        connect.put(
            "refused", "HttpSink", topics="refused", http__api__url=server.url,
            aliran__restart__attempts=0, **PLAIN,
        )  # fmt: skip
        trace = eventually(lambda: connect.status("refused")["tasks"][0].get("trace"))
    assert "refused-0 at offset 0 cannot be written" in trace
    assert "400 Bad Request" in trace


def test_prefix_separator_suffix_and_confluents_name(connect: Connect) -> None:
    with Scripted(lambda _: Answer()) as server:
        write(connect, "joined", *((None, {"n": n}) for n in range(3)))
        connect.put(
            "joined", "io.confluent.connect.http.HttpSinkConnector", topics="joined",
            http__api__url=server.url, batch__max__size=3, batch__prefix="<", batch__suffix=">",
            batch__separator=";", http__authorization__type="bearer",
            http__authorization__token="abc", **PLAIN,
        )  # fmt: skip
        eventually(lambda: server.asked)
        connect.rest.put("/connectors/joined/stop")
    assert server.asked[0].body == b'<{"n":0};{"n":1};{"n":2}>'
    assert server.asked[0].headers["authorization"] == "Bearer abc"


def test_a_server_that_cannot_be_reached_is_told_before(connect: Connect) -> None:
    config = {"connector.class": "HttpSink", "topics": "t", "http.api.url": "http://127.0.0.1:9/",
              "retry.on.status.codes": "500-,!501"}  # fmt: skip
    told = connect.rest.put("/connectors/unreachable/config", json=config)
    assert told.status_code == 400
    assert "cannot be reached" in told.text
    config["retry.on.status.codes"] = "5xx"
    told = connect.rest.put("/connectors/unreachable/config", json=config)
    assert "ranges such as 500-599" in told.text
