"""Subjects that belong to topics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from aliran.schema_registry.server import RegistryServer


def body(*associations: dict[str, Any], name: str = "orders", **named: Any) -> dict[str, Any]:
    return {
        "resourceName": name,
        "resourceNamespace": "lkc-1",
        "resourceId": f"id-{name}",
        "associations": list(associations),
        **named,
    }


def code(answer: httpx.Response) -> int:
    number: int = answer.json()["error_code"]
    return number


WEAK = {"subject": "shared", "associationType": "value"}
SCHEMA = {"schema": '"int"'}


def test_a_weak_one_points_to_a_subject(http: httpx.Client) -> None:
    assert http.get("/associations/resources/-/orders").json() == []
    assert code(http.post("/associations", json=body(WEAK))) == 40907
    http.post("/subjects/shared/versions", json=SCHEMA)
    made = http.post("/associations", json=body(WEAK)).json()
    assert made["associations"] == [
        {"subject": "shared", "associationType": "value", "lifecycle": "WEAK", "frozen": False}
    ]
    assert http.post("/associations", json=body(WEAK, name="bills")).status_code == 200
    [found] = http.get("/associations/resources/-/orders?associationType=value").json()
    assert (found["subject"], found["resourceId"]) == ("shared", "id-orders")
    assert http.get("/associations/resources/lkc-1/orders?lifecycle=STRONG").json() == []
    assert len(http.get("/associations/subjects/shared").json()) == 2
    assert http.get("/associations/resources/id-orders").json() == [found]
    assert http.post("/associations", json=body(WEAK)).json()["associations"] == []
    other = {**WEAK, "subject": "other"}
    assert code(http.post("/associations", json=body(other))) == 40903
    assert code(http.put("/associations/resources/id-orders", json=body(other))) == 42212
    assert http.delete("/associations/resources/id-orders").status_code == 204
    assert code(http.delete("/associations/resources/id-orders")) == 40410


def test_a_strong_one_owns_its_subject(http: httpx.Client) -> None:
    strong = {"associationType": "value", "lifecycle": "STRONG", "schema": SCHEMA}
    dry = http.post("/associations?dryRun=true", json=body(strong))
    assert dry.json()["associations"] == []
    assert http.get("/subjects").json() == []
    [made] = http.post("/associations", json=body(strong)).json()["associations"]
    assert (made["subject"], made["frozen"], made["schema"]["id"]) == (
        ":.lkc-1:orders-value",
        True,
        1,
    )
    assert http.post("/associations", json=body(strong)).json()["associations"] == []
    weak = {"subject": made["subject"], "associationType": "value"}
    assert code(http.post("/associations", json=body(weak, name="bills"))) == 40905
    key = {"subject": "shared", "associationType": "key"}
    http.post("/subjects/shared/versions", json=SCHEMA)
    assert code(http.put("/associations/resources/id-orders", json=body(key))) == 42212
    assert code(http.delete("/associations/resources/id-orders")) == 40908
    gone = "/associations/resources/id-orders?cascadeLifecycle=true"
    assert http.delete(gone).status_code == 204
    assert http.get("/subjects?deleted=true").json() == ["shared"]


def test_what_cannot_be_is_refused(http: httpx.Client) -> None:
    http.post("/subjects/shared/versions", json=SCHEMA)
    for associations in (
        [{**WEAK, "associationType": "header"}],
        [WEAK, WEAK],
        [{**WEAK, "frozen": True}],
        [{"associationType": "value"}],
        [{**WEAK, "lifecycle": "WEAK", "schema": SCHEMA}],
        [{**WEAK, "lifecycle": "STRONG"}],
        [{"lifecycle": "STRONG"}],
        [],
    ):
        answer = http.post("/associations", json=body(*associations))
        assert code(answer) == 42212, answer.text
    for change in ({"resourceName": ""}, {"resourceId": None}, {"resourceType": "queue"}):
        assert code(http.post("/associations", json=body(WEAK, **change))) == 42212


def test_they_are_kept(tmp_path: Path) -> None:
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        http.post("/subjects/shared/versions", json=SCHEMA)
        http.post("/associations", json=body(WEAK))
        before = http.get("/associations/resources/-/orders").json()
    with RegistryServer(data_dir=tmp_path) as server, httpx.Client(base_url=server.url) as http:
        assert http.get("/associations/resources/-/orders").json() == before


def test_many_at_once(http: httpx.Client) -> None:
    http.post("/subjects/shared/versions", json=SCHEMA)
    weak = {**WEAK, "opType": "CREATE"}
    strong = {"opType": "CREATE", "associationType": "key", "lifecycle": "STRONG", "schema": SCHEMA}
    requests = [
        body(weak),
        body(strong, name="bills"),
        body({**weak, "subject": "nothing"}, name="wrong"),
        body({**weak, "opType": "DELETE"}, name="unknown"),
    ]
    dry = http.post("/associations:batchMutate?dryRun=true", json={"requests": requests})
    assert dry.status_code == 207
    assert http.get("/associations/resources/-/-").json() == []
    done = http.post("/associations:batchMutate", json={"requests": requests})
    assert done.status_code == 207
    first, second, third, fourth = done.json()["results"]
    assert first["result"]["associations"][0]["subject"] == "shared"
    assert second["result"]["associations"][0]["schema"]["id"] == 1
    assert (third["error"]["error_code"], fourth["error"]["error_code"]) == (40907, 40410)
    asked = {
        "requests": [
            {"resourceId": "id-bills"},
            {"resourceName": "orders", "resourceNamespace": "-", "lifecycle": "STRONG"},
            {"resourceName": "orders"},
        ]
    }
    got = http.post("/associations:batchGet?includeSchemas=true", json=asked)
    assert got.status_code == 207
    bills, orders, wrong = got.json()["results"]
    assert bills["result"]["resourceName"] == "bills"
    assert bills["result"]["associations"][0]["schema"]["schema"] == '"int"'
    assert orders["result"]["associations"] == []
    assert wrong["error"]["error_code"] == 42212
    gone = [{"opType": "DELETE", "associationType": "key", "cascadeLifecycle": True}]
    requests = [body(*gone, name="bills"), body({**weak, "opType": "UPSERT"})]
    done = http.post("/associations:batchMutate", json={"requests": requests})
    assert [len(one["result"]["associations"]) for one in done.json()["results"]] == [0, 1]
    assert http.get("/subjects?deleted=true").json() == ["shared"]
    for what in ("batchGet", "batchMutate"):
        assert code(http.post(f"/associations:{what}", json={})) == 42212
        assert http.get(f"/associations:{what}").status_code == 405


def test_schemas_are_found_by_their_associations(http: httpx.Client) -> None:
    for subject in ("shared", "alone"):
        http.post(f"/subjects/{subject}/versions", json=SCHEMA)
    http.post("/associations", json=body(WEAK))
    strong = {"associationType": "value", "lifecycle": "STRONG", "schema": SCHEMA}
    http.post("/associations", json=body(strong, name="bills"))

    def found(query: str) -> list[str]:
        answer = http.get(f"/schemas?subjectPrefix=:*:&{query}").json()
        return [one["subject"] for one in answer]

    owned = ":.lkc-1:bills-value"
    assert found("lifecycle=weak") == ["shared"]
    assert found("lifecycle=STRONG") == [owned]
    assert found("lifecycle=NONE") == ["alone"]
    assert sorted(found("lifecycle=NONE&lifecycle=WEAK")) == ["alone", "shared"]
    assert found("resourceType=topic&associationType=value") == [owned, "shared"]
    assert found("associationType=key") == []
    assert found("resourceType=queue") == []
    [one] = http.get("/schemas?lifecycle=WEAK").json()
    assert one["associations"][0]["resourceName"] == "orders"
    assert http.get("/schemas?lifecycle=odd").status_code == 404
