import asyncio
import threading

from broker_requests import fetch_request, list_offset, values_of
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.broker.purgatory import Purgatory
from aliran.core.types import TopicPartition

HERE, THERE = TopicPartition("t", 0), TopicPartition("t", 1)


def test_woken_by_its_partitions_only_and_from_any_thread() -> None:
    async def run() -> None:
        purgatory = Purgatory()
        purgatory.attach_loop(asyncio.get_running_loop())
        waiter = purgatory.register([HERE])
        purgatory.wake(THERE)
        assert not await waiter.wait(0.01)
        thread = threading.Thread(target=purgatory.wake, args=[HERE])
        thread.start()
        assert await waiter.wait(10)
        thread.join()
        assert not await waiter.wait(0)
        purgatory.unregister(waiter)

    asyncio.run(run())


def test_a_wake_before_the_wait_counts() -> None:
    async def run() -> None:
        purgatory = Purgatory()
        purgatory.attach_loop(asyncio.get_running_loop())
        waiter = purgatory.register([HERE])
        purgatory.wake(HERE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiter.woken
        assert await waiter.wait(10)

    asyncio.run(run())


def test_closing_wakes_everybody() -> None:
    async def run() -> None:
        purgatory = Purgatory()
        purgatory.attach_loop(asyncio.get_running_loop())
        waiters = [purgatory.register([HERE, THERE]) for _ in range(3)]
        purgatory.close()
        assert [await waiter.wait(10) for waiter in waiters] == [True] * 3

    asyncio.run(run())


def test_no_append_of_another_thread_is_missed(server: EmbeddedBroker) -> None:
    """Each long poll may wait a minute, the client ten seconds: a lost wake-up would show."""
    server.broker.topics.create("t")
    log = server.broker.logs.get(HERE)
    assert log is not None
    turn = threading.Semaphore(0)

    def append() -> None:
        for number in range(500):
            log.append_columns([None], [b"%d" % number], [number])
            turn.acquire()

    appender = threading.Thread(target=append)
    appender.start()
    with RawClient(server.bootstrap_servers) as client:
        for offset in range(500):
            client.send(fetch_request("t", offset, max_wait_ms=60_000), 12)
            _, response = client.receive()
            answer = response.responses[0].partitions[0]
            assert values_of(answer) == [str(offset)]
            turn.release()
        assert list_offset(client, "t", -1).offset == 500
    appender.join()
