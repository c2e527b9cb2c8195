from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from connect_process import ConnectProcess
from tests.connectors.conftest import Connect, eventually

from aliran.broker.embedded import EmbeddedBroker

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.xdist_group("isolation"),
]

TROUBLE = "tests.connectors.runtime.isolation_parts.TroubleSource"
FAST = {"aliran__restart__backoff__ms": 50, "aliran__restart__attempts": 100}


@pytest.fixture(scope="module")
def worker_options() -> Mapping[str, str]:
    return {
        "offset.flush.interval.ms": "100", "aliran.isolation": "process",
        "task.shutdown.graceful.timeout.ms": "500",
    }  # fmt: skip


def state(connect: Connect, name: str) -> tuple[str, str]:
    """Return the state of a connector's first task, and its trace."""
    tasks = connect.status(name)["tasks"]
    return (tasks[0]["state"], tasks[0].get("trace", "")) if tasks else ("", "")


def failed_with(connect: Connect, name: str, *texts: str) -> None:
    def failed() -> bool:
        status, trace = state(connect, name)
        return status == "FAILED" and all(text in trace for text in texts)

    eventually(failed)


def test_a_connector_lives_in_a_process_of_its_own(connect: Connect, lines: Path) -> None:
    connect.put("lines", "FileStreamSource", file=lines, topic="lines")
    sunk = lines.with_name("sunk")
    connect.put("sunk", "FileStreamSink", file=sunk, topics="lines")
    eventually(lambda: sunk.exists() and sunk.read_text() == lines.read_text())

    connect.rest.put("/connectors/lines/pause")
    connect.status("lines", wait="PAUSED")
    with lines.open("a") as file:
        file.write("four\n")
    connect.rest.put("/connectors/lines/resume")
    eventually(lambda: sunk.read_text() == lines.read_text())

    def offsets() -> Any:
        return connect.rest.get("/connectors/lines/offsets").json()["offsets"]

    eventually(lambda: offsets() and offsets()[0]["offset"]["position"] == lines.stat().st_size)
    topics = connect.rest.get("/connectors/lines/topics").json()
    assert topics == {"lines": {"topics": ["lines"]}}
    assert connect.rest.put("/connectors/lines/stop").status_code == 204
    assert connect.status("lines", wait="STOPPED")["tasks"] == []


def test_a_crash_is_said_and_only_its_own(connect: Connect, tmp_path: Path) -> None:
    connect.put("healthy", TROUBLE, topic="healthy", count=1_000_000, pause__ms=50, batch=1)
    connect.put("crash", TROUBLE, topic="crash", trouble="crash", aliran__restart__attempts=0)

    failed_with(connect, "crash", "signal 11 (SIGSEGV)", "Segmentation fault", "in misbehave")

    assert connect.status("crash")["connector"]["state"] == "FAILED"
    assert state(connect, "healthy") == ("RUNNING", "")
    log = connect.rest.get("/connectors/crash/log", params={"lines": "500"}).json()
    assert any("Segmentation fault" in line for line in log["lines"])
    connect.rest.delete("/connectors/healthy")


def test_what_was_killed_goes_on_behind_its_last_record(connect: Connect, tmp_path: Path) -> None:
    flag = tmp_path / "quiet"
    connect.put("again", TROUBLE, topic="again", trouble="crash", count=50, flag=flag, **FAST)
    eventually(lambda: len(connect.read("again", 50)) >= 50)

    flag.touch()

    status = connect.status("again", wait="RUNNING")
    assert "trace" not in status["connector"]
    values = {int(one.value()) for one in connect.read("again", 50)}
    assert values == set(range(1, 51))


def test_memory_is_limited(connect: Connect) -> None:
    options = {"aliran.memory.limit.mb": "150", "aliran.restart.attempts": "0"}
    connect.put("eater", TROUBLE, topic="eater", trouble="eat", **options)

    failed_with(connect, "eater", "MiB of memory", "aliran.memory.limit.mb=150")


def test_a_task_that_hangs_is_found_and_ended(connect: Connect) -> None:
    options = {"aliran.task.stall.timeout.ms": "300", "aliran.restart.attempts": "0"}
    connect.put("hung", TROUBLE, topic="hung", trouble="hang", **options)

    failed_with(connect, "hung", "has not come round its loop", "in misbehave", "time.sleep")


def test_a_task_that_hangs_may_only_be_reported(connect: Connect) -> None:
    def reported(name: str) -> bool:
        return "in misbehave" in state(connect, name)[1]

    for place in ("process", "thread"):
        options = {
            "aliran.isolation": place, "aliran.task.stall.timeout.ms": "300",
            "aliran.task.stall.action": "report",
        }  # fmt: skip
        name = f"reported-{place}"
        connect.put(name, TROUBLE, topic="hung", trouble="hang", **options)

        eventually(partial(reported, name))

        assert state(connect, name)[0] == "RUNNING"
    assert connect.rest.get("/connectors/reported-thread/log").status_code == 404


def test_a_process_that_hangs_does_not_keep_a_connector_from_stopping(connect: Connect) -> None:
    connect.put("stuck", TROUBLE, topic="stuck", trouble="hang", count=0)

    answer = connect.rest.delete("/connectors/stuck")

    assert answer.status_code == 204
    assert connect.rest.get("/connectors/stuck").status_code == 404


def test_a_connector_that_cannot_start_says_so(connect: Connect) -> None:
    config = {"connector.class": TROUBLE, "topic": "none", "trouble": "start"}

    connect.rest.put("/connectors/dead/config", json=config)

    status = connect.status("dead")["connector"]
    assert status["state"] == "FAILED"
    assert "signal 9 (SIGKILL)" in status["trace"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_end_with_the_worker(tmp_path: Path) -> None:
    config = {"connector.class": TROUBLE, "topic": "here", "count": 5}
    with EmbeddedBroker() as broker:
        process = ConnectProcess(tmp_path, broker.bootstrap_servers, {"child": config}).start()
        log = tmp_path / "logs" / "child.log"
        eventually(lambda: "trouble task begins" in log.read_text())
        ours = _ours(process)
        children = {pid for pid in _processes() if _parent(pid) in ours}
        assert children

        process.kill()

        eventually(lambda: not children & _processes())


def _processes() -> set[int]:
    return {int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()}


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def _ours(process: ConnectProcess) -> set[int]:
    """Return the worker and its launcher."""
    assert process.pid is not None
    return {process.pid, *(pid for pid in _processes() if _parent(pid) == process.pid)}
