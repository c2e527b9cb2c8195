"""What is judged compatible can be read: random files, written and read by Protobuf itself."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.protobuf import ProtobufFormat, ProtobufSchema

TYPES = ("int32", "int64", "sint32", "fixed32", "bool", "string", "bytes", "double", "E", "N")


class Author:
    """Writes random messages, and others that differ a little."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def fields(self) -> list[dict[str, Any]]:
        numbers = self.rng.sample(range(1, 7), self.rng.randint(1, 5))
        return [self.field(number) for number in sorted(numbers)]

    def field(self, number: int) -> dict[str, Any]:
        kind = self.rng.choice(TYPES)
        label = self.rng.choice(("", "", "repeated ", "map", "oneof a", "oneof b"))
        return {"number": number, "type": kind, "label": label}

    def changed(self, fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [dict(each) for each in fields]
        one, choice = self.rng.choice(found), self.rng.random()
        if choice < 0.3:
            one["type"] = self.rng.choice(TYPES)
        elif choice < 0.55:
            one["label"] = self.field(1)["label"]
        elif choice < 0.75 and len(found) > 1:
            found.remove(one)
        else:
            free = [n for n in range(1, 7) if n not in {each["number"] for each in found}]
            found += [self.field(self.rng.choice(free))] if free else []
        return found

    def text(self, fields: list[dict[str, Any]], nested: list[dict[str, Any]]) -> str:
        return (
            'syntax = "proto3"; package p; enum E { ZERO = 0; ONE = 1; }'
            f"message M {{ {self.body(fields)} }} message N {{ {self.body(nested)} }}"
        )

    def body(self, fields: list[dict[str, Any]]) -> str:
        lines: list[str] = []
        one_ofs: dict[str, list[str]] = {}
        for each in fields:
            name = f"{each['type']} f{each['number']} = {each['number']};"
            if each["label"].startswith("oneof"):
                one_ofs.setdefault(each["label"], []).append(name)
            elif each["label"] == "map":
                lines.append(f"map<string, {each['type']}> f{each['number']} = {each['number']};")
            else:
                lines.append(each["label"] + name)
        return " ".join([*lines, *(f"{k} {{ {' '.join(v)} }}" for k, v in one_ofs.items())])


def message_class(schema: ProtobufSchema) -> Any:
    pool = descriptor_pool.DescriptorPool()
    for file in schema.files:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("p.M"))


def fill(message: Any, rng: random.Random, depth: int = 0) -> None:
    """Set some fields, at most one of each oneof."""
    for field in message.DESCRIPTOR.fields:
        if rng.random() < 0.2 or (depth > 1 and field.message_type):
            continue
        held = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                fill(held["k"], rng, depth + 1)
            else:
                held["k"] = value_of(field.message_type.fields_by_name["value"], rng)
        elif field.is_repeated:
            for _ in range(2):
                if field.message_type is not None:
                    fill(held.add(), rng, depth + 1)
                else:
                    held.append(value_of(field, rng))
        elif field.message_type is not None:
            held.SetInParent()
            fill(held, rng, depth + 1)
        else:
            setattr(message, field.name, value_of(field, rng))


def value_of(field: Any, rng: random.Random) -> Any:
    kinds: dict[Any, Any] = {
        field.TYPE_STRING: "text",
        field.TYPE_BYTES: b"text",
        field.TYPE_BOOL: True,
        field.TYPE_DOUBLE: 1.5,
        field.TYPE_ENUM: 1,
    }
    return kinds.get(field.type, rng.randint(1, 100))


def lost(written: Any, read: Any) -> list[str]:
    """Return the fields that both know, whose values differ.

    Of a field that has another type there must be something: 5 may become true, but not nothing.
    """
    found = []
    for field, value in written.ListFields():
        other = read.DESCRIPTOR.fields_by_name.get(field.name)
        if other is None:
            continue
        now = getattr(read, field.name)
        if (field.type, field.is_repeated) != (other.type, other.is_repeated):
            single = other.message_type is not None and not other.is_repeated
            if not (read.HasField(field.name) if single else now):
                found.append(field.name)
            continue
        if field.message_type is None:
            if value != now:
                found.append(field.name)
        elif not field.is_repeated:
            found += lost(value, now)
        elif len(value) != len(now):
            found.append(field.name)
    return found


def verdicts(seed: int, count: int) -> Iterator[tuple[str, str, bool, list[str]]]:
    """Yield pairs of files, whether the second may read the first, and what it loses."""
    author, parse = Author(seed), ProtobufFormat().parse
    for _ in range(count):
        fields, nested = author.fields(), author.fields()
        old = author.text(fields, nested)
        changed = author.changed(fields), nested
        if author.rng.random() < 0.4:
            changed = fields, author.changed(nested)
        new = author.text(*changed)
        try:
            before, now = parse(old, {}), parse(new, {})
        except InvalidSchemaError:
            continue
        compatible = not now.read_incompatibilities(before)
        writer, reader = message_class(before), message_class(now)
        trouble: list[str] = []
        for _ in range(5):
            message = writer()
            fill(message, author.rng)
            try:
                trouble += lost(message, reader.FromString(message.SerializeToString()))
            except DecodeError:
                trouble.append("not decodable")
        yield old, new, compatible, trouble


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_compatible_is_never_lost(seed: int) -> None:
    seen = list(verdicts(seed, 150))
    for old, new, compatible, trouble in seen:
        assert not (compatible and trouble), f"{old}\n{new}\nloses {trouble}"
    accepted = sum(compatible for _, _, compatible, _ in seen)
    assert len(seen) / 5 < accepted < len(seen)  # the test has seen both
