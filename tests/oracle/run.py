"""Runs a scenario through Aliran's TopologyTestDriver; the answer is as the JVM's."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeAlias

from tests.oracle.build import build, serde, unmerged
from tests.oracle.functions import text
from tests.oracle.language import Advance, Pipe, Scenario, Step

from aliran.core.errors import AliranError
from aliran.storage.state import VersionedKeyValueStore
from aliran.streams import Topology, TopologyTestDriver
from aliran.streams.handlers import Response

Answer: TypeAlias = dict[str, Any]
"""`describe`, `steps` (records by topic), `dropped`, `stores`; or `error`. Ours also `unmerged`."""


def run(scenario: Scenario) -> Answer:
    """Return what came out; errors are part of the answer."""
    answer: Answer = {"id": scenario.id}
    seen: list[str] = []
    try:
        topology = build(scenario, seen)
        answer["describe"] = str(topology.describe())
        answer["unmerged"] = unmerged(scenario)
    except Exception as error:
        return {**answer, "error": _told("build", -1, error)}
    steps: list[Any] = []
    try:
        with _directory(scenario) as directory, _driver(scenario, topology, directory) as driver:
            for step in scenario.steps:
                _step(driver, scenario, step)
                steps.append(_drain(driver))
                if seen:
                    steps[-1][""] = [[None, line, 0, []] for line in seen]
                    seen.clear()
            counted = driver.statistics()
            answer["dropped"] = counted.dropped_records + counted.failed_records
            answer["stores"] = _stores(driver, scenario)
    except Exception as error:
        answer["error"] = _told("run", len(steps), error)
    return {**answer, "steps": steps}


def _told(stage: str, step: int, error: Exception) -> dict[str, Any]:
    kind = type(error).__name__
    return {"stage": stage, "step": step, "type": kind, "message": str(error)}


def _directory(scenario: Scenario) -> AbstractContextManager[str | None]:
    if scenario.config.get("stores") == "rocksdb":
        memory = Path("/dev/shm")
        return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)
    return nullcontext()


def _driver(scenario: Scenario, topology: Topology, directory: str | None) -> TopologyTestDriver:
    errors = scenario.config.get("errors", {})
    config: dict[str, Any] = {
        "application_id": "app",
        "cache_max_bytes": scenario.config.get("cache", 0),
        "on_deserialization_error": "skip" if errors.get("read") else "fail",
        "on_processing_error": "skip" if errors.get("process") else "fail",
        "on_production_error": (lambda *_: Response.resume(())) if errors.get("write") else "fail",
        "dead_letter_topic": errors.get("dead"),
        **scenario.config.get("kafka", {}),
    }
    return TopologyTestDriver(topology, config, state_dir=directory)


def _step(driver: TopologyTestDriver, scenario: Scenario, step: Step) -> None:
    if isinstance(step, Advance):
        driver.advance_wall_clock_time(step.ms)
        return
    key, value = (
        serde("s" if isinstance(data, str) else type_)  # a text for a number cannot be read
        for type_, data in zip(scenario.topics[step.topic], (step.key, step.value), strict=True)
    )
    headers = tuple((name, data.encode()) for name, data in step.headers)
    driver.pipe_raw(
        step.topic, key.serialize(step.key), value.serialize(step.value), step.time_ms, headers
    )


def _drain(driver: TopologyTestDriver) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for topic in sorted(driver.produced_topic_names()):
        while (record := driver.read_raw(topic)) is not None:
            headers = [[name, _latin(data)] for name, data in record.headers]
            row = [_latin(record.key), _latin(record.value), record.timestamp, headers]
            found.setdefault(topic, []).append(row)
    return found


def _latin(data: bytes | None) -> str | None:
    """Bytes as characters 0 to 255: short, and readable where the bytes are text."""
    return None if data is None else bytes(data).decode("latin-1")


def _stores(driver: TopologyTestDriver, scenario: Scenario) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, store in sorted(driver.get_all_state_stores().items()):
        if isinstance(store, VersionedKeyValueStore):
            found[name] = _versions(store, scenario)
        elif hasattr(store, "all"):
            found[name] = [_row(key, value) for key, value in store.all()]
    return found


_ASKED = ("a", "b", "ab", "c", "all", "0", "1", "2", "3", "4", "x", 0, 1, -1, 2, 3, 4, 7)
"""Keys that versioned stores are asked for, which cannot list theirs; in StoreDump.java too."""


def _versions(store: VersionedKeyValueStore[Any, Any], scenario: Scenario) -> list[Any]:
    times = sorted({step.time_ms if isinstance(step, Pipe) else 0 for step in scenario.steps})
    rows: list[Any] = []
    for key in _ASKED:
        with suppress(AliranError):  # its keys are of another type
            found = [(time, store.get(key, time)) for time in times]
            rows += [[f"{key} as of {t}", text(v.value), v.timestamp] for t, v in found if v]
    return rows


def _row(key: Any, value: Any) -> list[Any]:
    if hasattr(value, "timestamp"):
        return [text(key), text(value.value), value.timestamp]
    return [text(key), None if value is None else text(value)]
