"""Ours answers what Kafka's worker answered, but for what is named here, each with its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.conftest import Connect
from tests.connectors.rest.conversation import RECORDED, answers

pytestmark = pytest.mark.xdist_group("conversation")

# Requests (as the recording begins them) that are answered otherwise.
STATUS_AND_TEXT = {
    "GET /admin/loggers/org.nobody.here": "a logger that nobody made does not exist",
    'PUT /admin/loggers/root {"level": "LOUD"}': "Kafka's has no body",
    "GET /connectors/none/topics": "what does not exist is 404 here",
    "PUT /connectors/none/topics/reset": "what does not exist is 404 here",
    'PATCH /connectors/in/offsets {"offsets": [{"partition": {"file"': "400, not 500",
    "POST /connectors {": "malformed JSON is 400, not 500",
    'POST /connectors {"name": "x", "confg"': "an unknown field is 400, not 500",
    'POST /connectors {"name": "x", "config": {}}': "values of options are not repeated",
    'POST /connectors {"name": "x", "config": {"connector.class": "Nope"}}': "only names",
}
BY_PART = {
    '"initial_state": "LAZY"': "a wrong value is 400, not 500",
    '"tasks.max": "many"': "one mistake, one error",
    '"errors.retry.timeout": "-2"': "refused: -1 is for ever, less means nothing",
    '"topic.creation.groups": "g"}': "400, not 500, and all that is missing at once",
    '"transforms.t.predicate": "p"}': "refused: there is no such predicate; Kafka's task fails",
    '"topics": ","': "said otherwise: nothing is named",
    '"topics.regex": "("': "the reason is Python's",
    '"connector.plugin.version": "9.9.9"': "one mistake, one error",
    'in/config {"connector.class": "FileStreamSink", "file"': "a source stays one",
}
OTHER_OPTIONS = {"file", "batch.size"}
"""`file` may not be left out (Kafka reads standard input); `batch.size` has a range."""


def options(body: Any) -> Iterator[tuple[str, Any]]:
    """Yield the definitions and values of options in an answer, by name."""
    rows = body["configs"] if isinstance(body, dict) else body
    for row in rows:
        definition = row.get("definition", row)
        value = dict(row.get("value", {}))
        known = {name for name in value.pop("recommended_values", []) if "apache" in name}
        if definition["name"].endswith("version"):
            definition, value = {**definition, "default_value": None}, {**value, "value": None}
        yield definition["name"], (definition, value, known)


def same(kafka: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether two answers say the same, versions and what is ours apart."""
    if kafka["status"] != ours["status"] or kafka.get("location") != ours.get("location"):
        return False
    one, two = (_plain(answer["body"]) for answer in (kafka, ours))
    return bool(one == two)


def _plain(body: Any) -> Any:
    if isinstance(body, str) and body.startswith("{"):
        body = json.loads(body)  # Jetty answers without a content type here
    if isinstance(body, list):
        return [_plain(one) for one in body]
    if isinstance(body, dict):
        left_out = {"version", "commit", "kafka_cluster_id", "reason", "inode", "task.class"}
        return {name: _plain(one) for name, one in body.items() if name not in left_out}
    return body


def is_different(asked: str) -> bool:
    """Whether a request is one that is known to be answered otherwise."""
    return any(
        asked == start or (start != "POST /connectors {" and asked.startswith(start))
        for start in STATUS_AND_TEXT
    ) or any(part in asked for part in BY_PART)


@pytest.fixture(scope="module")
def pairs(
    connect: Connect, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    folder: Path = tmp_path_factory.mktemp("conversation")
    ours = list(answers(connect.server.url, folder))
    kafkas = json.loads(RECORDED.read_text("utf-8"))
    assert [asked for asked, _ in ours] == [asked for asked, _ in kafkas]
    return [(asked, kafka, mine) for (asked, kafka), (_, mine) in zip(kafkas, ours, strict=True)]


def test_status_and_body_are_kafkas(
    pairs: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    listed = ("/connector-plugins/",)
    made_differently = False
    wrong = []
    for asked, kafka, ours in pairs:
        described = any(part in asked for part in listed) and kafka["status"] == 200
        if described or is_different(asked):
            continue
        if '{"connector.class"' in asked and "PUT /connectors/x/" in asked and not made_differently:
            made_differently = kafka["status"] == 200 and ours["status"] == 201
            if made_differently:
                continue  # the first that is right: Kafka made x from what ours refused before
        if asked == "GET /connectors " and len(kafka["body"]) > len(ours["body"]):
            continue  # y was made with a predicate that is not there
        if not same(kafka, ours):
            wrong.append((asked, kafka, ours))
    assert wrong == []


def test_options_are_described_as_kafkas(
    pairs: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    compared, wrong = 0, []
    for asked, kafka, ours in pairs:
        if "/connector-plugins/" not in asked or kafka["status"] != 200:
            continue
        mine = dict(options(ours["body"]))
        for name, expected in options(kafka["body"]):
            compared += 1
            found = mine.get(name)
            if name in OTHER_OPTIONS and found is not None:
                continue
            if name.startswith("transaction.boundary") and found is None:
                continue  # exactly-once sources
            if found is None or found[:2] != expected[:2] or not found[2] >= expected[2]:
                wrong.append((asked[:120], name, expected, found))
    assert compared > 150
    assert wrong == []


def test_what_is_said_to_differ_does(
    pairs: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    equal = [asked for asked, kafka, ours in pairs if is_different(asked) and same(kafka, ours)]
    assert equal == []
