"""`JsonSchemaSerde`: checked JSON. Confluent: `JSONSerializer`, `JSONDeserializer`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import jsonschema_rs
import msgspec

from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Reference, Schema
from aliran.schema_registry.serdes import wire
from aliran.schema_registry.serdes.base import Read, RegistrySerde, Write
from aliran.schema_registry.serdes.values import is_pydantic
from aliran.serdes.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from aliran.schema_registry.serdes.base import SerdeOptions

T = TypeVar("T")

DRAFT = "https://json-schema.org/draft/2020-12/schema"


class JsonSchemaSerde(RegistrySerde[T]):
    """JSON with schemas in a registry.

    A derived schema is closed (`"additionalProperties": false`): what is written by a class has
    the class's fields and no others, and only to a closed schema a property can be added later.

    Example:
        >>> from aliran.schema_registry.server import RegistryServer
        >>> class Order(msgspec.Struct):
        ...     item: str
        ...     count: int = 1
        >>> with RegistryServer() as server:
        ...     orders = JsonSchemaSerde(Order, server.url).for_topic("orders", is_key=False)
        ...     orders.deserialize(orders.serialize(Order("tea")))
        Order(item='tea', count=1)

    Args:
        target: Class of the values, of any kind that msgspec knows, or a pydantic model; or `dict`
            for values without class.
        registry: A client, or the address of a registry.
        schema: A schema to use in place of the derived one. With `dict` and without one, values are
            written with the newest schema of the subject.
        references: What the schema refers to.
        validate: Whether values without class are checked before they are written and after they
            are read; those with one are checked by it.
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
        validate: bool = True,
        **options: Unpack[SerdeOptions],
    ) -> None:
        self.target: Any = target
        self.validates = validate
        text = schema
        if text is None and target is not dict:
            text = json.dumps(json_schema(target), separators=(",", ":"))
        content = None
        if text is not None:
            content = Schema(schema=text, schema_type="JSON", references=tuple(references))
        super().__init__(registry, content, f"JsonSchemaSerde({target.__name__})", options)

    @property
    def record_name(self) -> str | None:
        """The schema's title."""
        if self.schema is None:
            return None
        found = json.loads(self.schema.schema)
        return found.get("title") if isinstance(found, dict) else None

    def writer(self, schema: RegisteredSchema) -> Write:
        """Return what writes values, checked where they have no class."""
        prefix, encode = wire.prefix(schema.id or 0), _encoder(self.target)
        check = self._checker(schema) if self.target is dict and self.validates else None

        def write(value: Any) -> bytes:
            if check is not None:
                check(value)
            return prefix + encode(value)

        return write

    def reader(self, schema: RegisteredSchema) -> Read:
        """Return what reads data into the class, which checks it."""
        decode = _decoder(self.target)
        check = self._checker(schema) if self.target is dict and self.validates else None

        def read(data: bytes) -> Any:
            found = decode(data[wire.PREFIX_LENGTH :])
            if check is not None:
                check(found)
            return found

        return read

    def _checker(self, schema: RegisteredSchema) -> Callable[[Any], None]:
        texts = self.referenced(schema)
        registry = jsonschema_rs.Registry(
            [(name, json.loads(each)) for name, each in texts.items()]
        )
        validator = jsonschema_rs.validator_for(json.loads(schema.schema), registry=registry)

        def check(value: Any) -> None:
            error = next(iter(validator.iter_errors(value)), None)
            if error is not None:
                path = "/".join(map(str, error.instance_path))
                raise SerializationError(
                    f"{self.name}: the value does not fit the schema at #/{path}: {error.message}"
                )

        return check


def json_schema(target: Any) -> Any:
    """Return the JSON Schema of a class: closed, of draft 2020-12, with the class's name as title.

    Raises:
        ConfigError: A type in it has no counterpart.
    """
    if is_pydantic(target):
        schema = target.model_json_schema()
    else:
        schema = _inlined_root(msgspec.json.schema(target))
    return {"$schema": DRAFT, **_closed(schema)}


def _inlined_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Put what `$ref` leads to at the root, where tools look for title and properties."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    found = schema.get("$defs", {}).get(name)
    if found is None:
        return schema
    rest = {each: other for each, other in schema["$defs"].items() if each != name}
    if f'"#/$defs/{name}"' in json.dumps([found, rest]):  # it refers to itself
        rest[name] = found
    return {**found, **({"$defs": rest} if rest else {})}


_BY_NAME = ("properties", "$defs", "definitions", "patternProperties")
_DATA = ("default", "const", "enum", "examples")


def _closed(schema: Any) -> Any:
    """Return a schema whose objects have no other properties than those it names."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _BY_NAME:
            found[word] = {name: _closed(each) for name, each in value.items()}
        else:
            found[word] = value if word in _DATA else _closed(value)
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _encoder(target: Any) -> Callable[[Any], bytes]:
    if is_pydantic(target):
        return lambda value: str(value.model_dump_json()).encode()
    return msgspec.json.Encoder().encode


def _decoder(target: Any) -> Callable[[bytes], Any]:
    if is_pydantic(target):
        validate: Callable[[bytes], Any] = target.model_validate_json
        return validate
    return msgspec.json.Decoder(Any if target is dict else target).decode
