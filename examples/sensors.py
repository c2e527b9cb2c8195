"""Functions instead of operators: sensors that run hot, or fall silent, and who is told of it.

    python examples/sensors.py

reads half an hour of five sensors on an embedded broker, and prints

    ┏━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
    ┃ sensor   ┃ 35 °C to 83 °C, a bar a reading ┃
    ┡━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
    │ sensor-1 │ ▂▂▁▂▁▂▁▁▂▂▁▁▂▂▂▂▁▁▂▁▁▁▂▁▂▁▁▂▁▂  │
    │ sensor-2 │ ▂▂▁▂▁▁▁▂▂▃▄▅▅▆▇█▇▇▆▄▄▃▂▁▁▁▁▂▁▁  │
    │ sensor-3 │ ▁▁▁▁▁▁▁▂▁▂▁▁▁▁▂▂▁▁▁▁▁▁▂▂▁▁▁▂▁▁  │
    │ sensor-4 │ ▁▁▁▁▁▁▂▂▂▁▁▂▂▁▁▁▁▂▂▂▂▁▁         │
    │ sensor-5 │ ▂▁▂▁▁▁▂▂▂▂▂▂▂▁▁▁▁▂▁▁▂▁▂▁▁▁▂▁▁▁  │
    └──────────┴─────────────────────────────────┘
    12:11 sensor-4 is silent, 40.5 °C
    12:14 sensor-2 is hot, 63.8 °C
    12:15 sensor-4 is ok, 40.7 °C
    12:22 sensor-2 is ok, 54.8 °C

Each step is a decorated function with the stores that it uses. `watch` smooths the readings and
says when a sensor becomes hot or cool again, a timer looks for those that say nothing, and `notify`
waits for another service, with many messages at a time.
"""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct
from rich.console import Console
from rich.table import Table

from aliran import App, KeyValue, PunctuationType, Record
from aliran.streams import FunctionBuilder

HOT = 60.0
SILENT_MS = 180_000


class Sensor(Struct):
    """What is known of a sensor; `state` is ok, hot or silent."""

    celsius: float
    seen_ms: int
    state: str = "ok"


class Alarm(Struct):
    state: str
    celsius: float
    at_ms: int


def build(builder: FunctionBuilder) -> None:
    """Readings → alarms → messages."""
    sensors = builder.store("sensors", value=Sensor)

    @builder.processor("readings", stores=[sensors], to="alarms")
    def watch(reading: Record[str, float]) -> Alarm | None:
        before = sensors.get(reading.key) or Sensor(reading.value, 0)
        smooth = 0.7 * before.celsius + 0.3 * reading.value
        state = "hot" if smooth > HOT else "ok"
        sensors[reading.key] = Sensor(smooth, reading.timestamp, state)
        if state == before.state:
            return None
        return Alarm(state, round(smooth, 1), reading.timestamp)

    @builder.timer("1m", clock=PunctuationType.STREAM_TIME, stores=[sensors], to="alarms")
    def look_for_silence(now_ms: int) -> Iterator[KeyValue[str, Alarm]]:
        for name, sensor in list(sensors.items()):
            if sensor.state != "silent" and now_ms - sensor.seen_ms > SILENT_MS:
                sensors[name] = Sensor(sensor.celsius, sensor.seen_ms, "silent")
                yield KeyValue(name, Alarm("silent", round(sensor.celsius, 1), now_ms))

    @builder.processor("alarms", to="messages", concurrency=10)
    async def notify(name: str, alarm: Alarm) -> str:
        await asyncio.sleep(0.01)  # the service that sends mails
        at = datetime.fromtimestamp(alarm.at_ms / 1000, UTC)
        return f"{at:%H:%M} {name} is {alarm.state}, {alarm.celsius} °C"


# ---------------------------------------------------------------------- trying it out

START_MS = 1_795_348_800_000  # 2026-11-22 12:00 UTC
NAMES = [f"sensor-{number}" for number in range(1, 6)]


def sample_readings(seed: int = 2) -> Iterator[tuple[int, str, float]]:
    """Yield a reading a minute and sensor; one overheats, one stops for a while."""
    rng = random.Random(seed)
    for minute in range(30):
        for number, name in enumerate(NAMES):
            if name == "sensor-4" and 8 <= minute < 15:
                continue
            heat = max(0, 40 - 5 * abs(minute - 15)) if name == "sensor-2" else 0
            yield START_MS + minute * 60_000 + number, name, 40 + heat + rng.uniform(-3, 3)


def show(readings: list[tuple[str, float]], messages: list[str]) -> None:
    """Print each sensor's readings as bars, and the messages."""
    table = Table("sensor", "35 °C to 83 °C, a bar a reading")
    for name in NAMES:
        celsius = [value for each, value in readings if each == name]
        bars = "".join("▁▂▃▄▅▆▇█"[min(7, max(0, int((value - 35) / 6)))] for value in celsius)
        table.add_row(name, bars)
    Console(width=100).print(table)
    for message in messages:
        print(message)


def main() -> None:
    """Run the sample on an embedded broker."""
    app = App("sensors")
    build(app)
    with app:
        for time_ms, name, celsius in sample_readings():
            app.send("readings", name, celsius, time_ms)
        app.wait_until_idle()
        show(
            list(app.read("readings", value=float)),
            sorted(message for _, message in app.read("messages")),
        )


if __name__ == "__main__":
    main()
