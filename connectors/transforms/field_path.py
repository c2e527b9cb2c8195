"""Names of fields, which may be paths with dots. Kafka: `SingleFieldPath`, KIP-821."""

from __future__ import annotations

from typing import Any

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.values import one_of
from aliran.connectors.data.schema import Field, Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError
from aliran.connectors.transforms.base import require_map, require_struct, text

SYNTAX = text(
    "field.syntax.version",
    "V1: a field of the first level; V2: a path with dots, backticks around names with dots.",
    default="V1",
    validator=one_of("V1", "V2", ignore_case=True),
    importance=Importance.HIGH,
)
_PURPOSE = "nested field access"


class FieldPath:
    """One field, by its name (V1) or by a path (V2).

    Raises:
        ConfigError: A backtick is not closed.
    """

    def __init__(self, path: str, version: str) -> None:
        self.steps: list[str] = _split(path) if version.upper() == "V2" else [path]

    def field_of(self, schema: Schema) -> Field | None:
        """Return the field, None where there is none."""
        for step in self.steps[:-1]:
            field = schema.field(step)
            if field is None:
                return None
            schema = field.schema
        return schema.field(self.steps[-1])

    def value_of_struct(self, struct: Struct, *, with_default: bool) -> Any:
        """Return the field's value, None where it, or what it is in, is not there."""
        for step in self.steps[:-1]:
            if struct.schema.field(step) is None or struct.get(step) is None:
                return None
            struct = require_struct(struct.get(step), _PURPOSE)
        last = self.steps[-1]
        if struct.schema.field(last) is None:
            return None
        return struct.get(last) if with_default else struct.get_without_default(last)

    def value_of_map(self, value: Any) -> Any:
        """Return what a dict holds at the path."""
        for step in self.steps[:-1]:
            inner = value.get(step)
            if inner is None:
                return None
            value = require_map(inner, _PURPOSE)
        return value.get(self.steps[-1])


def _split(path: str) -> list[str]:
    steps: list[str] = []
    at = 0
    while at < len(path):
        if path[at] == "`":
            step, at = _quoted(path, at)
            steps.append(step)
            continue
        end = path.find(".", at)
        steps.append(path[at:] if end < 0 else path[at:end])
        at = len(path) if end < 0 else end + 1
    if path.endswith("."):
        steps.append("")
    return steps


def _quoted(path: str, opening: int) -> tuple[str, int]:
    """Return a step in backticks, and where the path goes on."""
    step, start, at = "", opening + 1, opening + 1
    while True:
        at = path.find("`", at)
        escaped = at > 0 and path[at - 1] == "\\"
        last = at >= len(path) - 1
        if at < 0 or (last and escaped):
            raise ConfigError(
                f"Incomplete backtick pair in path: [{path}], consider adding a backslash before "
                f"backtick at position {opening} to escape it"
            )
        if last or (path[at + 1] == "." and not escaped):
            return step + path[start:at], at + (1 if last else 2)
        if path[at + 1] == ".":
            step += path[start : at - 1] + "`"
            start = at + 1
        at += 1
