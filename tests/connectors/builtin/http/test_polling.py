from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from broker_process import safe_port
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, Connect, eventually

PLAIN = {
    "value__converter": JSON, "value__converter__schemas__enable": "false",
    "http__timer__interval__millis": 50, "retry__backoff__ms": 50,
}  # fmt: skip


def answer(value: Any, **more: Any) -> Answer:
    return Answer(json.dumps(value).encode(), **more)


def values(connect: Connect, topic: str, count: int) -> list[Any]:
    return [json.loads(one.value()) for one in connect.read(topic, count)]


def test_only_what_is_new_is_read_even_over_a_restart(connect: Connect) -> None:
    items: list[dict[str, Any]] = [
        {"id": n, "at": f"2026-01-0{n // 2 + 1}T00:00:00Z"} for n in range(5)
    ]

    def since(asked: Asked) -> Answer:
        return answer({"data": [one for one in items if one["at"] >= asked.query["since"]]})

    with Scripted(since) as server:
        connect.put(
            "since", "HttpSource", kafka__topic="since", http__request__url=f"{server.url}/items",
            http__request__params="since=${offset.since}", http__response__list__pointer="/data",
            http__response__record__offset__pointer="since=/at",
            http__offset__initial="since=2026-01-01T00:00:00Z",
            http__response__record__key__pointer="/id",
            http__response__record__timestamp__pointer="/at", **PLAIN,
        )  # fmt: skip
        assert values(connect, "since", 5) == items
        connect.rest.put("/connectors/since/stop")
        connect.status("since", wait="STOPPED")
        items.append({"id": 5, "at": "2026-01-03T00:00:00Z"})  # the same time as the last one
        connect.rest.put("/connectors/since/resume")

        found = connect.read("since", 6)
        eventually(lambda: len(server.asked) > 10)
        connect.rest.put("/connectors/since/stop")

    assert [json.loads(one.value()) for one in found] == items
    assert [one.key() for one in found] == [b"%d" % n for n in range(6)]
    assert found[0].timestamp()[1] == 1767225600000
    offsets = connect.rest.get("/connectors/since/offsets").json()["offsets"]
    assert offsets[0]["offset"]["since"] == "2026-01-03T00:00:00Z"


def by_page(asked: Asked) -> Answer:
    number = int(asked.query["page"])
    return answer([number * 2, number * 2 + 1] if number < 4 else [])


def by_offset(asked: Asked) -> Answer:
    start, size = int(asked.query["offset"]), int(asked.query["limit"])
    return answer(list(range(2, 8))[start : start + size])


def by_cursor(asked: Asked) -> Answer:
    start = int(asked.query.get("after", "2"))
    following = start + 3 if start + 3 < 8 else None
    return answer({"items": list(range(start, min(start + 3, 8))), "next": following})


def by_link(asked: Asked) -> Answer:
    start = int(asked.query.get("from", "2"))
    headers = {"Link": f'</list?from={start + 2}>; rel="next"'} if start + 2 < 8 else {}
    return answer([start, start + 1], headers=headers)


@pytest.mark.parametrize(
    ("pages", "options"),
    [
        (by_page, {}),
        (by_offset, {"http__pagination__size": 4, "http__pagination__size__parameter": "limit"}),
        (by_cursor, {"http__pagination__next__pointer": "/next",
                     "http__pagination__parameter": "after",
                     "http__response__list__pointer": "/items"}),
        (by_link, {}),
    ],
)  # fmt: skip
def test_pages_are_followed(
    connect: Connect, pages: Callable[[Asked], Answer], options: dict[str, Any]
) -> None:
    name = pages.__name__
    with Scripted(pages) as server:
        connect.put(
            name, "HttpSource", kafka__topic=name, http__request__url=f"{server.url}/list",
            http__pagination=name.removeprefix("by_"), **options,
            **{**PLAIN, "http__timer__interval__millis": 3_600_000},
        )  # fmt: skip
        assert values(connect, name, 6) == [2, 3, 4, 5, 6, 7]
        connect.rest.put(f"/connectors/{name}/stop")


def test_a_server_that_is_busy_or_away_is_asked_again(connect: Connect) -> None:
    port, busy = safe_port(), [3]

    def sometimes(asked: Asked) -> Answer:
        if asked.headers.get("if-none-match") == '"1"':
            return Answer(status=304)
        busy[0] -= 1
        if busy[0] > 0:
            return answer({}, status=429, headers={"Retry-After": "0"})
        return answer([1, 2], headers={"ETag": '"1"'})

    options = {"http__request__url": f"http://127.0.0.1:{port}/x", "kafka__topic": "busy-server"}
    with Scripted(lambda _: answer([]), port):
        connect.put("busy-server", "HttpSource", **options, **PLAIN)
    eventually(lambda: connect.status("busy-server")["tasks"][0]["state"] == "RUNNING")
    with Scripted(sometimes, port) as server:
        assert values(connect, "busy-server", 2) == [1, 2]
        eventually(lambda: any("if-none-match" in one.headers for one in server.asked))
        connect.rest.put("/connectors/busy-server/stop")
    assert connect.status("busy-server")["tasks"] == []


def test_a_token_is_asked_for_and_renewed(connect: Connect) -> None:
    tokens = [0]

    def guarded(asked: Asked) -> Answer:
        if asked.path == "/token":
            assert asked.headers["authorization"] == "Basic bWU6cHNzdA=="
            assert asked.body == b"grant_type=client_credentials&scope=read"
            tokens[0] += 1
            return answer({"access_token": f"t{tokens[0]}", "expires_in": 3600})
        if asked.headers["authorization"] != f"Bearer t{tokens[0]}":
            return answer({}, status=401)
        return answer([asked.headers["authorization"]])

    with Scripted(guarded) as server:
        connect.put(
            "token", "HttpSource", kafka__topic="token", http__request__url=server.url,
            auth__type="OAUTH2", oauth2__token__url=f"{server.url}/token",
            oauth2__client__id="me", oauth2__client__secret="psst", oauth2__client__scope="read",
            **PLAIN,
        )  # fmt: skip
        connect.read("token", 1)
        tokens[0] += 1  # the one it has ends early
        eventually(lambda: "Bearer t4" in set(values(connect, "token", 3)))
        connect.rest.put("/connectors/token/stop")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"http.response.list.pointer": "/items"}, "nothing is at http.response.list.pointer"),
        ({"http.response.record.offset.pointer": "a=/a"}, "no text or number is at /a"),
        ({"http.request.method": "PUT"}, "403 Forbidden: no"),
        ({"http.request.params": "x=${offset.x}"}, "must say what x is at first"),
        ({"http.pagination": "cursor"}, "it is needed for http.pagination=cursor"),
        ({"auth.type": "BASIC"}, "it is needed for auth.type=BASIC"),
        ({"http.request.url": "ftp://x"}, "must begin with http:// or https://"),
        ({"http.request.url": "http://127.0.0.1:9/"}, "does not answer"),
    ],
)
def test_what_cannot_work_is_told_before(
    connect: Connect, options: dict[str, str], why: str
) -> None:
    def strict(asked: Asked) -> Answer:
        return answer([{"b": 1}]) if asked.method == "GET" else Answer(b"no", 403)

    with Scripted(strict) as server:
        config = {"connector.class": "HttpSource", "kafka.topic": "t",
                  "http.request.url": server.url, **options}  # fmt: skip
        told = connect.rest.put("/connectors/never/config", json=config)
    assert told.status_code == 400
    assert why in told.json()["message"]
