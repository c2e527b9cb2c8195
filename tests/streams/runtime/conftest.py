"""A broker in this process, and one in a process of its own, to run the same programs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from broker_process import BrokerProcess

from aliran.streams import App

MakeApp = Callable[..., App]
_numbers = count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    config = {"num.partitions": "3", "group.initial.rebalance.delay.ms": "0"}
    with BrokerProcess(tmp_path_factory.mktemp("broker"), config) as broker:
        yield broker.address


@pytest.fixture(params=["embedded", "kafka"])
def make_app(request: pytest.FixtureRequest, tmp_path: Path) -> MakeApp:
    """Return a way to make an application with an id of its own, the same at each call."""
    name = f"app-{next(_numbers)}"

    def make(**settings: Any) -> App:
        if request.param == "embedded":
            config = {"num.partitions": 3}
            return App(name, data_dir=str(tmp_path), broker_config=config, **settings)
        server = request.getfixturevalue("server")
        return App(name, server, state_dir=str(tmp_path / "state"), **settings)

    return make
