"""Server-sent events and WebSockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import Connect, eventually
from websockets.sync.server import Server, ServerConnection, serve


def test_events_go_on_behind_the_last_id(connect: Connect) -> None:
    def events(asked: Asked) -> Answer:
        first = int(asked.headers.get("last-event-id", "0")) + 1
        text = ": hello\nretry: 50\n\n"
        for number in range(first, min(first + 3, 10)):
            kind = "event: odd\n" if number % 2 else ""
            text += f"id: {number}\n{kind}data: line one\ndata: {number}\n\n"
        return Answer(text.encode(), headers={"Content-Type": "text/event-stream"})

    with Scripted(events) as server:
        connect.put("sse", "SseSource", kafka__topic="sse", http__request__url=server.url)
        first = connect.read("sse", 4)
        connect.rest.put("/connectors/sse/stop")
        connect.status("sse", wait="STOPPED")
        connect.rest.put("/connectors/sse/resume")
        found = connect.read("sse", 9)
        connect.rest.put("/connectors/sse/stop")

    assert [one.value() for one in found] == [b"line one\n%d" % n for n in range(1, 10)]
    assert [one.key() for one in found] == [b"%d" % n for n in range(1, 10)]
    assert dict(first[0].headers()) == {"sse.event": b"odd"}
    assert dict(first[1].headers()) == {"sse.event": b"message"}
    offsets = connect.rest.get("/connectors/sse/offsets").json()["offsets"]
    assert offsets[0]["offset"] == {"id": "9"}


def test_a_page_is_no_stream(connect: Connect) -> None:
    config = {"connector.class": "SseSource", "kafka.topic": "t"}
    with Scripted(lambda _: Answer(b"gone", 410)) as server:
        told = connect.rest.put(
            "/connectors/page/config", json={**config, "http.request.url": server.url}
        )
    assert told.status_code == 400
    assert "410 Gone" in told.text


class Feed:
    """A WebSocket server that sends numbers from where it is asked to, some at a time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.server: Server = serve(self._serve, "127.0.0.1", 0)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def _serve(self, socket: ServerConnection) -> None:
        self.asked.append(str(socket.recv()))
        first = int(json.loads(self.asked[-1])["from"]) + 1
        for number in range(first, min(first + 4, 11)):
            socket.send(json.dumps({"seq": number, "who": f"w{number}"}))
        if first > 10:
            socket.recv()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    made.close()


def test_a_websocket_is_asked_from_the_last_position_on(connect: Connect, feed: Feed) -> None:
    options: dict[str, Any] = {
        "websocket__url": feed.url, "websocket__subscribe": '[{"from": "${offset}"}]',
        "offset__initial": "0", "offset__pointer": "/seq", "key__pointer": "/who",
        "reconnect__ms": 50,
    }  # fmt: skip
    connect.put("ws", "WebSocketSource", kafka__topic="ws", **options)
    found = connect.read("ws", 10)
    eventually(lambda: len(feed.asked) >= 4)
    connect.rest.put("/connectors/ws/stop")

    assert [json.loads(one.value())["seq"] for one in found] == list(range(1, 11))
    assert found[9].key() == b"w10"
    assert [json.loads(one)["from"] for one in feed.asked[:4]] == ["0", "4", "8", "10"]
    connect.status("ws", wait="STOPPED")
    offsets = connect.rest.get("/connectors/ws/offsets").json()["offsets"]
    assert offsets[0]["offset"] == {"offset": 10}


def test_a_websocket_that_is_not_there_is_told_before(connect: Connect) -> None:
    config = {"connector.class": "WebSocketSource", "kafka.topic": "t",
              "websocket.url": "ws://127.0.0.1:9/"}  # fmt: skip
    told = connect.rest.put("/connectors/nows/config", json=config)
    assert told.status_code == 400
    assert "cannot be reached" in told.text
