"""Several registries on one cluster: who leads, what is forwarded, what happens when one dies."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from registry_process import start_registry

from aliran.broker.embedded import EmbeddedBroker
from aliran.schema_registry.config import RegistryConfig
from aliran.schema_registry.election import Identity, elect
from aliran.schema_registry.server import RegistryServer

CLIENT = httpx.Client(timeout=30)
CONFIG = RegistryConfig(session_timeout_ms=1_000)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(config={"group.min.session.timeout.ms": 500}) as running:
        yield running


def record(name: str) -> dict[str, str]:
    return {"schema": json.dumps({"type": "record", "name": name, "fields": []})}


def register(url: str, subject: str, name: str) -> httpx.Response:
    return CLIENT.post(f"{url}/subjects/{subject}/versions", json=record(name))


def registry(broker: EmbeddedBroker, config: RegistryConfig = CONFIG) -> RegistryServer:
    return RegistryServer(bootstrap_servers=broker.bootstrap_servers, config=config)


def test_every_registry_takes_writes_and_all_see_them(broker: EmbeddedBroker) -> None:
    with registry(broker) as one, registry(broker) as two, registry(broker) as three:
        urls = [one.url, two.url, three.url]
        for number in range(9):
            url = urls[number % 3]
            assert register(url, "s", f"R{number}").status_code in {200, 409}
            assert register(url, f"s{number}", f"R{number}").json()["id"] == number + 1
            assert CLIENT.get(f"{url}/schemas/ids/{number + 1}").status_code == 200
        for url in urls:
            assert len(CLIENT.get(f"{url}/subjects").json()) == 10
        broken = CLIENT.post(f"{two.url}/subjects/s/versions", json={"schema": "{"})
        assert (broken.status_code, broken.json()["error_code"]) == (422, 42201)
        assert CLIENT.delete(f"{three.url}/subjects/s8").json() == [1]
        answer = CLIENT.put(f"{one.url}/contexts/.c/config", json={"compatibility": "NONE"})
        assert answer.json() == {"compatibility": "NONE"}


def test_when_the_leader_leaves_another_one_leads(broker: EmbeddedBroker) -> None:
    one = registry(broker).start()
    with registry(broker) as two:
        assert register(two.url, "a", "A").json()["id"] == 1
        one.close()
        assert register(two.url, "b", "B").json()["id"] == 2


def test_without_a_leader_reads_go_on_and_writes_say_why(broker: EmbeddedBroker) -> None:
    with registry(broker) as leader:
        register(leader.url, "a", "A")
    config = RegistryConfig(session_timeout_ms=1_000, eligible=False, leader_wait_s=0.2)
    with registry(broker, config) as other:
        answer = register(other.url, "b", "B")
        assert (answer.status_code, answer.json()["error_code"]) == (500, 50004)
        assert answer.json()["message"].startswith("Leader not known.")
        assert register(other.url, "a", "A").json()["id"] == 1  # known, so nothing is written
        assert CLIENT.get(f"{other.url}/subjects").json() == ["a"]


def test_kill_9_of_the_leader_loses_nothing(broker: EmbeddedBroker, tmp_path: Path) -> None:
    arguments = ["-b", broker.bootstrap_servers, "-c", "session_timeout_ms=1000"]
    process, first = start_registry(*arguments)
    acknowledged: dict[str, dict[str, Any]] = {}
    with registry(broker) as survivor:
        assert register(first, "warm", "W").status_code == 200

        def work(worker: int) -> int:
            refused = 0
            url = first if worker % 2 else survivor.url
            for number in range(60):
                name = f"R{worker % 2}_{number}"  # two workers register the same schemas
                try:
                    answer = register(url, f"s{worker}-{number}", name)
                except httpx.HTTPError:
                    url = survivor.url
                    continue
                if answer.status_code == 200:
                    acknowledged[f"s{worker}-{number}"] = answer.json()
                else:
                    assert answer.json()["error_code"] in {50003, 50004}
                    refused += 1
                if worker == 0 and number == 20:
                    process.kill()
            return refused

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        process.communicate()
        ids: dict[str, int] = {}
        for subject, answer in acknowledged.items():
            found = CLIENT.get(f"{survivor.url}/subjects/{subject}/versions/1").json()
            assert found["id"] == answer["id"]
            assert ids.setdefault(found["schema"], found["id"]) == found["id"]
        assert len(set(ids.values())) == len(ids)
        assert register(survivor.url, "last", "L").status_code == 200


def member(port: int, **named: Any) -> Identity:
    return Identity(host="h", port=port, **named)


def test_who_is_elected() -> None:
    assert elect({"b": member(2), "a": member(1)}).master == "a"
    assert elect({"b": member(2, leader=True), "a": member(1)}).master == "b"
    both = {"b": member(2, leader=True), "a": member(1, leader=True)}
    assert elect(both).master == "a"
    unfit = {"b": member(2), "a": member(1, master_eligibility=False)}
    assert elect(unfit).master == "b"
    nobody = elect({"a": member(1, master_eligibility=False)})
    assert (nobody.master, nobody.master_identity, nobody.error) == (None, None, 0)
    assert elect({"a": member(1), "b": member(1)}).error == 1
