"""Saga: an order is paid, reserved and delivered by three services, or undone step by step.

    python examples/order_saga.py

places eight orders with services of which some refuse and some are silent, and prints

    ┏━━━━━━━━━┳━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃ order   ┃ end       ┃ events                                                              ┃
    ┡━━━━━━━━━╇━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │ order-1 │ completed │ placed → charged → reserved → delivered                             │
    │ order-2 │ cancelled │ placed → charge-refused                                             │
    │ order-3 │ cancelled │ placed → charged → reserve-refused → refunded                       │
    │ order-4 │ cancelled │ placed → charged → reserved → deliver-refused → released → refunded │
    │ order-5 │ cancelled │ placed → timeout → refunded                                         │
    │ order-6 │ cancelled │ placed → charged → timeout → released → refunded                    │
    │ order-7 │ cancelled │ placed → charged → reserve-refused → timeout → refunded             │
    │ order-8 │ completed │ placed → charged → reserved → delivered                             │
    └─────────┴───────────┴─────────────────────────────────────────────────────────────────────┘

The saga is a state machine: `TRANSITIONS` is all of it. Its state is in a store, keyed by order, so
a restart goes on where it stopped. A service that does not answer in time gives the event
"timeout": what it was asked for may have happened or not, so it is undone, and an undoing that is
not confirmed is asked for again. Services must therefore take the same command twice.
"""

import time
from typing import Literal

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from aliran import App, Processor, PunctuationType, Record, Stores, StreamsBuilder
from aliran.streams import ProcessorContext, StoreSpec

TIMEOUT_MS = 1_500

State = Literal[
    "new", "paying", "reserving", "delivering", "releasing", "refunding", "completed", "cancelled"
]

TRANSITIONS: dict[tuple[State, str], tuple[State, str | None]] = {
    # state        event             → next state    command to send
    ("new", "placed"): ("paying", "charge"),
    ("paying", "charged"): ("reserving", "reserve"),
    ("paying", "charge-refused"): ("cancelled", None),
    ("paying", "timeout"): ("refunding", "refund"),
    ("reserving", "reserved"): ("delivering", "deliver"),
    ("reserving", "reserve-refused"): ("refunding", "refund"),
    ("reserving", "timeout"): ("releasing", "release"),
    ("delivering", "delivered"): ("completed", None),
    ("delivering", "deliver-refused"): ("releasing", "release"),
    ("releasing", "released"): ("refunding", "refund"),
    ("releasing", "timeout"): ("releasing", "release"),
    ("refunding", "refunded"): ("cancelled", None),
    ("refunding", "timeout"): ("refunding", "refund"),
}
"""Delivery has no timeout: a parcel may take its time. Other pairs are ignored: late answers."""


class Saga(Struct):
    """Where an order is, since when, and how it got there."""

    state: State = "new"
    since_ms: int = 0
    path: list[str] = []


def advance(saga: Saga, event: str, now_ms: int) -> tuple[Saga, str | None]:
    """Return the saga after an event, and the command to send."""
    found = TRANSITIONS.get((saga.state, event))
    if found is None:
        return saga, None
    state, command = found
    return Saga(state, now_ms, [*saga.path, event]), command


class Orchestrator(Processor[str, str, str, str]):
    """Reads events, keeps a saga an order, forwards commands to "commands" and ends to "ends"."""

    @staticmethod
    def stores() -> list[StoreSpec]:
        return [Stores.persistent_key_value_store("sagas", value=Saga)]

    def init(self, context: ProcessorContext[str, str]) -> None:
        super().init(context)
        self.sagas = context.get_state_store("sagas")
        context.schedule(TIMEOUT_MS // 4, PunctuationType.WALL_CLOCK_TIME, self.look_for_timeouts)

    def process(self, record: Record[str, str]) -> None:
        self.handle(record.key, record.value, record.timestamp)

    def look_for_timeouts(self, _time_ms: int) -> None:
        now_ms = self.context.current_system_time_ms()
        late = [order for order, saga in self.sagas.all() if saga.since_ms + TIMEOUT_MS <= now_ms]
        for order in late:
            self.handle(order, "timeout", now_ms)

    def handle(self, order: str, event: str, time_ms: int) -> None:
        before = self.sagas.get(order) or Saga()
        after, command = advance(before, event, self.context.current_system_time_ms())
        if after is before:
            return
        if after.state in ("completed", "cancelled"):
            self.sagas.delete(order)
            end = f"{after.state}: {' → '.join(after.path)}"
            self.context.forward(Record(order, end, time_ms), "ends")
            return
        self.sagas.put(order, after)
        if command is not None:
            self.context.forward(Record(order, command, time_ms), "commands")


def build(builder: StreamsBuilder) -> None:
    """Events → saga → commands and ends; each sink has a name, so that it can be forwarded to."""
    saga = builder.stream("events").process(Orchestrator, name="saga")
    saga.to("commands", name="commands")
    saga.to("ends", name="ends")


# ---------------------------------------------------------------------- trying it out

ANSWERS = {
    "charge": "charged",
    "reserve": "reserved",
    "deliver": "delivered",
    "release": "released",
    "refund": "refunded",
}
SILENCE = ""
TROUBLE: dict[str, dict[str, list[str]]] = {
    # What a service answers instead, once for each entry of the list.
    "order-2": {"charge": ["charge-refused"]},
    "order-3": {"reserve": ["reserve-refused"]},
    "order-4": {"deliver": ["deliver-refused"]},
    "order-5": {"charge": [SILENCE]},
    "order-6": {"reserve": [SILENCE]},
    "order-7": {"reserve": ["reserve-refused"], "refund": [SILENCE]},
}
ORDERS = [f"order-{number}" for number in range(1, 9)]


def build_services(builder: StreamsBuilder) -> None:
    """Add payment, stock and delivery, with the troubles above."""
    troubles = {order: {c: list(a) for c, a in each.items()} for order, each in TROUBLE.items()}

    def answers(order: str, command: str) -> list[str]:
        trouble = troubles.get(order, {}).get(command)
        answer = trouble.pop(0) if trouble else ANSWERS[command]
        return [answer] if answer else []

    builder.stream("commands").flat_map_values(answers).to("events")


def show(ends: dict[str, str]) -> None:
    """Print how each order ended, and by what events."""
    table = Table("order", "end", "events")
    for order, end in sorted(ends.items()):
        state, path = end.split(": ")
        table.add_row(order, state, path)
    Console(width=100).print(table)


def main() -> None:
    """Run orchestrator and services on an embedded broker until all orders have ended."""
    app = App("order-saga")
    build(app)
    build_services(app)
    with app:
        for order in ORDERS:
            app.send("events", order, "placed")
        ends: dict[str, str] = {}
        while len(ends) < len(ORDERS):
            time.sleep(0.1)
            app.wait_until_idle()
            ends = dict(app.read("ends"))
        show(ends)


if __name__ == "__main__":
    main()
