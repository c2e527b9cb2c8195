"""A conversation with a worker, request by request; ours and Kafka's must answer the same.

    python -m tests.connectors.rest.conversation

asks Kafka's own worker (Java, Maven) and records what it answers in `answers.json`.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

RECORDED = Path(__file__).with_name("answers.json")
_STRING = "org.apache.kafka.connect.storage.StringConverter"
_SOURCE = "org.apache.kafka.connect.file.FileStreamSourceConnector"
_SINK = "FileStreamSink"
_DOCUMENTED = re.compile(r'"documentation": "(?:[^"\\]|\\.)*", ')
_TIMED = re.compile(r'"last_modified": ?\d+')

_OF_BOTH = (
    "Cast", "ExtractField", "Flatten", "HeaderFrom", "HoistField", "InsertField", "MaskField",
    "ReplaceField", "SetSchemaMetadata", "TimestampConverter",
)  # fmt: skip
_PARTS = [
    *(f"transforms.{name}${part}" for name in _OF_BOTH for part in ("Key", "Value")),
    *(f"transforms.{name}" for name in (
        "DropHeaders", "Filter", "InsertHeader", "RegexRouter", "TimestampRouter", "ValueToKey",
    )),
    *(f"transforms.predicates.{name}" for name in (
        "HasHeaderKey", "RecordIsTombstone", "TopicNameMatches",
    )),
    *(f"converters.{name}Converter" for name in (
        "Boolean", "ByteArray", "Double", "Float", "Integer", "Long", "Short",
    )),
    "json.JsonConverter", "storage.StringConverter", "storage.SimpleHeaderConverter",
]  # fmt: skip


class Step(NamedTuple):
    """One request.

    Attributes:
        method: Its method.
        path: Its path.
        body: What is sent as JSON; bytes as they are; None for nothing.
        until: A text that the answer must hold: the request is made again until it does.
    """

    method: str
    path: str
    body: Any = None
    until: str = ""


def steps(folder: Path) -> Iterator[Step]:
    """Yield the requests; files are in a folder."""
    lines = {"file": str(folder / "in.txt"), "topic": "lines", "value.converter": _STRING}
    source = {"connector.class": _SOURCE, **lines}
    sink = {
        "connector.class": _SINK, "topics": "lines", "file": str(folder / "out.txt"),
        "value.converter": _STRING, "tasks.max": "1",
    }  # fmt: skip
    yield from _about_the_worker()
    yield from _making(source, sink)
    yield from _states()
    yield from _offsets(folder)
    yield from _wrong(source)
    yield from _validating(source)
    yield from _changing(source)
    yield from _ending()


def _about_the_worker() -> Iterator[Step]:
    yield Step("GET", "/")
    yield Step("GET", "/health")
    yield Step("GET", "/connectors")
    yield Step("GET", "/nothing")
    yield Step("DELETE", "/connectors")
    yield Step("GET", "/admin/loggers/org.nobody.here")
    yield Step("PUT", "/admin/loggers/root", {"level": "LOUD"})
    yield Step("PUT", "/admin/loggers/root", {})
    yield Step("GET", "/connector-plugins/Nope/config")
    yield Step("GET", "/connector-plugins/FileStreamSource/config")
    yield Step("GET", "/connector-plugins/FileStreamSink/config")
    for name in _PARTS:
        yield Step("GET", f"/connector-plugins/org.apache.kafka.connect.{name}/config")


def _making(source: dict[str, str], sink: dict[str, str]) -> Iterator[Step]:
    yield Step("POST", "/connectors", {"name": "in", "config": source})
    yield Step("POST", "/connectors", {"name": "in", "config": source})
    yield Step("GET", "/connectors/in/status", until='"id"')
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("GET", "/connectors/in")
    yield Step("GET", "/connectors/in/config")
    yield Step("GET", "/connectors/in/tasks")
    yield Step("GET", "/connectors/in/tasks-config")
    yield Step("GET", "/connectors/in/tasks/0/status")
    yield Step("GET", "/connectors/in/tasks/9/status")
    yield Step("GET", "/connectors/in/tasks/x/status")
    yield Step("GET", "/connectors/in/topics", until="lines")
    yield Step("PUT", "/connectors/out/config", sink)
    yield Step("GET", "/connectors/out/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("PUT", "/connectors/out/config", {**sink, "errors.tolerance": "all"})
    yield Step("GET", "/connectors/out/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("GET", "/connectors?expand=status&expand=info")
    yield Step("GET", "/connectors?expand=info")
    yield Step("GET", "/connectors?expand=nonsense")
    yield Step(
        "POST", "/connectors", {"name": "asleep", "config": source, "initial_state": "STOPPED"}
    )
    yield Step("GET", "/connectors/asleep/status")
    yield Step(
        "POST", "/connectors", {"name": "dozing", "config": source, "initial_state": "paused"}
    )
    yield Step("GET", "/connectors/dozing/status", until='"state": "PAUSED"')
    yield Step("DELETE", "/connectors/dozing")


def _states() -> Iterator[Step]:
    yield Step("PUT", "/connectors/in/pause")
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "PAUSED"')
    yield Step("PUT", "/connectors/in/resume")
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("POST", "/connectors/in/restart")
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("POST", "/connectors/in/restart?includeTasks=true&onlyFailed=true")
    yield Step("POST", "/connectors/in/tasks/0/restart")
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "RUNNING"')
    yield Step("PUT", "/connectors/none/pause")
    yield Step("PUT", "/connectors/none/resume")
    yield Step("GET", "/connectors/none")
    yield Step("GET", "/connectors/none/config")
    yield Step("GET", "/connectors/none/status")
    yield Step("GET", "/connectors/none/tasks")
    yield Step("GET", "/connectors/none/offsets")
    yield Step("GET", "/connectors/none/topics")
    yield Step("DELETE", "/connectors/none")
    yield Step("POST", "/connectors/none/restart?includeTasks=true")
    yield Step("PUT", "/connectors/none/topics/reset")


def _offsets(folder: Path) -> Iterator[Step]:
    partition = {"filename": str(folder / "in.txt")}
    yield Step("GET", "/connectors/in/offsets", until="position")
    yield Step("GET", "/connectors/out/offsets", until="kafka_offset")
    yield Step("PATCH", "/connectors/in/offsets", {"offsets": []})
    yield Step("PATCH", "/connectors/in/offsets", {})
    change = {"offsets": [{"partition": partition, "offset": {"position": 4}}]}
    yield Step("PATCH", "/connectors/in/offsets", change)
    yield Step("DELETE", "/connectors/in/offsets")
    yield Step("PUT", "/connectors/in/stop")
    yield Step("GET", "/connectors/in/status", until='"tasks": []')
    yield Step("PATCH", "/connectors/in/offsets", change)
    yield Step("GET", "/connectors/in/offsets", until='"position": 4')
    twice = {"offsets": [*change["offsets"], *change["offsets"]]}
    yield Step("PATCH", "/connectors/in/offsets", twice)
    bad = {"offsets": [{"partition": {"file": "x"}, "offset": {"position": 1}}]}
    yield Step("PATCH", "/connectors/in/offsets", bad)
    yield Step("DELETE", "/connectors/in/offsets")
    yield Step("GET", "/connectors/in/offsets")
    yield Step("PUT", "/connectors/out/stop")
    yield Step("GET", "/connectors/out/status", until='"tasks": []')
    where = {"kafka_topic": "lines", "kafka_partition": 0}
    yield Step(
        "PATCH",
        "/connectors/out/offsets",
        {"offsets": [{"partition": where, "offset": {"kafka_offset": 1}}]},
    )
    yield Step("GET", "/connectors/out/offsets", until='"kafka_offset": 1')
    for wrong in (
        {"partition": {"kafka_topic": "lines"}, "offset": {"kafka_offset": 1}},
        {"partition": {**where, "kafka_partition": "x"}, "offset": {"kafka_offset": 1}},
        {"partition": where, "offset": {"kafka_offset": "x"}},
        {"partition": where, "offset": {"offset": 1}},
    ):
        yield Step("PATCH", "/connectors/out/offsets", {"offsets": [wrong]})
    yield Step("DELETE", "/connectors/out/offsets")
    yield Step("GET", "/connectors/out/offsets", until='"offsets": []')
    yield Step("PUT", "/connectors/out/resume")
    yield Step("PUT", "/connectors/in/resume")
    yield Step("GET", "/connectors/in/status", until='"tasks": [{"id": 0, "state": "RUNNING"')


def _wrong(source: dict[str, str]) -> Iterator[Step]:
    yield Step("POST", "/connectors", b"{")
    yield Step("POST", "/connectors", {"name": "x", "confg": {}})
    yield Step("POST", "/connectors", {"config": source})
    yield Step("POST", "/connectors", {"name": "", "config": source})
    yield Step("POST", "/connectors", {"name": "x", "config": {**source, "name": "y"}})
    yield Step("POST", "/connectors", {"name": "x", "config": {}})
    yield Step("POST", "/connectors", {"name": "x", "config": {"connector.class": "Nope"}})
    yield Step("POST", "/connectors", {"name": "x", "config": source, "initial_state": "LAZY"})
    without = {name: value for name, value in source.items() if name != "topic"}
    yield Step("POST", "/connectors", {"name": "x", "config": without})
    for option, value in (
        ("tasks.max", "0"), ("tasks.max", "many"), ("batch.size", "x"),
        ("errors.tolerance", "some"),
        ("key.converter", "Nope"), ("transforms", "a,a"), ("errors.retry.timeout", "-2"),
        ("config.action.reload", "never"), ("topic.creation.groups", "g"),
        ("header.converter", _STRING), ("errors.log.enable", "perhaps"),
        ("errors.retry.delay.max.ms", ""), ("predicates", "p"),
    ):  # fmt: skip
        yield Step("PUT", "/connectors/x/config", {**source, option: value})
    yield Step("PUT", "/connectors/y/config", {**source, "transforms": "t"})
    kinds = "org.apache.kafka.connect.transforms."
    hoist = {"transforms.t.type": f"{kinds}HoistField$Value"}
    for more in (
        hoist,
        {"transforms.t.type": f"{kinds}Nope"},
        {**hoist, "transforms.t.field": "f", "transforms.t.predicate": "p"},
    ):
        yield Step("PUT", "/connectors/y/config", {**source, "transforms": "t", **more})
    for topics in ({}, {"topics": "a", "topics.regex": "a"}, {"topics": ","}, {"topics.regex": "("},
                   {"topics": "dead", "errors.deadletterqueue.topic.name": "dead"}):  # fmt: skip
        yield Step("PUT", "/connectors/z/config", {"connector.class": _SINK, "file": "f", **topics})


def _validating(source: dict[str, str]) -> Iterator[Step]:
    path = "/connector-plugins/FileStreamSource/config/validate"
    yield Step("PUT", path, {**source, "name": "v"})
    yield Step("PUT", path, {"connector.class": _SOURCE})
    yield Step("PUT", path, {**source, "name": "v", "tasks.max": "0", "batch.size": "0"})
    hoist = "org.apache.kafka.connect.transforms.HoistField$Value"
    more = {
        "transforms": "t", "transforms.t.type": hoist, "transforms.t.field": "f",
        "transforms.t.predicate": "p", "predicates": "p",
        "predicates.p.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
        "predicates.p.pattern": "l.*", "topic.creation.default.partitions": "2",
        "topic.creation.default.replication.factor": "1", "topic.creation.groups": "g",
        "topic.creation.g.include": "x.*", "topic.creation.g.cleanup.policy": "compact",
    }  # fmt: skip
    yield Step("PUT", path, {**source, "name": "v", **more})
    json_converter = "org.apache.kafka.connect.json.JsonConverter"
    yield Step("PUT", path, {**source, "name": "v", "key.converter": json_converter,
                             "key.converter.schemas.enable": "maybe"})  # fmt: skip
    yield Step("PUT", path, {**source, "connector.class": _SINK})
    yield Step("PUT", "/connector-plugins/Nope/config/validate", source)


def _changing(source: dict[str, str]) -> Iterator[Step]:
    yield Step("PATCH", "/connectors/in/config", {"batch.size": "7", "value.converter": None})
    yield Step("PATCH", "/connectors/none/config", {"batch.size": "7"})
    yield Step("PATCH", "/connectors/in/config", {"batch.size": "x"})
    yield Step("PUT", "/connectors/in/config", {**source, "connector.class": _SINK, "topics": "t"})
    yield Step("PUT", "/connectors/in/config", {**source, "connector.plugin.version": "9.9.9"})
    yield Step(
        "PUT", "/connectors/in/config", {**source, "header.converter": "SimpleHeaderConverter"}
    )


def _ending() -> Iterator[Step]:
    yield Step("POST", "/connectors/in/tasks/7/restart")
    yield Step("PUT", "/connectors/in/topics/reset")
    yield Step("DELETE", "/connectors/in")
    yield Step("GET", "/connectors/in/status")
    yield Step("DELETE", "/connectors/out")
    yield Step("DELETE", "/connectors/asleep")
    yield Step("GET", "/connectors")


def answers(url: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Have the conversation; yield requests with what was answered."""
    (folder / "in.txt").write_text("one\ntwo\nthree\n")
    hidden = {str(folder): "DIR", url.removeprefix("http://"): "WORKER"}

    def plain(text: str) -> str:
        text = _DOCUMENTED.sub("", text)
        for this, that in hidden.items():
            text = text.replace(this, that)
        return _TIMED.sub('"last_modified": 0', text)

    with httpx.Client(base_url=url, timeout=60) as rest:
        for step in steps(folder):
            body = step.body if isinstance(step.body, bytes) else json.dumps(step.body).encode()
            asked = plain(f"{step.method} {step.path} {'' if step.body is None else body.decode()}")
            deadline = time.monotonic() + 30
            while True:
                got = rest.request(
                    step.method, step.path, content=None if step.body is None else body,
                    headers={"content-type": "application/json"},
                )  # fmt: skip
                text = json.dumps(got.json()) if _is_json(got) else got.text
                if step.until in text or time.monotonic() > deadline:
                    break
                time.sleep(0.05)
            answer: dict[str, Any] = {"status": got.status_code, "body": plain(text)}
            if _is_json(got):
                answer["body"] = json.loads(answer["body"])
            if "location" in got.headers:
                answer["location"] = plain(got.headers["location"]).replace("http://WORKER", "")
            yield asked, answer


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "") and bool(answer.content)


def main() -> int:
    """Record what Kafka's worker answers."""
    from jvm_worker import JvmWorker

    from aliran.broker.embedded import EmbeddedBroker

    with (
        tempfile.TemporaryDirectory() as scratch,
        EmbeddedBroker() as broker,
        JvmWorker(Path(scratch), broker.bootstrap_servers) as worker,
    ):
        rows = [[asked, answer] for asked, answer in answers(worker.url, Path(scratch))]
    lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]
    RECORDED.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
    print(f"{len(rows)} answers in {RECORDED}")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
    sys.exit(main())
