"""Kafka's own broker as a process: for what ours does not have, such as transactions.

Needs Java and Maven.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from broker_process import safe_port
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jvm_programs import QUICK, class_path_of

_POM = Path(__file__).parents[1] / "compat" / "jvm" / "server" / "pom.xml"
_CLUSTER = "aliranAliranAliranAAAA"


class RealKafka:
    """One node of Apache Kafka.

    Args:
        folder: For its data and log.

    Raises:
        RuntimeError: Its jars cannot be had.
    """

    def __init__(self, folder: Path) -> None:
        port, controller = safe_port(), safe_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self.log = folder / "kafka.log"
        self._class_path = class_path_of(_POM)
        self._properties = folder / "server.properties"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(folder / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "3",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "3",
            "group.initial.rebalance.delay.ms": "0",
        }
        self._properties.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; returns once it answers."""
        tool = ["kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(self._properties)]
        with self.log.open("ab") as output:
            subprocess.run(self._java(*tool), check=True, stdout=output, stderr=output, timeout=60)
            self._process = subprocess.Popen(
                self._java("-Xmx512m", "kafka.Kafka", str(self._properties)),
                stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        deadline = time.monotonic() + 60
        while True:
            try:
                admin.list_topics(timeout=1)
                return self
            except KafkaException:
                assert self._process.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() < deadline, self.log.read_text()[-3000:]

    def _java(self, *words: str) -> list[str]:
        return ["java", *QUICK, "-cp", self._class_path, *words]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
