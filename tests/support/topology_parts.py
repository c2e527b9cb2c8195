"""Functions and processors that do nothing much, for topologies that are only looked at."""

from __future__ import annotations

from typing import Any

from aliran.streams import FixedKeyProcessor, FixedKeyRecord, Processor, Record


class Copy(Processor[str, str, str, str]):
    def process(self, record: Record[str, str]) -> None:
        self.context.forward(record)


class CopyValues(FixedKeyProcessor[str, str, str]):
    def process(self, record: FixedKeyRecord[str, str]) -> None:
        self.context.forward(record)


def yes(key: Any, value: Any) -> bool:
    return True


def swap(key: Any, value: Any) -> tuple[Any, Any]:
    return value, key


def same(value: Any) -> Any:
    return value


def value_of(key: Any, value: Any) -> Any:
    return value


def pairs(key: Any, value: Any) -> list[tuple[Any, Any]]:
    return [(key, value)]


def listed(value: Any) -> list[Any]:
    return [value]


def ignore(key: Any, value: Any) -> None:
    return None


def joined(value: Any, other: Any) -> str:
    return f"{value}{other}"


def last(aggregate: str, value: str) -> str:
    return value
