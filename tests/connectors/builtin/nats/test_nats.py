from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import message_servers
import nats
import pytest
from connect_process import ConnectProcess
from nats.aio.client import Client
from server_process import ServerProcess
from tests.connectors.conftest import STRING, Connect, eventually, numbers, read_topic

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("nats")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with message_servers.nats_server(tmp_path_factory.mktemp("nats")) as started:
        yield started


def ask(server: ServerProcess, work: Callable[[Client], Awaitable[Any]]) -> Any:
    """Return what a coroutine returns that is given a client."""

    async def main() -> Any:
        client = await nats.connect(f"nats://127.0.0.1:{server.port}")
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(main())


def make(server: ServerProcess, stream: str, count: int = 0) -> None:
    """Make a stream with numbers from 0 on."""

    async def work(client: Client) -> None:
        js = client.jetstream()
        await js.add_stream(name=stream, subjects=[f"{stream}.>"])
        for number in range(count):
            await js.publish_async(f"{stream}.a", b"%d" % number, headers={"n": str(number)})
        await js.publish_async_completed()

    ask(server, work)


def messages(server: ServerProcess, stream: str) -> list[tuple[str, bytes, Any]]:
    """Return what a stream holds."""

    async def work(client: Client) -> list[tuple[str, bytes, Any]]:
        js = client.jetstream()
        state = (await js.stream_info(stream)).state
        found = []
        for number in range(max(state.first_seq, 1), state.last_seq + 1):
            one = await js.get_msg(stream, number)
            found.append((one.subject or "", one.data or b"", one.headers))
        return found

    found: list[tuple[str, bytes, Any]] = ask(server, work)
    return found


@pytest.fixture
def url(server: ServerProcess) -> dict[str, str]:
    return {"nats__url": f"nats://127.0.0.1:{server.port}"}


def test_what_a_stream_has_is_acknowledged_when_kafka_has_it(
    connect: Connect, server: ServerProcess, url: dict[str, str]
) -> None:
    make(server, "in", 500)
    connect.put("in", "NatsSource", nats__subjects="in.>", kafka__topic="from-${subject}",
                value__format="string", tasks__max=2, **url)  # fmt: skip

    found = connect.read("from-in.a", 500)

    def info() -> Any:
        return ask(server, lambda one: one.jetstream().consumer_info("in", "aliran-in"))

    eventually(lambda: info().num_ack_pending == 0)
    connect.rest.put("/connectors/in/stop")

    assert {int(one.value()) for one in found} == set(range(500))
    assert {(one.key(), dict(one.headers())["n"]) for one in found[:1]} == {
        (b"in.a", found[0].value())
    }
    assert info().delivered.consumer_seq >= 500


def test_core_nats_is_heard(connect: Connect, server: ServerProcess, url: dict[str, str]) -> None:
    connect.put("core", "NatsSource", nats__subjects="core.*", kafka__topic="core",
                nats__mode="core", value__format="string", **url)  # fmt: skip
    connect.put("core-out", "NatsSink", topics="core", nats__subject="core-out",
                nats__mode="core", **url)  # fmt: skip

    async def talk(client: Client) -> bytes:
        heard = await client.subscribe("core-out")
        for _ in range(300):
            await client.publish("core.x", b"hello")
            try:
                return (await heard.next_msg(timeout=0.1)).data
            except nats.errors.TimeoutError:
                continue
        return b""

    assert ask(server, talk) == b"hello"
    for name in ("core", "core-out"):
        connect.rest.put(f"/connectors/{name}/stop")


def test_a_stream_gets_each_record_once(
    connect: Connect, server: ServerProcess, url: dict[str, str]
) -> None:
    make(server, "out")
    connect.write("to-nats", *(b"%d" % n for n in range(300)), headers=[("h", b"a\nb")])
    options = {"topics": "to-nats", "nats__subject": "out.${topic}", **url}
    connect.put("to-nats", "NatsSink", **options)
    eventually(lambda: len(messages(server, "out")) == 300)
    connect.rest.put("/connectors/to-nats/stop")
    connect.status("to-nats", wait="STOPPED")
    told = connect.rest.delete("/connectors/to-nats/offsets")  # all are sent again
    assert told.status_code == 200, told.text
    connect.write("to-nats", b"300")
    connect.rest.put("/connectors/to-nats/resume")
    eventually(lambda: messages(server, "out")[-1][1] == b"300")
    connect.rest.put("/connectors/to-nats/stop")

    found = messages(server, "out")
    assert [int(data) for _, data, _ in found] == list(range(301))
    assert found[0][0] == "out.to-nats"
    assert found[0][2]["Nats-Msg-Id"] == "to-nats/to-nats-0-0"
    assert found[0][2]["h"] == "a b"


def test_a_subject_that_no_stream_has_is_the_records_fault(
    connect: Connect, url: dict[str, str]
) -> None:
    connect.write("nowhere", b"x")
    connect.put("nowhere", "NatsSink", topics="nowhere", aliran__restart__attempts=0, **url,
                nats__subject="nobody.${topic}")  # fmt: skip
    trace = eventually(lambda: connect.status("nowhere")["tasks"][0].get("trace"))
    assert "nowhere-0 at offset 0 cannot be written" in trace
    assert "no stream has the subject 'nobody.nowhere'" in trace


def test_a_server_that_is_away_is_waited_for(
    connect: Connect, server: ServerProcess, url: dict[str, str]
) -> None:
    make(server, "away")
    make(server, "back")
    connect.put("away", "NatsSource", nats__subjects="away.>", kafka__topic="away",
                value__format="string", nats__ack__wait__ms=1000, **url)  # fmt: skip
    connect.put("back", "NatsSink", topics="away", nats__subject="back.x", **url)

    def say(data: bytes) -> None:
        ask(server, lambda client: client.jetstream().publish("away.x", data))

    def has(data: bytes) -> bool:
        return data in {one for _, one, _ in messages(server, "back")}

    say(b"1")
    eventually(lambda: has(b"1"))
    server.stop()
    connect.write("away", b"2")
    server.start()
    eventually(lambda: has(b"2"))
    say(b"3")
    eventually(lambda: has(b"3"))
    for name in ("away", "back"):
        assert connect.status(name)["tasks"][0]["state"] == "RUNNING"
        connect.rest.put(f"/connectors/{name}/stop")


def test_what_cannot_work_is_told_before(connect: Connect, url: dict[str, str]) -> None:
    right = {"nats.url": url["nats__url"], "kafka.topic": "t", "nats.subjects": "none.>"}
    for more, why in (
        ({}, "no such stream"),
        ({"nats.url": "nats://127.0.0.1:9"}, "is away"),
        ({"nats.url": "127.0.0.1"}, "each must be nats://HOST:PORT"),
        ({"nats.subjects": "a b"}, "at least one subject is needed"),
    ):
        config = {"connector.class": "NatsSource", **right, **more}
        told = connect.rest.put("/connectors/wrong/config", json=config)
        assert told.status_code == 400
        assert why in told.text


def test_nothing_is_lost_when_the_worker_is_killed(
    tmp_path: Path, server: ServerProcess, url: dict[str, str]
) -> None:
    count, kills = 3000, 3
    make(server, "killed", count)
    config = {
        "connector.class": "NatsSource", "nats.subjects": "killed.>", "kafka.topic": "killed",
        "nats.url": url["nats__url"], "value.format": "string", "value.converter": STRING,
        "key.converter": STRING, "batch.size": 20, "nats.ack.wait.ms": 1000,
    }  # fmt: skip
    with EmbeddedBroker() as broker:
        worker = ConnectProcess(tmp_path, broker.bootstrap_servers, {"in": config})
        for kill in range(1, kills + 1):
            worker.start()
            assert len(read_topic(broker.bootstrap_servers, "killed", kill * 100)) >= kill * 100
            worker.kill()
        worker.start()
        found = numbers(broker, "killed", count)
        worker.stop()
    assert found == set(range(count))
