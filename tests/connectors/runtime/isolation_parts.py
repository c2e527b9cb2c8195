"""A source that misbehaves in the ways that a process of its own is for."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aliran.connectors import ConfigDef, ConfigKey, SourceConnector, SourceRecord, SourceTask, Type

_STRING, _INT = Type.STRING, Type.INT


class TroubleSource(SourceConnector):
    """Numbers from 1 on, each once, and then trouble: crash, eat (memory) or hang.

    There is none any more once the file `flag` is there. `marks` says where transactions end:
    `5=commit,9=abort`; they also end behind the last number.
    """

    def start(self, props: Mapping[str, str]) -> None:
        self.props = dict(props)
        if props.get("trouble") == "start":
            os.kill(os.getpid(), signal.SIGKILL)

    def task_class(self) -> type[SourceTask]:
        return TroubleTask

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        return [{**self.props, "id": str(number)} for number in range(max_tasks)]

    def stop(self) -> None:
        pass

    def exactly_once_support(self, config: Mapping[str, str]) -> bool:
        return True

    def can_define_transaction_boundaries(self, config: Mapping[str, str]) -> bool:
        return bool(config.get("marks"))

    def config(self) -> ConfigDef:
        return ConfigDef(
            [
                ConfigKey("topic", _STRING),
                ConfigKey("count", _INT, 10),
                ConfigKey("trouble", _STRING, "none"),
                ConfigKey("flag", _STRING, ""),
                ConfigKey("batch", _INT, 10),
                ConfigKey("pause.ms", _INT, 10),
                ConfigKey("marks", _STRING, ""),
            ]
        )


class TroubleTask(SourceTask):
    def start(self, props: Mapping[str, str]) -> None:
        settings = TroubleSource().config().parse(props)
        self.topic: str = settings["topic"]
        self.count: int = settings["count"]
        self.batch: int = settings["batch"]
        self.pause_s = settings["pause.ms"] / 1000
        self.partition = {"id": props["id"]}
        found = self.context.offset_storage_reader.offset(self.partition)
        self.n: int = found["n"] if found else 0
        quiet = bool(settings["flag"]) and Path(settings["flag"]).exists()
        self.trouble = "none" if quiet else settings["trouble"]
        pairs = [one.split("=") for one in settings["marks"].split(",") if one]
        self.marks = {int(number): what for number, what in pairs}
        self.eaten: list[bytes] = []
        print("trouble task begins behind", self.n, flush=True)

    def poll(self) -> Sequence[SourceRecord] | None:
        time.sleep(self.pause_s)
        if self.n >= self.count:
            self.misbehave()
            return None
        until = min(self.n + self.batch, self.count)
        found = [
            SourceRecord(
                topic=self.topic, value=str(n), key=self.partition["id"],
                source_partition=self.partition, source_offset={"n": n},
            )
            for n in range(self.n + 1, until + 1)
        ]  # fmt: skip
        self.n = until
        self.mark(found)
        return found

    def mark(self, records: Sequence[SourceRecord]) -> None:
        transactions = self.context.transaction_context
        if transactions is None:
            return
        for record in records:
            what = self.marks.get(int(record.value))
            if what == "commit":
                transactions.commit_transaction(record)
            elif what == "abort":
                transactions.abort_transaction(record)
        if self.n == self.count:
            transactions.commit_transaction()

    def misbehave(self) -> None:
        if self.trouble == "crash":
            ctypes.string_at(0)  # nothing is there
        elif self.trouble == "eat":
            self.eaten.append(os.urandom(8 << 20))
        elif self.trouble == "hang":
            time.sleep(3600)

    def stop(self) -> None:
        pass
