"""Sources by pattern on brokers: topics that are there, that come, grow and go."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    NewPartitions,
    NewTopic,
)

from aliran.core.errors import AliranError
from aliran.streams import App, TopologyError

MakeApp = Callable[..., App]


class Topics:
    """Makes and deletes topics of one application, through its broker's address."""

    def __init__(self, app: App) -> None:
        self.prefix = app.config.application_id
        self._admin = AdminClient({"bootstrap.servers": app.bootstrap_servers, "log_level": 2})

    def name(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def create(self, name: str, partitions: int) -> str:
        self._wait(self._admin.create_topics([NewTopic(self.name(name), partitions)]))
        return self.name(name)

    def grow(self, name: str, partitions: int) -> None:
        self._wait(self._admin.create_partitions([NewPartitions(self.name(name), partitions)]))

    def delete(self, name: str) -> None:
        self._wait(self._admin.delete_topics([self.name(name)]))

    @staticmethod
    def _wait(futures: dict[str, Any]) -> None:
        for future in futures.values():
            future.result(timeout=10)


def counting(make_app: MakeApp, **settings: Any) -> App:
    """Return an application that passes on what topics of its pattern hold."""
    app = make_app(metadata_max_age_ms=50, **settings)
    pattern = re.compile(app.config.application_id + r"-in-\w+")
    app.stream(pattern).to(app.config.application_id + "-out")
    return app


def send_until_read(app: App, topic: str, numbers: range, expected: Counter[str]) -> None:
    producer = Producer({"bootstrap.servers": app.bootstrap_servers, "log_level": 2})
    for number in numbers:
        producer.produce(topic, f"{topic} {number}", f"key-{number}")
        expected[f"{topic} {number}"] += 1
    assert producer.flush(10) == 0
    out, deadline = app.config.application_id + "-out", time.monotonic() + 60
    while True:
        app.wait_until_idle()
        found = Counter(value for _, value in app.read(out))
        if found == expected or time.monotonic() > deadline:
            break
    assert found == expected


def test_topics_that_come_grow_and_go(make_app: MakeApp) -> None:
    app = counting(make_app)
    assert app.bootstrap_servers
    topics, expected = Topics(app), Counter[str]()
    one = topics.create("in-one", 1)
    topics.create("inn", 1)
    with app:
        send_until_read(app, one, range(5), expected)
        two = topics.create("in-two", 3)
        send_until_read(app, two, range(30), expected)
        topics.grow("in-one", 2)
        send_until_read(app, one, range(10, 30), expected)
        app.send(topics.name("inn"), "key", "is not read")
        topics.delete("in-one")
        send_until_read(app, two, range(40, 50), expected)


def test_it_may_begin_without_any_topic(make_app: MakeApp) -> None:
    app = counting(make_app)
    assert app.bootstrap_servers
    with app:
        app.wait_until_running()
        topic = Topics(app).create("in-first", 2)
        app.send(app.config.application_id + "-out", "made", "before")
        send_until_read(app, topic, range(5), Counter(["before"]))


def test_a_restart_goes_on_where_it_was(make_app: MakeApp) -> None:
    expected = Counter[str]()
    for number, name in enumerate(["in-a", "in-b"]):
        app = counting(make_app)
        assert app.bootstrap_servers
        topic = Topics(app).create(name, 2)
        with app:
            send_until_read(app, topic, range(number * 10, number * 10 + 10), expected)


def test_tables_grow_with_the_topics(make_app: MakeApp) -> None:
    app = make_app(metadata_max_age_ms=50, cache_max_bytes=0)
    name = app.config.application_id
    grouped = app.stream(re.compile(f"{name}-in-.*")).group_by_key()
    grouped.count(store="counts").to_stream().to(f"{name}-out")
    assert app.bootstrap_servers
    topics = Topics(app)
    first = topics.create("in-one", 3)
    with app:
        for topic in (first, topics.create("in-two", 2)):
            for key in "abc":
                app.send(topic, key, "x")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            app.wait_until_idle()
            found = Counter(key for key, _ in app.read(f"{name}-out", value=int))
            if found == {"a": 2, "b": 2, "c": 2}:
                break
        assert found == {"a": 2, "b": 2, "c": 2}
        # The changelog has three partitions, so a fourth task would have none.
        topics.create("in-wide", 4)
        with pytest.raises(TopologyError, match=r"counts-changelog has 3 .*needs 4"):
            wait_for_the_end(app)


def wait_for_the_end(app: App) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        app.wait_until_idle()


def test_a_repartition_topic_needs_to_know_how_wide(make_app: MakeApp) -> None:
    app = make_app()
    nothing = app.stream(re.compile(f"{app.config.application_id}-in-.*"))
    nothing.group_by(lambda key, value: value).count()
    with pytest.raises(TopologyError, match=r"no topic matches the pattern .*-in-\.\* yet"):
        app.start()
    app.close()


def test_two_patterns_and_one_topic(make_app: MakeApp) -> None:
    app = make_app(metadata_max_age_ms=50)
    name = app.config.application_id
    app.stream(re.compile(f"{name}-a.*")).to(f"{name}-out")
    app.stream(re.compile(f"{name}-.*b")).to(f"{name}-out")
    with app:
        app.wait_until_running()
        Topics(app).create("ab", 1)
        with pytest.raises(AliranError, match="matches the patterns of two sources"):
            wait_for_the_end(app)


@pytest.mark.timeout(60)
def test_two_instances_share_what_comes(server: str, tmp_path: Path) -> None:
    def instance(number: int) -> App:
        def make(**settings: Any) -> App:
            return App("shared-patterns", server, state_dir=str(tmp_path / str(number)), **settings)

        return counting(make)

    one, two = instance(1), instance(2)
    assert one.bootstrap_servers
    topics, expected = Topics(one), Counter[str]()
    first = topics.create("in-one", 4)
    with one, two:
        two.wait_until_running()
        send_until_read(one, first, range(20), expected)
        send_until_read(one, topics.create("in-two", 5), range(50), expected)
        both = one.statistics().processed_records + two.statistics().processed_records
        assert both >= 70
