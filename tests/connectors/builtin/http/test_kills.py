from __future__ import annotations

import json
from pathlib import Path

from connect_process import ConnectProcess
from http_servers import Answer, Asked, Scripted
from tests.connectors.conftest import JSON, STRING, eventually

from aliran.broker.embedded import EmbeddedBroker

COUNT, KILLS = 3000, 3


def test_pages_to_a_topic_to_requests_over_kills(tmp_path: Path) -> None:
    taken: list[int] = []

    def both(asked: Asked) -> Answer:
        if asked.path == "/list":
            start = int(asked.query["offset"])
            items = [{"n": n} for n in range(start, min(start + 20, COUNT))]
            return Answer(json.dumps(items).encode())
        if asked.method == "POST":
            taken.extend(row["n"] for row in json.loads(asked.body))
        return Answer()

    with Scripted(both) as server, EmbeddedBroker() as broker:
        shared = {"key.converter": STRING, "value.converter": JSON,
                  "value.converter.schemas.enable": "false"}  # fmt: skip
        worker = ConnectProcess(
            tmp_path, broker.bootstrap_servers,
            {
                "in": {"connector.class": "HttpSource", "kafka.topic": "pages",
                       "http.request.url": f"{server.url}/list", "http.pagination": "offset",
                       "http.pagination.size": 20, "http.timer.interval.millis": 3_600_000,
                       "http.response.record.offset.pointer": "n=/n", **shared},
                "out": {"connector.class": "HttpSink", "topics": "pages", "batch.max.size": 50,
                        "http.api.url": f"{server.url}/", "request.body.format": "json",
                        "consumer.override.group.instance.id": "out", **shared},
            },
            {"offset.flush.interval.ms": "20"},
        )  # fmt: skip
        for kill in range(1, KILLS + 1):
            worker.start()
            eventually(lambda: len(taken) >= kill * 100)  # noqa: B023
            worker.kill()
        worker.start()
        eventually(lambda: len(set(taken)) == COUNT)
        worker.stop()
        pages = sum(one.path == "/list" for one in server.asked)

    assert set(taken) == set(range(COUNT))
    assert pages < 2 * COUNT // 20, "a round goes on at the page it had come to"
