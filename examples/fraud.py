"""Fraud detection: two joins of streams find cards that cannot be where they are.

    python examples/fraud.py

pays 300 times with 90 cards on an embedded broker, and prints

                        impossible journeys
    ┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━┳━━━━━━━━┳━━━━━━━━━━┳━━━━━━┓
    ┃ card    ┃ paid in ┃ at       ┃ and in ┃ at       ┃ km/h ┃
    ┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━╇━━━━━━━━╇━━━━━━━━━━╇━━━━━━┩
    │ card-17 │ Vienna  │ 12:22:00 │ Milan  │ 12:24:00 │ 9999 │
    │ card-21 │ Graz    │ 12:02:12 │ Milan  │ 12:24:12 │ 1385 │
    │ card-17 │ Milan   │ 12:24:00 │ Vienna │ 12:48:48 │ 1532 │
    └─────────┴─────────┴──────────┴────────┴──────────┴──────┘
          not confirmed in 2 minutes
    ┏━━━━━━━━━┳━━━━━━━┳━━━━━━━━━━┳━━━━━━━┓
    ┃ card    ┃ city  ┃ at       ┃ euros ┃
    ┡━━━━━━━━━╇━━━━━━━╇━━━━━━━━━━╇━━━━━━━┩
    │ card-17 │ Milan │ 12:24:00 │ 492   │
    │ card-21 │ Milan │ 12:24:12 │ 498   │
    │ card-03 │ Milan │ 12:48:00 │ 496   │
    └─────────┴───────┴──────────┴───────┘

A card that pays in two cities within half an hour is joined with itself: the pair says how fast its
owner would have to travel. And a large payment is joined with the confirmation from the owner's
phone; a left join gives those that got none within two minutes.
"""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from aliran import App, StreamsBuilder

FASTEST_KMH = 300
LARGE_EUROS = 450

CITIES = {  # kilometres east and north of Vienna
    "Vienna": (0, 0),
    "Linz": (-155, 20),
    "Graz": (-80, -125),
    "Prague": (-140, 210),
    "Milan": (-555, -305),
}


class Payment(Struct):
    id: int
    city: str
    euros: int
    time_ms: int


class Journey(Struct):
    """Two payments of a card, and the speed between them."""

    first: Payment
    second: Payment
    kmh: int


def journey(one: Payment, other: Payment) -> Journey:
    first, second = sorted((one, other), key=lambda payment: payment.time_ms)
    hours = max(1, second.time_ms - first.time_ms) / 3_600_000
    distance = math.dist(CITIES[first.city], CITIES[second.city])
    return Journey(first, second, min(9_999, round(distance / hours)))


def unconfirmed(payment: Payment, code: str | None) -> Payment | None:
    return payment if code is None else None


def build(builder: StreamsBuilder) -> None:
    """Payments × payments → impossible journeys; payments × confirmations → unconfirmed."""
    payments = builder.stream("payments", value=Payment)
    confirmations = builder.stream("confirmations")

    (
        # Nothing before: each pair is found once, by its later payment.
        payments.join(payments, journey, "30m", after=0)
        .filter(lambda card, pair: pair.kmh > FASTEST_KMH)
        .to("impossible-journeys", value=Journey)
    )

    (
        payments.filter(lambda card, payment: payment.euros >= LARGE_EUROS)
        .left_join(confirmations, unconfirmed, before=0, after="2m", grace="10s")
        .filter(lambda card, payment: payment is not None)
        .to("unconfirmed", value=Payment)
    )


# ---------------------------------------------------------------------- trying it out

START_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC


def sample(seed: int = 1) -> Iterator[tuple[str, str, Payment | str, int]]:
    """Yield topic, card, value and time: honest payments and confirmations, two thieves' too."""
    rng = random.Random(seed)
    homes = {f"card-{number:02}": rng.choice(list(CITIES)[:3]) for number in range(90)}
    events: list[tuple[int, str, str, Payment | str]] = []
    for number in range(300):
        card = rng.choice(list(homes))
        time_ms = START_MS + number * 12_000
        stolen = number in (120, 121, 240)
        city = "Milan" if stolen else homes[card]
        payment = Payment(
            number, city, rng.randrange(490, 500) if stolen else rng.randrange(500), time_ms
        )
        events.append((time_ms, "payments", card, payment))
        if payment.euros >= LARGE_EUROS and not stolen:
            events.append((time_ms + rng.randrange(5_000, 90_000), "confirmations", card, "ok"))
    for time_ms, topic, card, value in sorted(events, key=lambda event: event[0]):
        yield topic, card, value, time_ms


def clock(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M:%S")


def show(journeys: list[tuple[str, Journey]], unanswered: list[tuple[str, Payment]]) -> None:
    """Print both kinds of alerts."""
    fast = Table("card", "paid in", "at", "and in", "at", "km/h", title="impossible journeys")
    for card, pair in journeys:
        one, two = pair.first, pair.second
        fast.add_row(
            card, one.city, clock(one.time_ms), two.city, clock(two.time_ms), str(pair.kmh)
        )
    silent = Table("card", "city", "at", "euros", title="not confirmed in 2 minutes")
    for card, payment in unanswered:
        silent.add_row(card, payment.city, clock(payment.time_ms), str(payment.euros))
    console = Console(width=90)
    console.print(fast)
    console.print(silent)


def main() -> None:
    """Run the sample on an embedded broker."""
    # Look for payments without a match at each record; the default is once a second.
    app = App("fraud", outer_join_emit_interval_ms=0)
    build(app)
    with app:
        for topic, card, value, time_ms in sample():
            app.send(topic, card, value, time_ms)
        app.wait_until_idle()
        show(
            list(app.read("impossible-journeys", value=Journey)),
            list(app.read("unconfirmed", value=Payment)),
        )


if __name__ == "__main__":
    main()
