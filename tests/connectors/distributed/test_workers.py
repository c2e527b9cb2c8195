"""Several workers in one process, beside a real broker."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from broker_process import BrokerProcess
from tests.connectors.conftest import STRING, eventually

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.distributed.herder import DistributedHerder
from aliran.connectors.distributed.server import DistributedServer
from aliran.connectors.errors import NotFoundError
from aliran.connectors.runtime.herder import ConflictError

FAST = {"group.min.session.timeout.ms": "500"}


class Workers:
    """Workers of one group."""

    def __init__(
        self, broker: EmbeddedBroker | None, group: str, stack: contextlib.ExitStack
    ) -> None:
        self.broker = broker
        self._group = group
        self._stack = stack
        self.servers: list[DistributedServer] = []

    def add(self, **options: str) -> DistributedServer:
        """Start one more."""
        given = {option.replace("_", "."): value for option, value in options.items()}
        props = {
            "group.id": self._group, "config.storage.topic": f"{self._group}-configs",
            "offset.storage.topic": f"{self._group}-offsets", "offset.storage.partitions": "2",
            "status.storage.topic": f"{self._group}-status", "status.storage.partitions": "2",
            "listeners": "http://127.0.0.1:0", "offset.flush.interval.ms": "200",
            "session.timeout.ms": "2000", "heartbeat.interval.ms": "200",
            "scheduled.rebalance.max.delay.ms": "0", "key.converter": STRING,
            "value.converter": STRING, **given,
        }  # fmt: skip
        server = self._stack.enter_context(DistributedServer(props, broker=self.broker))
        self.servers.append(server)
        return server

    def rest(self, which: int = 0) -> httpx.Client:
        """Return a client of one."""
        client = httpx.Client(base_url=self.servers[which].url, timeout=30)
        self._stack.callback(client.close)
        return client

    def owners(self, rest: httpx.Client) -> dict[str, str]:
        """Return which worker runs what, as the states say."""
        found: dict[str, str] = {}
        for name, row in rest.get("/connectors?expand=status").json().items():
            status = row["status"]
            if status["connector"]["state"] == "RUNNING":
                found[name] = status["connector"]["worker_id"]
            for task in status["tasks"]:
                if task["state"] == "RUNNING":
                    found[f"{name}-{task['id']}"] = task["worker_id"]
        return found


@pytest.fixture
def workers(request: pytest.FixtureRequest) -> Iterator[Callable[[], Workers]]:
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(config=FAST))
        yield lambda: Workers(broker, "g", stack)


def source(folder: Path, name: str, lines: int = 3) -> dict[str, Any]:
    path = folder / f"{name}.txt"
    path.write_text("".join(f"{name} {n}\n" for n in range(lines)))
    return {"connector.class": "FileStreamSource", "file": str(path), "topic": f"t-{name}"}


def test_work_is_shared_and_moves(workers: Callable[[], Workers], tmp_path: Path) -> None:
    group = workers()
    group.add()
    first = group.rest()
    for name in ("a", "b", "c", "d"):
        made = first.put(f"/connectors/{name}/config", json=source(tmp_path, name))
        assert made.status_code == 201, made.text
    eventually(lambda: len(group.owners(first)) == 8)

    second = group.add()
    other = group.rest(1)

    def shared() -> bool:
        by_worker: dict[str, list[str]] = {}
        for unit, owner in group.owners(other).items():
            by_worker.setdefault(owner, []).append(unit)
        return sorted(map(len, by_worker.values())) == [4, 4]

    eventually(shared)
    assert other.get("/connectors/a/config").json()["topic"] == "t-a"

    second.close()
    eventually(lambda: len(set(group.owners(first).values())) == 1)
    eventually(lambda: len(group.owners(first)) == 8)


def test_any_worker_takes_requests(workers: Callable[[], Workers], tmp_path: Path) -> None:
    group = workers()
    for _ in range(2):
        group.add()
    rests = [group.rest(which) for which in range(2)]
    for number, rest in enumerate(rests):
        made = rest.post(
            "/connectors", json={"name": f"c{number}", "config": source(tmp_path, f"c{number}")}
        )
        assert made.status_code == 201, made.text
        assert made.headers["location"] == f"/connectors/c{number}"
        again = rest.post("/connectors", json={"name": f"c{number}", "config": {}})
        assert (again.status_code, again.json()["reason"]) == (409, "exists")

    def states(rest: httpx.Client, name: str) -> list[str]:
        answer = rest.get(f"/connectors/{name}/status")
        if answer.status_code == 404:
            return []  # nobody has said yet
        found = answer.json()
        return [one["state"] for one in (found["connector"], *found["tasks"])]

    def await_states(rest: httpx.Client, wanted: list[str]) -> None:
        eventually(lambda: states(rest, "c0") == wanted)

    for rest in rests:
        await_states(rest, ["RUNNING", "RUNNING"])
    for rest, verb, wanted in (
        (rests[0], "pause", ["PAUSED", "PAUSED"]),
        (rests[1], "resume", ["RUNNING", "RUNNING"]),
        (rests[0], "stop", ["STOPPED"]),
        (rests[1], "resume", ["RUNNING", "RUNNING"]),
    ):
        assert rest.put(f"/connectors/c0/{verb}").is_success
        for one in rests:
            await_states(one, wanted)
    for rest in rests:
        assert rest.post("/connectors/c0/tasks/0/restart").status_code == 204
        plan = rest.post("/connectors/c0/restart?includeTasks=true")
        assert plan.status_code == 202
        assert plan.json()["tasks"][0]["state"] == "RESTARTING"
        await_states(rest, ["RUNNING", "RUNNING"])
    assert rests[1].delete("/connectors/c1").status_code == 204
    for rest in rests:
        eventually(partial(lambda one: one.get("/connectors").json() == ["c0"], rest))
        assert rest.get("/connectors/c1/status").status_code == 404


def test_offsets_are_shared(workers: Callable[[], Workers], tmp_path: Path) -> None:
    group = workers()
    group.add()
    group.add()
    first, second = group.rest(0), group.rest(1)
    first.put("/connectors/in/config", json=source(tmp_path, "in"))
    eventually(lambda: second.get("/connectors/in/offsets").json()["offsets"])

    refused = second.delete("/connectors/in/offsets")
    assert (refused.status_code, "STOPPED" in refused.text) == (400, True)
    second.put("/connectors/in/stop")
    eventually(lambda: first.get("/connectors/in/status").json()["tasks"] == [])
    done = eventually(
        lambda: (answer := second.delete("/connectors/in/offsets")).is_success and answer
    )
    assert "reset successfully" in done.json()["message"]
    path = "/connectors/in/offsets"
    for rest in (first, second):
        eventually(partial(lambda one: one.get(path).json()["offsets"] == [], rest))


def test_workers_trust_only_what_is_signed(workers: Callable[[], Workers], tmp_path: Path) -> None:
    group = workers()
    leads, follows = group.add(), group.add()
    first, second = group.rest(0), group.rest(1)
    second.put("/connectors/c/config", json=source(tmp_path, "c")).raise_for_status()
    eventually(lambda: first.get("/connectors/c/status").is_success)
    signed = {"X-Connect-Request-Signature-Algorithm": "HmacSHA256"}
    for method, path, body in (("PUT", "fence", b""), ("POST", "tasks", b"[]")):
        url = f"/connectors/c/{path}"
        unsigned = first.request(method, url, content=body)
        wrong = {**signed, "X-Connect-Authorization": base64.b64encode(b"no").decode()}
        forged = first.request(method, url, content=body, headers=wrong)
        assert (unsigned.status_code, forged.status_code) == (400, 403)
    eventually(lambda: len(leads.herder.tasks("c")) == 1)

    for server in (leads, follows):  # one writes it, the other has it written
        assert isinstance(server.herder, DistributedHerder)
        eventually(partial(fenced, server.herder))
    assert isinstance(leads.herder, DistributedHerder)
    with pytest.raises(NotFoundError):
        leads.herder.fence("unknown")


def fenced(herder: DistributedHerder) -> bool:
    """Whether a connector with one task could be fenced; False while nobody is known to lead."""
    before = herder.configs.state().offset
    try:
        herder.fence("c")
    except ConflictError:
        return False
    eventually(lambda: herder.configs.state().offset > before)
    return herder.configs.state().fenced == {"c": 1}


def test_requests_go_two_hops_at_most(workers: Callable[[], Workers], tmp_path: Path) -> None:
    group = workers()
    group.add()
    group.add()
    body = source(tmp_path, "c")
    answers = [
        rest.put("/connectors/c/config?forward=false", json=body)
        for rest in (group.rest(0), group.rest(1))
    ]
    refused = answers[1].json()
    assert [one.status_code for one in answers] == [201, 409]
    assert refused["message"].startswith("Cannot complete request because of a conflicting")
    assert refused["reason"] == "not_leader"


def test_a_level_is_set_through_the_topic(workers: Callable[[], Workers]) -> None:
    group = workers()
    group.add()
    group.add()
    name = "aliran.test.level"
    logging.getLogger(name).setLevel("WARNING")
    url = f"/admin/loggers/{name}"
    assert group.rest(1).put(f"{url}?scope=cluster", json={"level": "DEBUG"}).status_code == 204
    eventually(lambda: group.rest(0).get(url).json()["level"] == "DEBUG")


def test_a_worker_without_a_broker_stops_its_work_and_comes_back(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(tmp_path / "data"))
        group = Workers(None, "g", stack)
        server = group.add(bootstrap_servers=broker.address)
        rest = group.rest()
        rest.put("/connectors/c/config", json=source(tmp_path, "c")).raise_for_status()
        eventually(lambda: len(group.owners(rest)) == 2)

        broker.send(signal.SIGSTOP)
        try:
            eventually(lambda: not group.owners(rest))
        finally:
            broker.send(signal.SIGCONT)
        with (tmp_path / "c.txt").open("a") as file:
            file.write("one more\n")

        eventually(lambda: len(group.owners(rest)) == 2)
        eventually(lambda: position(rest) == (tmp_path / "c.txt").stat().st_size)
        server.close()


def position(rest: httpx.Client) -> int:
    """Return how far the source `c` is known to have come."""
    found = rest.get("/connectors/c/offsets").json()["offsets"]
    return int(found[0]["offset"]["position"]) if found else 0


def test_nothing_is_lost_while_workers_are_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "tests.connectors.proof.cluster",
            "--seconds", "6", "--connectors", "3", "--every", "3",
        ],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["kills"] >= 2
    assert figures["lost"] == 0
    assert figures["rest"]["200"] > 0
