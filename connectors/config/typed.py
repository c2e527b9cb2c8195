"""From a typed class to a `ConfigDef`, and from a parsed configuration to an instance of it.

    class CounterConfig(msgspec.Struct):
        topic: Annotated[str, Option("Where the numbers go", importance=Importance.HIGH)]
        limit: int = 100
        api_key: Password | None = None

A field `api_key` is the option `api.key`. Dataclasses serve as well.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from aliran.connectors.config.definition import (
    NO_DEFAULT,
    ConfigDef,
    ConfigKey,
    Importance,
    Recommender,
)
from aliran.connectors.config.values import Password, Type, Validator, one_of
from aliran.connectors.errors import ConfigError

_T = TypeVar("_T")

_TYPES: dict[Any, Type] = {
    bool: Type.BOOLEAN,
    int: Type.LONG,
    float: Type.DOUBLE,
    str: Type.STRING,
    list: Type.LIST,
    Password: Type.PASSWORD,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """What an annotation adds to an option.

    Attributes:
        documentation: What it does.
        name: Its name; None for the field's with dots in place of underscores.
        importance: How much it matters.
        validator: Checks a value.
        group: The group of a form.
        dependents: Names of options that depend on it.
        recommender: Knows values that would do.
        type: What its value is, where the field's type says too little: an `int` is a LONG.
    """

    documentation: str = ""
    name: str | None = None
    importance: Importance = Importance.MEDIUM
    validator: Validator | None = None
    group: str | None = None
    dependents: tuple[str, ...] = ()
    recommender: Recommender | None = None
    type: Type | None = None


def definition_of(cls: type[Any]) -> ConfigDef:
    """Return the options that the fields of a class stand for.

    Raises:
        ConfigError: The class is neither a dataclass nor a msgspec Struct, or a field has a type
            that no text can give.
    """
    return ConfigDef(key for _, key in _keys(cls))


def instance_of(cls: type[_T], given: Mapping[str, Any]) -> _T:
    """Return an instance of the class with the values of a configuration.

    Raises:
        ConfigError: An option is missing or wrong.
    """
    return cls(**{field: key.value_of(given) for field, key in _keys(cls)})


def _keys(cls: type[Any]) -> Iterator[tuple[str, ConfigKey]]:
    hints = get_type_hints(cls, include_extras=True)
    for order, (field, default) in enumerate(_fields(cls), 1):
        hint, option, check = hints[field], Option(), None
        if get_origin(hint) is Annotated:
            hint, *extras = get_args(hint)
            option = next((one for one in extras if isinstance(one, Option)), option)
        if get_origin(hint) in {Union, types.UnionType}:
            hint = next(one for one in get_args(hint) if one is not type(None))
        if get_origin(hint) is Literal:
            hint, check = str, one_of(*get_args(hint))
        kind = option.type or _TYPES.get(get_origin(hint) or hint)
        if kind is None:
            raise ConfigError(
                f"{cls.__qualname__}.{field}: an option cannot be a {hint}; it may be str, int, "
                "float, bool, list[str], Password or a Literal of texts"
            )
        yield (
            field,
            ConfigKey(
                option.name or field.replace("_", "."),
                kind,
                default,
                option.documentation,
                option.importance,
                option.validator or check,
                option.group,
                order if option.group else -1,
                dependents=option.dependents,
                recommender=option.recommender,
            ),
        )


def _fields(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Yield names and defaults."""
    if dataclasses.is_dataclass(cls):
        for one in dataclasses.fields(cls):
            if one.default_factory is not dataclasses.MISSING:
                yield one.name, one.default_factory()
            else:
                yield one.name, NO_DEFAULT if one.default is dataclasses.MISSING else one.default
    elif issubclass(cls, msgspec.Struct):
        for row in msgspec.structs.fields(cls):
            if row.default_factory is not msgspec.NODEFAULT:
                yield row.name, row.default_factory()
            else:
                yield row.name, NO_DEFAULT if row.default is msgspec.NODEFAULT else row.default
    else:
        raise ConfigError(f"{cls.__qualname__} is neither a dataclass nor a msgspec Struct")
