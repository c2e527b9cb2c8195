"""Whatever is sent, the answer is never a 5xx, and always Confluent's JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aliran.schema_registry.server import RegistryServer

_WORDS = [
    "subjects", "schemas", "ids", "guids", "versions", "config", "mode", "contexts", "latest",
    "compatibility", "metadata", "referencedby", "schema", "types", "tags", "associations",
    "resources", "-1", "0", "1", "99999999999999999999", "s", ":.c:s", ":.", ":*:", ".", "..", "%",
]  # fmt: skip
_segments = st.one_of(st.sampled_from(_WORDS), st.text(max_size=8))
_paths = st.lists(_segments, max_size=6).map(
    lambda parts: "/" + "/".join(quote(part, safe="") for part in parts)
)
_names = [
    "normalize", "format", "subject", "deleted", "permanent", "offset", "limit", "verbose", "force",
    "subjectPrefix", "key", "value", "findTags", "defaultToGlobal", "recursive", "fetchMaxId",
]  # fmt: skip
_values = st.one_of(
    st.sampled_from(["true", "-1", "1e9", "resolved", "serialized", "qualified", "*", ""]),
    st.text(max_size=5),
)
_queries = st.lists(st.tuples(st.sampled_from(_names), _values), max_size=4)
_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
_schema_texts = st.one_of(
    st.sampled_from(['"int"', "{}", "[]", '{"type":"record"}', 'syntax = "proto3";', "true"]),
    st.text(max_size=20),
    _json.map(json.dumps),
)
_bodies = st.one_of(
    st.binary(max_size=20),
    _json.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {},
        optional={
            "schema": st.one_of(_schema_texts, _json),
            "schemaType": st.sampled_from(["AVRO", "JSON", "PROTOBUF", "XML", 5, None]),
            "references": st.one_of(
                st.lists(
                    st.fixed_dictionaries(
                        {"name": st.text(max_size=3), "subject": st.just("s"), "version": _json}
                    ),
                    max_size=2,
                ),
                _json,
            ),
            "metadata": _json,
            "ruleSet": _json,
            "version": st.integers(-2, 3),
            "id": st.integers(-2, 3),
            "compatibility": st.sampled_from(["NONE", "full", "x", 1]),
            "mode": st.sampled_from(["IMPORT", "READWRITE", "x", 1, None]),
            "alias": st.text(max_size=3),
        },
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with RegistryServer() as server, httpx.Client(base_url=server.url, timeout=30) as client:
        for subject in ("s", ":.c:s"):
            client.post(f"/subjects/{subject}/versions", json={"schema": '"int"'})
        yield client


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    path=_paths,
    query=_queries,
    body=_bodies,
)
def test_no_request_breaks_it(
    http: httpx.Client, method: str, path: str, query: list[tuple[str, Any]], body: bytes
) -> None:
    # Put together by hand: of a relative address that begins with "//" the client makes a host.
    url = httpx.URL(f"{str(http.base_url).rstrip('/')}{path}", params=httpx.QueryParams(query))
    answer = http.request(method, url, content=body or None)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error_code", "message"}


_KNOWN_PATHS = [
    "/subjects/s", "/subjects/s/versions", "/compatibility/subjects/s/versions",
    "/compatibility/subjects/s/versions/latest", "/config/s", "/mode/s", "/config", "/mode",
    "/subjects/s/versions/1/tags", "/associations",
]  # fmt: skip


@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(path=st.sampled_from(_KNOWN_PATHS), query=_queries, body=_bodies)
def test_no_body_breaks_it(
    http: httpx.Client, path: str, query: list[tuple[str, Any]], body: bytes
) -> None:
    params = httpx.QueryParams(query)
    method = "PUT" if path.startswith(("/config", "/mode")) else "POST"
    answer = http.request(method, httpx.URL(path, params=params), content=body)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"schema":"\\"\\ud800\\""}',
        b'{"schema":"{\\"type\\":\\"string\\",\\"doc2\\":\\"\\\\ud800\\"}"}',
        json.dumps({"schema": "[" * 100_000}).encode(),
        json.dumps({"schema": '{"a":' * 50_000, "schemaType": "JSON"}).encode(),
        json.dumps({"schema": "message A {" * 3_000, "schemaType": "PROTOBUF"}).encode(),
        b'{"schema":"\\"int\\"","id":99999999999999}',
    ],
)
def test_known_traps(http: httpx.Client, body: bytes) -> None:
    assert 400 <= http.post("/subjects/t/versions", content=body).status_code < 500


def test_head_is_get_without_the_body(http: httpx.Client) -> None:
    answer = http.head("/subjects")
    assert (answer.status_code, answer.content) == (200, b"")
