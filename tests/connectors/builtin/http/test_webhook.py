from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from broker_process import safe_port
from connect_process import ConnectProcess
from tests.connectors.conftest import JSON, STRING, Connect, eventually, read_topic

from aliran.broker.embedded import EmbeddedBroker

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


def webhook(connect: Connect, name: str, **options: Any) -> str:
    """Start one; return its address."""
    port = safe_port()
    connect.put(name, "WebhookSource", port=port, **{**PLAIN, **options})
    return f"http://127.0.0.1:{port}"


def test_what_is_posted_is_a_record_when_it_is_answered(connect: Connect) -> None:
    url = webhook(
        connect, "posted", topic="posted", key__pointer="/id", headers__include="X-Who",
        headers__request="true",
    )  # fmt: skip

    answer = httpx.post(f"{url}/a/b?c=d", json={"id": 7, "x": "é"}, headers={"X-Who": "me"})

    assert (answer.status_code, answer.json()) == (200, {"records": 1})
    [record] = connect.read("posted", 1)
    assert json.loads(record.value()) == {"id": 7, "x": "é"}
    assert record.key() == b"7"
    assert dict(record.headers()) == {
        "x-who": b"me", "http.method": b"POST", "http.path": b"/a/b", "http.query": b"c=d",
    }  # fmt: skip
    connect.rest.put("/connectors/posted/stop")


def test_many_at_once_each_get_their_answer(connect: Connect) -> None:
    url = webhook(connect, "many", topic="many", body__split="array")

    with httpx.Client(base_url=url, timeout=30) as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: client.post("/", json=[n, n + 1000]), range(200)))

    assert {one.status_code for one in answers} == {200}
    found = [json.loads(one.value()) for one in connect.read("many", 400)]
    assert sorted(found) == [*range(200), *range(1000, 1200)]
    connect.rest.put("/connectors/many/stop")


def test_paths_have_topics(connect: Connect) -> None:
    url = webhook(
        connect, "paths", path__topics="/orders:orders,/hooks/*:hooks-*", value__format="bytes",
        value__converter="org.apache.kafka.connect.converters.ByteArrayConverter",
        body__split="lines",
    )  # fmt: skip

    assert httpx.post(f"{url}/orders", content=b"\xff1\n\n2\n").json() == {"records": 2}
    assert httpx.post(f"{url}/hooks/git/hub", content=b"x").status_code == 200
    assert httpx.post(f"{url}/else", content=b"x").status_code == 404
    assert [one.value() for one in connect.read("orders", 2)] == [b"\xff1", b"2"]
    assert [one.value() for one in connect.read("hooks-git.hub", 1)] == [b"x"]
    connect.rest.put("/connectors/paths/stop")


def test_who_has_no_secret_or_signature_is_sent_away(connect: Connect) -> None:
    url = webhook(
        connect, "secret", topic="secret", secret="open sesame", signature__secret="key",
        max__body__bytes=20,
    )  # fmt: skip
    body = b'{"a": 1}'
    signature = "sha256=" + hmac.digest(b"key", body, hashlib.sha256).hex()
    right = {"Authorization": "Bearer open sesame", "X-Hub-Signature-256": signature}

    def status(headers: dict[str, str], body: bytes = body) -> int:
        return httpx.post(url, content=body, headers=headers).status_code

    assert status({**right, "Authorization": "Bearer x"}) == 401
    assert status({**right, "X-Hub-Signature-256": "sha256=00"}) == 401
    assert status(right, b'{"a": 2}') == 401
    assert status(right, b'"' + b"x" * 40 + b'"') == 413
    assert status(right, b'"' + b"x" * 4_000_000 + b'"') == 413
    assert httpx.get(url).status_code == 405
    assert status(right) == 200
    assert connect.rest.get("/connectors/secret/config").json()["secret"] == "open sesame"
    connect.rest.put("/connectors/secret/stop")


def test_no_json_is_the_senders_fault(connect: Connect) -> None:
    url = webhook(connect, "nojson", topic="nojson")
    answer = httpx.post(url, content=b"{")
    assert answer.status_code == 400
    assert "no JSON" in answer.json()["error"]
    connect.rest.put("/connectors/nojson/stop")


def test_when_too_much_waits_callers_are_to_come_back(connect: Connect) -> None:
    url = webhook(
        connect, "busy", topic="busy", max__waiting__requests=2, busy__status=429,
        acknowledge__timeout__ms=1000,
    )  # fmt: skip
    assert httpx.post(url, json=0).status_code == 200
    connect.rest.put("/connectors/busy/pause")
    connect.status("busy", wait="PAUSED")

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: httpx.post(url, json=n, timeout=20), range(1, 7)))

    told = sorted(one.status_code for one in answers)
    assert set(told) == {429, 503}
    assert told.count(503) >= 2
    assert all(one.headers["Retry-After"] == "1" for one in answers)
    connect.rest.put("/connectors/busy/stop")


def test_a_port_that_is_taken_is_told_before_anything_starts(connect: Connect) -> None:
    url = webhook(connect, "taken", topic="taken")
    config = {"connector.class": "WebhookSource", "topic": "t", "port": url.rsplit(":", 1)[1]}
    assert connect.rest.put("/connectors/taken/config", json=config).status_code == 200
    port = connect.server.url.rsplit(":", 1)[1]

    answer = connect.rest.put("/connectors/other/config", json={**config, "port": port})

    assert answer.status_code == 400
    assert "cannot listen on 127.0.0.1" in answer.text
    connect.rest.put("/connectors/taken/stop")


def test_what_was_answered_with_200_survives_kills(tmp_path: Path) -> None:
    port = safe_port()
    answered: list[int] = []
    config = {
        "connector.class": "WebhookSource", "port": port, "topic": "hooks",
        "value.converter": STRING, "value.format": "string",
    }  # fmt: skip
    with EmbeddedBroker() as broker:
        process = ConnectProcess(tmp_path, broker.bootstrap_servers, {"hook": config})

        def post(number: int) -> int:
            with contextlib.suppress(httpx.TransportError):
                if client.post("/", content=str(number)).status_code == 200:
                    answered.append(number)
            return len(answered)

        for kill in range(3):
            process.start()
            with (
                httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=5) as client,
                ThreadPoolExecutor(8) as pool,
            ):
                eventually(lambda: post(kill * 1000) > kill * 30)  # noqa: B023
                running = [pool.submit(post, kill * 1000 + n) for n in range(1, 200)]
                eventually(lambda: len(answered) >= (kill + 1) * 30)  # noqa: B023
                process.kill()
                for one in running:
                    one.cancel()
        written = {int(one.value()) for one in
                   read_topic(broker.bootstrap_servers, "hooks", len(answered))}  # fmt: skip

    assert len(answered) >= 90
    assert set(answered) <= written


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "give it, or path.topics"),
        ({"path.topics": "orders:x"}, "each must be /path:topic"),
        ({"topic": "t", "value.format": "bytes", "key.pointer": "/a"}, "needs value.format=json"),
    ],
)
def test_options_that_do_not_fit_are_told(
    connect: Connect, wrong: dict[str, str], why: str
) -> None:
    config = {"connector.class": "WebhookSource", "port": "0", **wrong}
    answer = connect.rest.put("/connectors/wrong/config", json=config)
    assert answer.status_code == 400
    assert why in answer.text
