"""Event sourcing: a bank whose only truth is the log of what happened to its accounts.

    python examples/bank_account.py

sends commands to a bank on an embedded broker, throws the bank's state away, lets it rebuild
itself, and prints

    ┏━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━┓
    ┃ account ┃ events ┃ refused ┃ balance ┃ state rebuilt ┃ log    ┃ snapshot ┃
    ┡━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━┩
    │ ana     │ 12     │ 2       │ 356.16  │ 356.16        │ 356.16 │ 356.16   │
    │ budi    │ 14     │ 1       │ 17.82   │ 17.82         │ 17.82  │ 17.82    │
    │ cleo    │ 23     │ 6       │ 40.02   │ 40.02         │ 40.02  │ 40.02    │
    │ dewi    │ 20     │ 0       │ 144.31  │ 144.31        │ 144.31 │ 144.31   │
    └─────────┴────────┴─────────┴─────────┴───────────────┴────────┴──────────┘
    the whole log has 69 events, behind the last snapshots are 9

Commands ask; `decide` answers with events, or with a refusal. Events are facts: `evolve` folds them
into an account, and it is the only place that knows how. Whoever wants an account back folds its
events again: the bank from its changelog after the state directory is gone, an auditor from the
whole log, and somebody in a hurry from the last snapshot and the events behind it.
"""

import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from aliran import App, FixedKeyProcessor, FixedKeyRecord, Stores, StreamsBuilder
from aliran.streams import FixedKeyProcessorContext, StoreSpec

SNAPSHOT_EVERY = 5


class Command(Struct):
    kind: Literal["open", "deposit", "withdraw", "audit"]
    cents: int = 0


class Event(Struct):
    """What happened; `number` counts the events of an account, from 1 on."""

    kind: Literal["opened", "deposited", "withdrawn", "audited", "refused"]
    number: int
    cents: int = 0
    reason: str = ""


class Account(Struct):
    """What the events of an account come to."""

    events: int = 0
    is_open: bool = False
    cents: int = 0


def decide(account: Account, command: Command) -> Event:
    """Answer a command: the rules of the bank, and nothing else."""
    number = account.events + 1
    if command.kind == "open":
        if account.is_open:
            return Event("refused", number, reason="is open already")
        return Event("opened", number)
    if not account.is_open:
        return Event("refused", number, command.cents, "is not open")
    if command.kind == "audit":
        return Event("audited", number, account.cents)
    if command.kind == "deposit":
        return Event("deposited", number, command.cents)
    if command.cents > account.cents:
        return Event("refused", number, command.cents, "holds too little")
    return Event("withdrawn", number, command.cents)


def evolve(account: Account, event: Event) -> Account:
    """Return the account after one more event; never refuses, for it has happened."""
    after = replace(account, events=event.number)
    if event.kind == "opened":
        after.is_open = True
    elif event.kind == "deposited":
        after.cents += event.cents
    elif event.kind == "withdrawn":
        after.cents -= event.cents
    return after


class Bank(FixedKeyProcessor[str, Command, Event]):
    """Turns commands into events, one after the other; the store holds each account so far."""

    @staticmethod
    def stores() -> list[StoreSpec]:
        return [Stores.persistent_key_value_store("accounts", value=Account)]

    def init(self, context: FixedKeyProcessorContext[str, Event]) -> None:
        super().init(context)
        self.accounts = context.get_state_store("accounts")

    def process(self, record: FixedKeyRecord[str, Command]) -> None:
        account = self.accounts.get(record.key) or Account()
        event = decide(account, record.value)
        self.accounts.put(record.key, evolve(account, event))
        self.context.forward(record.with_value(event))


class Snapshots(FixedKeyProcessor[str, Event, Account]):
    """Passes on what an account has come to, every few of its events."""

    def init(self, context: FixedKeyProcessorContext[str, Account]) -> None:
        super().init(context)
        self.accounts = context.get_state_store("accounts")

    def process(self, record: FixedKeyRecord[str, Event]) -> None:
        if record.value.number % SNAPSHOT_EVERY == 0:
            self.context.forward(record.with_value(self.accounts[record.key]))


def build(builder: StreamsBuilder) -> None:
    """Commands → events; and from the events balances and snapshots."""
    events = builder.stream("commands", value=Command).process_values(Bank, name="bank")
    events.to("events", value=Event)
    events.process_values(Snapshots, "accounts", name="snapshots").to("snapshots", value=Account)
    (
        events.group_by_key(value=Event)
        .aggregate(Account, lambda name, event, account: evolve(account, event), store="balances")
        .map_values(lambda account: account.cents)
        .to_stream()
        .to("balances", value=int)
    )


def replay(
    events: Iterable[tuple[str, Event]], snapshots: Iterable[tuple[str, Account]] = ()
) -> tuple[dict[str, Account], int]:
    """Fold events into accounts, from their last snapshots on; return also how many it took."""
    accounts, folded = dict(snapshots), 0
    for name, event in events:
        account = accounts.get(name, Account())
        if event.number > account.events:
            accounts[name] = evolve(account, event)
            folded += 1
    return accounts, folded


# ---------------------------------------------------------------------- trying it out

NAMES = ["ana", "budi", "cleo", "dewi"]


def sample_commands(seed: int = 5) -> Iterator[tuple[str, Command]]:
    """Yield what the customers of four accounts want."""
    rng = random.Random(seed)
    yield "budi", Command("deposit", 10_00)  # too early: refused
    for name in NAMES:
        yield name, Command("open")
    for _ in range(60):
        kind: Literal["deposit", "withdraw"] = rng.choice(("deposit", "withdraw"))
        yield rng.choice(NAMES), Command(kind, rng.randrange(1, 100_00))


def euros(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def first_day(directory: str) -> dict[str, int]:
    """Run the bank on the sample and return the balances that it published."""
    app = App("bank", data_dir=directory)
    build(app)
    with app:
        for name, command in sample_commands():
            app.send("commands", name, command)
        app.wait_until_idle()
        return dict(app.read("balances", value=int))


def second_day(directory: str) -> tuple[list[tuple[str, Event]], list[tuple[str, Account]]]:
    """Open the bank without its state, let it audit itself, and return events and snapshots."""
    app = App("bank", data_dir=directory)
    build(app)
    with app:
        for name in NAMES:
            app.send("commands", name, Command("audit"))
        app.wait_until_idle()
        return list(app.read("events", value=Event)), list(app.read("snapshots", value=Account))


def main() -> None:
    """Run the bank, lose its state, and compare four ways to the balances."""
    with tempfile.TemporaryDirectory() as directory:
        published = first_day(directory)
        shutil.rmtree(f"{directory}/state")
        events, snapshots = second_day(directory)
    audited = {name: event.cents for name, event in events if event.kind == "audited"}
    whole, all_events = replay(events)
    quick, some_events = replay(events, snapshots)
    table = Table("account", "events", "refused", "balance", "state rebuilt", "log", "snapshot")
    for name in NAMES:
        refused = sum(event.kind == "refused" for who, event in events if who == name)
        ways = published[name], audited[name], whole[name].cents, quick[name].cents
        counts = str(whole[name].events), str(refused)
        table.add_row(name, *counts, *map(euros, ways))
    Console(width=100).print(table)
    print(f"the whole log has {all_events} events, behind the last snapshots are {some_events}")


if __name__ == "__main__":
    main()
