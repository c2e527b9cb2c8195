"""kill -9 of the server in the middle of producing: nothing lost, nothing doubled.

Each client has producers that are idempotent; what they got an acknowledgement for must be in the
log exactly once and in order, however often they had to send it.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import aiokafka
import confluent_kafka
import kafka
import pytest
from broker_process import BrokerProcess, safe_port
from foreign_clients import CLIENTS, read_confluent

pytestmark = [
    pytest.mark.compat,
    pytest.mark.xdist_group("restarts"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

COUNT = 6_000
BATCH = 100
PAUSE_S = 0.02
TOPIC = "tweets"
Progress = Callable[[], None]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A server for one test to kill."""
    with BrokerProcess(tmp_path / "data", port=safe_port()) as process:
        process.create_topic(TOPIC)
        yield process
    with warnings.catch_warnings():
        # kafka-python drops the sockets of attempts to connect without closing them
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def produce_confluent(address: str, progress: Progress) -> None:
    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": address,
            "enable.idempotence": True,
            "batch.num.messages": 20,
            "linger.ms": 1,
            "retry.backoff.ms": 20,
            "reconnect.backoff.ms": 20,
            "log_level": 0,
        }
    )
    failures: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failures.append(error)

    for number in range(COUNT):
        producer.produce(TOPIC, str(number), partition=0, on_delivery=delivered)
        if number % BATCH == 0:
            producer.poll(PAUSE_S)
            progress()
    assert producer.flush(30) == 0
    assert not failures


def produce_kafka_python(address: str, progress: Progress) -> None:
    producer = kafka.KafkaProducer(
        bootstrap_servers=address,
        enable_idempotence=True,
        batch_size=1_000,
        reconnect_backoff_ms=20,
        retry_backoff_ms=20,
    )
    sent = []
    for number in range(COUNT):
        sent.append(producer.send(TOPIC, str(number).encode(), partition=0))
        if number % BATCH == 0:
            time.sleep(PAUSE_S)
            progress()
    producer.flush(30)
    for each in sent:
        each.get(0)
    producer.close()


def produce_aiokafka(address: str, progress: Progress) -> None:
    async def produce() -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=address,
            enable_idempotence=True,
            max_batch_size=1_000,
            retry_backoff_ms=20,
        )
        await producer.start()
        sent = []
        for number in range(COUNT):
            sent.append(await producer.send(TOPIC, str(number).encode(), partition=0))
            if number % BATCH == 0:
                await asyncio.sleep(PAUSE_S)
                progress()
        await asyncio.gather(*sent)
        await producer.stop()

    asyncio.run(produce())


def produce_kcat(address: str, progress: Progress) -> None:
    settings = ["enable.idempotence=true", "batch.num.messages=20", "linger.ms=1"]
    words = [word for each in settings for word in ("-X", each)]
    # -E: a connection that breaks is no reason to stop
    with subprocess.Popen(
        ["kcat", "-P", "-E", "-b", address, "-t", TOPIC, "-p", "0", *words],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        for number in range(COUNT):
            process.stdin.write(f"{number}\n")
            if number % BATCH == 0:
                process.stdin.flush()
                time.sleep(PAUSE_S)
                progress()
        process.stdin.close()
        assert process.wait(timeout=30) == 0


PRODUCERS = {
    "confluent": produce_confluent,
    "kafka-python": produce_kafka_python,
    "aiokafka": produce_aiokafka,
    "kcat": produce_kcat,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_an_idempotent_producer_outlives_its_broker(own_server: BrokerProcess, client: str) -> None:
    steps = 0
    restarts: list[Future[None]] = []

    def restart_twice() -> None:
        for _ in range(2):
            own_server.kill()
            own_server.start()
            time.sleep(0.2)

    def progress() -> None:
        nonlocal steps
        steps += 1
        if steps == 10:
            restarts.append(executor.submit(restart_twice))

    with ThreadPoolExecutor(1) as executor:
        PRODUCERS[client](own_server.address, progress)
    for each in restarts:
        each.result()
    assert len(restarts) == 1
    found = read_confluent(own_server.address, TOPIC, COUNT)
    assert [each.value for each in found] == [str(number).encode() for number in range(COUNT)]
    assert [each.offset for each in found] == list(range(COUNT))


@pytest.mark.parametrize("acks", [1, -1])
def test_what_was_acknowledged_before_a_kill_is_there(own_server: BrokerProcess, acks: int) -> None:
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": own_server.address, "acks": acks, "retries": 0, "log_level": 0}
    )
    acknowledged: list[tuple[int | None, bytes]] = []

    def delivered(error: object, message: confluent_kafka.Message) -> None:
        value = message.value()
        if error is None and isinstance(value, bytes):
            acknowledged.append((message.offset(), value))

    for number in range(5_000):
        producer.produce(TOPIC, str(number), partition=0, on_delivery=delivered)
        if number % 50 == 0:
            producer.poll(0.002)
        if len(acknowledged) > 1_000:
            break
    own_server.kill()
    producer.purge()
    producer.flush(5)
    own_server.start()
    found = read_confluent(own_server.address, TOPIC, len(acknowledged))
    held = {(each.offset, each.value) for each in found}
    assert len(acknowledged) > 1_000
    assert held.issuperset(acknowledged)


def test_committed_offsets_outlive_the_broker(own_server: BrokerProcess) -> None:
    places = [confluent_kafka.TopicPartition(TOPIC, 0, 7)]
    consumer = confluent_kafka.Consumer(
        {"bootstrap.servers": own_server.address, "group.id": "g", "log_level": 0}
    )
    try:
        consumer.commit(offsets=places, asynchronous=False)
        own_server.kill()
        own_server.start()
        (place,) = consumer.committed(places, timeout=20)
        assert place.offset == 7
    finally:
        consumer.close()
