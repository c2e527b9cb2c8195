"""The broker's housekeeping: flushing, retention and compaction, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aliran.core.errors import AliranError

if TYPE_CHECKING:
    from aliran.broker.config import BrokerConfig
    from aliran.storage.log import LogManager

logger: logging.Logger = logging.getLogger("aliran.broker")


class Maintenance:
    """Calls `LogManager.flush_due` and `clean_up` in their intervals until stopped.

    Kafka: `LogManager`'s scheduled tasks and the `LogCleaner` threads.
    """

    def __init__(self, logs: LogManager, config: BrokerConfig) -> None:
        self._logs = logs
        self._flush_interval = config.log_flush_scheduler_interval_ms / 1000
        self._clean_interval = config.log_retention_check_interval_ms / 1000
        if config.log_cleaner_enable:
            self._clean_interval = min(self._clean_interval, config.log_cleaner_backoff_ms / 1000)
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
        next_flush = time.monotonic() + self._flush_interval
        next_clean = time.monotonic() + self._clean_interval
        while not self._stopping.wait(max(0.0, min(next_flush, next_clean) - time.monotonic())):
            if time.monotonic() >= next_flush:
                self._attempt("flush", self._logs.flush_due)
                next_flush = time.monotonic() + self._flush_interval
            if time.monotonic() >= next_clean:
                self._attempt("retention and compaction", self._logs.clean_up)
                next_clean = time.monotonic() + self._clean_interval

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
