"""What a transformation is, and what those of fields have in common. Kafka: `Transformation`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from aliran.connectors.config.definition import NO_DEFAULT, ConfigDef, ConfigKey, Importance
from aliran.connectors.config.values import Type as Kind
from aliran.connectors.config.values import Validator
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Field, Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.records import ConnectRecord

R = TypeVar("R", bound=ConnectRecord)
T = TypeVar("T")

PACKAGE = "org.apache.kafka.connect.transforms."
_CACHED_SCHEMAS = 16


class Transformation(ABC):
    """Turns one record into another, or into None, which drops it.

    Attributes:
        java_class: Kafka's name of the class, without `$Key` or `$Value`.
        definition: The settings that there are.
    """

    java_class: ClassVar[str]
    definition: ClassVar[ConfigDef] = ConfigDef()

    def config(self) -> ConfigDef:
        """Return the settings that there are."""
        return self.definition

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take the settings, without the prefix `transforms.x.`.

        Raises:
            ConfigError: One is missing or wrong.
        """
        self.definition.parse(settings)

    @abstractmethod
    def apply(self, record: R) -> R | None:
        """Return the transformed record.

        Raises:
            ConnectError: It cannot be transformed.
        """

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what is held."""


class PartTransformation(Transformation):
    """A transformation of the key or of the value.

    Args:
        of_key: Whether it is of the key (Java: `$Key`).
    """

    def __init__(self, *, of_key: bool = False) -> None:
        self.of_key = of_key
        self._cache: dict[Schema, Any] = {}
        self._last: tuple[Schema | None, Any] = (None, None)
        self._replace = True

    def schema_of(self, record: ConnectRecord) -> Schema | None:
        """Return the schema of the part."""
        return record.key_schema if self.of_key else record.value_schema

    def value_of(self, record: ConnectRecord) -> Any:
        """Return the part."""
        return record.key if self.of_key else record.value

    def renew(self, record: R, schema: Schema | None, value: Any) -> R:
        """Return the record with another part."""
        return record.with_key(schema, value) if self.of_key else record.with_value(schema, value)

    def cached(self, schema: Schema, make: Callable[[Schema], T]) -> T:
        """Return what `make` gives for a schema, which is kept."""
        last, made = self._last
        if last is schema:
            return cast("T", made)
        made = self._cache.get(schema)
        if made is None:
            made = make(schema)
            if len(self._cache) >= _CACHED_SCHEMAS:
                del self._cache[next(iter(self._cache))]
            self._cache[schema] = made
        self._last = schema, made
        return cast("T", made)

    def field_value(self, struct: Struct, field: str | Field) -> Any:
        """Return a field, its default in place of None where that is asked for."""
        return struct.get(field) if self._replace else struct.get_without_default(field)

    def field_values(self, struct: Struct) -> list[Any]:
        """Return all fields, as `field_value` does."""
        defaults = struct.schema.defaults
        if not self._replace or defaults is None:
            return list(struct.values)
        pairs = zip(struct.values, defaults, strict=True)
        return [default if value is None else value for value, default in pairs]


def copy_basics(schema: Schema, builder: SchemaBuilder | None = None) -> SchemaBuilder:
    """Return a builder with name, version, doc and parameters of a schema (`SchemaUtil`)."""
    if builder is None:
        array = schema.type is Type.ARRAY
        builder = SchemaBuilder.of_parts(schema.type, None, schema.value_schema if array else None)
    builder.name(schema.name).version(schema.version).doc(schema.doc)
    return builder.parameters(schema.parameters or {})


def _class_name(value: object) -> str:
    return "null" if value is None else type(value).__name__


def require_map(value: Any, purpose: str) -> Mapping[str, Any]:
    """Return a value that must be a dict.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, Mapping):
        raise DataError(
            f"Only Map objects supported in absence of schema for [{purpose}], found: "
            f"{_class_name(value)}"
        )
    return value


def require_struct(value: Any, purpose: str) -> Struct:
    """Return a value that must be a struct.

    Raises:
        DataError: It is none.
    """
    if not isinstance(value, Struct):
        raise DataError(
            f"Only Struct objects supported for [{purpose}], found: {_class_name(value)}"
        )
    return value


# ---------------------------------------------------------------------- settings


REPLACE_NULL = ConfigKey(
    "replace.null.with.default",
    Kind.BOOLEAN,
    default=True,
    documentation="Whether a field that is None gets its default where it has one.",
)


def text(
    name: str,
    documentation: str,
    default: Any = NO_DEFAULT,
    validator: Validator | None = None,
    importance: Importance | None = None,
) -> ConfigKey:
    """Return the definition of a text; one that must be given matters much."""
    usual = Importance.HIGH if default is NO_DEFAULT else Importance.MEDIUM
    return ConfigKey(
        name,
        default=default,
        documentation=documentation,
        importance=importance or usual,
        validator=validator,
    )


def names(
    name: str,
    documentation: str,
    default: Any = NO_DEFAULT,
    validator: Validator | None = None,
) -> ConfigKey:
    """Return the definition of a list; by default one that names something, nothing empty."""
    return ConfigKey(
        name,
        Kind.LIST,
        default=default,
        documentation=documentation,
        importance=Importance.HIGH if default is NO_DEFAULT else Importance.MEDIUM,
        validator=validator or (_some_names if default is NO_DEFAULT else _any_names),
    )


def _any_names(name: str, value: Any) -> None:
    if value is None:
        raise ConfigError(f"Configuration '{name}' values must not be null.")
    if not all(value):
        raise ConfigError(f"Configuration '{name}' values must not be empty.")


def _some_names(name: str, value: Any) -> None:
    if value is not None and not value:
        raise ConfigError(
            f"Configuration '{name}' must not be empty. Valid values include: any non-empty value"
        )
    _any_names(name, value)


def non_empty_list(name: str, value: Any) -> None:
    """Check that a list holds something (`NonEmptyListValidator`)."""
    if not value:
        raise ConfigError.of(name, None if value is None else "[]", "Empty list")


def not_none(name: str, value: Any) -> None:
    """Check that a text is given (`NonNullValidator`)."""
    if value is None:
        raise ConfigError.of(name, None, "entry must be non null")
