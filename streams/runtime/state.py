"""The states of an application, as of Kafka's `KafkaStreams.State`.

| from | to |
|---|---|
| CREATED | REBALANCING, PENDING_SHUTDOWN |
| REBALANCING | RUNNING, PENDING_SHUTDOWN, PENDING_ERROR |
| RUNNING | REBALANCING, PENDING_SHUTDOWN, PENDING_ERROR |
| PENDING_SHUTDOWN | NOT_RUNNING |
| PENDING_ERROR | ERROR |
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class State(Enum):
    """Where in its life an application is. Kafka: `KafkaStreams.State`."""

    CREATED = "CREATED"
    REBALANCING = "REBALANCING"
    RUNNING = "RUNNING"
    PENDING_SHUTDOWN = "PENDING_SHUTDOWN"
    NOT_RUNNING = "NOT_RUNNING"
    PENDING_ERROR = "PENDING_ERROR"
    ERROR = "ERROR"


NEXT: dict[State, set[State]] = {
    State.CREATED: {State.REBALANCING, State.PENDING_SHUTDOWN},
    State.REBALANCING: {State.RUNNING, State.PENDING_SHUTDOWN, State.PENDING_ERROR},
    State.RUNNING: {State.REBALANCING, State.PENDING_SHUTDOWN, State.PENDING_ERROR},
    State.PENDING_SHUTDOWN: {State.NOT_RUNNING, State.PENDING_ERROR},
    State.NOT_RUNNING: set(),
    State.PENDING_ERROR: {State.ERROR},
    State.ERROR: set(),
}

StateListener = Callable[[State, State], None]
"""Called with (new state, old state)."""
