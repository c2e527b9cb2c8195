"""Finds tasks whose loop no longer comes round: a call that never returns, a lock held for ever.

Kafka shows such a task RUNNING for good. Here its status says where it is stuck.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, Protocol

logger: logging.Logger = logging.getLogger("aliran.connectors")

_LONGEST_S = 1.0


class Watched(Protocol):
    """What is looked at: a task on a thread.

    Attributes:
        id: Which one.
    """

    id: Any

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        ...

    @property
    def thread_id(self) -> int | None:
        """Its thread."""
        ...

    @property
    def idle_s(self) -> float | None:
        """How long ago its loop came round; None while it need not."""
        ...

    def note_stall(self, reason: str | None) -> None:
        """Show why it does not come round, or that it does again."""
        ...


class StallWatch:
    """Looks at the tasks of this process, on a thread that ends with the last of them.

    Args:
        on_stall: Told of a task that does not come round, and why one should think so.
    """

    def __init__(self, on_stall: Callable[[Watched, str], None] = lambda *_: None) -> None:
        self._on_stall = on_stall
        self._lock = threading.Lock()
        self._timeouts: dict[Watched, float] = {}
        self._stalled: set[Watched] = set()
        self._running = False
        self._changed = threading.Event()

    def watch(self, task: Watched, timeout_s: float) -> None:
        """Look at a task that has been started, until it ends."""
        with self._lock:
            self._timeouts[task] = timeout_s
            self._changed.set()
            if not self._running:
                self._running = True
                threading.Thread(target=self._main, name="aliran-stalls", daemon=True).start()

    def _main(self) -> None:
        while True:
            with self._lock:
                for task in [task for task in self._timeouts if not task.alive]:
                    del self._timeouts[task]
                    self._stalled.discard(task)
                if not self._timeouts:
                    self._running = False
                    return
                tasks = dict(self._timeouts)
                self._changed.clear()
            for task, timeout_s in tasks.items():
                self._look(task, timeout_s)
            self._changed.wait(min(_LONGEST_S, min(tasks.values()) / 4))

    def _look(self, task: Watched, timeout_s: float) -> None:
        idle_s = task.idle_s
        if idle_s is None or idle_s <= timeout_s:
            if task in self._stalled:
                self._stalled.discard(task)
                if idle_s is not None:
                    task.note_stall(None)
            return
        if task in self._stalled:
            return
        self._stalled.add(task)
        reason = (
            f"The task has not come round its loop for {idle_s:.0f} s "
            f"(aliran.task.stall.timeout.ms={timeout_s * 1000:.0f}). It is here:\n"
            f"{stack_of(task.thread_id)}"
        )
        logger.error("%s", reason)
        task.note_stall(reason)
        self._on_stall(task, reason)


def stack_of(thread_id: int | None) -> str:
    """Return where a thread of this process is, innermost call last."""
    frame = None if thread_id is None else sys._current_frames().get(thread_id)  # noqa: SLF001
    return "" if frame is None else "".join(traceback.format_stack(frame))
