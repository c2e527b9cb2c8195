"""`AvroSerde`: Avro through fastavro. Confluent: `AvroSerializer`, `AvroDeserializer`."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

import fastavro

from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Reference, Schema
from aliran.schema_registry.serdes import wire
from aliran.schema_registry.serdes.avro_types import avro_schema
from aliran.schema_registry.serdes.base import Read, RegistrySerde, Write
from aliran.schema_registry.serdes.values import from_builtins, to_builtins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from aliran.schema_registry.serdes.base import SerdeOptions

T = TypeVar("T")


class AvroSerde(RegistrySerde[T]):
    """Avro with schemas in a registry.

    Example:
        >>> from aliran.schema_registry.server import RegistryServer
        >>> class Order(msgspec.Struct):
        ...     item: str
        ...     count: int = 1
        >>> with RegistryServer() as server:
        ...     orders = AvroSerde(Order, server.url).for_topic("orders", is_key=False)
        ...     orders.deserialize(orders.serialize(Order("tea")))
        Order(item='tea', count=1)

    Args:
        target: Class of the values: a msgspec Struct, dataclass, TypedDict or pydantic
            model, whose schema is derived (`avro_types.py`); or `dict` for values without class.
        registry: A client, or the address of a registry.
        schema: A schema to use in place of the derived one. With `dict` and without one, values are
            written with the newest schema of the subject.
        references: What the schema refers to.
        options: See `SerdeOptions`.

    Raises:
        ConfigError: An option is unknown, or there is no schema for the class.
    """

    def __init__(
        self,
        target: type[T],
        registry: SchemaRegistryClient | str,
        *,
        schema: str | None = None,
        references: Sequence[Reference] = (),
        **options: Unpack[SerdeOptions],
    ) -> None:
        self.target: Any = target
        text = schema
        if text is None and target is not dict:
            text = json.dumps(avro_schema(target), separators=(",", ":"))
        content = None
        if text is not None:
            content = Schema(schema=text, references=tuple(references))
        super().__init__(registry, content, f"AvroSerde({target.__name__})", options)

    @property
    def record_name(self) -> str | None:
        """Full name of the record."""
        if self.schema is None:
            return None
        found = json.loads(self.schema.schema)
        if not isinstance(found, dict) or "name" not in found:
            return None
        name, namespace = str(found["name"]), found.get("namespace")
        return f"{namespace}.{name}" if namespace and "." not in name else name

    def writer(self, schema: RegisteredSchema) -> Write:
        """Return what writes values with a schema."""
        parsed = self._parse(schema)
        convert = to_builtins(self.target)
        prefix, write_datum = wire.prefix(schema.id or 0), fastavro.schemaless_writer

        def write(value: Any) -> bytes:
            buffer = BytesIO()
            buffer.write(prefix)
            write_datum(buffer, parsed, value if convert is None else convert(value))
            return buffer.getvalue()

        return write

    def reader(self, schema: RegisteredSchema) -> Read:
        """Return what reads data of a schema into the class, by the rules of schema resolution."""
        written = self._parse(schema)
        wanted: Any = None
        if self.schema is not None:
            own = RegisteredSchema(schema=self.schema.schema, references=self.schema.references)
            wanted = self._parse(own)
            if wanted == written:
                wanted = None
        convert, read_datum = from_builtins(self.target), fastavro.schemaless_reader

        def read(data: bytes) -> Any:
            buffer = BytesIO(data)
            buffer.seek(wire.PREFIX_LENGTH)
            found = read_datum(buffer, written, wanted)
            return found if convert is None else convert(found)

        return read

    def _parse(self, schema: RegisteredSchema) -> Any:
        named: dict[str, Any] = {}
        for text in self.referenced(schema).values():
            fastavro.parse_schema(json.loads(text), named_schemas=named)
        return fastavro.parse_schema(json.loads(schema.schema), named_schemas=named)
