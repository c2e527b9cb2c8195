"""JSON, untyped and typed, through msgspec."""

from __future__ import annotations

from itertools import chain
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, is_typeddict

import msgspec

from aliran.serdes.base import Serde
from aliran.serdes.errors import refused_value

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class JsonSerde(Serde[Any]):
    """Any JSON value: dicts, lists, text, numbers. Nothing is checked beyond the syntax.

    Writing takes all that msgspec can encode (Structs, dataclasses, datetimes, UUIDs, ...).
    """

    def __init__(self) -> None:
        super().__init__(msgspec.json.Encoder().encode, msgspec.json.Decoder().decode)


class StructSerde(Serde[T]):
    """JSON of one type, checked while it is parsed.

    Reading fails with the path of the field that does not fit; unknown fields are skipped.
    Writing refuses values of another type, since nobody could read them back.

    Args:
        target: A msgspec Struct, dataclass, NamedTuple, TypedDict, attrs class, Enum, datetime,
            `list[X]`, `dict[str, X]`, or a union of such.
    """

    def __init__(self, target: type[T]) -> None:
        name = f"StructSerde({getattr(target, '__name__', None) or target})"
        if get_origin(target) is not None:
            name = f"StructSerde({target})"
        # The decoder's own bound method: a wrapper would double the cost of a small record.
        super().__init__(
            _checked_encoder(name, target), msgspec.json.Decoder(target).decode, name=name
        )
        self.target = target


class PydanticSerde(Serde[T]):
    """JSON of a pydantic model (version 2), by the model's own reader and writer.

    Args:
        model: The model class.
    """

    def __init__(self, model: type[T]) -> None:
        name = f"PydanticSerde({model.__name__})"

        def serialize_model(value: T) -> bytes:
            if not isinstance(value, model):
                raise refused_value(name, value)
            text: str = value.model_dump_json()  # type: ignore[attr-defined]
            return text.encode()

        # pydantic is never imported here: who has a model has imported it already.
        super().__init__(
            serialize_model,
            model.model_validate_json,  # type: ignore[attr-defined]
            name=name,
        )
        self.model = model


def _checked_encoder(name: str, target: Any) -> Callable[[T], bytes]:
    encode = msgspec.json.Encoder().encode
    expected = _classes_of(target)
    if not expected:
        return encode

    def serialize_checked(value: T) -> bytes:
        if isinstance(value, expected):
            return encode(value)
        raise refused_value(name, value)

    return serialize_checked


def _classes_of(target: Any) -> tuple[type, ...]:
    """Return the classes that values of the type are instances of; none if that cannot be said."""
    origin = get_origin(target)
    if origin is Annotated:
        return _classes_of(target.__origin__)
    if origin in (Union, UnionType):
        members = [_classes_of(member) for member in get_args(target)]
        return tuple(chain.from_iterable(members)) if all(members) else ()
    if is_typeddict(origin or target):
        return (dict,)
    expected = origin or target
    return (expected,) if isinstance(expected, type) else ()
