"""Registering and looking up over HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx

from aliran.schema_registry.server import RegistryServer


def record(*fields: str | dict[str, Any], name: str = "R") -> str:
    """Return an Avro record; a field that is only named is an int without a default."""
    rows = [{"name": one, "type": "int"} if isinstance(one, str) else one for one in fields]
    return json.dumps({"type": "record", "name": name, "fields": rows})


def test_what_is_registered_is_found_by_id_version_and_content(http: httpx.Client) -> None:
    text = record("a")
    answer = http.post("/subjects/orders/versions", json={"schema": text})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    registered = answer.json()
    canonical = json.dumps(json.loads(text), separators=(",", ":"))
    assert (registered["id"], registered["version"]) == (1, 1)
    assert http.get("/schemas/ids/1").json()["schema"] == canonical
    assert http.get("/schemas/ids/1/schema").text == canonical
    assert http.get("/subjects/orders/versions/latest").json()["id"] == 1
    assert http.get("/subjects/orders/versions/1/schema").text == canonical
    assert http.post("/subjects/orders", json={"schema": text}).json()["version"] == 1
    assert http.get(f"/schemas/guids/{registered['guid']}").json()["schema"] == canonical
    assert http.get(f"/schemas/guids/{registered['guid']}/ids").json() == [
        {"context": ".", "id": 1}
    ]


def test_the_same_content_has_one_id_everywhere(http: httpx.Client) -> None:
    first = http.post("/subjects/a/versions", json={"schema": record("x")}).json()
    spaced = json.dumps(json.loads(record("x")), indent=2)
    assert http.post("/subjects/b/versions", json={"schema": spaced}).json()["id"] == first["id"]
    assert http.get("/schemas/ids/1/subjects").json() == ["a", "b"]
    assert http.get("/schemas/ids/1/versions").json() == [
        {"subject": "a", "version": 1},
        {"subject": "b", "version": 1},
    ]


def test_a_slash_in_a_subject_stays_in_its_segment(http: httpx.Client) -> None:
    http.post("/subjects/a%2Fb%3F/versions", json={"schema": record("x")})
    assert http.get("/subjects").json() == ["a/b?"]
    assert http.get("/subjects/a%2fb%3f/versions").json() == [1]
    assert http.get("/subjects/a/b/versions").json() == {
        "error_code": 404,
        "message": "HTTP 404 Not Found",
    }


def test_an_incompatible_schema_says_where_why_and_what_would_help(http: httpx.Client) -> None:
    http.post("/subjects/s/versions", json={"schema": record("a")})
    answer = http.post("/subjects/s/versions", json={"schema": record("a", "b")})
    assert answer.status_code == 409
    body = answer.json()
    assert body["error_code"] == 409
    assert body["message"].startswith(
        'Schema being registered is incompatible with an earlier schema for subject "s", details: ['
        "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path "
        "'/fields/1' in the new schema has no default value and is missing in the old schema', "
        'additionalInfo:\'b\'}, {oldSchemaVersion: 1}, {oldSchema: \'{"type":"record"'
    )
    assert "{hint: 'give the field b a default'}" in body["message"]
    assert body["message"].endswith("{validateFields: 'false', compatibility: 'BACKWARD'}]")


def test_what_old_readers_need_is_left_as_it_was(http: httpx.Client) -> None:
    http.post("/subjects/s/versions", json={"schema": record("a", "b")})
    http.put("/config/s", json={"compatibility": "FORWARD"})
    answer = http.post("/subjects/s/versions", json={"schema": record("a")})
    assert answer.status_code == 409
    assert "{hint: 'leave /fields/1 of the old schema as it was" in answer.json()["message"]


def test_what_is_not_there_has_confluents_codes(http: httpx.Client) -> None:
    http.post("/subjects/s/versions", json={"schema": record("a")})
    for path, code, message in (
        ("/subjects/x/versions", 40401, "Subject 'x' not found."),
        ("/subjects/x/versions/1", 40401, "Subject 'x' not found."),
        ("/subjects/s/versions/7", 40402, "Version 7 not found."),
        ("/schemas/ids/99", 40403, "Schema 99 not found"),
        ("/schemas/ids/x", 404, "HTTP 404 Not Found"),
        ("/schemas/ids/99999999999", 404, "HTTP 404 Not Found"),
    ):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"error_code": code, "message": message}
    for version in ("0", "-2", "abc"):
        assert http.get(f"/subjects/s/versions/{version}").json()["error_code"] == 42202
    for subject, code in (("x", 40401), ("s", 40403)):
        answer = http.post(f"/subjects/{subject}", json={"schema": record("b")})
        assert answer.json()["error_code"] == code


def test_what_was_registered_is_there_after_a_restart(tmp_path: Any) -> None:
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        before = http.post("/subjects/s/versions", json={"schema": record("a")}).json()
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        after = http.get("/subjects/s/versions/1").json()
        assert {**before, "subject": "s"} == after
        assert http.post("/subjects/t/versions", json={"schema": record("b")}).json()["id"] == 2
