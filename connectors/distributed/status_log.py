"""States of connectors and tasks, and the topics they use, as all workers tell each other.

Kafka: `KafkaStatusBackingStore`. Each worker writes what it runs, under its generation of the
group, so that news of a worker that was thought dead do not hide those of its successor.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aliran.connectors.distributed.topic_log import TopicLog
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.status import State, Status, StatusBoard


class SharedStatusBoard(StatusBoard):
    """A board that all workers write on.

    Args:
        cluster: Where the topic is.
        topic: Its name.
        partitions: How many partitions a new one has.
        replication: How many replicas.
        worker_id: The name of this worker.
        generation: Gives the generation of the group that this worker knows.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: str,
        partitions: int,
        replication: int,
        worker_id: str,
        generation: Callable[[], int],
    ) -> None:
        super().__init__()
        self._worker_id = worker_id
        self._generation = generation
        self._log = TopicLog(cluster, topic, partitions, replication, self._apply)
        self._generations: dict[tuple[str, int], int] = {}
        self._used: dict[str, dict[str, int]] = {}

    def start(self) -> None:
        """Read what others have written, then follow."""
        self._log.start()

    def close(self) -> None:
        """Stop following."""
        self._log.close()

    # ------------------------------------------------------------------ writing

    def put(self, connector: str, task: int, status: Status) -> None:
        """Note a status of what runs here, and tell the others."""
        generation = self._generation()
        self._generations[connector, task] = generation
        super().put(connector, task, replace(status, worker_id=self._worker_id))
        self._send(connector, task, status, generation)

    def put_safely(self, connector: str, task: int, status: Status) -> None:
        """Note a status unless another worker, of a newer generation, has said otherwise."""
        known = self.get(connector, task)
        if (
            known is None
            or known.worker_id == self._worker_id
            or self._generation() > self._generations.get((connector, task), -1)
        ):
            self.put(connector, task, status)

    def _send(self, connector: str, task: int, status: Status, generation: int) -> None:
        value = {
            "state": status.state.value,
            "trace": status.trace,
            "worker_id": self._worker_id,
            "generation": generation,
            "version": status.version,
        }
        self._log.send(_key(connector, task), json.dumps(value).encode())

    def forget(self, connector: str, task: int | None = None) -> None:
        """Forget a task, or the connector with its tasks, here and at the others."""
        known = [-1, *self.tasks(connector)] if task is None else [task]
        for number in known:
            self._log.send(_key(connector, number), None)
        super().forget(connector, task)

    # ------------------------------------------------------------------ topics

    def note_topic(self, connector: str, task: int, topic: str) -> None:
        """Tell that a connector uses a topic; quick where that is known."""
        known = self._used.get(connector)
        if known is not None and topic in known:
            return
        self._used.setdefault(connector, {})[topic] = task
        row = {
            "name": topic,
            "connector": connector,
            "task": task,
            "discoverTimestamp": int(time.time() * 1000),
        }
        self._log.send(_topic_key(connector, topic), json.dumps({"topic": row}).encode())

    def topics(self, connector: str) -> list[str]:
        """Return the topics that a connector has used."""
        return list(self._used.get(connector, ()))

    def forget_topics(self, connector: str) -> None:
        """Forget the topics that a connector has used."""
        for topic in list(self._used.pop(connector, ())):
            self._log.send(_topic_key(connector, topic), None)

    # ------------------------------------------------------------------ reading

    def _apply(self, key: bytes | None, value: bytes | None, _offset: int) -> None:
        text = (key or b"").decode("utf-8", "replace")
        found = None if value is None else json.loads(value)
        if text.startswith("status-topic-"):
            topic, _, connector = text.removeprefix("status-topic-").partition(":connector-")
            self._apply_topic(connector, topic, found)
        elif text.startswith("status-connector-"):
            self._apply_status(text.removeprefix("status-connector-"), -1, found)
        elif text.startswith("status-task-"):
            connector, _, number = text.removeprefix("status-task-").rpartition("-")
            self._apply_status(connector, int(number), found)

    def _apply_topic(self, connector: str, topic: str, found: Any) -> None:
        if found is None:
            self._used.get(connector, {}).pop(topic, None)
        else:
            self._used.setdefault(connector, {})[topic] = int(found["topic"]["task"])

    def _apply_status(self, connector: str, task: int, found: Any) -> None:
        if found is None:
            known = self.get(connector, task)
            # Our own news that are still on their way count more than our own older deletion.
            if known is not None and known.worker_id != self._worker_id:
                super().forget(connector, task)
            return
        if found["worker_id"] == self._worker_id and (connector, task) in self._generations:
            return  # what we wrote ourselves, perhaps before what we know now
        self._generations[connector, task] = int(found["generation"])
        super().put(
            connector,
            task,
            Status(
                State(found["state"]),
                found.get("trace"),
                found.get("version") or "0",
                worker_id=found["worker_id"],
            ),
        )


def _key(connector: str, task: int) -> bytes:
    where = f"status-connector-{connector}" if task < 0 else f"status-task-{connector}-{task}"
    return where.encode()


def _topic_key(connector: str, topic: str) -> bytes:
    return f"status-topic-{topic}:connector-{connector}".encode()
