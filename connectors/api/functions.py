"""Connectors as functions: `@source` makes one of a generator, `@sink` one of a function.

    @source("counter", config=CounterConfig)
    def counter(cfg: CounterConfig, ctx: SourceContext) -> Iterator[Record]:
        n = ctx.offset({"id": ctx.task}, {"n": 0})["n"]
        while True:
            n += 1
            yield Record({"n": n}, partition={"id": ctx.task}, offset={"n": n})

    @sink("printer", config=PrinterConfig)
    def printer(cfg: PrinterConfig, ctx: SinkContext, batch: Sequence[SinkRecord]) -> None: ...

Both may be `async`. `raise Retry(after=5)` tries again: a source's generator starts anew behind its
last record, a sink gets the same batch. What the decorators give are connector classes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from aliran.connectors.api.connector import SinkConnector, SourceConnector
from aliran.connectors.api.function_tasks import (
    Record,
    Retry,
    SinkContext,
    SinkFunctionTask,
    SourceContext,
    SourceFunctionTask,
)
from aliran.connectors.api.tasks import SinkTask, SourceTask
from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.config.typed import definition_of, instance_of

C = TypeVar("C")

SourceFunction: TypeAlias = Callable[[C, SourceContext], Iterator[Record] | AsyncIterator[Record]]
SinkFunction: TypeAlias = Callable[[C, SinkContext, Sequence[Any]], Any]
Splits: TypeAlias = Callable[[C, int], Sequence[Any]]

SPLIT = "aliran.split"
"""The option of a task's configuration that holds its split, as JSON."""

TASK = "aliran.task"
"""The option of a task's configuration that holds its number."""


@dataclass(slots=True)
class SourcePlugin(Generic[C]):
    """A source made of a function; call it as the function in tests.

    Attributes:
        function: The function.
        connector: The connector class, for entry points and `connector.class`.
    """

    function: SourceFunction[C]
    connector: type[FunctionSource]

    def __call__(self, cfg: C, ctx: SourceContext) -> Iterator[Record] | AsyncIterator[Record]:
        """Call the function."""
        return self.function(cfg, ctx)

    def splits(self, function: Splits[C]) -> Splits[C]:
        """Decorate a function that says what each task reads: `(config, max_tasks) -> list`."""
        self.connector.deal = staticmethod(function)
        return function

    def check(self, function: Callable[[C], None]) -> Callable[[C], None]:
        """Decorate a function that tries the configuration, and raises ConnectError."""
        self.connector.try_out = staticmethod(function)
        return function


@dataclass(slots=True)
class SinkPlugin(Generic[C]):
    """A sink made of a function; call it as the function in tests.

    Attributes:
        function: The function.
        connector: The connector class, for entry points and `connector.class`.
    """

    function: SinkFunction[C]
    connector: type[FunctionSink]

    def __call__(self, cfg: C, ctx: SinkContext, batch: Sequence[Any]) -> Any:
        """Call the function."""
        return self.function(cfg, ctx, batch)

    def check(self, function: Callable[[C], None]) -> Callable[[C], None]:
        """Decorate a function that tries the configuration, and raises ConnectError."""
        self.connector.try_out = staticmethod(function)
        return function


class _Settings:
    """What both kinds of connectors share: the typed configuration."""

    settings: type[Any]
    alias: str
    function: Callable[..., Any]
    try_out: Callable[[Any], None] | None = None
    _props: dict[str, str]

    def start(self, props: Mapping[str, str]) -> None:
        """Keep the configuration."""
        self._props = dict(props)

    def stop(self) -> None:
        """Do nothing: tasks do the work."""

    def config(self) -> ConfigDef:
        """Return the options of the typed configuration."""
        return definition_of(self.settings)

    def check(self, given: Mapping[str, str]) -> None:
        """Call the function that was decorated with `check`."""
        if self.try_out is not None:
            self.try_out(instance_of(self.settings, given))


class FunctionSource(_Settings, SourceConnector):
    """The connector around a source function."""

    deal: Callable[[Any, int], Sequence[Any]] | None = None
    task: type[SourceTask]

    def task_class(self) -> type[SourceTask]:
        """Return the task around the function."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return a configuration for each split; one task where there is no `splits`."""
        splits: Sequence[Any] = [None]
        if self.deal is not None:
            splits = self.deal(instance_of(self.settings, self._props), max_tasks)
        return [
            {**self._props, TASK: str(number), SPLIT: json.dumps(split)}
            for number, split in enumerate(splits)
        ]


class FunctionSink(_Settings, SinkConnector):
    """The connector around a sink function."""

    task: type[SinkTask]

    def task_class(self) -> type[SinkTask]:
        """Return the task around the function."""
        return self.task

    def task_configs(self, max_tasks: int) -> list[dict[str, str]]:
        """Return as many tasks as may be: partitions are dealt out by the group."""
        return [{**self._props, TASK: str(number)} for number in range(max_tasks)]


def source(
    name: str, *, config: type[C], version: str = "0"
) -> Callable[[SourceFunction[C]], SourcePlugin[C]]:
    """Make a source connector of a generator function.

    Args:
        name: Its alias in `connector.class`.
        config: The class of its configuration: a msgspec Struct or a dataclass.
        version: Its version.
    """
    definition_of(config)  # a wrong class is told where it is decorated

    def decorate(function: SourceFunction[C]) -> SourcePlugin[C]:
        shared = {"settings": config, "alias": name, "function": staticmethod(function)}
        task = type(f"{function.__name__}_task", (SourceFunctionTask,), shared)
        connector = type(
            function.__name__,
            (FunctionSource,),
            {**shared, **_identity(function), "version": version, "task": task},
        )
        return SourcePlugin(function, connector)

    return decorate


def sink(
    name: str, *, config: type[C], version: str = "0"
) -> Callable[[SinkFunction[C]], SinkPlugin[C]]:
    """Make a sink connector of a function that takes batches.

    Args:
        name: Its alias in `connector.class`.
        config: The class of its configuration: a msgspec Struct or a dataclass.
        version: Its version.
    """
    definition_of(config)

    def decorate(function: SinkFunction[C]) -> SinkPlugin[C]:
        shared = {"settings": config, "alias": name, "function": staticmethod(function)}
        task = type(f"{function.__name__}_task", (SinkFunctionTask,), shared)
        connector = type(
            function.__name__,
            (FunctionSink,),
            {**shared, **_identity(function), "version": version, "task": task},
        )
        return SinkPlugin(function, connector)

    return decorate


def _identity(function: Callable[..., Any]) -> dict[str, Any]:
    return {"__module__": function.__module__, "__doc__": function.__doc__}


__all__ = [
    "Record",
    "Retry",
    "SinkContext",
    "SinkPlugin",
    "SourceContext",
    "SourcePlugin",
    "sink",
    "source",
]
