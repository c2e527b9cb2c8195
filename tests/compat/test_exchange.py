"""What one client writes, each client reads: every pair of clients, every compression."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from broker_process import BrokerProcess
from broker_requests import fetch_request
from foreign_clients import CLIENTS, CODECS, READERS, WRITERS, Found, Headers, Sent
from raw_client import RawClient

from aliran.protocol.records import iter_headers

pytestmark = pytest.mark.compat

COUNT = 10_000
PARTITIONS = 3
START = int(time.time() * 1000) - 3_600_000  # young enough for retention to leave it alone
CODES = {name: number for number, name in enumerate(CODECS)}
EACH_CODEC = [
    pytest.param(codec, marks=pytest.mark.xdist_group(f"exchange {codec}")) for codec in CODECS
]


def records_for(writer: str) -> list[Sent]:
    """Records with all that the writer can express."""
    rng = random.Random(writer)
    if writer == "kcat":
        return [_record_for_kcat(number, rng) for number in range(COUNT)]
    # what the Python clients refuse to write, librdkafka writes for them to read
    null_headers = writer != "kafka-python"
    all_null = writer == "confluent"
    return [_record(number, rng, null_headers, all_null) for number in range(COUNT)]


def _record(number: int, rng: random.Random, null_headers: bool, all_null: bool) -> Sent:
    headers: list[tuple[str, bytes | None]] = []
    if number % 3 == 0:
        headers = [("trace", rng.randbytes(8).hex().encode()), ("empty", b""), ("trace", b"two")]
    if number % 30 == 0 and null_headers:
        headers.append(("ünïcode", None))
    return Sent(
        partition=number % PARTITIONS if number % 7 else 0,
        key=None if number % 5 == 0 and (all_null or number % 11) else rng.randbytes(number % 9),
        value=None if number % 11 == 0 else rng.randbytes(8) + b"tweet\n" * (number % 13),
        timestamp=START + rng.randrange(100_000),  # not in order
        headers=tuple(headers),
    )


def _record_for_kcat(number: int, rng: random.Random) -> Sent:
    partition = number % PARTITIONS
    headers: tuple[Headers, ...] = ((), (("a", b"1"), ("empty", b"")), (("a", b"2"), ("b", None)))
    key = None if number % 5 == 0 else f"käy-{rng.randrange(1000)}".encode()
    value = f"value {number} {rng.random()}" * (1 + number % 4)
    return Sent(
        partition,
        key,
        # a line that holds neither key nor value is no record to kcat
        None if number % 11 == 0 and key is not None else value.encode(),
        0,
        headers[partition],
    )


class Written(NamedTuple):
    """A topic that a client has written, and what must be read from it."""

    topic: str
    records: Sequence[Sent]
    not_before: int
    not_after: int


TOPICS: dict[tuple[str, str], Written] = {}


@pytest.fixture
def written(server: BrokerProcess, writer: str, codec: str) -> Written:
    """The topic that `writer` wrote with `codec`, written when it is first asked for."""
    if (writer, codec) not in TOPICS:
        topic = server.create_topic(f"from-{writer}-{codec}", PARTITIONS)
        records = records_for(writer)
        before = int(time.time() * 1000)
        WRITERS[writer](server.address, topic, records, codec)
        TOPICS[writer, codec] = Written(topic, records, before, int(time.time() * 1000))
    return TOPICS[writer, codec]


@pytest.mark.parametrize("codec", EACH_CODEC)
@pytest.mark.parametrize("writer", CLIENTS)
@pytest.mark.parametrize("reader", CLIENTS)
def test_each_reads_what_each_wrote(
    server: BrokerProcess, written: Written, writer: str, reader: str, codec: str
) -> None:
    found = READERS[reader](server.address, written.topic, COUNT)
    for partition in range(PARTITIONS):
        expected = [each for each in written.records if each.partition == partition]
        got = [each for each in found if each.partition == partition]
        assert [each.offset for each in got] == list(range(len(expected)))
        if writer == "kcat":
            assert all(written.not_before <= each.timestamp <= written.not_after for each in got)
            got = [each._replace(timestamp=0) for each in got]
        assert [_without_offset(each) for each in got] == expected


def _without_offset(record: Found) -> Sent:
    return Sent(record.partition, record.key, record.value, record.timestamp, record.headers)


@pytest.mark.parametrize("codec", EACH_CODEC)
@pytest.mark.parametrize("writer", CLIENTS)
def test_batches_are_kept_as_they_were_compressed(
    server: BrokerProcess, written: Written, codec: str
) -> None:
    with RawClient(server.address) as client:
        response = client.call(fetch_request(written.topic, 0), 12)
    headers = [header for _, header in iter_headers(response.responses[0].partitions[0].records)]
    found = {header.compression for header in headers}
    # kafka-python leaves a batch as it is where compression would make it larger
    assert CODES[codec] in found
    assert found <= {CODES[codec], CODES["none"]}
