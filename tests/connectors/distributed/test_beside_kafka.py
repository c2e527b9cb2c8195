"""Kafka's own worker and ours in one group, sharing connectors."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from jvm_worker import CLASS_PATH_PROBLEMS, JvmWorker
from tests.connectors.conftest import STRING, eventually

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.distributed.server import DistributedServer

pytestmark = [pytest.mark.compat, pytest.mark.timeout(180), pytest.mark.xdist_group("jvm")]
DELAY = {"scheduled.rebalance.max.delay.ms": "500"}
OURS = {
    "group.id": "jvm-connect", "config.storage.topic": "connect-configs",
    "offset.storage.topic": "connect-offsets", "status.storage.topic": "connect-status",
    "listeners": "http://127.0.0.1:0", "offset.flush.interval.ms": "200",
    "heartbeat.interval.ms": "300", **DELAY,
}  # fmt: skip


@pytest.fixture
def kafkas(tmp_path: Path) -> Iterator[tuple[EmbeddedBroker, JvmWorker]]:
    if shutil.which("java") is None or shutil.which("mvn") is None:
        pytest.skip("needs Java and Maven")
    with EmbeddedBroker() as broker:
        worker = JvmWorker(
            tmp_path,
            broker.bootstrap_servers,
            {**DELAY, "heartbeat.interval.ms": "300"},
            distributed=True,
        )
        try:
            worker.start()
        except CLASS_PATH_PROBLEMS as error:
            pytest.skip(f"needs Kafka's jars: {error}")
        try:
            yield broker, worker
        finally:
            worker.stop()


def put(url: str, folder: Path, name: str) -> int:
    path = folder / f"{name}.txt"
    path.write_text("one\ntwo\n")
    config = {
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "file": str(path), "topic": f"t-{name}", "value.converter": STRING,
    }  # fmt: skip
    return httpx.put(f"{url}/connectors/{name}/config", json=config, timeout=60).status_code


def work(url: str) -> Counter[str]:
    """Return how much each worker runs."""
    found: Counter[str] = Counter()
    answer: dict[str, Any] = httpx.get(f"{url}/connectors?expand=status", timeout=60).json()
    for row in answer.values():
        for one in (row["status"]["connector"], *row["status"]["tasks"]):
            found[one["worker_id"]] += one["state"] == "RUNNING"
    return found


def test_workers_of_both_kinds_share_connectors(
    kafkas: tuple[EmbeddedBroker, JvmWorker], tmp_path: Path
) -> None:
    broker, jvm = kafkas
    theirs = jvm.url.removeprefix("http://")
    for number in range(4):
        assert put(jvm.url, tmp_path, f"c{number}") == 201
    eventually(lambda: work(jvm.url) == {theirs: 8})

    with DistributedServer(OURS, broker=broker) as server:
        ours = server.url.removeprefix("http://")
        for url in (jvm.url, server.url):  # theirs leads, and gives half of the work to ours
            eventually(partial(lambda one: work(one) == {theirs: 4, ours: 4}, url))
        for number, url in enumerate((jvm.url, server.url)):
            assert eventually(partial(put, url, tmp_path, f"d{number}")) == 201
        eventually(lambda: sum(work(server.url).values()) == 12)
        assert httpx.put(f"{server.url}/connectors/c0/pause", timeout=60).status_code == 202
        offsets = f"{jvm.url}/connectors/c1/offsets"
        eventually(lambda: httpx.get(offsets, timeout=60).json()["offsets"][0:1])

        jvm.stop()  # ours leads now, and has all
        eventually(lambda: work(server.url)[ours] == 10)
        names = set(httpx.get(f"{server.url}/connectors", timeout=60).json())
        assert names == {"c0", "c1", "c2", "c3", "d0", "d1"}
