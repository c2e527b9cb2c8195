"""Every method of confluent-kafka-python's registry clients, sync and async, against ours."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import (
    AssociationCreateOrUpdateInfo,
    AssociationCreateOrUpdateRequest,
    AsyncSchemaRegistryClient,
    ConfigCompatibilityLevel,
    Schema,
    SchemaRegistryClient,
    SchemaRegistryError,
    ServerConfig,
)

from aliran.schema_registry.server import RegistryServer

LEVEL = ConfigCompatibilityLevel


class Blocking:
    """Either client, with its methods called the same way."""

    def __init__(self, client: Any, run: Callable[[Any], Any]) -> None:
        self._client = client
        self._run = run

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            return self._run(result) if inspect.isawaitable(result) else result

        return call


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: RegistryServer) -> Any:
    settings = {"url": server.url}
    with asyncio.Runner() as runner:
        if request.param == "sync":
            with SchemaRegistryClient(settings) as made:
                yield Blocking(made, runner.run)
            return

        async def wait(awaited: Any) -> Any:
            return await awaited

        made_async = AsyncSchemaRegistryClient(settings)
        yield Blocking(made_async, lambda awaited: runner.run(wait(awaited)))
        runner.run(made_async.__aexit__())  # type: ignore[no-untyped-call]


def avro(*names: str) -> Schema:
    fields = [{"name": name, "type": "int", "default": 0} for name in names]
    return Schema(json.dumps({"type": "record", "name": "R", "fields": fields}), "AVRO")


def test_schemas(client: Any) -> None:
    first = client.register_schema("s", avro("a"))
    full = client.register_schema_full_response("s", avro("a", "b"), normalize_schemas=True)
    assert (first, full.schema_id, full.version) == (1, 2, 2)
    assert client.get_schema(1).schema_str == json.dumps(
        json.loads(avro("a").schema_str or ""), separators=(",", ":")
    )
    assert client.get_schema_by_guid(full.guid).schema_str == client.get_schema(2).schema_str
    assert client.get_schema_types() == ["JSON", "PROTOBUF", "AVRO"]
    assert client.get_subjects_by_schema_id(1) == ["s"]
    places = client.get_schema_versions(2)
    assert [(place.subject, place.version) for place in places] == [("s", 2)]
    found = client.lookup_schema("s", avro("a"))
    assert (found.subject, found.version, found.schema_id) == ("s", 1, 1)


def test_subjects_and_versions(client: Any) -> None:
    for subject in ("orders-value", "orders-key", "users"):
        client.register_schema(subject, avro("a"))
    client.register_schema("users", avro("a", "b"))
    assert client.get_subjects() == ["orders-key", "orders-value", "users"]
    assert client.get_subjects(subject_prefix="orders", offset=1, limit=1) == ["orders-value"]
    assert client.get_versions("users") == [1, 2]
    assert client.get_latest_version("users").version == 2
    assert client.get_version("users", 1).schema_id == 1
    assert client.get_version("users", "latest").version == 2
    assert client.get_referenced_by("users", 1) == []
    assert client.delete_version("users", 1) == 1
    assert client.get_versions("users") == [2]
    assert client.get_versions("users", deleted=True) == [1, 2]
    assert client.delete_version("users", 1, permanent=True) == 1
    assert client.delete_subject("orders-key") == [1]
    assert client.get_subjects(deleted=True) == ["orders-key", "orders-value", "users"]
    assert client.get_subjects(deleted_only=True) == ["orders-key"]
    assert client.delete_subject("orders-key", permanent=True) == [1]
    assert client.get_subjects(deleted=True) == ["orders-value", "users"]


def test_metadata(client: Any) -> None:
    from confluent_kafka.schema_registry import Metadata, MetadataProperties

    schema = avro("a")
    metadata = Metadata(None, MetadataProperties({"owner": "me", "stage": "prod"}), None)
    client.register_schema("s", Schema(schema.schema_str, "AVRO", [], metadata, None))
    client.register_schema("s", avro("a", "b"))
    found = client.get_latest_with_metadata("s", {"stage": "prod"})
    assert found.version == 2  # the second has inherited the first one's
    assert found.schema.metadata.properties.properties == {"owner": "me", "stage": "prod"}
    with pytest.raises(SchemaRegistryError, match="Schema not found"):
        client.get_latest_with_metadata("s", {"stage": "test"})


def test_compatibility(client: Any) -> None:
    client.register_schema("s", avro("a"))
    bad = Schema('{"type":"record","name":"R","fields":[{"name":"z","type":"int"}]}', "AVRO")
    assert client.test_compatibility("s", avro("b"))
    assert not client.test_compatibility("s", bad)
    assert not client.test_compatibility_all_versions("s", bad)
    with pytest.raises(SchemaRegistryError, match="Schema being registered is incompatible") as hit:
        client.register_schema("s", bad)
    assert (hit.value.http_status_code, hit.value.error_code) == (409, 409)


def test_settings(client: Any) -> None:
    client.register_schema("s", avro("a"))
    assert client.get_config().compatibility_level == LEVEL.BACKWARD
    assert client.get_compatibility() == "BACKWARD"
    with pytest.raises(SchemaRegistryError, match="does not have subject-level compatibility"):
        client.get_config("s")
    set_to = client.set_config("s", ServerConfig(LEVEL.FULL, compatibility_group="app"))
    assert set_to == {"compatibility": "FULL", "compatibilityGroup": "app"}
    assert client.get_config("s").compatibility_level == LEVEL.FULL
    assert client.set_compatibility("s", "NONE") == {
        "compatibility": "NONE",
        "compatibilityGroup": "app",
    }
    assert client.set_compatibility(level="FORWARD") == {"compatibility": "FORWARD"}
    client.delete_config("s")
    client.delete_config()
    assert client.get_compatibility() == "BACKWARD"


def test_modes(client: Any) -> None:
    client.register_schema("s", avro("a"))
    assert client.get_global_mode() == "READWRITE"
    assert client.update_mode("s", "READONLY") == "READONLY"
    assert client.get_mode("s") == "READONLY"
    with pytest.raises(SchemaRegistryError, match="is in read-only mode") as hit:
        client.register_schema("s", avro("a", "b"))
    assert hit.value.error_code == 42205
    assert client.delete_mode("s") == "READONLY"
    assert client.update_global_mode("READONLY") == "READONLY"
    assert client.get_global_mode() == "READONLY"
    assert client.update_global_mode("READWRITE") == "READWRITE"


def test_contexts(client: Any) -> None:
    client.register_schema(":.staging:s", avro("a"))
    assert client.get_contexts() == [".", ".staging"]


def test_associations(client: Any) -> None:
    assert client.get_associations_by_resource_name("orders", "-", "topic", ["value"]) == []
    client.register_schema("shared", avro("a"))
    wanted = AssociationCreateOrUpdateInfo("shared", "value", "WEAK", None, None, None)
    client.create_association(
        AssociationCreateOrUpdateRequest("orders", "lkc-1", "id-1", "topic", [wanted])
    )
    [found] = client.get_associations_by_resource_name("orders", "-", "topic", ["value"])
    assert (found.subject, found.resource_namespace) == ("shared", "lkc-1")
    client.delete_associations("id-1")
    assert client.get_associations_by_resource_name("orders", "-", "topic", ["value"]) == []


def test_no_method_is_left_out() -> None:
    called = set(re.findall(r"client\.(\w+)\(", Path(__file__).read_text()))
    local = {
        "clear_caches",
        "clear_latest_caches",
        "config",
        "new_client",
        "close",
    }
    public = {name for name in dir(SchemaRegistryClient) if not name.startswith("_")}
    assert public - called - local == set()
