"""`GoldenGateSource`: operations that Oracle GoldenGate wrote to files, in its JSON format.

GoldenGate for Big Data's file writer puts one operation after the other: `table`, `op_type` (I, U,
D, T), `op_ts`, `pos`, `primary_keys`, `before`, `after`. Files of a folder are read in the order of
their names; the last one is followed.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from aliran.connectors.api.function_tasks import Record, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty
from aliran.connectors.errors import ConnectError, DataError
from aliran.connectors.messaging.values import milliseconds

_CHUNK = 1 << 20
_OPERATIONS = {"I": "c", "U": "u", "D": "d", "T": "t"}


@dataclass(frozen=True)
class GoldenGateConfig:
    """The options."""

    folder: Annotated[
        str, Option("Where the files are.", importance=Importance.HIGH, validator=not_empty)
    ]
    topic_prefix: Annotated[
        str,
        Option("Topics are PREFIX.SCHEMA.TABLE.", importance=Importance.HIGH, validator=not_empty),
    ]
    file_pattern: Annotated[str, Option("Which files.")] = "*.json"
    envelope: Annotated[
        Literal["debezium", "row", "as_is"],
        Option("debezium: before, after, op and source; row: the row alone; as_is: the message."),
    ] = "debezium"
    tombstones_on_delete: Annotated[
        bool, Option("Whether a deletion is followed by a record without a value.")
    ] = True
    poll_interval_ms: Annotated[
        int, Option("The wait where there is nothing new.", validator=at_least(1))
    ] = 500


@source("GoldenGateSource", config=GoldenGateConfig, version="1")
def goldengate_source(cfg: GoldenGateConfig, ctx: SourceContext) -> Iterator[Record]:
    """Yield operations in their order."""
    partition = {"folder": cfg.folder}
    stored = ctx.offset(partition)
    name, position = stored.get("file"), int(stored.get("position", 0))
    while not ctx.stopping:
        names = _files(cfg)
        if name is None and names:
            name = names[0]
        if name is not None:
            for message, end in _messages(Path(cfg.folder) / name, position):
                position = end
                offset = {"file": name, "position": end}
                yield from _records(cfg, message, partition, offset, f"{name} before byte {end}")
            later = [one for one in names if one > name]
            if later:  # GoldenGate begins a file once the one before is whole
                name, position = later[0], 0
                continue
        ctx.sleep(cfg.poll_interval_ms / 1000)


@goldengate_source.check
def _check(cfg: GoldenGateConfig) -> None:
    _files(cfg)


def _files(cfg: GoldenGateConfig) -> list[str]:
    try:
        return sorted(
            one for one in os.listdir(cfg.folder) if fnmatch.fnmatch(one, cfg.file_pattern)
        )
    except OSError as error:
        raise ConnectError(f"folder={cfg.folder} cannot be read: {error.strerror}") from error


def _messages(path: Path, position: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield whole messages and where they end; GoldenGate may put them on lines or not."""
    decoder, buffer = json.JSONDecoder(), ""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConnectError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        file.seek(position)
        pending = b""
        while chunk := file.read(_CHUNK):
            pending += chunk
            # A character that is cut in the middle waits for the rest of it.
            text = pending.decode("utf-8", "ignore")
            pending = pending[len(text.encode()) :]
            buffer += text
            start = 0
            while True:
                blank = len(buffer[start:]) - len(buffer[start:].lstrip())
                try:
                    message, end = decoder.raw_decode(buffer, start + blank)
                except ValueError:
                    break  # the rest has not been written yet
                position += len(buffer[start:end].encode())
                start = end
                if not isinstance(message, dict):
                    raise DataError(f"{path}: no operation ends at byte {position}: {message!r}")
                yield message, position
            buffer = buffer[start:]


def _records(
    cfg: GoldenGateConfig,
    message: dict[str, Any],
    partition: dict[str, Any],
    offset: dict[str, Any],
    place: str,
) -> Iterator[Record]:
    table, kind = message.get("table"), _OPERATIONS.get(str(message.get("op_type")))
    if not isinstance(table, str) or kind is None:
        raise DataError(f"{place}: no operation of GoldenGate: {json.dumps(message)[:200]}")
    before, after = message.get("before"), message.get("after")
    row = before if kind == "d" else after
    names = message.get("primary_keys") or []
    key = {one: row.get(one) for one in names} if row and names else None
    moment = str(message.get("op_ts", "")).replace(" ", "T")
    common: dict[str, Any] = {
        "topic": f"{cfg.topic_prefix}.{table}",
        "key": key,
        "partition": partition,
        "timestamp": milliseconds(moment[:26]) if moment else None,
    }
    value: Any = message
    if cfg.envelope == "row":
        value = after
    elif cfg.envelope == "debezium":
        value = {
            "before": before,
            "after": after,
            "op": kind,
            "ts_ms": common["timestamp"],
            "source": {
                "connector": "goldengate", "table": table, "pos": message.get("pos"),
                "op_ts": message.get("op_ts"), "txid": message.get("txid"),
            },
        }  # fmt: skip
    tombstone = kind == "d" and cfg.tombstones_on_delete and key is not None
    if cfg.envelope == "row" and kind in {"d", "t"}:
        if tombstone:
            yield Record(None, offset=offset, **common)
        return
    yield Record(value, offset=None if tombstone else offset, **common)
    if tombstone:
        yield Record(None, offset=offset, **common)
