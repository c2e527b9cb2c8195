"""Which versions a new schema is compared with, in which direction, and what is said about it.

Confluent: `CompatibilityChecker`, `SchemaValidatorBuilder`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aliran.schema_registry.formats.base import Incompatibility, ParsedSchema
from aliran.schema_registry.models import CompatibilityLevel, CompatibilityPolicy

_MAX_QUOTED = 10 * 1024


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version that the new schema may be compared with.

    Attributes:
        version: Its number.
        parse: Gives the schema; called only when it is compared.
    """

    version: int
    parse: Callable[[], ParsedSchema]


def messages(
    new: ParsedSchema,
    earlier: Sequence[Earlier],
    level: CompatibilityLevel,
    policy: CompatibilityPolicy,
) -> list[str]:
    """Return Confluent's texts, and our hints, about what breaks `level`; empty when nothing does.

    Args:
        new: The schema to be registered.
        earlier: The versions it follows, oldest first.
        level: What is demanded.
        policy: How strictly.
    """
    if level == "NONE":
        return []
    compared = reversed(earlier) if level.endswith("_TRANSITIVE") else earlier[-1:]
    for one in compared:
        found = _compare(new, one, level.removesuffix("_TRANSITIVE"), policy)
        if found:
            return found
    return []


def _compare(
    new: ParsedSchema, earlier: Earlier, level: str, policy: CompatibilityPolicy
) -> list[str]:
    old = earlier.parse()
    if old.schema_type != new.schema_type:
        return ["Incompatible because of different schema type"]
    found: list[str] = []
    hints: list[str] = []
    if level in {"FORWARD", "FULL"}:
        found += _texts(old.read_incompatibilities(new, policy), "old", "new", hints)
    if level == "FORWARD":
        found += _tail(earlier.version, old) if found else []
    else:
        backward = _texts(new.read_incompatibilities(old, policy), "new", "old", hints)
        found += [*backward, *_tail(earlier.version, old)] if backward else []
    return [*found, *(f"{{hint: '{hint}'}}" for hint in dict.fromkeys(hints))]


def _tail(version: int, old: ParsedSchema) -> list[str]:
    text = old.canonical
    quoted = f"'{text}'" if len(text) <= _MAX_QUOTED else f"<truncated> '{text[:_MAX_QUOTED]}...'"
    return [f"{{oldSchemaVersion: {version}}}", f"{{oldSchema: {quoted}}}"]


def _texts(
    found: Iterable[Incompatibility], reader: str, writer: str, hints: list[str]
) -> list[str]:
    """Return the messages, with the two `%s` in them filled in."""
    texts = []
    for one in found:
        first, *rest = one.message.split("%s")
        texts.append(
            first + "".join(name + part for name, part in zip((reader, writer), rest, strict=False))
        )
        if reader == "old":
            hints.append(
                f"leave {one.path} of the old schema as it was: programs with the old schema will "
                "read what the new one writes; or demand BACKWARD only and change readers first"
            )
        elif one.hint:
            hints.append(one.hint)
    return texts
