"""Fleet tracking: where each truck is, who drives too fast, and how long trucks stay in a zone.

    python examples/trucks_gps.py

drives three trucks for an hour on an embedded broker, and prints

    ┏━━━━━━━━━┳━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃ truck   ┃ last position ┃ km/h in 60 minutes                                           ┃
    ┡━━━━━━━━━╇━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │ truck-1 │ 48.201 16.360 │       ▇▇▆▇▇▅▆▆▆▇▇▇▇▆           ▇▆▆▇▆▆▆▇▆▅▆▆▇▇▆               │
    │ truck-2 │ 48.199 16.360 │            ▇█▇▅▇▇▅█▆▆▆▇▇▆           ██▇▇▆▇▅▆▅▇▆▇▇▇█          │
    │ truck-3 │ 48.201 16.360 │                 ▇██▅▆▅█▇▅▇▅▆▆▅           ███▇▆▅▆▇▆▇▅█▇▇█     │
    └─────────┴───────────────┴──────────────────────────────────────────────────────────────┘
    ┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┳━━━━━━┓
    ┃ truck   ┃ driver  ┃ phone ┃ km/h ┃
    ┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━╇━━━━━━┩
    │ truck-2 │ Budi    │ 0172  │ 82   │
    │ truck-2 │ Budi    │ 0172  │ 82   │
    │ truck-2 │ Budi    │ 0172  │ 81   │
    │ truck-2 │ Budi    │ 0172  │ 82   │
    │ truck-3 │ nobody? │ -     │ 82   │
    │ truck-3 │ nobody? │ -     │ 83   │
    │ truck-3 │ nobody? │ -     │ 85   │
    │ truck-3 │ nobody? │ -     │ 83   │
    │ truck-3 │ nobody? │ -     │ 85   │
    │ truck-3 │ nobody? │ -     │ 81   │
    │ truck-3 │ nobody? │ -     │ 83   │
    │ truck-3 │ nobody? │ -     │ 84   │
    └─────────┴─────────┴───────┴──────┘
    ┏━━━━━━━━━┳━━━━━━━━━┳━━━━━━━┳━━━━━━━┳━━━━━━━━━┓
    ┃ truck   ┃ zone    ┃ from  ┃ to    ┃ minutes ┃
    ┡━━━━━━━━━╇━━━━━━━━━╇━━━━━━━╇━━━━━━━╇━━━━━━━━━┩
    │ truck-1 │ depot   │ 12:00 │ 12:06 │ 6       │
    │ truck-1 │ harbour │ 12:19 │ 12:31 │ 12      │
    │ truck-1 │ depot   │ 12:45 │ 12:59 │ 14      │
    │ truck-2 │ depot   │ 12:00 │ 12:11 │ 11      │
    │ truck-2 │ harbour │ 12:24 │ 12:36 │ 12      │
    │ truck-2 │ depot   │ 12:50 │ 12:59 │ 9       │
    │ truck-3 │ depot   │ 12:00 │ 12:16 │ 16      │
    │ truck-3 │ harbour │ 12:29 │ 12:41 │ 12      │
    │ truck-3 │ depot   │ 12:55 │ 12:59 │ 4       │
    └─────────┴─────────┴───────┴───────┴─────────┘

Positions come once a minute and truck. The table of last positions is the stream taken as updates;
an alert is a fast position joined with the table of drivers, as it stood at that moment; the time
in a zone is a session of positions without a gap of more than three minutes.
"""

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from aliran import App, StreamsBuilder, Windowed
from aliran.serdes import SessionWindowedSerde

LIMIT_KMH = 80


class Position(Struct):
    lat: float
    lon: float
    kmh: int


class Driver(Struct):
    name: str
    phone: str


class Alert(Struct):
    driver: str
    phone: str
    kmh: int


class Zone(Struct):
    """A circle on the map."""

    name: str
    lat: float
    lon: float
    radius_km: float


class Stay(Struct, frozen=True):
    """Which truck is in which zone: the key of dwell times."""

    truck: str
    zone: str


ZONES = [Zone("depot", 48.20, 16.36, 1.5), Zone("harbour", 48.20, 16.60, 1.5)]


def distance_km(zone: Zone, position: Position) -> float:
    """Return the distance from a zone's centre; a flat earth will do within a city."""
    north = (position.lat - zone.lat) * 111.2
    east = (position.lon - zone.lon) * 111.2 * math.cos(math.radians(zone.lat))
    return math.hypot(north, east)


def stays(truck: str, position: Position) -> list[tuple[Stay, int]]:
    """Return the zones that a truck is in, with its speed."""
    inside = [zone for zone in ZONES if distance_km(zone, position) <= zone.radius_km]
    return [(Stay(truck, zone.name), position.kmh) for zone in inside]


def alert(position: Position, driver: Driver | None) -> Alert:
    """Return what the dispatcher sees; a truck without a driver is news as well."""
    who = driver or Driver("nobody?", "-")
    return Alert(who.name, who.phone, position.kmh)


def build(builder: StreamsBuilder) -> None:
    """Last positions, speeding alerts, and dwell times, all from one topic of positions."""
    positions = builder.stream("positions", value=Position)
    drivers = builder.table("drivers", value=Driver)

    positions.to_table(store="last-positions").to_stream().to("last-positions")

    (
        positions.filter(lambda truck, position: position.kmh > LIMIT_KMH)
        .left_join(drivers, alert)
        .to("alerts", value=Alert)
    )

    (
        positions.flat_map(stays)
        .group_by_key(key=Stay, value=int, name="stays")
        .windowed_by(session="3m", grace="1m")
        .count(store="dwell-times")
        .to_stream()
        .to("dwell-times")
    )


# ---------------------------------------------------------------------- trying it out

START_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC
DRIVERS = {"truck-1": Driver("Ana", "0171"), "truck-2": Driver("Budi", "0172")}
MINUTES = 60


def sample_positions(seed: int = 3) -> Iterator[tuple[int, str, Position]]:
    """Yield a position a minute and truck: waiting, to the harbour, waiting, and back."""
    rng = random.Random(seed)
    depot, harbour = ZONES
    for minute in range(MINUTES):
        for number in (1, 2, 3):
            # 0 at the depot, 1 at the harbour; truck-3 starts 10 minutes after truck-1.
            phase = (minute - 5 * number) / 15
            share = min(1.0, max(0.0, min(phase, 2.7 - phase)))
            moves = 0 < share < 1
            yield (
                START_MS + minute * 60_000,
                f"truck-{number}",
                Position(
                    round(depot.lat + rng.uniform(-0.002, 0.002), 4),
                    round(depot.lon + share * (harbour.lon - depot.lon), 4),
                    rng.randrange(55, 77 + 3 * number) if moves else 0,
                ),
            )


def sparkline(speeds: list[int]) -> str:
    """Return speeds as a line of little bars."""
    return "".join(" ▁▂▃▄▅▆▇█"[min(8, speed // 10)] for speed in speeds)


def clock(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M")


def show(
    last: dict[str, Position],
    history: list[tuple[str, Position]],
    alerts: list[tuple[str, Alert]],
    dwells: dict[Windowed[Stay], int | None],
) -> None:
    """Print three tables."""
    console = Console(width=100)
    trucks = Table("truck", "last position", f"km/h in {MINUTES} minutes")
    for truck, position in sorted(last.items()):
        line = sparkline([each.kmh for name, each in history if name == truck])
        trucks.add_row(truck, f"{position.lat:.3f} {position.lon:.3f}", line)
    speeding = Table("truck", "driver", "phone", "km/h")
    for truck, each in sorted(alerts, key=lambda row: row[0]):
        speeding.add_row(truck, each.driver, each.phone, str(each.kmh))
    zones = Table("truck", "zone", "from", "to", "minutes")
    for window, positions in sorted(dwells.items(), key=lambda row: (row[0].key.truck, row[0][1:])):
        if positions is not None:  # a session that grew has left a deletion behind
            minutes = (window.end_ms - window.start_ms) // 60_000
            ends = clock(window.start_ms), clock(window.end_ms)
            zones.add_row(window.key.truck, window.key.zone, *ends, str(minutes))
    console.print(trucks)
    console.print(speeding)
    console.print(zones)


def main() -> None:
    """Run the sample on an embedded broker."""
    app = App("trucks-gps")
    build(app)
    with app:
        for truck, driver in DRIVERS.items():
            app.send("drivers", truck, driver, START_MS)
        for time_ms, truck, position in sample_positions():
            app.send("positions", truck, position, time_ms)
        app.wait_until_idle()
        show(
            dict(app.read("last-positions", value=Position)),
            list(app.read("positions", value=Position)),
            list(app.read("alerts", value=Alert)),
            dict(app.read("dwell-times", key=SessionWindowedSerde(Stay), value=int)),
        )


if __name__ == "__main__":
    main()
