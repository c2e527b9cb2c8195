"""What the registry allows: deletion, references, modes, settings, contexts, aliases, groups."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from aliran.schema_registry.registry import Registry
from aliran.schema_registry.server import RegistryServer


def record(*names: str, name: str = "R") -> str:
    fields = [{"name": one, "type": "int", "default": 0} for one in names]
    return json.dumps({"type": "record", "name": name, "fields": fields})


def register(http: httpx.Client, subject: str, text: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/subjects/{subject}/versions", json={"schema": text, **body})
    assert answer.status_code == 200, answer.text
    registered: dict[str, Any] = answer.json()
    return registered


def code(answer: httpx.Response) -> int:
    number: int = answer.json()["error_code"]
    assert answer.status_code == (number // 100 if number > 1000 else number)
    return number


# ---------------------------------------------------------------------- deletion


def test_versions_are_deleted_in_two_steps(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    register(http, "s", record("a", "b"))
    assert code(http.delete("/subjects/s/versions/1?permanent=true")) == 40407
    assert http.delete("/subjects/s/versions/1").json() == 1
    assert code(http.delete("/subjects/s/versions/1")) == 40406
    assert code(http.get("/subjects/s/versions/1")) == 40402
    assert http.get("/subjects/s/versions/1?deleted=true").json()["deleted"] is True
    assert http.get("/schemas/ids/1").status_code == 200  # data with the id can still be read
    assert http.get("/subjects/s/versions?deletedOnly=true").json() == [1]
    assert http.delete("/subjects/s/versions/1?permanent=True").json() == 1
    assert code(http.get("/schemas/ids/1")) == 40403
    assert http.get("/subjects/s/versions?deleted=true").json() == [2]


def test_subjects_are_deleted_in_two_steps(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    register(http, "s", record("a", "b"))
    assert code(http.delete("/subjects/s?permanent=true")) == 40405
    assert http.delete("/subjects/s").json() == [1, 2]
    assert code(http.delete("/subjects/s")) == 40404
    assert code(http.delete("/subjects/x")) == 40401
    assert http.get("/subjects").json() == []
    assert register(http, "s", record("a"))["version"] == 3  # numbers go on
    http.delete("/subjects/s")
    assert http.delete("/subjects/s?permanent=true").json() == [2, 3]
    assert register(http, "s", record("a"))["version"] == 1  # and begin again


def test_what_is_registered_again_keeps_its_id(http: httpx.Client) -> None:
    first = register(http, "s", record("a"))
    http.delete("/subjects/s")
    again = register(http, "s", record("a"))
    assert (again["id"], again["version"]) == (first["id"], 2)
    assert http.get("/subjects/s/versions?deleted=true").json() == [2]


def test_no_id_is_given_out_twice(tmp_path: Any) -> None:
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        register(http, "s", record("a"))
        register(http, "t", record("b"))
        http.delete("/subjects/t")
        http.delete("/subjects/t?permanent=true")
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        assert register(http, "u", record("c"))["id"] == 3


# ---------------------------------------------------------------------- references


def test_references(http: httpx.Client) -> None:
    register(http, "user", record("id", name="User"))
    order = json.dumps(
        {"type": "record", "name": "Order", "fields": [{"name": "by", "type": "User"}]}
    )
    assert code(http.post("/subjects/order/versions", json={"schema": order})) == 42201
    reference = {"name": "User", "subject": "user", "version": -1}
    registered = register(http, "order", order, references=[reference])
    assert registered["references"] == [{**reference, "version": 1}]
    assert http.get("/subjects/user/versions/1/referencedby").json() == [registered["id"]]
    answer = http.delete("/subjects/user/versions/1")
    assert code(answer) == 42206
    assert answer.json()["message"] == (
        "One or more references exist to the schema "
        "{magic=1,keytype=SCHEMA,subject=user,version=1}."
    )
    resolved = http.get(f"/schemas/ids/{registered['id']}?format=resolved").json()["schema"]
    assert json.loads(resolved)["fields"][0]["type"]["name"] == "User"
    assert http.post("/subjects/order", json={"schema": resolved}).json()["version"] == 1
    missing = {**reference, "version": 9}
    answer = http.post("/subjects/o/versions", json={"schema": order, "references": [missing]})
    assert (
        'No schema reference found for subject "user" and version 9' in (answer.json()["message"])
    )
    http.delete("/subjects/order")
    assert http.delete("/subjects/user/versions/1").status_code == 200


# ---------------------------------------------------------------------- modes


def test_read_only(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    assert http.put("/mode/s", json={"mode": "readonly"}).json() == {"mode": "readonly"}
    for answer in (
        http.post("/subjects/s/versions", json={"schema": record("a", "b")}),
        http.delete("/subjects/s"),
        http.delete("/subjects/s/versions/1"),
        http.put("/config/s", json={"compatibility": "FULL"}),
    ):
        assert code(answer) == 42205
        assert answer.json()["message"] == "Subject s in context  is in read-only mode"
    assert register(http, "t", record("b"))["id"] == 2
    assert code(http.put("/mode/s", json={"mode": "sometimes"})) == 42204
    assert code(http.get("/mode/t")) == 40409
    assert http.get("/mode/t?defaultToGlobal=true").json() == {"mode": "READWRITE"}
    assert http.delete("/mode/s").json() == {"mode": "READONLY"}
    assert code(http.delete("/mode/s")) == 40401


def test_import(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    body = {"schema": record("z"), "id": 77, "version": 5}
    assert code(http.post("/subjects/t/versions", json=body)) == 42205
    assert code(http.put("/mode", json={"mode": "IMPORT"})) == 42205
    assert http.put("/mode?force=true", json={"mode": "IMPORT"}).status_code == 200
    imported = register(http, "t", record("z"), id=77, version=5)
    assert (imported["id"], imported["version"]) == (77, 5)
    answer = http.post("/subjects/t/versions", json={**body, "schema": record("y"), "version": 6})
    assert answer.json()["message"] == (
        "Overwrite new schema with id 77 in context  is not permitted."
    )
    assert code(http.post("/subjects/t/versions", json={"schema": record("x")})) == 42205
    http.put("/mode", json={"mode": "READWRITE"})
    assert register(http, "u", record("w"))["id"] == 78


def test_going_to_import_forgets_what_was_deleted(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    http.delete("/subjects/s")
    assert http.put("/mode/s", json={"mode": "IMPORT"}).status_code == 200
    assert http.get("/subjects?deleted=true").json() == []


# ---------------------------------------------------------------------- settings


def test_settings_are_those_of_the_subject_its_context_or_all(http: httpx.Client) -> None:
    http.put("/config", json={"compatibility": "none"})
    http.put("/config/:.c:", json={"compatibility": "FULL"})
    http.put("/config/:.c:s", json={"compatibility": "FORWARD", "normalize": True})
    for subject, level in (("x", "NONE"), (":.c:x", "FULL"), (":.c:s", "FORWARD")):
        found = http.get(f"/config/{subject}?defaultToGlobal=TRUE").json()
        assert found["compatibilityLevel"] == level
    assert code(http.get("/config/x")) == 40408
    assert http.put("/config/:.c:s", json={"normalize": None}).json() == {
        "compatibility": "FORWARD"
    }
    assert http.delete("/config/:.c:s").json() == {"compatibilityLevel": "FORWARD"}
    assert code(http.delete("/config/:.c:s")) == 40401
    assert code(http.put("/config", json={"compatibility": "MOSTLY"})) == 42203
    assert http.delete("/config").json() == {"compatibilityLevel": "NONE"}
    assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}


@pytest.mark.parametrize(
    ("level", "adds", "removes", "adds_later"),
    [
        ("NONE", True, True, True),
        ("BACKWARD", False, True, True),
        ("BACKWARD_TRANSITIVE", False, True, False),
        ("FORWARD", True, False, True),
        ("FULL", False, False, True),
    ],
)
def test_levels(
    http: httpx.Client, level: str, adds: bool, removes: bool, adds_later: bool
) -> None:
    required = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    both = {**required, "fields": [*required["fields"], {"name": "b", "type": "int"}]}
    with_default = {
        **required,
        "fields": [*required["fields"], {"name": "b", "type": "int", "default": 0}],
    }

    def compatible(subject: str, schema: dict[str, Any]) -> bool:
        answer = http.post(
            f"/compatibility/subjects/{subject}/versions", json={"schema": json.dumps(schema)}
        )
        result: bool = answer.json()["is_compatible"]
        return result

    http.put("/config", json={"compatibility": level})
    register(http, "one", json.dumps(required))
    register(http, "two", json.dumps(both))
    assert compatible("one", both) is adds
    assert compatible("two", required) is removes
    if level in {"BACKWARD", "BACKWARD_TRANSITIVE"}:
        register(http, "one", json.dumps(with_default))
        assert compatible("one", both) is adds_later


def test_compatibility_groups(http: httpx.Client) -> None:
    http.put("/config/s", json={"compatibilityGroup": "major"})
    wide = json.dumps({"type": "record", "name": "R", "fields": [{"name": "z", "type": "int"}]})
    register(http, "s", record("a"), metadata={"properties": {"major": "1"}})
    assert http.post("/subjects/s/versions", json={"schema": wide}).status_code == 409
    register(http, "s", wide, metadata={"properties": {"major": "2"}})


def test_reserved_fields(http: httpx.Client) -> None:
    http.put("/config/s", json={"validateFields": True})
    reserved = {"properties": {"confluent:reserved": "b, c"}}
    register(http, "s", record("a"), metadata=reserved)
    taken = {"schema": record("a", "b"), "metadata": reserved}
    answer = http.post("/subjects/s/versions", json=taken)
    assert "field that conflicts with the reserved field b." in answer.json()["message"]
    assert answer.json()["message"].endswith("{validateFields: 'true', compatibility: 'BACKWARD'}]")
    fewer = {"schema": record("a"), "metadata": {"properties": {"confluent:reserved": "c"}}}
    answer = http.post("/subjects/s/versions", json=fewer)
    assert "has reserved field b removed from its metadata" in answer.json()["message"]


def test_force_skips_the_check(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    wide = {"schema": '{"type":"record","name":"R","fields":[{"name":"z","type":"int"}]}'}
    assert http.post("/subjects/s/versions", json=wide).status_code == 409
    assert http.post("/subjects/s/versions?force=true", json=wide).json()["version"] == 2


def test_verbose_checks_say_why(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    where = "/compatibility/subjects/s/versions/latest"
    assert http.post(where, json={"schema": record("b")}).json() == {"is_compatible": True}
    bad = {"schema": '"int"'}
    told = http.post(f"{where}?verbose=true", json=bad).json()
    assert told["is_compatible"] is False
    assert "TYPE_MISMATCH" in told["messages"][0]
    broken = http.post(f"{where}?verbose=true", json={"schema": "{"}).json()
    assert broken["is_compatible"] is False
    assert code(http.post(where, json={"schema": "{"})) == 42201
    assert code(http.post("/compatibility/subjects/s/versions/7", json=bad)) == 40402
    assert http.post("/compatibility/subjects/new/versions/latest", json=bad).json() == {
        "is_compatible": True
    }


def test_aliases(http: httpx.Client) -> None:
    register(http, "orders-value", record("a"))
    http.put("/config/orders", json={"alias": "orders-value"})
    assert http.get("/subjects/orders/versions/1").json()["subject"] == "orders-value"
    register(http, "orders", record("a", "b"))
    assert http.get("/subjects/orders-value/versions").json() == [1, 2]
    listed = http.get("/schemas?aliases=true&latestOnly=true").json()
    assert [(one["subject"], one["aliases"]) for one in listed] == [("orders-value", ["orders"])]


# ---------------------------------------------------------------------- contexts


def test_each_context_has_ids_of_its_own(http: httpx.Client) -> None:
    register(http, "s", record("a"))
    inside = http.post("/contexts/.c/subjects/s/versions", json={"schema": record("z")}).json()
    assert inside["id"] == 1
    assert http.get("/contexts").json() == [".", ".c"]
    assert http.get("/subjects").json() == [":.c:s", "s"]
    assert http.get("/subjects?subjectPrefix=s").json() == ["s"]
    assert http.get("/contexts/c/subjects").json() == [":.c:s"]
    assert http.get("/contexts/:.c:/subjects/s/versions/1").json()["subject"] == ":.c:s"
    assert json.loads(http.get("/contexts/.c/schemas/ids/1/schema").text)["fields"][0]["name"] == (
        "z"
    )
    assert http.get("/schemas/ids/1?subject=:.c:").json()["subject"] == ":.c:s"
    assert http.put("/contexts/.c/config", json={"compatibility": "NONE"}).status_code == 200
    assert http.get("/config/:.c:").json()["compatibilityLevel"] == "NONE"
    answer = http.delete("/contexts/.c")
    assert code(answer) == 42211
    http.delete("/subjects/:.c:s")
    http.delete("/subjects/:.c:s?permanent=true")
    assert http.delete("/contexts/.c").status_code == 204
    assert http.get("/contexts").json() == ["."]


def test_without_a_context_all_are_searched(http: httpx.Client) -> None:
    register(http, ":.c:s", record("z"))
    assert http.get("/subjects/s/versions/1").json()["subject"] == ":.c:s"
    assert http.post("/subjects/s", json={"schema": record("z")}).json()["subject"] == ":.c:s"
    assert http.get("/schemas/ids/1?subject=s").json()["subject"] == ":.c:s"


def test_names_that_cannot_be(http: httpx.Client) -> None:
    for name in ("a%00b", "__GLOBAL", "__EMPTY", ":.__GLOBAL:s"):
        assert code(http.post(f"/subjects/{name}/versions", json={"schema": record("a")})) == 42208


# ---------------------------------------------------------------------- contracts


def test_metadata_and_rules_are_kept_merged_and_handed_on(http: httpx.Client) -> None:
    rule = {"name": "r1", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true"}
    http.put("/config", json={"defaultMetadata": {"properties": {"team": "core", "stage": "x"}}})
    http.put("/config/s", json={"overrideRuleSet": {"domainRules": [rule]}})
    http.put("/config/t", json={"defaultMetadata": {"properties": {"team": "core", "stage": "x"}}})
    first = register(http, "s", record("a"), metadata={"properties": {"stage": "prod"}})
    assert first["metadata"] == {"properties": {"stage": "prod"}}
    assert first["ruleSet"]["domainRules"] == [{**rule, "disabled": False}]
    register(http, "t", record("a"), metadata={"properties": {"stage": "prod"}})
    second = register(http, "t", record("a", "b"))
    assert second["metadata"] == {"properties": {"stage": "prod", "team": "core"}}
    found = http.get("/subjects/t/metadata?key=stage&value=prod&key=team&value=core").json()
    assert found["version"] == 2
    assert http.get("/schemas?ruleType=CEL").json()[0]["subject"] == "s"


def test_a_version_can_be_written_into_the_metadata(http: httpx.Client) -> None:
    first = register(http, "s", record("a"), version=-1)
    assert first["metadata"] == {"properties": {"confluent:version": "1"}}
    second = register(http, "s", record("a", "b"))
    assert second["metadata"] == {"properties": {"confluent:version": "2"}}
    assert http.post("/subjects/s", json={"schema": record("a")}).json()["version"] == 1


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"domainRules": [{"type": "CEL"}]}, "Missing rule name"),
        ({"domainRules": [{"name": "1a", "type": "CEL"}]}, "Illegal initial character"),
        ({"domainRules": [{"name": "a"}]}, "Missing rule type"),
        ({"domainRules": [{"name": "a", "type": "X", "mode": "UPGRADE"}]}, "Domain rules can only"),
        ({"migrationRules": [{"name": "a", "type": "X", "mode": "READ"}]}, "Migration rules can"),
        ({"domainRules": [{"name": "a", "type": "X"}] * 2}, "duplicate name 'a'"),
    ],
)
def test_rules_that_cannot_be(http: httpx.Client, rules: dict[str, Any], message: str) -> None:
    answer = http.post("/subjects/s/versions", json={"schema": record("a"), "ruleSet": rules})
    assert code(answer) == 42210
    assert message in answer.json()["message"]


def test_pages(http: httpx.Client) -> None:
    for number in range(5):
        register(http, f"s{number}", record("a"))
    assert http.get("/subjects?offset=1&limit=2").json() == ["s1", "s2"]
    assert http.get("/schemas/ids/1/subjects?offset=4").json() == ["s4"]
    assert len(http.get("/schemas/ids/1/versions?limit=3").json()) == 3
    assert len(http.get("/schemas?limit=2&offset=4").json()) == 1


def test_answers_take_the_form_that_is_asked_for(http: httpx.Client) -> None:
    for accept, content_type in (
        ("application/json", "application/json"),
        ("*/*", "application/vnd.schemaregistry.v1+json"),
        (
            "application/json, application/vnd.schemaregistry+json;q=0.8",
            "application/vnd.schemaregistry+json",
        ),
    ):
        answer = http.get("/subjects", headers={"Accept": accept})
        assert answer.headers["content-type"] == content_type
    assert http.get("/subjects", headers={"Accept": "text/html"}).status_code == 406
    body = json.dumps({"schema": record("a")})
    answer = http.post("/subjects/s/versions", content=body, headers={"Content-Type": "text/csv"})
    assert code(answer) == 415
    assert http.post("/subjects/s/versions", content=body).status_code == 200
    assert http.get("/v1/metadata/id").json()["scope"]["clusters"]["schema-registry-cluster"] == (
        "schema-registry"
    )


def test_deleted_versions_as_negative_numbers(http: httpx.Client) -> None:
    for kind in ("int", "long"):
        http.post("/subjects/s/versions", json={"schema": f'"{kind}"'})
    http.delete("/subjects/s/versions/1")
    assert http.get("/subjects/s/versions?deletedAsNegative=true").json() == [-1, 2]
    assert http.get("/subjects/s/versions").json() == [2]


def test_a_schema_that_no_record_can_hold_is_too_large(http: httpx.Client) -> None:
    text = json.dumps(
        {"type": "enum", "name": "E", "symbols": [f"s{n:01000}" for n in range(1_200)]}
    )
    answer = http.post("/subjects/s/versions", json={"schema": text})
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42209)
    assert "max.message.bytes" in answer.json()["message"]


def test_others_register_while_a_large_schema_is_compared(
    server: RegistryServer, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, done = threading.Event(), threading.Event()
    compare = Registry.incompatibilities

    def slow(self: Registry, config: Any, parsed: Any, earlier: Any) -> list[str]:
        if "large" in parsed.content.schema:
            begun.set()
            assert done.wait(5)
        return compare(self, config, parsed, earlier)

    monkeypatch.setattr(Registry, "incompatibilities", slow)
    large = {"schema": record("large" * 1_000)}
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(httpx.post, f"{server.url}/subjects/a/versions", json=large)
        assert begun.wait(5)
        http.post("/subjects/b/versions", json={"schema": '"int"'}).raise_for_status()
        http.post("/subjects/a/versions", json={"schema": '"long"'}).raise_for_status()
        done.set()
        # It was compared with what was there then; now it does not fit any more.
        assert answer.result().status_code == 409


def test_an_id_that_fits_into_no_message_is_not_given_out(http: httpx.Client) -> None:
    http.put("/mode/old", json={"mode": "IMPORT"})
    http.post("/subjects/old/versions", json={"schema": '"int"', "id": 2**31 - 1, "version": 1})
    answer = http.post("/subjects/new/versions", json={"schema": '"long"'})
    assert (answer.status_code, answer.json()["error_code"]) == (422, 42205)
    assert "32 bits" in answer.json()["message"]
    assert http.post("/subjects/new/versions", json={"schema": '"int"'}).status_code == 200
