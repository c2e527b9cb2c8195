"""Configurations of tasks on their way to all workers: secrets stay placeholders.

Kafka: `ConfigTransformer` and `AbstractHerder.reverseTransform`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aliran.connectors.distributed.config_log import ConfigLog
from aliran.connectors.errors import ConfigError
from aliran.connectors.runtime.lifecycle import Entry
from aliran.connectors.runtime.worker import Worker

Tasks = Sequence[Mapping[str, str]]


class TaskPublisher:
    """Makes the tasks of a connector known.

    Args:
        worker: Resolves placeholders.
        configs: What is known.
        send: Writes tasks, or has the leader write them.
    """

    def __init__(
        self, worker: Worker, configs: ConfigLog, send: Callable[[str, Tasks], None]
    ) -> None:
        self._worker = worker
        self._configs = configs
        self._send = send

    def tasks_of(self, entry: Entry, wanted: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return configurations of tasks as all workers may read them.

        Args:
            entry: The connector's entry.
            wanted: Configurations of its tasks, resolved.
        """
        task_class = _task_class(entry)
        return [
            {**self._with_placeholders(entry.config, one), "task.class": task_class}
            for one in wanted
        ]

    def publish(self, name: str, tasks: Tasks, *, always: bool) -> None:
        """Make tasks known, if they are others than those that are.

        Args:
            name: The connector.
            tasks: What `tasks_of` gave.
            always: Whether they are written anyway: the connector's own options have changed.

        Raises:
            AliranError: They could not be written.
        """
        state = self._configs.state()
        same = state.tasks.get(name) == list(tasks) and name not in state.inconsistent
        if always or not same:
            self._send(name, tasks)

    def _with_placeholders(
        self, config: Mapping[str, str | None], props: Mapping[str, str]
    ) -> dict[str, str]:
        resolved = self._worker.resolved(config)
        return {
            name: raw
            if (raw := config.get(name)) is not None and resolved.get(name) == value
            else value
            for name, value in props.items()
        }

    def resolved(self, tasks: Tasks, config: Mapping[str, str | None]) -> list[dict[str, str]]:
        """Return tasks with secrets in place of placeholders, as far as these are known."""
        del config
        found = []
        for one in tasks:
            try:
                found.append(self._worker.resolved(one))
            except ConfigError:
                found.append(dict(one))  # starting the task says what is wrong
        return found


def _task_class(entry: Entry) -> str:
    """Return the class of the tasks; by Kafka's name where Kafka's workers have it, too."""
    name = entry.plugin.name
    if name.startswith("org.apache.kafka."):
        return name.removesuffix("Connector") + "Task"
    task_class = entry.plugin.make().task_class()
    return f"{task_class.__module__}.{task_class.__qualname__}"
