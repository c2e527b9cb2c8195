"""The broker's housekeeping: flushing, retention and compaction, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aliran.core.errors import AliranError

if TYPE_CHECKING:
    from aliran.broker.config import BrokerConfig
    from aliran.storage.log import LogManager

logger: logging.Logger = logging.getLogger("aliran.broker")


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    function: Callable[[], object]
    interval_ms: int


class Maintenance:
    """Calls `LogManager.flush_due` and `clean_up` in their intervals until stopped.

    Logs that are compacted are looked after by the cleaner, their old segments included; the others
    every `log.retention.check.interval.ms`. Kafka: `LogManager`'s scheduled tasks and the
    `LogCleaner` threads.
    """

    def __init__(self, logs: LogManager, config: BrokerConfig) -> None:
        self._logs = logs
        self._jobs: list[_Job] = [
            _Job("flush", logs.flush_due, config.log_flush_scheduler_interval_ms),
            _Job(
                "retention",
                partial(logs.clean_up, compacted=False),
                config.log_retention_check_interval_ms,
            ),
        ]
        if config.log_cleaner_enable:
            clean = partial(logs.clean_up, compacted=True)
            self._jobs.append(_Job("compaction", clean, config.log_cleaner_backoff_ms))
        self._complaints: dict[str, str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="aliran-broker-maintenance", daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a pass under way is given up."""
        self._stopping.set()
        self._logs.stop_upkeep()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        now = time.monotonic()
        due = [now + job.interval_ms / 1000 for job in self._jobs]
        while not self._stopping.wait(max(0.0, min(due) - time.monotonic())):
            for number, job in enumerate(self._jobs):
                if time.monotonic() >= due[number]:
                    self._attempt(job.name, job.function)
                    due[number] = time.monotonic() + job.interval_ms / 1000

    def _attempt(self, what: str, function: Callable[[], object]) -> None:
        # a full disk or a damaged segment must not end housekeeping
        try:
            function()
            self._complaints.pop(what, None)
        except AliranError as error:
            if self._complaints.get(what) != str(error):  # said once, not every second
                logger.error("%s failed; trying again at each interval: %s", what, error)
            self._complaints[what] = str(error)
        except Exception:
            logger.exception("%s failed; trying again at the next interval", what)
