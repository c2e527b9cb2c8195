"""Connectors as functions and as classes, against a real broker; their failures, too."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.connectors.conftest import JSON, Connect, eventually

from aliran.connectors.api.connector import SinkConnector
from aliran.connectors.api.function_tasks import Record, Retry, SinkContext, SourceContext
from aliran.connectors.api.functions import sink, source
from aliran.connectors.api.tasks import SinkTask
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.records import SinkRecord
from aliran.core.types import TopicPartition

HERE = sys.modules[__name__]


@dataclass(frozen=True)
class Counting:
    topic: str
    until: int = 5
    fail_at: int = -1


@source("counter", config=Counting, version="7")
def counter(cfg: Counting, ctx: SourceContext) -> Iterator[Record]:
    n = ctx.offset({"id": ctx.split}, {"n": 0})["n"]
    while n < cfg.until:
        n += 1
        if n == cfg.fail_at and not FAILED.get(cfg.topic):
            FAILED[cfg.topic] = 1
            raise Retry("the source is away", after=0.05)
        yield Record(f"{ctx.split}:{n}", partition={"id": ctx.split}, offset={"n": n})


@counter.splits
def _two(_cfg: Counting, max_tasks: int) -> Sequence[str]:
    return ["a", "b"][:max_tasks]


@counter.check
def _check(cfg: Counting) -> None:
    if cfg.until > 1000:
        raise ConnectError("the server counts to 1000 only")


@source("ticker", config=Counting)
async def ticker(cfg: Counting, ctx: SourceContext) -> AsyncIterator[Record]:
    for n in range(ctx.offset({}, {"n": 0})["n"], cfg.until):
        yield Record(f"tick {n}", offset={"n": n + 1}, headers={"h": "x"})


FAILED: dict[str, int] = {}
TAKEN: dict[str, list[Any]] = {}


@dataclass(frozen=True)
class Collecting:
    box: str
    mode: str = "plain"


@sink("collector", config=Collecting)
def collector(cfg: Collecting, ctx: SinkContext, batch: Sequence[SinkRecord]) -> None:
    if cfg.mode == "retry" and FAILED.setdefault(cfg.box, 0) < 2:
        FAILED[cfg.box] += 1
        raise Retry(after=0.05)
    for record in batch:
        if cfg.mode == "reject" and record.value == "bad":
            ctx.reject(record, DataError("the target refuses it"))
        elif cfg.mode == "blab":
            ctx.reject(record, DataError(f"cannot log in to {cfg.box}"))
        elif cfg.mode == "crash" and record.value == "bad":
            FAILED[cfg.box] = FAILED.get(cfg.box, 0) + 1
            if FAILED[cfg.box] < 3:
                raise RuntimeError("the target is broken")
            TAKEN.setdefault(cfg.box, []).append("mended")
        else:
            TAKEN.setdefault(cfg.box, []).append(record.value)


@sink("async-collector", config=Collecting)
async def async_collector(cfg: Collecting, ctx: SinkContext, batch: Sequence[SinkRecord]) -> None:
    TAKEN.setdefault(cfg.box, []).extend(one.value for one in batch)


class Rewinding(SinkTask):
    """Reads everything twice, and tells its lifecycle."""

    calls: ClassVar[list[str]] = []

    def start(self, props: Mapping[str, str]) -> None:
        self.again = True
        self.calls.append("start")

    def open(self, partitions: Any) -> None:
        self.calls.append(f"open {sorted(partitions)}")

    def put(self, records: Sequence[SinkRecord]) -> None:
        self.calls.extend(str(one.value) for one in records)
        if records and self.again:
            self.again = False
            self.context.offset({TopicPartition("rewound", 0): 0})
            self.context.request_commit()

    def flush(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.calls.append("flush")

    def close(self, partitions: Any) -> None:
        self.calls.append("close")

    def stop(self) -> None:
        self.calls.append("stop")


class RewindingConnector(SinkConnector):
    def start(self, props: Mapping[str, str]) -> None:
        self.props = dict(props)

    def task_class(self) -> type[SinkTask]:
        return Rewinding

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        return [self.props]

    def stop(self) -> None:
        pass

    def config(self) -> ConfigDef:
        return ConfigDef()


@pytest.fixture(autouse=True)
def plugins(connect: Connect) -> None:
    add = connect.server.herder.worker.plugins.add_connector
    for cls in (
        counter.connector, ticker.connector, collector.connector, async_collector.connector,
        RewindingConnector,
    ):  # fmt: skip
        add(cls)


def values(messages: Sequence[Any]) -> list[str]:
    return [one.value().decode() for one in messages]


def test_a_function_is_a_source_with_splits(connect: Connect) -> None:
    status = connect.put("counted", "counter", topic="counted", tasks__max=2, fail__at=3)

    found = values(connect.read("counted", 10))

    assert sorted(found) == [f"{split}:{n}" for split in "ab" for n in range(1, 6)]
    assert [one for one in found if one[0] == "a"] == [f"a:{n}" for n in range(1, 6)]
    assert (status["connector"]["version"], len(status["tasks"])) == ("7", 2)


def test_it_goes_on_behind_its_last_record(connect: Connect) -> None:
    connect.put("resumed", "counter", topic="resumed", until=2)
    connect.read("resumed", 2)

    connect.put("resumed", "counter", topic="resumed", until=4)

    assert values(connect.read("resumed", 4)) == ["a:1", "a:2", "a:3", "a:4"]


def test_an_async_function_is_a_source(connect: Connect) -> None:
    connect.put("ticked", "ticker", topic="ticked", until=3)

    messages = connect.read("ticked", 3)

    assert values(messages) == ["tick 0", "tick 1", "tick 2"]
    assert messages[0].headers() == [("h", b"x")]


def test_a_check_comes_before_the_connector(connect: Connect) -> None:
    config = {"connector.class": "counter", "topic": "t", "until": "1001"}

    answer = connect.rest.put("/connectors/checked/config", json=config)

    assert answer.status_code == 400
    assert "the server counts to 1000 only" in answer.json()["message"]


@pytest.mark.parametrize("kind", ["collector", "async-collector"])
def test_a_function_is_a_sink(connect: Connect, kind: str) -> None:
    connect.write(f"to-{kind}", b"1", b"2", b"3")

    connect.put(f"sink-{kind}", kind, topics=f"to-{kind}", box=kind)

    eventually(lambda: TAKEN.get(kind) == ["1", "2", "3"])


def test_retry_brings_the_same_batch_again(connect: Connect) -> None:
    connect.write("retried", b"1", b"2")

    connect.put("retrier", "collector", topics="retried", box="retried", mode="retry")

    eventually(lambda: TAKEN.get("retried") == ["1", "2"])
    assert FAILED["retried"] == 2


def test_rejected_records_go_to_the_dead_letters(connect: Connect) -> None:
    connect.write("rejects", b"good", b"bad", b"fine", headers=[("own", b"1")])

    connect.put(
        "rejecter", "collector", topics="rejects", box="rejects", mode="reject",
        errors__tolerance="all", errors__deadletterqueue__topic__name="rejects-dead",
        errors__deadletterqueue__context__headers__enable="true",
    )  # fmt: skip
    (dead,) = connect.read("rejects-dead", 1)

    eventually(lambda: TAKEN.get("rejects") == ["good", "fine"])
    assert dead.value() == b"bad"
    headers = {
        name.removeprefix("__connect.errors."): text.decode() for name, text in dead.headers()
    }
    assert headers.pop("exception.stacktrace").startswith("aliran.connectors.errors.DataError")
    assert headers.pop("class.name").endswith("collector_task")
    assert headers == {
        "own": "1", "topic": "rejects", "partition": "0", "offset": "1",
        "connector.name": "rejecter", "task.id": "0", "stage": "TASK_PUT",
        "exception.class.name": "org.apache.kafka.connect.errors.DataException",
        "exception.message": "the target refuses it",
    }  # fmt: skip


def test_reports_of_failures_keep_secrets(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALIRAN_TEST_BOX", "b0x-s3cret")
    connect.write("blabbed", b"bad")

    connect.put(
        "blabber", "collector", topics="blabbed", box="${env:ALIRAN_TEST_BOX}", mode="blab",
        errors__tolerance="all", errors__log__enable="true",
        errors__deadletterqueue__topic__name="blabbed-dead",
        errors__deadletterqueue__context__headers__enable="true",
    )  # fmt: skip
    (dead,) = connect.read("blabbed-dead", 1)

    texts = [text.decode() for _, text in dead.headers()]
    logged = eventually(lambda: [t for t in caplog.messages if "task blabber-0" in t])
    assert any("cannot log in to" in text for text in texts)
    assert any("cannot log in to" in text for text in logged)
    assert not any("b0x-s3cret" in text for text in [*texts, *logged, caplog.text])


def test_poison_in_the_converter_is_tolerated_or_fails(connect: Connect) -> None:
    connect.write("poison", b'{"a":1}', b"{", b'{"a":2}')
    options = {
        "topics": "poison", "value__converter": JSON,
        "value__converter__schemas__enable": "false",
    }  # fmt: skip

    connect.put("eater", "collector", box="eater", errors__tolerance="all", **options)
    eventually(lambda: TAKEN.get("eater") == [{"a": 1}, {"a": 2}])
    connect.put("starver", "collector", box="starver", aliran__restart__attempts=0, **options)
    status = eventually(lambda: failed(connect, "starver"))

    assert "Tolerance exceeded in error handler: VALUE_CONVERTER" in status["trace"]
    again = connect.rest.post("/connectors/starver/restart?includeTasks=true&onlyFailed=true")
    assert again.json()["tasks"][0]["state"] == "RESTARTING"
    assert again.json()["connector"]["state"] == "RUNNING"


def failed(connect: Connect, name: str) -> dict[str, Any] | None:
    tasks = connect.status(name)["tasks"]
    found: dict[str, Any] | None = next((one for one in tasks if one["state"] == "FAILED"), None)
    return found


def test_a_failed_task_starts_again_by_itself(connect: Connect) -> None:
    connect.write("crashes", b"bad")

    connect.put(
        "crasher", "collector", topics="crashes", box="crashes", mode="crash",
        aliran__restart__backoff__ms=10,
    )  # fmt: skip

    eventually(lambda: TAKEN.get("crashes") == ["mended"])
    assert FAILED["crashes"] == 3
    connect.status("crasher", wait="RUNNING")


def test_transformations_and_predicates_change_records(connect: Connect) -> None:
    connect.write("changed", b"keep")
    connect.write("dropped", b"drop")

    connect.put(
        "changer", "collector", topics="changed,dropped", box="changed",
        transforms="wrap,gone", transforms__wrap__field="w",
        transforms__wrap__type="org.apache.kafka.connect.transforms.HoistField$Value",
        transforms__gone__type="org.apache.kafka.connect.transforms.Filter",
        transforms__gone__predicate="named", predicates="named",
        predicates__named__type="org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        predicates__named__pattern="drop.*",
    )  # fmt: skip

    box = eventually(lambda: TAKEN.get("changed"))
    assert [one.get("w") for one in box] == ["keep"]


def test_topics_are_found_by_pattern(connect: Connect) -> None:
    connect.write("pattern-1", b"x")
    connect.write("pattern-2", b"y")

    connect.put("matcher", "collector", topics__regex="pattern-[0-9]", box="pattern")

    eventually(lambda: sorted(TAKEN.get("pattern", [])) == ["x", "y"])


def test_a_class_has_kafkas_lifecycle_and_may_rewind(connect: Connect) -> None:
    connect.write("rewound", b"1", b"2")
    name = f"{__name__}.RewindingConnector"

    connect.put("rewinder", name, topics="rewound")
    eventually(lambda: Rewinding.calls.count("2") == 2)
    connect.rest.delete("/connectors/rewinder")

    calls = Rewinding.calls
    assert calls[:2] == ["start", f"open {[TopicPartition('rewound', 0)]}"]
    assert [one for one in calls if one in {"1", "2"}] == ["1", "2", "1", "2"]
    assert calls[-2:] == ["close", "stop"]
    assert "flush" in calls


def test_a_folder_of_plugins_is_read(tmp_path: Path) -> None:
    from aliran.connectors.runtime.plugins import Plugins

    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from aliran.connectors.api.functions import sink\n"
        "@dataclass\nclass C:\n    x: int = 1\n"
        "@sink('mine', config=C)\ndef mine(cfg, ctx, batch): pass\n"
    )

    assert Plugins([str(tmp_path)]).connector("mine").kind == "sink"
