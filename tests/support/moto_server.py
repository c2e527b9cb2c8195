"""moto's server: S3, SQS and DynamoDB on a port of this machine, for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import boto3
from server_process import ServerProcess

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "secret"}


def moto(folder: Path) -> ServerProcess:
    """Return the server, not started; what it holds is gone when it ends."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"]
    return ServerProcess(command, folder / "moto.log")


def client(server: ServerProcess, service: str) -> Any:
    """Return a client of one of its services."""
    url = f"http://127.0.0.1:{server.port}"
    return boto3.client(service, endpoint_url=url, region_name="us-west-2", **KEYS)


def options(server: ServerProcess) -> dict[str, Any]:
    """Return the options that lead a connector there."""
    return {
        "aws__endpoint__url": f"http://127.0.0.1:{server.port}",
        "aws__access__key__id": KEYS["aws_access_key_id"],
        "aws__secret__access__key": KEYS["aws_secret_access_key"],
    }
