"""What a connector is to reach may be away: when it is made, and when its worker starts."""

from __future__ import annotations

from pathlib import Path

import httpx
from broker_process import safe_port
from connect_process import ConnectProcess
from tests.connectors.conftest import Connect

from aliran.broker.embedded import EmbeddedBroker


def config_of(port: int) -> dict[str, str]:
    return {
        "connector.class": "ElasticsearchSink", "topics": "checked", "key.ignore": "true",
        "connection.url": f"http://127.0.0.1:{port}",
    }  # fmt: skip


def test_a_connector_is_tried_before_it_is_made_unless_told_otherwise(connect: Connect) -> None:
    config = config_of(safe_port())

    refused = connect.rest.put("/connectors/tried/config", json=config)
    made = connect.rest.put("/connectors/tried/config", json={**config, "aliran.check": "false"})

    assert refused.status_code == 400
    assert "The connector's own check failed" in refused.text
    assert "does not answer" in refused.text
    assert made.status_code == 201
    assert connect.status("tried", wait="RUNNING")["tasks"][0]["state"] == "RUNNING"


def test_a_worker_starts_though_a_target_is_away(tmp_path: Path) -> None:
    with (
        EmbeddedBroker() as broker,
        ConnectProcess(
            tmp_path, broker.bootstrap_servers, {"away": config_of(safe_port())}
        ) as worker,
    ):
        path = f"{worker.url}/connectors/away/status?wait=RUNNING"
        assert httpx.get(path, timeout=60).json()["connector"]["state"] == "RUNNING"
