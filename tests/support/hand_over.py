"""An application with a store of every kind, and what it must come to; see HandOver.java."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import confluent_kafka
from foreign_clients import PATIENCE_S, Found, Sent

from aliran.serdes import SessionWindowedSerde, StringSerde, WindowedSerde
from aliran.streams import (
    Processor,
    Record,
    SessionWindows,
    Stores,
    StreamsBuilder,
    Suppressed,
    TimeWindows,
    TopologyTestDriver,
)

PATIENCE_FOR_ALL_S = 100
INPUTS = ("users", "rates", "orders", "clicks")
TABLES = ("pages", "minutes", "visits")
EVENTS = ("final", "named", "rated", "near", "seen")
STORES = ("users", "rates", "pages", "minutes", "visits", "seen", "final-store")
JOINS = ("near-this-join-store", "near-other-join-store")
REPARTITION = "pages-repartition"

Part: TypeAlias = Mapping[str, list[Sent]]
"""Records by input."""


class Seen(Processor[str, str, str, int]):
    def process(self, record: Record[str, str]) -> None:
        seen = self.context.get_state_store("seen")
        seen.put(record.key, (seen.get(record.key) or 0) + 1)
        self.context.forward(record.with_value(seen.get(record.key)))


def build(builder: StreamsBuilder, application: str) -> None:
    """Add what HandOver.java has."""
    minute, session = WindowedSerde(StringSerde(), 60_000), SessionWindowedSerde(StringSerde())
    prefix = f"{application}-"
    clicks = builder.stream(f"{prefix}clicks")
    orders = builder.stream(f"{prefix}orders")
    users = builder.table(f"{prefix}users", store="users")
    rates = builder.table(f"{prefix}rates", store="rates", history_retention="1h")

    pages = clicks.group_by(lambda user, page: page, name="pages").count(store="pages")
    pages.to_stream().to(f"{prefix}pages", value=int)
    windows = TimeWindows.of_size_and_grace("1m", "10s")
    minutes = clicks.group_by_key().windowed_by(windows).count(store="minutes")
    minutes.to_stream().to(f"{prefix}minutes", key=minute, value=int)
    final = minutes.suppress(Suppressed.until_window_closes().with_name("final"))
    final.to_stream().to(f"{prefix}final", key=minute, value=int)
    sessions = SessionWindows.of_inactivity_gap_and_grace("30s", "10s")
    grouped = clicks.group_by_key().windowed_by(sessions)
    visits = grouped.reduce(lambda one, two: one + two, store="visits")
    visits.to_stream().to(f"{prefix}visits", key=session, value=str)
    clicks.join(users, lambda page, user: f"{page} by {user}").to(f"{prefix}named")
    clicks.join(rates, lambda page, rate: f"{page} at {rate}").to(f"{prefix}rated")
    near = clicks.join(
        orders, lambda page, order: f"{page} with {order}", "20s", grace="1h", store="near"
    )
    near.to(f"{prefix}near")
    builder.add_state_store(Stores.persistent_key_value_store("seen", value=int))
    clicks.process(Seen, "seen").to(f"{prefix}seen", value=int)


def parts(seed: int, begin_ms: int) -> list[Part]:
    """Return three parts of input, in the order of time; clicks and orders go over their seams."""
    rng = random.Random(seed)
    now = begin_ms
    made: list[Part] = []
    for _ in range(3):
        part: dict[str, list[Sent]] = {name: [] for name in INPUTS}
        for name in ("users", "rates"):
            for key in rng.sample("abcd", 3):
                part[name].append(sent(key, f"{name[0]}{rng.randrange(100)}", now))
        for _ in range(120):
            now += rng.choice((0, 1, 500, 3_000, 12_000))
            name = rng.choice(("clicks", "clicks", "orders"))
            part[name].append(sent(rng.choice("abcd"), f"{name[0]}{rng.randrange(5)}", now))
        made.append(part)
    return made


def sent(key: str, value: str, time_ms: int) -> Sent:
    return Sent(0, key.encode(), value.encode(), time_ms, ())


class Topics(NamedTuple):
    """What lies in the topics that the application writes, comparable between runs.

    Attributes:
        rows: The last value and time of each key, by topic: of tables and changelogs.
        events: All records, sorted, by topic: of streams.
    """

    rows: dict[str, dict[bytes, tuple[bytes | None, int]]]
    events: dict[str, list[tuple[bytes, bytes, int]]]

    @classmethod
    def of(cls, records: Mapping[str, Iterable[Found]]) -> Topics:
        """Take the records of the topics by their names without the application's."""
        rows: dict[str, dict[bytes, tuple[bytes | None, int]]] = {}
        for name in (*TABLES, *(f"{store}-changelog" for store in STORES)):
            latest = {each.key or b"": each for each in records[name]}
            # A buffer's has the time of the commit, and what was seen before it: of caches.
            seen = name != "final-store-changelog"
            rows[name] = {
                key: (each.value, each.timestamp) if seen else (b"", 0)
                for key, each in sorted(latest.items())
                if each.value is not None
            }
        events = {
            name: sorted((each.key or b"", each.value or b"", each.timestamp) for each in found)
            for name, found in ((name, records[name]) for name in EVENTS)
        }
        # Their keys end in a number that begins anew with each process.
        for store in JOINS:
            found = records[f"{store}-changelog"]
            events[store] = sorted(
                ((each.key or b"")[:-4], each.value or b"", each.timestamp) for each in found
            )
        return cls(rows, events)

    def differences(self, other: Topics) -> list[str]:
        """Return what is not the same, a line each."""
        found = []
        for name, rows in self.rows.items():
            found += [
                f"{name} {key!r}: {rows.get(key)} {other.rows[name].get(key)}"
                for key in sorted({*rows, *other.rows[name]})
                if rows.get(key) != other.rows[name].get(key)
            ]
        for name, events in self.events.items():
            one, two = Counter(events), Counter(other.events[name])
            found += [f"{name} + {event}" for event in (one - two).elements()]
            found += [f"{name} - {event}" for event in (two - one).elements()]
        return found


WRITTEN = [
    *TABLES,
    *EVENTS,
    *(f"{store}-changelog" for store in (*STORES, *JOINS)),
    REPARTITION,
]
"""The topics that the application writes, without its name in front."""


def uninterrupted(application: str, all_parts: Iterable[Part]) -> Topics:
    """Return what the application comes to in one go, by the test driver."""
    builder = StreamsBuilder()
    build(builder, application)
    found: dict[str, list[Found]] = {name: [] for name in WRITTEN}
    config = {"application_id": application, "cache_max_bytes": 0}
    with TopologyTestDriver(builder.build(), config) as driver:
        for part in all_parts:
            for name in ("users", "rates"):
                for each in part[name]:
                    driver.pipe_raw(f"{application}-{name}", each.key, each.value, each.timestamp)
            rest = [(each, name) for name in ("orders", "clicks") for each in part[name]]
            for each, name in sorted(rest, key=lambda pair: pair[0].timestamp):
                driver.pipe_raw(f"{application}-{name}", each.key, each.value, each.timestamp)
        for name, records in found.items():
            while (record := driver.read_raw(f"{application}-{name}")) is not None:
                row = (record.key, record.value, record.timestamp, tuple(record.headers))
                records.append(Found(0, len(records), *row))
    return Topics.of(found)


def read_topics(address: str, topics: Iterable[str]) -> dict[str, list[Found]]:
    """Return all records of topics, each partition's in order."""
    found: dict[str, list[Found]] = {topic: [] for topic in topics}
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "none"})
    try:
        known = consumer.list_topics(timeout=PATIENCE_S).topics
        left = {}
        for topic in found:
            for number in known[topic].partitions:
                place = confluent_kafka.TopicPartition(topic, number, 0)
                ends = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
                assert ends is not None
                if ends[0] < ends[1]:
                    left[topic, number] = ends
        consumer.assign([confluent_kafka.TopicPartition(*at, ends[0]) for at, ends in left.items()])
        while left:
            for message in consumer.consume(1_000, timeout=0.1):
                assert message.error() is None, message.error()
                topic, number = message.topic() or "", message.partition() or 0
                offset = message.offset() or 0
                headers: Any = tuple(message.headers() or ())
                row: Any = (message.key(), message.value(), message.timestamp()[1], headers)
                found[topic].append(Found(number, offset, *row))
                if offset + 1 >= left.get((topic, number), (0, 0))[1]:
                    left.pop((topic, number), None)
    finally:
        consumer.close()
    return found


def wait_until_read(address: str, application: str, topics: Iterable[str]) -> None:
    """Wait until the application has committed all of these topics."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": application})
    deadline = time.monotonic() + PATIENCE_FOR_ALL_S
    try:
        places = [confluent_kafka.TopicPartition(topic, 0) for topic in topics]
        while time.monotonic() < deadline:
            committed = consumer.committed(places, timeout=PATIENCE_S)
            ends = [_end(consumer, each) for each in places]
            if all(
                each.offset == end or end == 0 for each, end in zip(committed, ends, strict=True)
            ):
                return
            time.sleep(0.05)
        raise AssertionError(f"not read in time: {committed}, ends {ends}")
    finally:
        consumer.close()


def _end(consumer: confluent_kafka.Consumer, place: confluent_kafka.TopicPartition) -> int | None:
    """Return the end of a partition; None while there is none, as before an application starts."""
    if place.topic not in consumer.list_topics(timeout=PATIENCE_S).topics:
        return None
    ends: tuple[int, int] | None = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
    return None if ends is None else ends[1]
