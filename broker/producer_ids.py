"""Producer ids: numbers that are never given out twice, also across restarts."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import msgspec

from aliran.storage.errors import DataDirectoryError

if TYPE_CHECKING:
    from aliran.core.files import FileSystem

BLOCK_SIZE = 1_000
"""Ids reserved by one write to disk. Kafka: `ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`."""

PRODUCER_IDS_FILE = "producer-ids.json"


class _State(msgspec.Struct):
    next_producer_id: int
    version: int = 1


class ProducerIds:
    """Gives out producer ids in blocks: a block is on disk before any id of it is used.

    A crash wastes the rest of a block and repeats nothing. Thread-safe.
    Kafka: `ProducerIdControlManager`.
    """

    def __init__(self, fs: FileSystem, data_dir: str) -> None:
        self._fs = fs
        self._path = os.path.join(data_dir, PRODUCER_IDS_FILE)
        self._lock = threading.Lock()
        self._next = 0
        self._reserved_until = 0

    def load(self) -> None:
        """Read where the last block ended.

        Raises:
            DataDirectoryError: The file is damaged.
        """
        if not self._fs.exists(self._path):
            return
        try:
            state = msgspec.json.decode(self._fs.read_bytes(self._path), type=_State)
        except msgspec.DecodeError as error:
            raise DataDirectoryError(
                f"{self._path} is damaged ({error}); write "
                '{"next_producer_id": N, "version": 1} with an N above every id ever used'
            ) from error
        self._next = self._reserved_until = state.next_producer_id

    def next_id(self) -> int:
        """Return an id that nobody else has.

        Raises:
            OSError: A new block could not be written.
        """
        with self._lock:
            if self._next == self._reserved_until:
                state = _State(next_producer_id=self._next + BLOCK_SIZE)
                self._fs.write_atomic(self._path, msgspec.json.encode(state))
                self._reserved_until = self._next + BLOCK_SIZE
            producer_id = self._next
            self._next += 1
            return producer_id
