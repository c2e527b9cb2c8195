from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import message_servers
import pytest
from connect_process import ConnectProcess
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from server_process import ServerProcess
from tests.connectors.conftest import STRING, Connect, eventually, numbers, read_topic

from aliran.broker.embedded import EmbeddedBroker

pytestmark = pytest.mark.xdist_group("mqtt")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with message_servers.mosquitto(tmp_path_factory.mktemp("mqtt")) as started:
        yield started


class Thing:
    """A client that publishes, and hears what it has subscribed to."""

    def __init__(self, server: ServerProcess) -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = lambda _c, _d, one: self.heard.append(
            (one.topic, bytes(one.payload), one.retain)
        )
        self.client.max_inflight_messages_set(0)
        self.client.connect("127.0.0.1", server.port)
        self.client.loop_start()

    def publish(self, topic: str, *values: str, qos: int = 1, retain: bool = False) -> int:
        for one in [self.client.publish(topic, value, qos, retain) for value in values]:
            one.wait_for_publish(20)
        return len(values)

    def listen(self, topic: str) -> None:
        there = threading.Event()
        self.client.on_subscribe = lambda *_: there.set()
        self.client.subscribe(topic, 1)
        assert there.wait(20)


@pytest.fixture
def thing(server: ServerProcess) -> Iterator[Thing]:
    made = Thing(server)
    yield made
    made.client.disconnect()
    made.client.loop_stop()


@pytest.fixture
def uri(server: ServerProcess) -> dict[str, str]:
    return {"mqtt__server__uri": f"tcp://127.0.0.1:{server.port}"}


@pytest.mark.parametrize(("qos", "version"), [(0, "5"), (1, "3.1.1"), (2, "5"), (2, "3.1.1")])
def test_messages_are_records(
    connect: Connect, thing: Thing, uri: dict[str, str], qos: int, version: str
) -> None:
    name = f"q{qos}-{version[0]}"
    connect.put(
        name, "MqttSource", mqtt__topics=f"{name}/+/temperature", kafka__topic="t.${topic}",
        mqtt__qos=qos, mqtt__version=version, value__format="string", **uri,
    )  # fmt: skip
    topic = f"t.{name}.kitchen.temperature"
    # until the subscription is there, QoS or not, nobody listens

    def arrives() -> bool:
        thing.publish(f"{name}/kitchen/temperature", "0", qos=qos)
        return topic in connect.rest.get(f"/connectors/{name}/topics").text

    eventually(arrives)
    thing.publish(f"{name}/kitchen/temperature", *map(str, range(1, 300)), qos=2)

    found = connect.read(topic, 300)
    while found[-1].value() != b"299":  # "0" may have come several times
        found = connect.read(topic, len(found) + 1)
    connect.rest.put(f"/connectors/{name}/stop")

    assert list(dict.fromkeys(int(one.value()) for one in found)) == list(range(300))
    assert found[-1].key() == f"{name}/kitchen/temperature".encode()
    assert dict(found[-1].headers())["mqtt.qos"] == str(qos).encode()


def test_what_is_published_meanwhile_is_kept(
    connect: Connect, thing: Thing, uri: dict[str, str]
) -> None:
    options = {"mqtt__topics": "kept/#", "kafka__topic": "kept", "value__format": "string", **uri}
    thing.publish("kept/a", "old", retain=True)
    connect.put("kept", "MqttSource", **options)
    assert connect.read("kept", 1)[0].value() == b"old"
    connect.rest.put("/connectors/kept/stop")
    connect.status("kept", wait="STOPPED")
    thing.publish("kept/b", "1", "2")
    connect.rest.put("/connectors/kept/resume")

    found = connect.read("kept", 3)
    connect.rest.put("/connectors/kept/stop")
    assert [one.value() for one in found] == [b"old", b"1", b"2"]


def test_records_are_messages(connect: Connect, thing: Thing, uri: dict[str, str]) -> None:
    thing.listen("out/#")
    connect.write("to-mqtt", *(b"%d" % n for n in range(500)))

    connect.put("to-mqtt", "MqttSink", topics="to-mqtt", mqtt__topic="out/${topic}",
                mqtt__retained="true", **uri)  # fmt: skip
    eventually(lambda: len(thing.heard) == 500)
    connect.rest.put("/connectors/to-mqtt/stop")

    assert [data for _, data, _ in thing.heard] == [b"%d" % n for n in range(500)]


def test_a_key_may_not_be_a_wildcard(connect: Connect, uri: dict[str, str]) -> None:
    connect.write("wild", b"x")
    connect.put(
        "wild", "MqttSink", topics="wild", mqtt__topic="a/${key}", aliran__restart__attempts=0,
        **uri,
    )  # fmt: skip
    trace: Callable[[], Any] = lambda: connect.status("wild")["tasks"][0].get("trace")  # noqa: E731
    assert "wild-0 at offset 0 cannot be written: it has no key" in eventually(trace)


def test_what_cannot_work_is_told_before(connect: Connect, uri: dict[str, str]) -> None:
    right = {"mqtt.server.uri": uri["mqtt__server__uri"], "mqtt.topics": "a", "kafka.topic": "t"}
    for more, why in (
        ({"mqtt.topics": "a/#/b"}, "'a/#/b' is no topic or filter"),
        ({"mqtt.server.uri": "tcp://127.0.0.1:9"}, "it cannot be reached"),
        ({"mqtt.username": "me", "mqtt.password": "wrong"}, "see mqtt.username"),
        ({"mqtt.server.uri": "127.0.0.1"}, "it must be tcp://HOST:PORT"),
    ):
        config = {"connector.class": "MqttSource", **right, **more}
        told = connect.rest.put("/connectors/wrong/config", json=config)
        assert told.status_code == 400
        assert why in told.text


def test_a_broker_that_is_away_is_waited_for(
    connect: Connect, server: ServerProcess, uri: dict[str, str]
) -> None:
    connect.put("back", "MqttSource", mqtt__topics="back/#", kafka__topic="back",
                value__format="string", **uri)  # fmt: skip
    connect.put("forth", "MqttSink", topics="back", mqtt__topic="forth", **uri)
    first = Thing(server)
    eventually(
        lambda: (
            first.publish("back/x", "1")
            and "back" in connect.rest.get("/connectors/back/topics").text
        )
    )
    server.stop()
    first.client.loop_stop()
    connect.write("back", b"2")
    server.start()
    second = Thing(server)
    second.listen("forth")
    eventually(
        lambda: second.publish("back/x", "3") and any(one[1] == b"3" for one in second.heard)
    )
    for name in ("back", "forth"):
        connect.rest.put(f"/connectors/{name}/stop")
    second.client.disconnect()
    second.client.loop_stop()


@pytest.mark.parametrize("qos", [1, 2])
def test_nothing_is_lost_when_the_worker_is_killed(
    tmp_path: Path, server: ServerProcess, thing: Thing, uri: dict[str, str], qos: int
) -> None:
    count, kills, topic = 3000, 3, f"killed{qos}"
    config = {
        "connector.class": "MqttSource", "mqtt.topics": topic, "kafka.topic": "killed",
        "mqtt.server.uri": uri["mqtt__server__uri"], "value.format": "string",
        "value.converter": STRING, "key.converter": STRING, "mqtt.qos": qos,
        "mqtt.client.id": topic, "mqtt.version": "3.1.1", "records.buffer.max.batch.size": 20,
    }  # fmt: skip
    session = paho.Client(CallbackAPIVersion.VERSION2, f"{topic}-0", clean_session=False)
    there = threading.Event()
    session.on_subscribe = lambda *_: there.set()
    session.connect("127.0.0.1", server.port)
    session.subscribe(topic, qos)
    session.loop_start()
    assert there.wait(20)
    session.disconnect()
    session.loop_stop()
    thing.publish(topic, *map(str, range(count)), qos=2)  # the broker keeps them

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
