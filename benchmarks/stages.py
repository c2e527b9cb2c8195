"""Where the engine's time goes: the real run, timed at the seams between its parts.

Each seam is passed once a batch, not once a record, so the clock costs nothing to speak of. Times
are exclusive: what a part spends in another timed part is the other's.
"""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from aliran.clients.embedded import EmbeddedTransport
from aliran.streams.runtime.record_queue import RecordQueue
from aliran.streams.runtime.record_run import Run
from aliran.streams.runtime.task import StreamTask
from aliran.streams.runtime.task_stores import TaskStores

Label = str | Callable[..., str]


class StageClock:
    """Exclusive seconds by stage; wraps methods of classes while it is installed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack: list[str] = []
        self._since = 0.0
        self._undo: list[tuple[Any, str, Any]] = []

    def _enter(self, name: str) -> None:
        now = time.perf_counter()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._stack.append(name)
        self._since = now

    def _leave(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack.pop()] += now - self._since
        self._since = now

    def wrap(self, owner: type, method: str, label: Label) -> None:
        """Time a method; `label` is the stage, or a function of its arguments that names it."""
        original = getattr(owner, method)

        @functools.wraps(original)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            self._enter(label if isinstance(label, str) else label(*arguments))
            try:
                return original(*arguments, **keywords)
            finally:
                self._leave()

        self._undo.append((owner, method, original))
        setattr(owner, method, timed)

    def uninstall(self) -> None:
        """Give all methods back."""
        for owner, method, original in reversed(self._undo):
            setattr(owner, method, original)
        self._undo.clear()


def kind_of(topic: str) -> str:
    """Return what a topic is for, by its name."""
    if topic.endswith("-repartition"):
        return "repartition"
    return "changelog" if topic.endswith("-changelog") else "input or output"


def install(clock: StageClock) -> None:
    """Time the seams of the embedded engine."""

    def reading(_transport: Any, log: Any, *_: Any) -> str:
        kind = kind_of(log.topic_partition.topic)
        return "repartition: read, decode" if kind == "repartition" else "input: read, decode"

    def processing(run: Any, *_: Any) -> str:
        kind = kind_of(run.parts[0].columns.topic)
        if kind == "repartition":
            return "count per hashtag and minute"
        return "JSON, filter, hashtags, new key"

    def sending(_transport: Any, columns: Any) -> str:
        kind = kind_of(columns.topic)
        return {
            "repartition": "repartition: encode, append",
            "changelog": "commit: changelog encode, append",
        }.get(kind, "commit: output encode, append")

    clock.wrap(EmbeddedTransport, "_read", reading)
    clock.wrap(EmbeddedTransport, "send", sending)
    clock.wrap(EmbeddedTransport, "commit", "commit: offsets")
    clock.wrap(RecordQueue, "add", "queue")
    clock.wrap(Run, "execute", processing)
    clock.wrap(StreamTask, "flush_caches", "commit: serialise dirty counts")
    clock.wrap(TaskStores, "commit", "commit: RocksDB batch")
