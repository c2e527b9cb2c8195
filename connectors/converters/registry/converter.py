"""What the three converters share: registering, finding, and remembering schemas.

Data begins with a zero byte and the id of its schema, as Confluent's clients write and read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from aliran.connectors.converters.registry.options import session_options, strategy_of
from aliran.connectors.data.schema import NULL, Schema, SchemaAndValue
from aliran.connectors.errors import ConnectError, DataError, RetriableError
from aliran.core.errors import AliranError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.errors import RegistryAnswerError, RegistryClientError
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Schema as Content
from aliran.schema_registry.serdes import wire
from aliran.schema_registry.serdes.subjects import subject_name

_K = TypeVar("_K")
_V = TypeVar("_V")

Write: TypeAlias = Callable[[Any], bytes]
"""Gives the data of a value, without the prefix."""

Read: TypeAlias = Callable[[bytes], Any]
"""Gives the value of data, prefix and all."""


class Mapped(NamedTuple):
    """A schema of Connect in another language.

    Attributes:
        content: What is registered.
        name: Full name of its outermost type, for subject strategies; None where it has none.
    """

    content: Content
    name: str | None


class Format(Protocol):
    """Maps schemas and values of one format."""

    def mapped(self, schema: Schema | None, client: SchemaRegistryClient) -> Mapped:
        """Return a schema of Connect in the format's language."""
        ...

    def writer(
        self, schema: Schema | None, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> Write:
        """Return what writes values of a schema of Connect as data of a registered one."""
        ...

    def reader(
        self, registered: RegisteredSchema, client: SchemaRegistryClient
    ) -> tuple[Schema | None, Read]:
        """Return the schema of Connect of a registered one, and what reads its data."""
        ...


class Conversion:
    """Converts the keys or the values of one task.

    Args:
        name: The converter, for messages.
        format_name: What its data is, as the registry calls it (in capitals).
        format: Maps schemas and values.
        settings: The converter's settings.
        is_key: Whether it converts keys.
    """

    def __init__(
        self,
        name: str,
        format_name: str,
        format: Format,  # noqa: A002
        settings: Mapping[str, Any],
        *,
        is_key: bool,
    ) -> None:
        self._name = name
        self._format_name = format_name
        self._format = format
        self._settings = settings
        self._which = "key" if is_key else "value"
        self._client = SchemaRegistryClient(
            settings["schema.registry.url"], **session_options(settings)
        )
        self._writers: dict[tuple[str, Schema | None], Write] = {}
        self._readers: dict[bytes, tuple[Schema | None, Read]] = {}
        self._last: tuple[str | None, Schema | None, Write] = (None, None, bytes)

    def close(self) -> None:
        """Close the connections to the registry."""
        self._client.close()

    # ------------------------------------------------------------------ writing

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        """Return the data of a value; None for None.

        Raises:
            DataError: The value does not fit, or the registry refuses its schema.
            RetriableError: No registry answers.
        """
        if value is None:
            return None
        last_topic, last_schema, write = self._last
        if last_topic is not topic or last_schema is not schema:
            known = self._writers.get((topic, schema))
            write = known or self._remember(topic, schema)
            self._last = topic, schema, write
        try:
            return write(value)
        except ConnectError:
            raise
        except Exception as error:
            raise DataError(
                f"Failed to serialize {self._format_name} data for topic {topic}: {error}"
            ) from error

    def _remember(self, topic: str, schema: Schema | None) -> Write:
        try:
            mapped = self._format.mapped(schema, self._client)
            registered = self._registered(topic, mapped)
        except RegistryClientError as error:
            raise self._unanswered(error, f"no schema to write topic {topic} with") from error
        except ConnectError:
            raise
        except AliranError as error:
            raise DataError(f"no schema to write topic {topic} with: {error}") from error
        if registered.id is None:
            raise DataError(f"the registry gave no id for the schema of topic {topic}")
        prefix = wire.prefix(registered.id)
        inner = self._format.writer(schema, registered, self._client)
        return self._keep(self._writers, (topic, schema), lambda value: prefix + inner(value))

    def _registered(self, topic: str, mapped: Mapped) -> RegisteredSchema:
        settings, client = self._settings, self._client
        strategy = strategy_of(settings[f"{self._which}.subject.name.strategy"])
        is_key = self._which == "key"
        subject = subject_name(strategy, topic, mapped.name, is_key=is_key, client=client)
        normalize = bool(settings["normalize.schemas"])
        if settings["auto.register.schemas"]:
            return client.register(subject, mapped.content, normalize=normalize)
        if settings["use.schema.id"] >= 0:
            return client.schema_by_id(settings["use.schema.id"], subject=subject)
        if settings["use.latest.version"]:
            latest = client.version(subject)
            if settings["latest.compatibility.strict"]:
                check = client.check_compatibility(subject, mapped.content, latest.version)
                if not check.is_compatible:
                    raise DataError(
                        f"use.latest.version: the data's schema does not fit version "
                        f"{latest.version} of {subject}: {'; '.join(check.messages)}; "
                        "latest.compatibility.strict=false writes what fits all the same"
                    )
            return latest
        return client.look_up(subject, mapped.content, normalize=normalize)

    # ------------------------------------------------------------------ reading

    def to_connect_data(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Return what data says.

        Raises:
            DataError: It has no such schema in front of it, or does not fit it.
            RetriableError: No registry answers.
        """
        if data is None:
            return NULL
        known = self._readers.get(data[: wire.PREFIX_LENGTH])
        if known is None:
            known = self._first(topic, data)
        try:
            return SchemaAndValue(known[0], known[1](data))
        except ConnectError:
            raise
        except Exception as error:
            raise DataError(
                f"Failed to deserialize data for topic {topic} to {self._format_name}: "
                f"{str(error) or type(error).__name__}"
            ) from error

    def _first(self, topic: str, data: bytes) -> tuple[Schema | None, Read]:
        name = self._name
        try:
            schema_id = wire.schema_id_of(name, data)
        except AliranError as error:
            raise DataError(f"Failed to deserialize data for topic {topic}: {error}") from error
        try:
            registered = self._client.schema_by_id(schema_id)
            if registered.schema_type != self._format_name:
                raise DataError(
                    f"topic {topic}: the schema with id {schema_id} is {registered.schema_type}, "
                    f"which {name} does not read"
                )
            found = self._version_of(topic, registered)
            known = self._format.reader(found, self._client)
        except RegistryClientError as error:
            what = f"topic {topic}: no schema with id {schema_id}"
            raise self._unanswered(error, what) from error
        except ConnectError:
            raise
        except AliranError as error:
            raise DataError(f"topic {topic}: schema {schema_id}: {error}") from error
        return self._keep(self._readers, bytes(data[: wire.PREFIX_LENGTH]), known)

    def _version_of(self, topic: str, schema: RegisteredSchema) -> RegisteredSchema:
        """Return the schema with its version in the topic's subject, if it has one there."""
        places = self._client.subjects_of(schema.id or 0, deleted=True)
        subject = f"{topic}-{self._which}"
        mine = [one.version for one in places if one.subject == subject]
        version = mine[0] if mine else (places[0].version if len(places) == 1 else None)
        return RegisteredSchema(
            schema=schema.schema,
            schema_type=schema.schema_type,
            references=schema.references,
            id=schema.id,
            version=version,
        )

    # ------------------------------------------------------------------ both

    def _keep(self, kept: dict[_K, _V], key: _K, found: _V) -> _V:
        while len(kept) >= max(self._settings["schemas.cache.size"], 1):
            del kept[next(iter(kept))]
        kept[key] = found
        return found

    @staticmethod
    def _unanswered(error: RegistryClientError, what: str) -> ConnectError:
        kind = RetriableError if getattr(error, "retriable", False) else DataError
        hints = getattr(error, "reasons", [])
        more = f" ({'; '.join(hints)})" if hints and isinstance(error, RegistryAnswerError) else ""
        return kind(f"{what}: {error}{more}")
