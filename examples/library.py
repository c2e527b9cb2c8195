"""CQRS: a library that writes events on one side, and reads two tables on the other.

    python examples/library.py

lends and takes back books on an embedded broker, and prints

             who has it?               what do they have?
    ┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┓ ┏━━━━━━━━┳━━━━━━━━━━━━━━━━━┓
    ┃ book    ┃ held by ┃ loans ┃ ┃ reader ┃ holds           ┃
    ┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━┩ ┡━━━━━━━━╇━━━━━━━━━━━━━━━━━┩
    │ Dune    │ -       │ 6     │ │ ana    │ Ulysses, Walden │
    │ Emma    │ budi    │ 4     │ │ budi   │ Emma            │
    │ Ulysses │ ana     │ 4     │ │ cleo   │ -               │
    │ Walden  │ ana     │ 4     │ └────────┴─────────────────┘
    └─────────┴─────────┴───────┘
    7 refused, the last: ana wanted Walden, but ana has it

The write side knows one thing, where each book is, and turns requests into events or refusals. It
answers no questions. Each read model is a table made for its question, folded from the same events:
"who has this book?" by title, "what has this reader?" by reader. A third one can be added any day
and begins with the first event.
"""

import random
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from aliran import App, FixedKeyProcessor, FixedKeyRecord, Stores, StreamsBuilder
from aliran.streams import FixedKeyProcessorContext, KStream, StoreSpec


class Request(Struct):
    """What a reader asks of a book: the command."""

    kind: Literal["borrow", "return"]
    reader: str


class Event(Struct):
    """What happened to a book."""

    kind: Literal["lent", "returned", "refused"]
    reader: str
    reason: str = ""


class BookView(Struct):
    """The row of a book in the first read model."""

    holder: str = ""
    loans: int = 0


class Desk(FixedKeyProcessor[str, Request, Event]):
    """The write side: decides, by title, on requests that come one after the other."""

    @staticmethod
    def stores() -> list[StoreSpec]:
        return [Stores.persistent_key_value_store("holders")]

    def init(self, context: FixedKeyProcessorContext[str, Event]) -> None:
        super().init(context)
        self.holders = context.get_state_store("holders")

    def process(self, record: FixedKeyRecord[str, Request]) -> None:
        title, request = record.key, record.value
        event = self.decide(self.holders.get(title), request)
        if event.kind == "lent":
            self.holders.put(title, request.reader)
        elif event.kind == "returned":
            self.holders.delete(title)
        self.context.forward(record.with_value(event))

    def decide(self, holder: str | None, request: Request) -> Event:
        if request.kind == "borrow":
            if holder is not None:
                return Event("refused", request.reader, f"{holder} has it")
            return Event("lent", request.reader)
        if holder != request.reader:
            return Event("refused", request.reader, f"{request.reader} does not have it")
        return Event("returned", request.reader)


def shelve(title: str, event: Event, book: BookView) -> BookView:
    if event.kind == "lent":
        return BookView(event.reader, book.loans + 1)
    return BookView("", book.loans)


def hold(reader: str, change: tuple[str, bool], titles: list[str]) -> list[str]:
    title, lent = change
    others = [each for each in titles if each != title]
    return sorted([*others, title]) if lent else others


def build_write_side(builder: StreamsBuilder) -> KStream[str, Event]:
    """Requests → events."""
    events = builder.stream("requests", value=Request).process_values(Desk, name="desk")
    taken = events.filter(lambda title, event: event.kind != "refused")
    taken.to("events", value=Event)
    events.filter(lambda title, event: event.kind == "refused").to("refusals", value=Event)
    return taken


def build_read_side(events: KStream[str, Event]) -> None:
    """Events → a table by title, and a table by reader."""
    by_title = events.group_by_key(value=Event)
    by_title.aggregate(BookView, shelve, store="books").to_stream().to("books")
    (
        events.map(lambda title, event: (event.reader, (title, event.kind == "lent")))
        .group_by_key(name="by-reader", value=tuple[str, bool])
        .aggregate(list, hold, store="readers", value=list[str])
        .to_stream()
        .to("readers")
    )


def build(builder: StreamsBuilder) -> None:
    """Both sides in one application; they could as well be two, with the topic between them."""
    build_read_side(build_write_side(builder))


# ---------------------------------------------------------------------- trying it out

TITLES = ["Dune", "Emma", "Ulysses", "Walden"]
READERS = ["ana", "budi", "cleo"]


def sample_requests(seed: int = 11) -> Iterator[tuple[str, Request]]:
    """Yield forty requests, some of which cannot be met."""
    rng = random.Random(seed)
    lent: dict[str, str] = {}
    for _ in range(40):
        title = rng.choice(TITLES)
        if title in lent and rng.random() < 0.7:
            yield title, Request("return", lent.pop(title))
        else:
            reader = rng.choice(READERS)
            lent.setdefault(title, reader)
            yield title, Request("borrow", reader)


def show(
    books: dict[str, BookView], readers: dict[str, list[str]], refusals: list[tuple[str, Event]]
) -> None:
    """Print both read models side by side, and what was refused last."""
    shelf = Table("book", "held by", "loans", title="who has it?")
    for title, book in sorted(books.items()):
        shelf.add_row(title, book.holder or "-", str(book.loans))
    desk = Table("reader", "holds", title="what do they have?")
    for reader, titles in sorted(readers.items()):
        desk.add_row(reader, ", ".join(titles) or "-")
    console = Console(width=80)
    console.print(Columns([shelf, desk]))
    title, event = refusals[-1]
    print(f"{len(refusals)} refused, the last: {event.reader} wanted {title}, but {event.reason}")


def main() -> None:
    """Run the sample on an embedded broker."""
    app = App("library")
    build(app)
    with app:
        for title, request in sample_requests():
            app.send("requests", title, request)
        app.wait_until_idle()
        show(
            dict(app.read("books", value=BookView)),
            dict(app.read("readers", value=list[str])),
            list(app.read("refusals", value=Event)),
        )


if __name__ == "__main__":
    main()
