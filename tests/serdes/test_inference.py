"""From types to serdes, and JSON of types."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections import namedtuple
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, NewType, Optional, TypedDict
from uuid import UUID

import attrs
import msgspec
import pytest

from aliran.serdes import (
    BooleanSerde,
    BytesSerde,
    DoubleSerde,
    IntegerSerde,
    JsonSerde,
    Serde,
    SerializationError,
    StringSerde,
    StructSerde,
    UnknownSerdeError,
    UuidSerde,
    serde_for,
)


class Tweet(msgspec.Struct):
    user: str
    likes: int
    reply: Tweet | None = None


class Retweet(Tweet):
    of: str = ""


@dataclasses.dataclass
class Order:
    number: int
    at: datetime


class Point(NamedTuple):
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


@attrs.define
class Car:
    wheels: int


class Colour(enum.Enum):
    RED = "red"


class Plain:
    pass


@dataclasses.dataclass
class Holder:
    content: list[Plain]


UserId = NewType("UserId", str)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (int, IntegerSerde),
        (str, StringSerde),
        (bytes, BytesSerde),
        (float, DoubleSerde),
        (bool, BooleanSerde),
        (UUID, UuidSerde),
        (Any, JsonSerde),
        (object, JsonSerde),
        (UserId, StringSerde),
        (int | None, IntegerSerde),
        (Optional[str], StringSerde),  # noqa: UP045 - the old spelling is tested
        (Annotated[int, "a count"], IntegerSerde),
        (StringSerde, StringSerde),
        (JsonSerde, JsonSerde),
        (dict, StructSerde),
        (Tweet, StructSerde),
    ],
)
def test_each_type_has_its_serde(target: Any, expected: type[Serde[Any]]) -> None:
    assert type(serde_for(target)) is expected


def test_a_serde_is_returned_as_it_is() -> None:
    serde = JsonSerde()
    assert serde_for(serde) is serde


@pytest.mark.parametrize(
    ("target", "value", "data"),
    [
        (dict, {"a": [1, None]}, b'{"a":[1,null]}'),
        (list, [1, "b"], b'[1,"b"]'),
        (dict[str, int], {"a": 1}, b'{"a":1}'),
        (list[Tweet], [Tweet("ann", 3)], b'[{"user":"ann","likes":3,"reply":null}]'),
        (tuple[int, str], (1, "b"), b'[1,"b"]'),
        (Tweet, Tweet("ann", 3), b'{"user":"ann","likes":3,"reply":null}'),
        (
            Order,
            Order(7, datetime(2026, 1, 2, tzinfo=UTC)),
            b'{"number":7,"at":"2026-01-02T00:00:00Z"}',
        ),
        (Point, Point(1, 2), b"[1,2]"),
        (Movie, {"title": "Alien", "year": 1979}, b'{"title":"Alien","year":1979}'),
        (Car, Car(4), b'{"wheels":4}'),
        (Colour, Colour.RED, b'"red"'),
        (date, date(2026, 1, 2), b'"2026-01-02"'),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC), b'"2026-01-02T00:00:00Z"'),
        (Decimal, Decimal("1.50"), b'"1.50"'),
        (int | str, "a", b'"a"'),
        (Tweet | None, Tweet("ann", 3), b'{"user":"ann","likes":3,"reply":null}'),
        (Annotated[int, msgspec.Meta(gt=0)], 5, b"5"),
        (Any, {"a": 1}, b'{"a":1}'),
    ],
)
def test_json_of_types(target: Any, value: object, data: bytes) -> None:
    serde = serde_for(target)
    assert serde.serialize(value) == data
    assert serde.deserialize(data) == value
    assert serde.serialize(None) is None
    assert serde.deserialize(None) is None


def test_the_typed_deserializer_is_the_decoder_itself() -> None:
    deserializer = serde_for(Tweet).deserializer
    assert isinstance(deserializer.__self__, msgspec.json.Decoder)  # type: ignore[attr-defined]


def test_typed_json_says_which_field_does_not_fit() -> None:
    serde = serde_for(Tweet)
    with pytest.raises(SerializationError, match=r"`int`, got `str` - at `\$\.likes`") as caught:
        serde.deserialize(b'{"user":"ann","likes":"many"}')
    assert "StructSerde(Tweet)" in str(caught.value)
    with pytest.raises(msgspec.ValidationError):
        serde.deserializer(b'{"user":"ann","likes":"many"}')
    with pytest.raises(SerializationError, match="malformed"):
        serde.deserialize(b"{nonsense")


def test_unknown_fields_are_skipped_and_subclasses_written() -> None:
    serde = serde_for(Tweet)
    assert serde.deserialize(b'{"user":"a","likes":1,"lang":"de"}') == Tweet("a", 1)
    assert serde.serialize(Retweet("a", 1, of="b")) is not None


@pytest.mark.parametrize(
    ("target", "value"),
    [(Tweet, {"user": "a", "likes": 1}), (list[int], {"a": 1}), (dict, [1]), (Movie, "Alien")],
)
def test_typed_json_refuses_to_write_what_it_could_not_read(target: Any, value: object) -> None:
    with pytest.raises(SerializationError, match=f"pass value={type(value).__name__}"):
        serde_for(target).serialize(value)


def test_json_refuses_what_cannot_be_json() -> None:
    with pytest.raises(SerializationError, match="JsonSerde cannot serialize a value of type"):
        JsonSerde().serialize(Plain())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Plain, "no serde for the class Plain: make it a msgspec.Struct or a dataclass"),
        (list[Plain], "no serde for the class Plain (inside list["),
        (Holder, "no serde for the class Plain (inside "),
        (Plain(), "is not a type but an object of type Plain"),
        (3, "3 is not a type but an object of type int: pass a type (int, "),
        ([1], "[1] is not a type but an object of type list"),
        ("int", "'int' is not a type but an object of type str"),
        (len, "len is not a type but an object of type builtin_function_or_method"),
        (lambda x: x, "<lambda> is not a type but an object of type function"),
        (None, "None has no serde: leave the argument out"),
        (type(None), "None has no serde: leave the argument out"),
        (StructSerde, "pass an instance, StructSerde(...)"),
        (Tweet("a", 1), "is not a type but an object of type Tweet"),
    ],
)
def test_what_has_no_serde_gets_a_clear_error(target: Any, message: str) -> None:
    with pytest.raises(UnknownSerdeError) as caught:
        serde_for(target)
    assert message in str(caught.value)


def test_untyped_named_tuples_are_json_arrays() -> None:
    pair = namedtuple("pair", ["left", "right"])  # noqa: PYI024 - the untyped kind is tested
    serde = serde_for(pair)
    assert serde.deserialize(serde.serialize(pair(1, 2))) == pair(1, 2)


def test_models_with_pydantics_methods_need_no_pydantic() -> None:
    class Model:  # has the two methods of a pydantic model that the serde uses
        def __init__(self, name: str) -> None:
            self.name = name

        def model_dump_json(self) -> str:
            return f'{{"name":"{self.name}"}}'

        @classmethod
        def model_validate_json(cls, data: bytes) -> Model:
            return cls(msgspec.json.decode(data)["name"])

    serde = serde_for(Model)
    data = serde.serialize(Model("ann"))
    assert data == b'{"name":"ann"}'
    back = serde.deserialize(data)
    assert back is not None
    assert back.name == "ann"
    assert serde.name == "PydanticSerde(Model)"
    with pytest.raises(SerializationError, match=r"PydanticSerde\(Model\)"):
        serde.serialize({"name": "ann"})  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type X = ...` is syntax of Python 3.12")
def test_type_aliases_are_looked_through() -> None:
    names: dict[str, Any] = {}
    exec("type Count = int", names)
    assert type(serde_for(names["Count"])) is IntegerSerde
