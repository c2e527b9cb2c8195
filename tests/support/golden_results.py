"""Replays what Kafka's TopologyTestDriver was given, and returns what came out of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aliran.streams import StreamsBuilder, TopologyTestDriver

GOLDEN = Path(__file__).parents[1] / "streams" / "golden" / "results"

Row = list[Any]
"""Key and value in hexadecimal, time, headers; as in the files."""


def load(name: str, folder: Path = GOLDEN) -> dict[str, Any]:
    """Return a golden file."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def replay(builder: StreamsBuilder, golden: dict[str, Any]) -> dict[str, Any]:
    """Return the golden file as it would be had our driver written it."""
    config = {"application_id": "app", "cache_max_bytes": golden["cache_max_bytes"]}
    with TopologyTestDriver(builder.build(), config) as driver:
        steps = []
        for step in golden["steps"]:
            if "advance" in step:
                driver.advance_wall_clock_time(step["advance"])
            else:
                key, value, time_ms, headers = step["record"]
                pairs = [(name, _bytes(data)) for name, data in headers]
                driver.pipe_raw(step["pipe"], _bytes(key), _bytes(value), time_ms, pairs)
            steps.append({**step, "out": _drain(driver)})
        dropped = driver.statistics().dropped_records
    return {**golden, "dropped": dropped, "steps": steps}


def _drain(driver: TopologyTestDriver) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for topic in sorted(driver.produced_topic_names()):
        while (record := driver.read_raw(topic)) is not None:
            headers = [[name, _hex(data)] for name, data in record.headers]
            row = [_hex(record.key), _hex(record.value), record.timestamp, headers]
            found.setdefault(topic, []).append(row)
    return found


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _hex(data: bytes | None) -> str | None:
    return None if data is None else data.hex()
