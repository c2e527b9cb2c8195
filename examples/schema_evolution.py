"""A value that changes while old and new programs run: three releases, and one that is refused.

    python examples/schema_evolution.py

starts a schema registry and a broker inside this process, and prints

    ┏━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃            ┃ release 1 reads   ┃ release 2 reads             ┃ release 3 reads               ┃
    ┃ written by ┃ item, count, note ┃ item, count, note, currency ┃ item, count, remark, currency ┃
    ┡━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │ release 1  │ tea, 2, iced      │ tea, 2, iced, EUR           │ tea, 2, iced, EUR             │
    │ release 2  │ milk, 1, cold     │ milk, 1, cold, CHF          │ milk, 1, cold, CHF            │
    │ release 3  │ jam, 3, –         │ jam, 3, –, USD              │ jam, 3, sweet, USD            │
    └────────────┴───────────────────┴─────────────────────────────┴───────────────────────────────┘
    Versions of orders-value: [1, 2, 3]. Release 4:
      AvroSerde(Order) cannot write: its schema does not fit the earlier ones (the registry's answer
          was 409, topic orders)
        TYPE_MISMATCH: The type (path '/fields/0/type') of a field in the old schema does not match
          with the new schema: reader type: STRING not compatible with writer type: LONG
        TYPE_MISMATCH: The type (path '/fields/0/type') of a field in the new schema does not match
          with the old schema: reader type: LONG not compatible with writer type: STRING
        try: leave /fields/0/type of the old schema as it was: programs with the old schema will
          read what the new one writes; or demand BACKWARD only and change readers first
        try: keep the type string, or use a union of both

Each release has its own class `Order`. All three run at once and read all orders: what a release
does not know it skips, what it misses has a default, and what was renamed is found by its alias,
but for the release that knows the old name only. The level FULL sees to that.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from textwrap import fill
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import astuple, fields
from rich.console import Console
from rich.table import Table

from aliran import App, StreamsBuilder
from aliran.schema_registry.client import SchemaRegistryClient
from aliran.schema_registry.serdes import AvroSerde
from aliran.schema_registry.server import RegistryServer
from aliran.serdes import SerializationError


class Release1:
    class Order(Struct):
        """What the first release writes."""

        item: str
        count: int
        note: str = ""


class Release2:
    class Order(Struct):
        """A field more. Its default stands for what the first release did not write."""

        item: str
        count: int
        note: str = ""
        currency: str = "EUR"


class Release3:
    class Order(Struct):
        """`note` has a better name, and is found under the old one, too."""

        item: str
        count: int
        remark: Annotated[str, Meta(extra={"aliases": ["note"]})] = ""
        currency: str = "EUR"


class Release4:
    class Order(Struct):
        """The item has become a number: no release could read what the other one wrote."""

        item: int
        count: int
        remark: Annotated[str, Meta(extra={"aliases": ["note"]})] = ""
        currency: str = "EUR"


ORDERS: list[Any] = [
    Release1.Order("tea", 2, "iced"),
    Release2.Order("milk", 1, "cold", "CHF"),
    Release3.Order("jam", 3, "sweet", "USD"),
]


def build(builder: StreamsBuilder, release: int, order: type[Any]) -> None:
    """Orders as the class of this release has them → what it sees."""
    builder.stream("orders", value=order).map_values(describe).to(f"seen-by-{release}")


def describe(order: Any) -> str:
    """Return the fields' values in a line."""
    return ", ".join(str(each) or "–" for each in astuple(order))


# ---------------------------------------------------------------------- trying it out


def running_releases(registry: RegistryServer) -> Iterator[App]:
    """Yield an application for each release, all on the broker of the registry."""
    for number, order in enumerate(ORDERS, 1):
        servers = registry.broker.bootstrap_servers
        app = App(f"release-{number}", servers, schema_registry=registry.url)
        build(app, number, type(order))
        yield app


def refusal(client: SchemaRegistryClient) -> str:
    """Return what the next release is told when it writes its first order."""
    serde = AvroSerde(Release4.Order, client).for_topic("orders", is_key=False)
    try:
        serde.serialize(Release4.Order(4711, 1))
    except SerializationError as error:
        return str(error)
    raise AssertionError("the registry took it")


def show(seen: list[list[str]]) -> None:
    """Print what each release sees of what each release wrote."""
    table = Table("written by")
    for number, order in enumerate(ORDERS, 1):
        names = [field.name for field in fields(order)]
        table.add_column(f"release {number} reads\n{', '.join(names)}")
    for number, row in enumerate(zip(*seen, strict=True), 1):
        table.add_row(f"release {number}", *row)
    Console(width=100).print(table)


def main() -> None:
    """Run three releases at once; the fourth is refused."""
    with (
        RegistryServer() as registry,
        SchemaRegistryClient(registry.url) as client,
        ExitStack() as running,
    ):
        client.set_compatibility_level("FULL", "orders-value")
        apps = [running.enter_context(app) for app in running_releases(registry)]
        for app, order in zip(apps, ORDERS, strict=True):
            app.send("orders", order.item, order)
        for app in apps:
            app.wait_until_idle()
        show([[text for _, text in apps[0].read(f"seen-by-{number}")] for number in (1, 2, 3)])
        print(f"Versions of orders-value: {client.versions('orders-value')}. Release 4:")
        for line in refusal(client).splitlines():
            print(fill(line, 96, initial_indent="  ", subsequent_indent="      "))


if __name__ == "__main__":
    main()
