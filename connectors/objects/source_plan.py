"""Which files are read in which order, where their records go, and how offsets speak of them."""

from __future__ import annotations

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aliran.connectors.errors import ConnectError
from aliran.connectors.objects.store import ObjectInfo

logger: logging.Logger = logging.getLogger("aliran.connectors")

Offset: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """A file to read.

    Attributes:
        info: The file.
        topic: Where its records go.
        partition: Its source partition.
        base: What is in the offset of each of its records, beside their number.
        kafka_partition: Where its records go, None for anywhere.
        order: Its place among the files of its source partition.
        keys: The file of its keys, "" for none.
        headers: That of its headers.
    """

    info: ObjectInfo
    topic: str
    partition: Mapping[str, Any]
    base: Mapping[str, Any]
    kafka_partition: int | None = None
    order: int = 0
    keys: str = ""
    headers: str = ""


class Plan(ABC):
    """Knows what to make of files."""

    @abstractmethod
    def items(self, files: Iterable[ObjectInfo]) -> list[Item]:
        """Return what is to be read, in order."""

    @abstractmethod
    def position(self, item: Item, stored: Offset | None) -> int | None:
        """Return how many records of a file have been read; None for all of them."""

    @staticmethod
    @abstractmethod
    def check(partition: Mapping[str, Any], offset: Offset | None) -> None:
        """Check an offset that a user wants to set.

        Raises:
            ConnectError: It makes no sense.
        """


def _need_number(offset: Offset, name: str) -> None:
    value = offset.get(name)
    if type(value) is not int or value < 0:
        raise ConnectError(f"The '{name}' of an offset must be a number from 0 on: {dict(offset)}")


@dataclass(frozen=True, slots=True)
class EachOnce(Plan):
    """Every file once: offsets are those of the file.

    Attributes:
        topic: Where all records go.
        place: What is in each source partition beside the file's name, such as the bucket.
        put_away: Whether files go when they have been read: another one of the same name is new.
    """

    topic: str
    place: Mapping[str, Any]
    put_away: bool

    def items(self, files: Iterable[ObjectInfo]) -> list[Item]:
        """Return all, by name."""
        found = sorted(files, key=lambda one: one.name)
        return [
            Item(one, self.topic, {**self.place, "file": one.name}, {"version": one.version})
            for one in found
        ]

    def position(self, item: Item, stored: Offset | None) -> int | None:
        """Return the number of records that were read."""
        if stored is None:
            return 0
        same = stored.get("version") in {None, item.info.version}
        if stored.get("done"):
            return None if same or not self.put_away else 0
        if not same:
            logger.warning(
                "%s has changed while it was being read: it is read from its beginning",
                item.info.name,
            )
            return 0
        return int(stored.get("record", 0))

    @staticmethod
    def check(partition: Mapping[str, Any], offset: Offset | None) -> None:
        """Check that a file and a number are named."""
        if "file" not in partition:
            raise ConnectError(f"Partition objects should contain the key 'file': {partition}")
        if offset is not None:
            _need_number(offset, "record")


@dataclass(frozen=True, slots=True)
class InOrder(Plan):
    """Files as sinks write them: `topic+partition+offset.json`, those of one folder in order.

    Attributes:
        place: What is in each source partition.
        extension: How names end.
        delimiter: What parts topic, partition and offset.
        keeps_partitions: Whether records go to the partition that they came from.
        topic: Where all records go; None for the topic in the name.
        keys: How names of files of keys end; "" for none.
        headers: The same for headers.
    """

    place: Mapping[str, Any]
    extension: str
    delimiter: str
    keeps_partitions: bool
    topic: str | None = None
    keys: str = ""
    headers: str = ""

    def items(self, files: Iterable[ObjectInfo]) -> list[Item]:
        """Return files whose names a sink gave, in the order of their offsets."""
        mark = re.escape(self.delimiter)
        name = re.compile(rf"(.*/)?([^/]+){mark}(\d+){mark}(\d+)(\.[^/]*)")
        found = []
        for one in files:
            match = name.fullmatch(one.name)
            if match is not None and match[5] in {self.extension, f"{self.extension}.gz"}:
                found.append(self._item(one, match))
        found.sort(key=lambda item: (item.topic, item.partition["partition"], item.order))
        return found

    def _item(self, info: ObjectInfo, match: re.Match[str]) -> Item:
        folder, topic, partition, start, ending = match.groups()
        stem = info.name.removesuffix(ending)
        number = int(partition)
        return Item(
            info,
            self.topic or topic,
            {**self.place, "folder": folder or "", "topic": topic, "partition": number},
            {"start": int(start)},
            number if self.keeps_partitions else None,
            int(start),
            stem + self.keys if self.keys else "",
            stem + self.headers if self.headers else "",
        )

    def position(self, item: Item, stored: Offset | None) -> int | None:
        """Return the number of records that were read."""
        last = -1 if stored is None else int(stored.get("start", -1))
        if item.order != last or stored is None:
            return 0 if item.order > last else None
        return None if stored.get("done") else int(stored.get("record", 0))

    @staticmethod
    def check(partition: Mapping[str, Any], offset: Offset | None) -> None:
        """Check that a folder's partition and numbers are named."""
        if missing := {"folder", "topic", "partition"} - set(partition):
            raise ConnectError(f"Partition objects should contain {sorted(missing)}: {partition}")
        if offset is not None:
            _need_number(offset, "start")
            _need_number(offset, "record")
