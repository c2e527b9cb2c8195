"""A broker in this process, and one in a process of its own, to run the same programs on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from broker_process import BrokerProcess

from aliran.streams import App

KEEP = {"log.retention.ms": "-1"}
"""The records of these tests are of 1970: retention must not take them while a test looks."""

MakeApp = Callable[..., App]
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = {**KEEP, "num.partitions": "3", "group.initial.rebalance.delay.ms": "0"}
    with BrokerProcess(tmp_path_factory.mktemp("broker"), config) as broker:
        yield broker.address


@pytest.fixture(params=["embedded", "kafka", "real-kafka"])
def make_app(request: pytest.FixtureRequest, tmp_path: Path) -> MakeApp:
    """Return a way to make an application with an id of its own, the same at each call."""
    name, real = f"app-{next(_numbers)}", os.environ.get("ALIRAN_TEST_KAFKA")
    if request.param == "real-kafka" and not real:
        pytest.skip("set ALIRAN_TEST_KAFKA=host:port to run against a Kafka of yours")

    def make(**settings: Any) -> App:
        if request.param == "embedded":
            config = {**KEEP, "num.partitions": 3}
            return App(name, data_dir=str(tmp_path), broker_config=config, **settings)
        if request.param == "real-kafka":
            return App(f"{name}-{os.getpid()}", real, state_dir=str(tmp_path / "state"), **settings)
        server = request.getfixturevalue("server")
        return App(name, server, state_dir=str(tmp_path / "state"), **settings)

    return make
