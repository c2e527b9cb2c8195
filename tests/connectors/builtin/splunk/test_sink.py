"""Against a fake that speaks the HTTP event collector, acknowledgements included."""

from __future__ import annotations

import json
from typing import Any

from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, Connect, eventually

PLAIN = {"value__converter": JSON, "value__converter__schemas__enable": "false"}


class Collector:
    """Takes events; the indexer needs some questions until it has written a batch."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.pending: dict[int, int] = {}
        self.lose = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/health"):
            return Answer(b'{"text": "HEC is healthy", "code": 17}')
        if asked.headers.get("authorization") != "Splunk secret":
            return Answer(b'{"text": "Invalid token", "code": 4}', 403)
        if asked.path.endswith("/ack"):
            (ack,) = json.loads(asked.body)["acks"]
            self.pending[ack] -= 1
            return Answer(json.dumps({"acks": {str(ack): self.pending[ack] < 0}}).encode())
        if asked.path.endswith("/raw"):
            self.raw += asked.body.split(b"\n")
        else:
            events, bad = self.parsed(asked.body)
            if bad is not None:
                told = {"text": "Invalid data format", "code": 6, "invalid-event-number": bad}
                return Answer(json.dumps(told).encode(), 400)
            self.events += events
        ack = len(self.pending)
        self.lose -= 1
        self.pending[ack] = 10_000 if self.lose >= 0 else 1
        return Answer(json.dumps({"text": "Success", "code": 0, "ackId": ack}).encode())

    @staticmethod
    def parsed(body: bytes) -> tuple[list[dict[str, Any]], int | None]:
        decoder, text, events = json.JSONDecoder(), body.decode(), list[dict[str, Any]]()
        while text:
            event, end = decoder.raw_decode(text)
            if event["event"] in ("", {"bad": True}):
                return [], len(events)
            events.append(event)
            text = text[end:]
        return events, None


def test_events_say_what_is_known_of_them(connect: Connect) -> None:
    collector = Collector()
    connect.write("logs", b'{"level": "warn"}', b'{"bad": true}', b'"a text"', headers={"h": b"x"})
    with Scripted(collector) as server:
        connect.put(
            "logs", "SplunkSink", topics="logs", splunk__hec__uri=server.url,
            splunk__hec__token="secret", splunk__indexes="main", splunk__sourcetypes="app",
            splunk__hec__json__event__enrichment="site=north", splunk__header__support="true",
            errors__tolerance="all", errors__deadletterqueue__topic__name="logs-dead",
            errors__deadletterqueue__topic__replication__factor=1, **PLAIN,
        )  # fmt: skip
        eventually(lambda: len(collector.events) == 2)
        assert json.loads(connect.read("logs-dead", 1)[0].value()) == {"bad": True}

    first = collector.events[0]
    assert first["event"] == {"level": "warn"}
    assert first["fields"] == {"site": "north", "h": "x"}
    assert (first["index"], first["sourcetype"]) == ("main", "app")
    assert abs(first["time"] * 1000 - connect.read("logs", 1)[0].timestamp()[1]) < 1
    assert collector.events[1]["event"] == "a text"


def test_a_batch_counts_once_it_is_acknowledged(connect: Connect) -> None:
    collector = Collector()
    collector.lose = 1
    connect.write("acked", *(json.dumps({"n": n}).encode() for n in range(10)))
    with Scripted(collector) as server:
        connect.put(
            "acked", "SplunkSink", topics="acked", splunk__hec__uri=server.url,
            splunk__hec__token="secret", splunk__hec__ack__enabled="true",
            splunk__hec__event__timeout=1, splunk__hec__max__batch__size=5,
            retry__backoff__ms=20, **PLAIN,
        )  # fmt: skip
        path = "/connectors/acked/offsets"
        eventually(lambda: '"kafka_offset":10' in connect.rest.get(path).text.replace(" ", ""))

    numbers = [one["event"]["n"] for one in collector.events]
    assert numbers[:5] == numbers[5:10] == list(range(5))  # the first batch was lost once
    assert numbers[10:] == list(range(5, 10))


def test_values_are_sent_as_they_are(connect: Connect) -> None:
    collector = Collector()
    connect.write("raw", b"one", b"two")
    with Scripted(collector) as server:
        connect.put("raw", "SplunkSink", topics="raw", splunk__hec__uri=server.url,
                    splunk__hec__token="secret", splunk__hec__raw="true")  # fmt: skip
        eventually(lambda: collector.raw == [b"one", b"two"])


def test_a_wrong_token_ends_the_task(connect: Connect) -> None:
    connect.write("denied", b'{"n": 1}')
    with Scripted(Collector()) as server:
        config = {
            "connector.class": "SplunkSink", "topics": "denied", "splunk.hec.uri": server.url,
            "splunk.hec.token": "wrong", "aliran.restart.attempts": "0",
            "value.converter": JSON, "value.converter.schemas.enable": "false",
        }  # fmt: skip
        connect.rest.put("/connectors/denied/config", json=config)

        def trace() -> str:
            tasks = connect.rest.get("/connectors/denied/status").json().get("tasks", [])
            return tasks[0].get("trace", "") if tasks else ""

        told = eventually(trace)
    assert "403 Forbidden" in told
    assert "Invalid token" in told
    assert "wrong" not in told
