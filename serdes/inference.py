"""From a type, or anything else a user may pass, to its serde."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, overload
from uuid import UUID

import msgspec

from aliran.serdes.base import Serde
from aliran.serdes.builtin import (
    BooleanSerde,
    BytesSerde,
    DoubleSerde,
    IntegerSerde,
    StringSerde,
    UuidSerde,
)
from aliran.serdes.errors import UnknownSerdeError
from aliran.serdes.json import JsonSerde, PydanticSerde, StructSerde

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
S = TypeVar("S", bound=Serde[Any])

_PLAIN: dict[Any, Serde[Any]] = {
    bytes: BytesSerde(),
    str: StringSerde(),
    int: IntegerSerde(),
    float: DoubleSerde(),
    bool: BooleanSerde(),
    UUID: UuidSerde(),
    Any: JsonSerde(),
    object: JsonSerde(),
}

_WHAT_FITS = (
    "pass a type (int, float, str, bytes, bool, uuid.UUID, dict, list[str], a msgspec.Struct, "
    "dataclass, NamedTuple, TypedDict, Enum, datetime or pydantic model) or a Serde"
)


@overload
def serde_for(type_or_serde: Serde[T]) -> Serde[T]: ...
@overload
def serde_for(type_or_serde: type[S]) -> S: ...
@overload
def serde_for(type_or_serde: type[T]) -> Serde[T]: ...
@overload
def serde_for(type_or_serde: object) -> Serde[Any]: ...


def serde_for(type_or_serde: Any) -> Serde[Any]:
    r"""Return the serde for a type; a serde is returned as it is, a serde class is called.

    Plain types get Kafka's binary formats (`int` is Kafka's Long), all else is JSON. None needs
    no serde, hence `X | None` gets that of X. `Any` is JSON without checks.

    >>> serde_for(int).serialize(258)
    b'\x00\x00\x00\x00\x00\x00\x01\x02'
    >>> serde_for(list[int]).serialize([1, 2])
    b'[1,2]'

    Raises:
        UnknownSerdeError: There is no serde for it; the message says what may be passed.
    """
    if isinstance(type_or_serde, Serde):
        return type_or_serde
    if isinstance(type_or_serde, type) and issubclass(type_or_serde, Serde):
        return _call(type_or_serde)
    target = _without_wrappings(type_or_serde)
    try:
        plain = _PLAIN.get(target)
    except TypeError:  # unhashable: an instance of something, refused below
        plain = None
    return plain or _json_serde(target)


def _call(serde_class: type[Serde[Any]]) -> Serde[Any]:
    try:
        return serde_class()
    except TypeError as error:
        raise UnknownSerdeError(
            f"{serde_class.__name__} cannot be made without arguments ({error}): "
            f"pass an instance, {serde_class.__name__}(...)",
            value_type=serde_class.__name__,
        ) from error


def _without_wrappings(target: Any) -> Any:
    """Look through NewType, `type X = ...`, Annotated without constraints, and `X | None`."""
    if hasattr(target, "__supertype__"):
        return _without_wrappings(target.__supertype__)
    if type(target).__name__ == "TypeAliasType":
        return _without_wrappings(target.__value__)
    origin = get_origin(target)
    if origin is Annotated and not any(isinstance(m, msgspec.Meta) for m in target.__metadata__):
        return _without_wrappings(target.__origin__)
    if origin in (Union, UnionType):
        others = [each for each in get_args(target) if each is not NoneType]
        if len(others) == 1:
            return _without_wrappings(others[0])
    return target


def _json_serde(target: Any) -> Serde[Any]:
    if isinstance(target, type) and hasattr(target, "model_validate_json"):
        return PydanticSerde(target)
    if target is None or target is NoneType:
        raise UnknownSerdeError(f"None has no serde: leave the argument out, or {_WHAT_FITS}")
    if not isinstance(target, type) and get_origin(target) is None:
        shown = getattr(target, "__qualname__", None) or repr(target)
        kind = type(target).__name__
        raise UnknownSerdeError(
            f"{shown} is not a type but an object of type {kind}: {_WHAT_FITS}", value_type=kind
        )
    try:
        unknown = next(_unknown_classes(msgspec.inspect.type_info(target)), None)
        if unknown is None:
            return StructSerde(target)
    except (TypeError, NameError) as error:
        raise UnknownSerdeError(f"no serde for {target}: {error}. {_WHAT_FITS}") from error
    where = "" if unknown is target else f" (inside {target})"
    raise UnknownSerdeError(
        f"no serde for the class {unknown.__qualname__}{where}: make it a msgspec.Struct or a "
        "dataclass, or pass Serde(serialize_function, deserialize_function)",
        value_type=unknown.__qualname__,
    )


def _unknown_classes(info: Any, seen: set[int] | None = None) -> Iterator[type]:
    """Yield the classes within a msgspec type description that msgspec cannot handle itself."""
    seen = set() if seen is None else seen
    if id(info) in seen:  # types may contain themselves
        return
    seen.add(id(info))
    if isinstance(info, msgspec.inspect.CustomType):
        yield info.cls
    elif isinstance(info, tuple):
        for each in info:
            yield from _unknown_classes(each, seen)
    elif isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
        for name in info.__struct_fields__:
            if name not in ("default", "default_factory", "cls"):
                yield from _unknown_classes(getattr(info, name), seen)
