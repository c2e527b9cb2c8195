from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.conftest import STRING, Connect, eventually

SOURCE = "FileStreamSource"


def config(lines: Path, topic: str) -> dict[str, str]:
    return {
        "connector.class": SOURCE, "file": str(lines), "topic": topic, "value.converter": STRING,
    }  # fmt: skip


def test_a_connector_is_made_and_described(connect: Connect, lines: Path) -> None:
    body: dict[str, Any] = {"name": "made", "config": config(lines, "made")}

    answer = connect.rest.post("/connectors", json=body)

    info = {
        "name": "made", "config": {**body["config"], "name": "made"},
        "tasks": [{"connector": "made", "task": 0}], "type": "source",
    }  # fmt: skip
    assert (answer.status_code, answer.json()) == (201, info)
    assert answer.headers["location"] == "/connectors/made"
    assert "made" in connect.rest.get("/connectors").json()
    assert connect.rest.get("/connectors/made").json() == info
    assert connect.rest.get("/connectors/made/config").json() == info["config"]
    task = connect.rest.get("/connectors/made/tasks").json()[0]
    assert task["id"] == {"connector": "made", "task": 0}
    assert task["config"]["task.class"].endswith("FileStreamSourceTask")
    status = connect.status("made", wait="RUNNING")
    assert status["connector"]["state"] == "RUNNING"
    assert status["tasks"][0] == {"id": 0, **status["connector"]}
    expanded = connect.rest.get("/connectors?expand=status&expand=info").json()["made"]
    assert expanded == {"status": status, "info": info}
    assert connect.rest.get("/connectors/made/tasks/0/status").json() == status["tasks"][0]
    again = connect.rest.post("/connectors", json=body)
    assert (again.status_code, again.json()) == (
        409, {"error_code": 409, "message": "Connector made already exists", "reason": "exists"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/connectors/none", 404, "Connector none not found"),
        ("GET", "/connectors/none/config", 404, "Connector none not found"),
        ("GET", "/connectors/none/status", 404, "No status found for connector none"),
        ("GET", "/connectors/none/tasks/9/status", 404, "No status found for task none-9"),
        ("PUT", "/connectors/none/pause", 404, "Unknown connector none"),
        ("PUT", "/connectors/none/stop", 404, "Unknown connector none"),
        ("POST", "/connectors/none/restart", 404, "Connector none not found"),
        ("DELETE", "/connectors/none", 404, "Connector none not found"),
        ("GET", "/connectors/none/tasks-config", 404, "HTTP 404 Not Found"),
        ("DELETE", "/connectors", 405, "HTTP 405 Method Not Allowed"),
        ("GET", "/connector-plugins/Nope/config", 404, "Unknown plugin Nope."),
        ("GET", "/admin/loggers/nobody", 404, "Logger nobody not found."),
    ],
)
def test_what_is_not_there_is_said(
    connect: Connect, method: str, path: str, status: int, message: str
) -> None:
    answer = connect.rest.request(method, path)

    assert answer.json() == {"error_code": status, "message": message}
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        (b'{"name": "x", "confg": {}}', "confg"),
        (b'{"config": {}}', "contains no connector type"),
        (b'{"name": "x", "config": {"name": "y"}}', "(y) doesn't match connector name in the URL"),
        (b'{"name": "x", "config": {}}', "contains no connector type"),
        (b'{"name": "x", "config": {"connector.class": "Nope"}}', "which name matches Nope"),
        (b'{"name": "x", "initial_state": "ASLEEP", "config": {}}', "initial_state must be"),
    ],
)
def test_bad_bodies_are_400(connect: Connect, body: bytes, message: str) -> None:
    answer = connect.rest.post(
        "/connectors", content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == answer.json()["error_code"] == 400
    assert message in answer.json()["message"]


def test_other_content_types_are_415(connect: Connect) -> None:
    answer = connect.rest.post("/connectors", content="x", headers={"content-type": "text/plain"})

    assert answer.status_code == answer.json()["error_code"] == 415


def test_all_errors_come_in_one_text(connect: Connect) -> None:
    wrong = {"connector.class": SOURCE, "tasks.max": "0", "batch.size": "x", "transforms": "t"}

    answer = connect.rest.put("/connectors/wrong/config", json=wrong)

    text = answer.json()["message"]
    assert answer.status_code == 400
    assert text.startswith(
        "Connector configuration is invalid and contains the following 5 error(s):\n"
        "Invalid value 0 for configuration tasks.max: Value must be at least 1\n"
    )
    assert "Not a number of type INT" in text
    assert 'Missing required configuration "topic" which has no default value.' in text
    assert 'Missing required configuration "transforms.t.type"' in text
    assert text.endswith("`/connector-plugins/{connectorType}/config/validate`")


def test_validation_answers_option_by_option(connect: Connect) -> None:
    path = f"/connector-plugins/{SOURCE}/config/validate"

    answer = connect.rest.put(path, json={"connector.class": SOURCE, "topic": ""})

    found = answer.json()
    rows = {row["definition"]["name"]: row for row in found["configs"]}
    assert answer.status_code == 200
    assert found["name"] == "org.apache.kafka.connect.file.FileStreamSourceConnector"
    assert found["error_count"] == 3
    assert rows["topic"]["value"] == {
        "name": "topic", "value": "", "recommended_values": [], "visible": True,
        "errors": ["Invalid value  for configuration topic: String must be non-empty"],
    }  # fmt: skip
    assert rows["file"]["definition"]["importance"] == "HIGH"
    assert rows["name"]["value"]["errors"]


def test_a_sink_needs_topics(connect: Connect) -> None:
    wrong = {"connector.class": "FileStreamSink", "topics": "a", "topics.regex": "b"}

    for given in (wrong, {"connector.class": "FileStreamSink"}):
        answer = connect.rest.put("/connectors/s/config", json=given)
        assert answer.status_code == 400
        assert "topics.regex" in answer.json()["message"]


def test_the_life_of_a_connector(connect: Connect, lines: Path) -> None:
    connect.put("life", SOURCE, file=lines, topic="life")

    assert connect.rest.put("/connectors/life/pause").status_code == 202
    assert connect.status("life", wait="PAUSED")["connector"]["state"] == "PAUSED"
    with lines.open("a") as file:
        file.write("four\n")
    assert connect.rest.put("/connectors/life/resume").status_code == 202
    connect.status("life", wait="RUNNING")
    assert [one.value() for one in connect.read("life", 4)] == [b"one", b"two", b"three", b"four"]
    restarted = connect.rest.post("/connectors/life/restart?includeTasks=true")
    assert restarted.status_code == 202
    assert restarted.json()["tasks"][0]["state"] == "RESTARTING"
    assert connect.rest.post("/connectors/life/restart").status_code == 204
    assert connect.rest.post("/connectors/life/tasks/0/restart").status_code == 204
    connect.status("life", wait="RUNNING")
    assert connect.rest.get("/connectors/life/topics").json() == {"life": {"topics": ["life"]}}
    assert connect.rest.put("/connectors/life/topics/reset").status_code == 202
    assert connect.rest.put("/connectors/life/stop").status_code == 204
    stopped = connect.status("life")
    assert (stopped["connector"]["state"], stopped["tasks"]) == ("STOPPED", [])


def test_a_patch_merges(connect: Connect, lines: Path) -> None:
    connect.put("patched", SOURCE, file=lines, topic="patched", batch__size=3)

    answer = connect.rest.patch(
        "/connectors/patched/config", json={"batch.size": None, "tasks.max": "2"}
    )

    assert answer.status_code == 200
    assert answer.json()["config"]["tasks.max"] == "2"
    assert "batch.size" not in answer.json()["config"]


def test_source_offsets_are_listed_altered_and_reset(connect: Connect, lines: Path) -> None:
    connect.put("offsets", SOURCE, file=lines, topic="offsets")
    path = "/connectors/offsets/offsets"
    partition = {"filename": str(lines)}
    rows = eventually(lambda: connect.rest.get(path).json()["offsets"])
    assert rows[0]["partition"] == partition
    assert rows[0]["offset"]["position"] == 14
    wanted = {"offsets": [{"partition": partition, "offset": {"position": 4}}]}
    refused = connect.rest.patch(path, json=wanted)
    assert refused.status_code == 400
    assert "'/connectors/offsets/stop'" in refused.json()["message"]
    connect.rest.put("/connectors/offsets/stop")
    assert connect.rest.patch(path, json={"offsets": []}).status_code == 400
    bad = {"offsets": [{"partition": partition, "offset": {"position": -4}}]}
    assert connect.rest.patch(path, json=bad).status_code == 400

    assert connect.rest.patch(path, json=wanted).json() == {
        "message": "The offsets for this connector have been altered successfully"
    }
    connect.rest.put("/connectors/offsets/resume")
    values = [one.value() for one in connect.read("offsets", 5)]
    connect.rest.put("/connectors/offsets/stop")

    assert values == [b"one", b"two", b"three", b"two", b"three"]
    assert connect.rest.delete(path).json() == {
        "message": "The offsets for this connector have been reset successfully"
    }
    assert connect.rest.get(path).json() == {"offsets": []}


def test_sink_offsets_are_listed_altered_and_reset(connect: Connect, tmp_path: Path) -> None:
    connect.write("sunk", b"a", b"b", b"c")
    out = tmp_path / "out.txt"
    connect.put("sinker", "FileStreamSink", file=out, topics="sunk")
    path = "/connectors/sinker/offsets"
    row = {
        "partition": {"kafka_topic": "sunk", "kafka_partition": 0}, "offset": {"kafka_offset": 3},
    }  # fmt: skip

    assert eventually(lambda: connect.rest.get(path).json()["offsets"]) == [row]
    connect.rest.put("/connectors/sinker/stop")
    changed = connect.rest.patch(path, json={"offsets": [{**row, "offset": {"kafka_offset": 1}}]})
    assert changed.status_code == 200, changed.text
    connect.rest.put("/connectors/sinker/resume")
    eventually(lambda: out.read_text() == "a\nb\nc\nb\nc\n")
    connect.rest.put("/connectors/sinker/stop")

    assert connect.rest.delete(path).status_code == 200
    assert connect.rest.get(path).json() == {"offsets": []}
    nowhere = {"partition": {"kafka_topic": "nowhere", "kafka_partition": 0}, "offset": None}
    assert connect.rest.patch(path, json={"offsets": [nowhere]}).status_code == 404


def test_an_initial_state_is_kept(connect: Connect, lines: Path) -> None:
    body = {"name": "later", "config": config(lines, "later"), "initial_state": "STOPPED"}

    answer = connect.rest.post("/connectors", json=body)

    assert (answer.status_code, answer.json()["tasks"]) == (201, [])
    assert connect.status("later")["connector"]["state"] == "STOPPED"


def test_plugins_are_listed_and_described(connect: Connect) -> None:
    connectors = connect.rest.get("/connector-plugins").json()
    everything = connect.rest.get("/connector-plugins?connectorsOnly=false").json()
    options = connect.rest.get(f"/connector-plugins/{SOURCE}/config").json()

    assert {one["type"] for one in connectors} == {"source", "sink"}
    assert {one["type"] for one in everything} >= {
        "source", "sink", "converter", "header_converter", "transformation", "predicate",
    }  # fmt: skip
    assert {"name", "tasks.max", "file", "topic"} <= {one["name"] for one in options}


def test_the_worker_says_what_it_is(connect: Connect) -> None:
    root = connect.rest.get("/").json()

    assert root["version"] == "4.3.0"
    assert root["kafka_cluster_id"]
    assert connect.rest.get("/health").json()["status"] == "healthy"


def test_levels_of_loggers_are_set(connect: Connect) -> None:
    path = "/admin/loggers/aliran.connectors"

    changed = connect.rest.put(path, json={"level": "DEBUG"})

    assert changed.status_code == 200
    assert "aliran.connectors" in changed.json()
    row = connect.rest.get(path).json()
    assert row["level"] == "DEBUG"
    assert row["last_modified"] > 0
    assert connect.rest.put(f"{path}?scope=cluster", json={"level": "WARN"}).status_code == 204
    assert connect.rest.put(path, json={"level": "LOUD"}).status_code == 404


def test_secrets_are_nowhere(
    connect: Connect, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIRAN_TEST_TOPIC", "t0p-s3cret")
    connect.put("hidden", SOURCE, file=lines, topic="${env:ALIRAN_TEST_TOPIC}")

    texts = [
        connect.rest.get(f"/connectors/hidden{path}").text for path in ("", "/config", "/tasks")
    ]

    assert [one.value() for one in connect.read("t0p-s3cret", 3)] == [b"one", b"two", b"three"]
    assert not any("t0p-s3cret" in text for text in texts)
    assert all("${env:ALIRAN_TEST_TOPIC}" in text for text in texts)


def test_the_clients_of_pypi_work(connect: Connect, lines: Path) -> None:
    from kafka_connect import KafkaConnect
    from kafka_connect_api.kafka_connect_api import Api, Cluster

    options: dict[str, Any] = {"name": "foreign", "config": config(lines, "foreign")}
    client = KafkaConnect(connect.server.url)
    client.create_connector(options)
    connect.status("foreign", wait="RUNNING")
    cluster = Cluster(Api(url=connect.server.url))
    theirs = cluster.connectors["foreign"]

    assert client.get_connector("foreign")["config"]["topic"] == "foreign"
    assert (theirs.state, theirs.tasks[0].state) == ("RUNNING", "RUNNING")
    assert cluster.version == "4.3.0"
    theirs.pause()
    assert connect.status("foreign", wait="PAUSED")["connector"]["state"] == "PAUSED"
    client.resume_connector("foreign")
    client.restart_connector("foreign")
    assert json.dumps(client.get_connector_status("foreign"))
    client.delete_connector("foreign")
    assert "foreign" not in client.list_connectors()
