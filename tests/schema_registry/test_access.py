"""Who may do what: passwords, tokens, prefixes, TLS, size limits."""

from __future__ import annotations

import datetime as dt
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aliran.core.errors import AliranError, ConfigError
from aliran.schema_registry.config import RegistryConfig
from aliran.schema_registry.http.access import Access, Principal, hashed
from aliran.schema_registry.server import RegistryServer

ACCESS = """
[[user]]
name = "root"
password = "all:of it"
write = ["*"]

[[user]]
name = "anna"
password_sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
read = ["orders-"]
write = ["anna-"]

[[token]]
name = "ci"
token = "t0ken"
read = ["*"]
"""
SCHEMA = {"schema": '"int"'}


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    file = tmp_path / "access.toml"
    file.write_text(ACCESS)
    config = RegistryConfig(access=Access.load(file))
    with RegistryServer(config=config) as server, httpx.Client(base_url=server.url) as client:
        yield client


ROOT = httpx.BasicAuth("root", "all:of it")
ANNA = httpx.BasicAuth("anna", "secret")
CI = {"Authorization": "Bearer t0ken"}


def test_who_is_not_known_is_asked_to_say_who_they_are(http: httpx.Client) -> None:
    for auth in (None, httpx.BasicAuth("anna", "wrong"), httpx.BasicAuth("who", "secret")):
        answer = http.get("/subjects", auth=auth)
        assert (answer.status_code, answer.json()["error_code"]) == (401, 401)
        assert answer.headers["www-authenticate"] == 'Basic realm="schema-registry"'
    for header in (b"Bearer no", b"Basic %%%", b"Basic \xff", b"Digest x", b"Basic", b""):
        assert http.get("/subjects", headers={b"Authorization": header}).status_code == 401


def test_permissions_are_prefixes_of_subjects(http: httpx.Client) -> None:
    for subject in ("orders-a", "anna-a", "hidden"):
        body = {"schema": json.dumps({"type": "enum", "name": "E", "symbols": [subject[0]]})}
        assert http.post(f"/subjects/{subject}/versions", json=body, auth=ROOT).status_code == 200
    assert http.get("/subjects", auth=ANNA).json() == ["anna-a", "orders-a"]
    assert [one["subject"] for one in http.get("/schemas", auth=ANNA).json()] == [
        "anna-a",
        "orders-a",
    ]
    assert http.get("/subjects/orders-a/versions", auth=ANNA).json() == [1]
    assert http.get("/schemas/ids/1", auth=ANNA).status_code == 200
    assert http.post("/subjects/anna-b/versions", json=SCHEMA, auth=ANNA).status_code == 200
    for answer in (
        http.get("/subjects/hidden/versions", auth=ANNA),
        http.get("/schemas/ids/3", auth=ANNA),
        http.get("/contexts/.c/subjects/anna-a/versions", auth=ANNA),
        http.post("/subjects/orders-a/versions", json=SCHEMA, auth=ANNA),
        http.delete("/subjects/orders-a", auth=ANNA),
        http.put("/config", json={"compatibility": "NONE"}, auth=ANNA),
        http.put("/mode/orders-a", json={"mode": "READONLY"}, auth=ANNA),
        http.post("/subjects/orders-a/versions", json=SCHEMA, headers=CI),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (403, 40301)
    guid = http.get("/subjects/hidden/versions/1", headers=CI).json()["guid"]
    assert http.get(f"/schemas/guids/{guid}", auth=ANNA).status_code == 403
    assert http.get("/subjects", headers=CI).json() == ["anna-a", "anna-b", "hidden", "orders-a"]


def test_what_may_not_be_read_is_not_told_in_other_ways(http: httpx.Client) -> None:
    record = {"type": "record", "name": "Hidden", "fields": [{"name": "x", "type": "int"}]}
    hidden = {"schema": json.dumps(record)}
    for subject in ("hidden", ":.vault:anna-x"):
        http.post(f"/subjects/{subject}/versions", json=hidden, auth=ROOT)
    uses = {"schema": '"Hidden"', "references": [{"name": "Hidden", "subject": "hidden"}]}
    uses["references"][0]["version"] = 1  # type: ignore[index]
    guid = http.get("/schemas/ids/1", auth=ROOT).json()["guid"]
    for answer in (
        http.post("/subjects/anna-y/versions", json=uses, auth=ANNA),
        http.post("/subjects/anna-y?format=resolved", json=uses, auth=ANNA),
        http.post("/compatibility/subjects/anna-y/versions?verbose=1", json=uses, auth=ANNA),
        http.get("/schemas/ids/1", auth=ANNA),
        http.get(f"/schemas/guids/{guid}", auth=ANNA),
    ):
        assert (answer.status_code, answer.json()["error_code"]) == (403, 40301)
    for answer in (
        http.get("/subjects/anna-x/versions/1", auth=ANNA),
        http.get("/subjects/anna-x/versions/1/schema", auth=ANNA),
        http.get("/subjects/anna-x/versions/1/referencedby", auth=ANNA),
        http.post("/subjects/anna-x", json=hidden, auth=ANNA),
        http.post("/subjects/anna-x/versions/1/tags", json={}, auth=ANNA),
    ):
        assert answer.json() == {"error_code": 40401, "message": "Subject 'anna-x' not found."}
    assert "hidden" not in http.get("/schemas/ids/1", auth=ANNA).text
    assert http.get("/contexts", auth=ANNA).json() == ["."]
    assert http.get("/contexts", auth=ROOT).json() == [".", ".vault"]
    assert http.get(f"/schemas/guids/{guid}/ids", auth=ANNA).json() == []
    http.post("/subjects/anna-z/versions", json=hidden, auth=ROOT)
    places = [{"context": ".", "id": 1}]
    assert http.get(f"/schemas/guids/{guid}/ids", auth=ANNA).json() == places
    assert http.get("/schemas/ids/1?subject=none", auth=ANNA).json()["subject"] == "anna-z"


def test_a_user_and_a_token_of_one_name_are_two() -> None:
    everything = Principal("x", ["*"], ["*"])
    access = Access([("x", hashed("p"), everything)], [(hashed("t"), Principal("x", ["no-"]))])
    config = RegistryConfig(access=access)
    with RegistryServer(config=config) as server, httpx.Client(base_url=server.url) as http:
        auth = httpx.BasicAuth("x", "p")
        http.post("/subjects/s/versions", json=SCHEMA, auth=auth)
        assert http.get("/schemas/ids/1", auth=auth).status_code == 200
        token = {"Authorization": "Bearer t"}
        assert http.get("/schemas/ids/1", headers=token).status_code == 403


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[user]]\nname = 'x'", "number 1: password"),
        ("[[token]]\ntoken = 'x'", "number 1: name"),
        ("[[user]]\nname='x'\npassword='y'\nread='z'", "read must be a list"),
        ("[[user]]\nname='x'\npassword_sha256='abc'", "64 hexadecimal digits"),
        ("nonsense", "cannot be read"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "access.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Access.load(file)


def test_a_body_may_be_only_so_large() -> None:
    config = RegistryConfig(max_body_bytes=1_000)
    with RegistryServer(config=config) as server, httpx.Client(base_url=server.url) as http:
        large = {"schema": '"' + "x" * 2_000 + '"'}
        answer = http.post("/subjects/s/versions", json=large)
        assert (answer.status_code, answer.json()["error_code"]) == (413, 413)
        chunks = (b"x" * 600 for _ in range(5))
        assert http.post("/subjects/s/versions", content=chunks).status_code == 413
        assert http.get("/subjects").json() == []


def certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 and its key."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registry")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    files = directory / "server.pem", directory / "server.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


def test_tls(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    config = RegistryConfig(certificate=str(chain), certificate_key=str(key))
    with RegistryServer(config=config) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(chain))
        with httpx.Client(base_url=server.url, verify=context) as http:
            assert http.post("/subjects/s/versions", json=SCHEMA).json()["id"] == 1
    broken = RegistryConfig(certificate=str(tmp_path / "none.pem"))
    with pytest.raises(AliranError, match="certificate"):
        RegistryServer(config=broken).start()
