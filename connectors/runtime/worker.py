"""Puts tasks together: converters, transformations, reporters. Kafka: `Worker`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aliran.connectors.api.connector import Connector
from aliran.connectors.api.tasks import SinkTask, SourceTask
from aliran.connectors.config.providers import ConfigProvider, resolve, secrets_of
from aliran.connectors.config.values import HIDDEN
from aliran.connectors.errors import ConfigError
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.definitions import SINK, SOURCE
from aliran.connectors.runtime.errors import DeadLetters, LogReporter, Operator, Reporter
from aliran.connectors.runtime.exactly_once import ExactlyOnceSourceTask
from aliran.connectors.runtime.offsets import OffsetStore
from aliran.connectors.runtime.pipeline import Pipeline
from aliran.connectors.runtime.plugins import Plugin, Plugins
from aliran.connectors.runtime.sink_task import WorkerSinkTask
from aliran.connectors.runtime.source_task import WorkerSourceTask
from aliran.connectors.runtime.stalls import StallWatch
from aliran.connectors.runtime.status import StatusBoard
from aliran.connectors.runtime.task import TaskId, TaskSetup, WorkerTask
from aliran.connectors.transforms.chain import Stage


def with_prefix(config: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the options behind a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in config.items()
        if name.startswith(prefix) and value is not None
    }


class Isolation(Protocol):
    """Runs connectors elsewhere."""

    def make_connector(self, worker: Worker, name: str, config: Mapping[str, Any]) -> Connector:
        """Return what stands for a connector."""
        ...

    def make_task(
        self,
        worker: Worker,
        task_id: TaskId,
        config: Mapping[str, Any],
        task_props: Mapping[str, str],
        *,
        paused: bool,
    ) -> WorkerTask:
        """Return what stands for a task."""
        ...

    def set_level(self, name: str | None, level: int) -> None:
        """Set the level of a logger there, None for the root."""
        ...


@dataclass(frozen=True, slots=True)
class Worker:
    """What all tasks of this process share.

    Attributes:
        id: Its name in statuses, "HOST:PORT".
        cluster: Where topics are.
        plugins: What configurations can name.
        offsets: Where source offsets are kept.
        board: Where tasks say how they are.
        settings: The worker's configuration, parsed.
        props: The worker's configuration as it was given.
        providers: What placeholders ask.
        on_failed: Told of tasks that fail.
        on_topic: Told of topics that connectors use.
        stalls: Looks whether tasks of this process come round their loops.
        on_ended: Told of tasks of this process that have ended.
        processes: Runs connectors in processes of their own; None where that cannot be.
    """

    id: str
    cluster: Cluster
    plugins: Plugins
    offsets: OffsetStore
    board: StatusBoard
    settings: Mapping[str, Any]
    props: Mapping[str, str]
    providers: Mapping[str, ConfigProvider]
    on_failed: Callable[[TaskId, BaseException], None]
    on_topic: Callable[[str, TaskId, str], None]
    stalls: StallWatch = field(default_factory=StallWatch)
    on_ended: Callable[[TaskId], None] = lambda _: None
    processes: Isolation | None = None

    def resolved(self, config: Mapping[str, str | None]) -> dict[str, str]:
        """Return a configuration with its secrets, without what is null.

        Raises:
            ConfigError: A placeholder cannot be looked up.
        """
        found = resolve(config, self.providers)
        return {name: value for name, value in found.items() if value is not None}

    def hiding(self, config: Mapping[str, str | None]) -> Callable[[str], str]:
        """Return what takes the secrets of a configuration out of a text."""
        secrets = secrets_of(config, resolve(config, self.providers))

        def hide(text: str) -> str:
            for secret in secrets:
                text = text.replace(secret, HIDDEN)
            return text

        return hide

    @property
    def exactly_once(self) -> bool:
        """Whether sources write in transactions."""
        wanted: str = self.settings["exactly.once.source.support"]
        return wanted.lower() == "enabled"

    def isolated(self, config: Mapping[str, str | None]) -> Isolation | None:
        """Return what runs a connector in a process of its own, None if a thread does.

        Raises:
            ConfigError: It is to have one, and cannot here.
        """
        wanted = config.get("aliran.isolation") or self.settings["aliran.isolation"]
        if wanted != "process":
            return None
        if self.processes is None:
            raise ConfigError(
                "aliran.isolation=process: this system cannot fork processes; use thread"
            )
        return self.processes

    def make_connector(
        self, name: str, plugin: Plugin, raw_config: Mapping[str, str | None]
    ) -> Connector:
        """Return a connector, not started yet.

        Raises:
            ConnectError: It cannot be made.
        """
        isolation = self.isolated(raw_config)
        if isolation is not None:
            return isolation.make_connector(self, name, raw_config)
        connector: Connector = plugin.make()
        return connector

    def make_task(
        self,
        task_id: TaskId,
        plugin: Plugin,
        raw_config: Mapping[str, str | None],
        task_props: Mapping[str, str],
        *,
        paused: bool,
    ) -> WorkerTask:
        """Return a task, not started yet.

        Args:
            task_id: Which it is.
            plugin: Its connector.
            raw_config: The connector's configuration with placeholders.
            task_props: The task's configuration, resolved.
            paused: Whether it begins paused.

        Raises:
            ConnectError: It cannot be put together.
        """
        isolation = self.isolated(raw_config)
        if isolation is not None:
            return isolation.make_task(self, task_id, raw_config, task_props, paused=paused)
        props = {**self.resolved(raw_config), **task_props}
        is_source = plugin.kind == "source"
        config = {**self.settings, **(SOURCE if is_source else SINK).parse(props)}
        stopping = threading.Event()
        hide = self.hiding(raw_config)
        operator = Operator(
            retry_timeout_ms=config["errors.retry.timeout"],
            max_delay_ms=config["errors.retry.delay.max.ms"],
            tolerate_all=config["errors.tolerance"] == "all",
            reporters=self._reporters(task_id, config, hide),
            stopping=stopping,
        )
        setup = TaskSetup(
            task_id, props, config, self.cluster, self.offsets, self.board,
            self._pipeline(props, operator), operator, stopping, plugin.version,
            self.on_failed, self.on_topic, hide, self.stalls, self.on_ended,
        )  # fmt: skip
        connector: Connector = plugin.make()
        task = connector.task_class()()
        if is_source:
            assert isinstance(task, SourceTask)
            if self.exactly_once:
                return ExactlyOnceSourceTask(setup, task, paused=paused)
            return WorkerSourceTask(setup, task, paused=paused)
        assert isinstance(task, SinkTask)
        return WorkerSinkTask(setup, task, paused=paused)

    def _reporters(
        self, task_id: TaskId, config: Mapping[str, Any], hide: Callable[[str], str]
    ) -> list[Reporter]:
        reporters: list[Reporter] = []
        if config["errors.log.enable"]:
            with_records = config["errors.log.include.messages"]
            reporters.append(
                LogReporter(task_id.connector, task_id.task, hide, with_records=with_records)
            )
        if topic := config["errors.deadletterqueue.topic.name"]:
            reporters.append(
                DeadLetters(
                    self.cluster, topic, task_id.connector, task_id.task, hide,
                    replication=config["errors.deadletterqueue.topic.replication.factor"],
                    with_context=config["errors.deadletterqueue.context.headers.enable"],
                )
            )  # fmt: skip
        return reporters

    def _pipeline(self, props: Mapping[str, str], operator: Operator) -> Pipeline:
        return Pipeline(
            self.converter("key.converter", props, is_key=True),
            self.converter("value.converter", props),
            self.converter("header.converter", props),
            self.transformations(props),
            operator,
        )

    def converter(self, option: str, props: Mapping[str, str], *, is_key: bool = False) -> Any:
        """Return the connector's converter, or the worker's with the worker's settings.

        Raises:
            ConfigError: The class is unknown, or an option of it wrong.
        """
        given = props.get(option)
        name = given or self.settings[option]
        settings = with_prefix(props if given else self.props, f"{option}.")
        kind = "header_converter" if option == "header.converter" else "converter"
        converter = self.plugins.part(kind, name).make()
        converter.configure(settings, is_key=is_key)
        return converter

    def transformations(self, props: Mapping[str, str]) -> list[Stage]:
        """Return the configured transformations of a connector, in their order.

        Raises:
            ConfigError: A type is unknown, or an option wrong.
        """
        found: list[Stage] = []
        for alias in _names(props.get("transforms", "")):
            settings = with_prefix(props, f"transforms.{alias}.")
            name = settings.pop("type", None)
            if name is None:
                raise ConfigError(
                    f'Missing required configuration "transforms.{alias}.type" '
                    "which has no default value."
                )
            predicate = settings.pop("predicate", None)
            negate = str(settings.pop("negate", "false")).lower() == "true"
            one = self.plugins.part("transformation", name).make()
            one.configure(settings)
            chosen = None if predicate is None else self._predicate(predicate, props)
            found.append(Stage(alias, one, chosen, negate))
        return found

    def _predicate(self, alias: str, props: Mapping[str, str]) -> Any:
        settings = with_prefix(props, f"predicates.{alias}.")
        name = settings.pop("type", None)
        if name is None or alias not in _names(props.get("predicates", "")):
            raise ConfigError(
                f"there is no predicate {alias!r}: predicates={alias} and "
                f"predicates.{alias}.type say what it is"
            )
        predicate = self.plugins.part("predicate", name).make()
        predicate.configure(settings)
        return predicate


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]
