"""Both clients against a running registry: every method, the same by both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from aliran.core.errors import ConfigError
from aliran.schema_registry.client import (
    AsyncSchemaRegistryClient,
    RegistryAnswerError,
    RegistryUnavailableError,
    SchemaRegistryClient,
)
from aliran.schema_registry.models import Config, Reference, Schema
from aliran.schema_registry.server import RegistryServer

NAME = Schema(schema='{"type":"record","name":"Name","fields":[]}')
LONGER = Schema(
    schema=json.dumps(
        {
            "type": "record",
            "name": "Name",
            "fields": [{"name": "first", "type": "string", "default": ""}],
        }
    )
)
UNREADABLE = Schema(
    schema='{"type":"record","name":"Name","fields":[{"name":"must","type":"int"}]}'
)


class Ask(Protocol):
    """Calls a method of a client by its name and waits for the answer."""

    def __call__(self, method: str, *arguments: Any, **keywords: Any) -> Any: ...


def ask_sync(url: str) -> Iterator[Ask]:
    with SchemaRegistryClient(url) as client:
        yield lambda method, *given, **keywords: getattr(client, method)(*given, **keywords)


def ask_async(url: str) -> Iterator[Ask]:
    with asyncio.Runner() as runner:
        client = runner.run(make(url))

        def ask(method: str, *given: Any, **keywords: Any) -> Any:
            return runner.run(getattr(client, method)(*given, **keywords))

        yield ask
        runner.run(client.close())


async def make(url: str) -> AsyncSchemaRegistryClient:
    return AsyncSchemaRegistryClient(url)


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest, server: RegistryServer) -> Iterator[Ask]:
    client: Callable[[str], Iterator[Ask]] = request.param
    yield from client(server.url)


def test_schemas(ask: Ask) -> None:
    registered = ask("register", "names", NAME)
    assert registered.id == 1
    assert ask("register", "names", NAME) == registered
    assert ask("schema_by_id", 1).schema == NAME.schema
    assert ask("look_up", "names", NAME).version == 1
    assert ask("schema_by_guid", registered.guid).schema == NAME.schema
    assert [(each.subject, each.version) for each in ask("subjects_of", 1)] == [("names", 1)]
    assert set(ask("schema_types")) == {"AVRO", "JSON", "PROTOBUF"}
    assert ask("contexts") == ["."]


def test_versions(ask: Ask) -> None:
    for schema in (NAME, LONGER):
        ask("register", "a/b c", schema)
    assert ask("versions", "a/b c") == [1, 2]
    assert ask("version", "a/b c").schema == LONGER.schema.replace(" ", "")
    assert ask("version", "a/b c", 1).id == 1
    assert ask("subjects", "a/") == ["a/b c"]
    user = Schema(
        schema='{"type":"record","name":"User","fields":[{"name":"n","type":"Name"}]}',
        references=(Reference(name="Name", subject="a/b c", version=1),),
    )
    assert ask("register", "users", user).id == 3
    assert ask("referenced_by", "a/b c", 1) == [3]
    assert ask("delete_version", "a/b c", 2) == 2
    assert ask("versions", "a/b c", deleted=True) == [1, 2]
    ask("delete_subject", "users")
    assert ask("subjects") == ["a/b c"]
    assert ask("delete_subject", "users", permanent=True) == [1]


def test_compatibility(ask: Ask) -> None:
    ask("register", "names", NAME)
    assert ask("check_compatibility", "names", LONGER).is_compatible
    refused = ask("check_compatibility", "names", UNREADABLE, "latest")
    assert not refused.is_compatible
    assert any("READER_FIELD_MISSING_DEFAULT_VALUE" in each for each in refused.messages)
    with pytest.raises(RegistryAnswerError) as error:
        ask("register", "names", UNREADABLE)
    assert error.value.status == 409
    assert not error.value.retriable


def test_settings(ask: Ask) -> None:
    assert ask("compatibility_level") == "BACKWARD"
    ask("set_compatibility_level", "FULL")
    ask("set_compatibility_level", "NONE", "names")
    assert ask("compatibility_level", "names") == "NONE"
    assert ask("compatibility_level", "others") == "FULL"
    with pytest.raises(RegistryAnswerError, match="40408"):
        ask("compatibility_level", "others", fallback=False)
    ask("set_config", Config(compatibility_group="major"), "names")
    assert ask("config", "names").compatibility_group == "major"
    ask("delete_config", "names")
    assert ask("compatibility_level", "names") == "FULL"
    assert ask("mode") == "READWRITE"
    ask("set_mode", "READONLY", "names")
    assert ask("mode", "names") == "READONLY"
    with pytest.raises(RegistryAnswerError, match="42205"):
        ask("register", "names", NAME)
    ask("delete_mode", "names")
    ask("register", "names", NAME)


@pytest.mark.parametrize(
    ("method", "arguments", "code"),
    [
        ("version", ("nobody",), 40401),
        ("schema_by_id", (17,), 40403),
        ("look_up", ("nobody", NAME), 40401),
        ("register", ("names", Schema(schema="{")), 42201),
    ],
)
def test_refusals_have_confluents_numbers(
    ask: Ask, method: str, arguments: tuple[Any, ...], code: int
) -> None:
    with pytest.raises(RegistryAnswerError) as error:
        ask(method, *arguments)
    assert error.value.error_code == code


def test_the_next_address_is_asked_where_one_does_not_answer(server: RegistryServer) -> None:
    with SchemaRegistryClient(f"http://127.0.0.1:1, {server.url}") as client:
        assert client.register("names", NAME).id == 1


def test_nobody_there() -> None:
    with (
        SchemaRegistryClient("http://127.0.0.1:1") as client,
        pytest.raises(RegistryUnavailableError, match="aliran registry"),
    ):
        client.subjects()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("localhost:8081", {}),
        ("", {}),
        ("http://h", {"basic_auth": ("a", "b"), "bearer_token": "c"}),
    ],
)
def test_wrong_settings_are_refused_where_they_are_made(url: str, options: Any) -> None:
    with pytest.raises(ConfigError):
        SchemaRegistryClient(url, **options)
