"""Random pairs of JSON Schemas, and all small values: what one takes, the other must take too."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

Json = Any

SCALARS: tuple[Json, ...] = (None, True, False, -1, 0, 1, 2, 3, 6, 1.5, "", "a", "ab", "abcd")
NAMES = ("a", "ab", "x")


def values() -> list[Json]:
    """Return every small value that the tests try."""
    few: list[Json] = [None, True, 1, 2.5, "a", "abcd", []]
    objects: list[Json] = [{}]
    for size in (1, 2):
        for names in itertools.combinations(NAMES, size):
            every = itertools.product(few, repeat=size)
            objects += [dict(zip(names, picked, strict=True)) for picked in every]
    objects += [{"a": {"a": each}} for each in few] + [{"a": 1, "ab": 2, "x": each} for each in few]
    arrays: list[Json] = [
        list(each) for size in range(4) for each in itertools.product(few[1:5], repeat=size)
    ]
    return [*SCALARS, *objects, *arrays]


class Author:
    """Writes random schemas, and others that differ a little."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def schema(self, depth: int = 2) -> Json:
        """Return a random schema."""
        rng = self.rng
        plain: list[Callable[[], Json]] = [self._text, self._number, self._plain, self._enum]
        nested: list[Callable[[int], Json]] = [
            self._object,
            self._object,
            self._array,
            self._combined,
        ]
        if depth == 0 or rng.random() < 0.4:
            return rng.choice(plain)()
        return rng.choice(nested)(depth - 1)

    def changed(self, schema: Json) -> Json:
        """Return a schema with one change somewhere."""
        rng = self.rng
        if not isinstance(schema, dict) or rng.random() < 0.1:
            return self.schema(1)
        found = dict(schema)
        word = rng.choice([*found, "new", "drop"] if found else ["new"])
        if word == "drop":
            found.pop(rng.choice(list(schema)))
        elif word == "new":
            found |= {k: v for k, v in self.schema(1).items() if rng.random() < 0.6}
        elif word in ("properties", "patternProperties"):
            found[word] = self._changed_names(found[word])
        elif word in ("allOf", "anyOf", "oneOf", "prefixItems"):
            found[word] = self._changed_list(found[word])
        elif word in (
            "items",
            "additionalProperties",
            "contains",
            "not",
            "propertyNames",
            "then",
            "else",
            "if",
        ):
            found[word] = self.changed(found[word])
        elif word == "enum":
            found[word] = (
                rng.sample(SCALARS, rng.randint(1, 3))
                if rng.random() < 0.5
                else [*found[word], "ab"]
            )
        elif isinstance(found[word], bool):
            found[word] = not found[word]
        elif isinstance(found[word], int):
            found[word] = max(0, found[word] + rng.choice((-1, 1)))
            if word == "multipleOf":
                found[word] = max(1, found[word])
        else:
            found[word] = self.schema(1).get(word, found[word])
        return found

    def _changed_names(self, schemas: dict[str, Json]) -> Json:
        found, name = dict(schemas), self.rng.choice(NAMES)
        if name in found and self.rng.random() < 0.3:
            found.pop(name)
        else:
            found[name] = self.changed(found[name]) if name in found else self.schema(0)
        return found

    def _changed_list(self, schemas: list[Json]) -> Json:
        found, at = list(schemas), self.rng.randrange(len(schemas))
        choice = self.rng.random()
        if choice < 0.3:
            found.append(self.schema(0))
        elif choice < 0.5 and len(found) > 1:
            found.pop(at)
        else:
            found[at] = self.changed(found[at])
        return found

    def _some(self, options: dict[str, Callable[[], Json]], chance: float) -> Json:
        return {word: make() for word, make in options.items() if self.rng.random() < chance}

    def _text(self) -> Json:
        rng = self.rng
        options = {
            "minLength": lambda: rng.randint(0, 2),
            "maxLength": lambda: rng.randint(1, 4),
            "pattern": lambda: rng.choice(("^a", "b$")),
        }
        return self._maybe_typed("string", self._some(options, 0.3))

    def _number(self) -> Json:
        rng = self.rng
        words = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        options: dict[str, Callable[[], Json]] = {word: lambda: rng.randint(0, 4) for word in words}
        options["multipleOf"] = lambda: rng.randint(1, 4)
        return self._maybe_typed(rng.choice(("number", "integer")), self._some(options, 0.25))

    def _plain(self) -> Json:
        types = ["string", "number", "null", "boolean", "object", "integer"]
        return self.rng.choice(
            ({}, {"type": "null"}, {"type": "boolean"}, {"type": self.rng.sample(types, 2)})
        )

    def _enum(self) -> Json:
        if self.rng.random() < 0.3:
            return {"const": self.rng.choice(SCALARS)}
        return {"enum": self.rng.sample(SCALARS, self.rng.randint(1, 3))}

    def _object(self, depth: int) -> Json:
        rng = self.rng
        options: dict[str, Callable[[], Json]] = {
            "properties": lambda: {
                name: self._with_default(self.schema(depth)) for name in NAMES if rng.random() < 0.6
            },
            "required": lambda: rng.sample(NAMES, rng.randint(1, 2)),
            "additionalProperties": lambda: rng.choice((False, True, self.schema(0))),
            "patternProperties": lambda: {rng.choice(("^a", "b$")): self.schema(0)},
            "minProperties": lambda: rng.randint(0, 1),
            "maxProperties": lambda: rng.randint(1, 2),
            "propertyNames": self._text,
            "dependentRequired": lambda: {"a": [rng.choice(("ab", "x"))]},
        }
        chances = {"properties": 0.9, "additionalProperties": 0.6, "required": 0.4}
        found = {w: make() for w, make in options.items() if rng.random() < chances.get(w, 0.12)}
        return self._maybe_typed("object", found)

    def _with_default(self, schema: Json) -> Json:
        if isinstance(schema, dict) and self.rng.random() < 0.2:
            return {**schema, "default": self.rng.choice(SCALARS)}
        return schema

    def _array(self, depth: int) -> Json:
        rng = self.rng
        options: dict[str, Callable[[], Json]] = {
            "items": lambda: rng.choice((False, self.schema(depth), self.schema(depth))),
            "prefixItems": lambda: [self.schema(0) for _ in range(rng.randint(1, 2))],
            "minItems": lambda: rng.randint(0, 2),
            "maxItems": lambda: rng.randint(1, 3),
            "uniqueItems": lambda: rng.random() < 0.5,
            "contains": lambda: self.schema(0),
            "minContains": lambda: rng.randint(0, 2),
            "maxContains": lambda: rng.randint(1, 2),
        }
        return self._maybe_typed("array", self._some(options, 0.3))

    def _combined(self, depth: int) -> Json:
        rng = self.rng
        choice = rng.random()
        if choice < 0.15:
            return {"not": self.schema(depth)}
        if choice < 0.3:
            return {"if": self.schema(0), "then": self.schema(depth), "else": self.schema(0)}
        word = rng.choice(("allOf", "anyOf", "oneOf"))
        found: Json = {word: [self.schema(depth) for _ in range(rng.randint(1, 3))]}
        return {**found, **self._text()} if rng.random() < 0.2 else found

    def _maybe_typed(self, name: str, found: Json) -> Json:
        return found if self.rng.random() < 0.15 else {"type": name, **found}


def pairs(seed: int, count: int) -> Iterator[tuple[Json, Json]]:
    """Yield schemas and what became of them after one to three changes."""
    author = Author(seed)
    for _ in range(count):
        old = author.schema()
        new = old
        for _ in range(author.rng.randint(1, 3)):
            new = author.changed(new)
        yield old, new
