"""Places in a topic: seeking, offsets by time, ends, long polls, resuming behind a commit."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Iterator

import aiokafka
import confluent_kafka
import kafka
import pytest
from broker_process import BrokerProcess
from broker_requests import batch, produce
from foreign_clients import KCAT_READS, Sent, write_confluent
from raw_client import RawClient

pytestmark = [pytest.mark.compat, pytest.mark.xdist_group("consuming")]

COUNT = 500
CUT = 320
START = int(time.time() * 1000) - 3_600_000


@pytest.fixture
def topic(server: BrokerProcess, name: str) -> str:
    """A topic of one partition whose record n has the value n and the time START + 10 n."""
    server.create_topic(name)
    records = [
        Sent(0, None, str(number).encode(), START + 10 * number, ()) for number in range(COUNT)
    ]
    for at in range(0, COUNT, 70):  # several batches, so that places lie in their middle
        write_confluent(server.address, name, records[at : at + 70], "lz4")
    return name


class Later:
    """Writes one record in a moment, while somebody waits for it."""

    def __init__(self, address: str, topic: str) -> None:
        self._timer = threading.Timer(0.2, self._write, (address, topic))
        self._timer.start()

    def _write(self, address: str, topic: str) -> None:
        with RawClient(address) as client:
            produce(client, topic, batch("late", timestamp=int(time.time() * 1000)))

    def join(self) -> None:
        self._timer.join()


class TestConfluent:
    @pytest.fixture
    def consumer(self, server: BrokerProcess, topic: str) -> Iterator[confluent_kafka.Consumer]:
        made = confluent_kafka.Consumer(
            {
                "bootstrap.servers": server.address,
                "group.id": topic,
                "enable.auto.commit": False,
                "enable.partition.eof": False,
            }
        )
        yield made
        made.close()

    def test_places(self, consumer: confluent_kafka.Consumer, topic: str) -> None:
        place = confluent_kafka.TopicPartition(topic, 0, 0)
        assert consumer.get_watermark_offsets(place, timeout=10) == (0, COUNT)
        times = [START + 10 * CUT - 3, START - 5, START + 10 * COUNT]
        asked = [confluent_kafka.TopicPartition(topic, 0, each) for each in times]
        found = [consumer.offsets_for_times([each], timeout=10)[0].offset for each in asked]
        assert found == [CUT, 0, confluent_kafka.OFFSET_END]
        consumer.assign([place])
        message = consumer.poll(10)
        assert message is not None
        assert (message.offset(), message.value()) == (0, b"0")
        consumer.seek(confluent_kafka.TopicPartition(topic, 0, CUT))
        message = consumer.poll(10)
        assert message is not None
        assert (message.offset(), message.value()) == (CUT, str(CUT).encode())
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, COUNT - 3)])
        values = [each.value() for each in consumer.consume(3, timeout=10)]
        assert values == [b"497", b"498", b"499"]

    def test_a_long_poll_ends_with_the_record(
        self, server: BrokerProcess, consumer: confluent_kafka.Consumer, topic: str
    ) -> None:
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, COUNT)])
        later = Later(server.address, topic)
        message = consumer.poll(20)
        later.join()
        assert message is not None
        assert (message.offset(), message.value()) == (COUNT, b"late")

    def test_a_group_resumes_behind_its_commit(
        self, server: BrokerProcess, consumer: confluent_kafka.Consumer, topic: str
    ) -> None:
        consumer.commit(offsets=[confluent_kafka.TopicPartition(topic, 0, CUT)], asynchronous=False)
        consumer.subscribe([topic])
        message = consumer.poll(20)
        assert message is not None
        assert message.offset() == CUT


class TestKafkaPython:
    @pytest.fixture
    def consumer(self, server: BrokerProcess) -> Iterator[kafka.KafkaConsumer]:
        made = kafka.KafkaConsumer(
            bootstrap_servers=server.address, enable_auto_commit=False, fetch_max_wait_ms=5_000
        )
        yield made
        made.close()

    def test_places(self, consumer: kafka.KafkaConsumer, topic: str) -> None:
        place = kafka.TopicPartition(topic, 0)
        consumer.assign([place])
        assert consumer.beginning_offsets([place]) == {place: 0}
        assert consumer.end_offsets([place]) == {place: COUNT}
        found = consumer.offsets_for_times({place: START + 10 * CUT - 3})[place]
        assert (found.offset, found.timestamp) == (CUT, START + 10 * CUT)
        assert consumer.offsets_for_times({place: START + 10 * COUNT}) == {place: None}
        consumer.seek(place, CUT)
        assert next(consumer).value == str(CUT).encode()
        consumer.seek_to_beginning(place)
        assert next(consumer).value == b"0"
        consumer.seek_to_end(place)
        assert consumer.position(place) == COUNT

    def test_a_long_poll_ends_with_the_record(
        self, server: BrokerProcess, consumer: kafka.KafkaConsumer, topic: str
    ) -> None:
        place = kafka.TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, COUNT)
        later = Later(server.address, topic)
        ((record,),) = consumer.poll(20_000).values()
        later.join()
        assert (record.offset, record.value) == (COUNT, b"late")

    def test_a_group_resumes_behind_its_commit(self, server: BrokerProcess, topic: str) -> None:
        for expected in (0, CUT):
            consumer = kafka.KafkaConsumer(
                topic,
                bootstrap_servers=server.address,
                group_id=topic,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            try:
                (records,) = consumer.poll(20_000).values()
                assert records[0].offset == expected
                place = kafka.TopicPartition(topic, 0)
                consumer.commit({place: kafka.OffsetAndMetadata(CUT, "", -1)})
                assert consumer.committed(place) == CUT
            finally:
                consumer.close()


class TestAiokafka:
    def test_places(self, server: BrokerProcess, topic: str) -> None:
        async def run() -> None:
            consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=server.address)
            await consumer.start()
            try:
                place = aiokafka.TopicPartition(topic, 0)
                consumer.assign([place])
                assert await consumer.beginning_offsets([place]) == {place: 0}
                assert await consumer.end_offsets([place]) == {place: COUNT}
                found = await consumer.offsets_for_times({place: START + 10 * CUT - 3})
                assert found[place] == (CUT, START + 10 * CUT)
                consumer.seek(place, CUT)
                assert (await consumer.getone()).value == str(CUT).encode()
                await consumer.seek_to_beginning(place)
                assert (await consumer.getone()).value == b"0"
                await consumer.seek_to_end(place)
                later = Later(server.address, topic)
                record = await asyncio.wait_for(consumer.getone(), 20)
                later.join()
                assert (record.offset, record.value) == (COUNT, b"late")
            finally:
                await consumer.stop()

        asyncio.run(run())

    def test_a_group_resumes_behind_its_commit(self, server: BrokerProcess, topic: str) -> None:
        async def run(expected: int) -> None:
            consumer = aiokafka.AIOKafkaConsumer(
                topic,
                bootstrap_servers=server.address,
                group_id=topic,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            await consumer.start()
            try:
                assert (await asyncio.wait_for(consumer.getone(), 20)).offset == expected
                await consumer.commit({aiokafka.TopicPartition(topic, 0): CUT})
            finally:
                await consumer.stop()

        asyncio.run(run(0))
        asyncio.run(run(CUT))


class TestKcat:
    def read(self, server: BrokerProcess, topic: str, *words: str) -> list[str]:
        done = subprocess.run(
            [*KCAT_READS.split(), "-b", server.address, "-t", topic, "-f", r"%s\n", *words],
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
        )
        return done.stdout.split()

    @pytest.mark.parametrize(
        ("start", "first"),
        [(str(CUT), CUT), ("-3", COUNT - 3), (f"s@{START + 10 * CUT}", CUT)],
        ids=["offset", "before the end", "time"],
    )
    def test_places(
        self, server: BrokerProcess, topic: str, kcat: str, start: str, first: int
    ) -> None:
        expected = [str(number) for number in range(first, COUNT)]
        assert self.read(server, topic, "-o", start) == expected

    def test_a_group_resumes_behind_its_commit(
        self, server: BrokerProcess, topic: str, kcat: str
    ) -> None:
        words = ["kcat", "-b", server.address, "-q", "-X", "auto.offset.reset=earliest"]
        words += ["-c", "100", "-f", r"%o\n", "-G", topic, topic]
        runs = [
            subprocess.run(words, capture_output=True, check=True, text=True, timeout=30)
            for _ in range(2)
        ]
        offsets = [[int(each) for each in run.stdout.split()] for run in runs]
        assert offsets == [list(range(100)), list(range(100, 200))]
