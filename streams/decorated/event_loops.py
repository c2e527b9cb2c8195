"""One event loop a thread, shared by all `async def` processors that run there.

An application's tasks run on one thread, so what their functions share (a client's connections, a
semaphore) belongs to one loop. The loop runs only while a processor waits for its coroutines.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from aliran.streams.errors import IllegalStateError

S = TypeVar("S")
T = TypeVar("T")


class ThreadLoop:
    """The loop of one thread, open while somebody uses it."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._users = 0

    @staticmethod
    def acquire() -> ThreadLoop:
        """Return the loop of this thread, made if need be; `release` it in the end.

        Raises:
            IllegalStateError: The thread runs a loop of the user's.
        """
        _refuse_running_loop()
        found: ThreadLoop | None = getattr(_OF_THREAD, "loop", None)
        if found is None:
            found = _OF_THREAD.loop = ThreadLoop()
        found._users += 1
        return found

    def release(self) -> None:
        """Let go of it; the last user closes it."""
        self._users -= 1
        if self._users:
            return
        if getattr(_OF_THREAD, "loop", None) is self:
            del _OF_THREAD.loop
        left = asyncio.all_tasks(self.loop)  # what functions started and did not await
        self.cancel(left)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def begin(
        self, function: Callable[[T], Coroutine[Any, Any, S]], argument: T
    ) -> asyncio.Task[S]:
        """Return a new task of `function(argument)`.

        Raises:
            IllegalStateError: The thread runs a loop of the user's.
        """
        _refuse_running_loop()
        return self.loop.create_task(function(argument))

    def wait(self, task: asyncio.Task[Any]) -> None:
        """Run until `task` is done, however it ends."""
        if not task.done():
            self.loop.run_until_complete(asyncio.wait([task]))

    def cancel(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        """End tasks, and wait until they have ended."""
        if tasks:
            for task in tasks:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


_OF_THREAD = threading.local()


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise IllegalStateError(
        "an async processor runs its own event loop, which cannot run inside of another: call the "
        "TopologyTestDriver from a plain function, or through asyncio.to_thread"
    )
