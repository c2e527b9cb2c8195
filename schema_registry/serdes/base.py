"""What the three serdes share: which schema a value is written with, and which it was read with.

A serde is made without a topic and bound to one by `for_topic`; the stream engine does that for its
sources, sinks and stores. Schemas are registered when the first value is written, and fetched when
the first data of an id is read; then both are remembered.
"""

from __future__ import annotations

import copy
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypedDict, TypeVar

from aliran.core.errors import AliranError, ConfigError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.errors import RegistryAnswerError, RegistryClientError
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Schema
from aliran.schema_registry.serdes import wire
from aliran.schema_registry.serdes.subjects import SubjectStrategy, subject_name
from aliran.serdes import Serde
from aliran.serdes.errors import SerializationError

if TYPE_CHECKING:
    from typing import Unpack

T = TypeVar("T")

Write = Callable[[Any], bytes]
Read = Callable[[bytes], Any]


class SerdeOptions(TypedDict, total=False):
    """How a serde uses the registry; names follow Confluent's serializers.

    Attributes:
        subject_strategy: Under which subject schemas are registered; `topic` by default.
        auto_register: Whether a schema that is not there is registered (default); else it must be.
        use_latest: Whether values are written with the newest schema of the subject, whatever the
            serde's own one is.
        normalize: Whether schemas are normalized, so that only differences with a meaning count.
    """

    subject_strategy: SubjectStrategy
    auto_register: bool
    use_latest: bool
    normalize: bool


class _Use(NamedTuple):
    """What a serde is used for."""

    topic: str | None
    is_key: bool


class RegistrySerde(Serde[T]):
    """Base of the serdes; use one of its subclasses.

    Args:
        registry: A client, or the address of a registry.
        schema: What values are written with; None to write with the newest schema of the subject.
        name: What error messages call it.
        options: See `SerdeOptions`.

    Raises:
        ConfigError: An option is unknown, or there is no schema to write with.
    """

    def __init__(
        self,
        registry: SchemaRegistryClient | str,
        schema: Schema | None,
        name: str,
        options: SerdeOptions,
    ) -> None:
        unknown = options.keys() - SerdeOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(SerdeOptions.__annotations__)
            raise ConfigError(f"{name} has no option {', '.join(sorted(unknown))}; it has {known}")
        self.client: SchemaRegistryClient = (
            SchemaRegistryClient(registry) if isinstance(registry, str) else registry
        )
        self.schema = schema
        self.options = options
        self._use = _Use(None, is_key=False)
        self._lock = threading.Lock()
        self._connect()
        super().__init__(self._serialize, self._deserialize, name=name)

    # ------------------------------------------------------------------ of each format

    @property
    @abstractmethod
    def record_name(self) -> str | None:
        """Full name of the type that values have, for subject strategies."""

    @abstractmethod
    def writer(self, schema: RegisteredSchema) -> Write:
        """Return what makes data of values, without a prefix."""

    @abstractmethod
    def reader(self, schema: RegisteredSchema) -> Read:
        """Return what makes values of data behind the prefix; `schema` wrote it."""

    # ------------------------------------------------------------------ for users

    def for_topic(self, topic: str, *, is_key: bool) -> Self:
        """Return this serde for the keys or values of a topic, by which subjects are named."""
        return copy.copy(self).bind(topic, is_key=is_key)

    def bind(self, topic: str, *, is_key: bool) -> Self:
        """Bind this very object to a topic; `for_topic` makes another one."""
        self._use = _Use(topic, is_key)
        self._lock = threading.Lock()
        self._connect()
        self.use_functions(self._serialize, self._deserialize)
        return self

    def to_record(self, value: T) -> tuple[bytes, tuple[str, bytes]]:
        """Return data without a prefix, and the header that names its schema by GUID.

        For producers; what streams write has the prefix. Confluent: `HeaderSchemaIdSerializer`.

        Raises:
            SerializationError: The value does not fit the schema.
            AliranError: The registry refuses the schema, or knows no GUIDs.
        """
        data, schema = self._written(value)
        if schema.guid is None:
            raise AliranError(
                f"the registry gave no GUID for the schema of {self.name}: it is older than "
                "Confluent 8; write the id in front of the data instead, by serialize()"
            )
        return data[wire.PREFIX_LENGTH :], wire.header(schema.guid, is_key=self._use.is_key)

    def from_record(
        self, data: bytes | None, headers: Iterable[tuple[str, bytes | None]] = ()
    ) -> T | None:
        """Return the value of data whose schema is named in a header, or else in front of it.

        Raises:
            SerializationError: Neither names a schema, or the data does not fit it.
        """
        if data is None:
            return None
        named = wire.from_headers(headers, is_key=self._use.is_key)
        if named is None:
            return self.deserialize(data)
        read = self._read_by_name.get(named)
        if read is None:
            read = self._read_by_name[named] = self.reader(
                self.client.schema_by_guid(named, form=self.form)
                if isinstance(named, str)
                else self._schema_of(named)
            )
        try:
            found: T = read(bytes(wire.PREFIX_LENGTH) + data)
        except Exception as error:
            raise self.deserialization_error(data, error) from error
        return found

    def serialization_error(self, value: object, cause: Exception) -> SerializationError:
        """Return the error to raise; what the registry said is no fault of the value."""
        return self._unreachable(cause) or super().serialization_error(value, cause)

    def deserialization_error(self, data: object, cause: Exception) -> SerializationError:
        """Return the error to raise; what the registry said is no fault of the data."""
        return self._unreachable(cause) or super().deserialization_error(data, cause)

    def _unreachable(self, cause: Exception) -> SerializationError | None:
        if isinstance(cause, RegistryClientError):
            return SerializationError(f"{self.name} has no schema: {cause}", serde_name=self.name)
        return None

    form = ""
    """Form of the schemas that readers ask for."""

    # ------------------------------------------------------------------ inside

    def _connect(self) -> None:
        self._write: Write | None = None
        self._registered: RegisteredSchema | None = None
        self._read: dict[bytes, Read] = {}
        self._read_by_name: dict[str | int, Read] = {}

    def _serialize(self, value: T) -> bytes:
        write = self._write or self._first_write()
        return write(value)

    def _deserialize(self, data: bytes) -> T:
        read = self._read.get(data[: wire.PREFIX_LENGTH]) or self._first_read(data)
        found: T = read(data)
        return found

    def _written(self, value: T) -> tuple[bytes, RegisteredSchema]:
        data = self.serialize(value)
        schema = self._registered
        if data is None or schema is None:
            raise SerializationError(f"{self.name}: null has no schema")
        return data, schema

    def _first_write(self) -> Write:
        with self._lock:
            if self._write is None:
                try:
                    registered = self._registered = self._register()
                except RegistryAnswerError as error:
                    raise self._refused(error) from error
                if registered.id is None:
                    raise AliranError(f"the registry gave no id for the schema of {self.name}")
                self._write = self.writer(registered)
            return self._write

    def _refused(self, error: RegistryAnswerError) -> SerializationError:
        if not error.reasons:
            return SerializationError(f"{self.name} has no schema to write with: {error}")
        where = f", topic {self._use.topic}" if self._use.topic else ""
        first = (
            f"{self.name} cannot write: its schema does not fit the earlier ones (the registry's "
            f"answer was {error.status}{where})"
        )
        return SerializationError(
            "\n  ".join([first, *error.reasons, *(f"try: {hint}" for hint in error.hints)])
        )

    def _register(self) -> RegisteredSchema:
        subject = subject_name(
            self.options.get("subject_strategy", "topic"),
            self._use.topic,
            self.record_name,
            is_key=self._use.is_key,
            client=self.client,
        )
        normalize = self.options.get("normalize", False)
        if self.schema is None or self.options.get("use_latest"):
            return self.client.version(subject)
        if self.options.get("auto_register", True):
            return self.client.register(subject, self.schema, normalize=normalize)
        return self.client.look_up(subject, self.schema, normalize=normalize)

    def _first_read(self, data: bytes) -> Read:
        schema_id = wire.schema_id_of(self.name, data)
        read = self.reader(self._schema_of(schema_id))
        self._read[bytes(data[: wire.PREFIX_LENGTH])] = read
        return read

    def _schema_of(self, schema_id: int) -> RegisteredSchema:
        return self.client.schema_by_id(schema_id, form=self.form)

    def referenced(self, schema: RegisteredSchema) -> dict[str, str]:
        """Return the texts of all schemas that one refers to by their names, deepest first."""
        return self.client.referenced(schema, form=self.form)


def options_of(**options: Unpack[SerdeOptions]) -> SerdeOptions:
    """Return keyword arguments as options."""
    return options
