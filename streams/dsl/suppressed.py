"""When a table's updates are held back, and in what room. Kafka: `Suppressed`, `BufferConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aliran.core.durations import to_ms
from aliran.streams.dsl.windows import idle_ms_of
from aliran.streams.errors import TopologyError
from aliran.streams.plan.operators import (
    Aggregate,
    StoreSpec,
    SuppressedGetter,
    TableGetter,
)
from aliran.streams.plan.window_operators import Suppress, WindowedAggregate, grace_of

if TYPE_CHECKING:
    from aliran.core.durations import Duration
    from aliran.streams.dsl.places import Place
    from aliran.streams.plan.graph import PlanNode

SUPPRESS = "KTABLE-SUPPRESS-"
"""Begins the automatic names of suppressions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BufferConfig:
    """The room that a suppression has. Kafka: `Suppressed.BufferConfig`.

    >>> BufferConfig.of_max_records(1_000).shut_down_when_full().shuts_down_when_full
    True

    Attributes:
        max_records: The most keys to hold back; None for any number.
        max_bytes: The most bytes to hold back, with some for each record's context; None for any.
        shuts_down_when_full: Whether to stop with an error when there is no room, or to let the
            oldest updates go.
        logging: Whether the buffer has a changelog (default); without, it is lost with the process.
        changelog_config: Topic settings of the changelog, by Kafka's dotted names.
    """

    max_records: int | None = None
    max_bytes: int | None = None
    shuts_down_when_full: bool = False
    logging: bool = True
    changelog_config: Mapping[str, str] | None = None

    @classmethod
    def unbounded(cls) -> BufferConfig:
        """Return room without limits."""
        return cls()

    @classmethod
    def of_max_records(cls, count: int) -> BufferConfig:
        """Return room for so many keys; when it is used up, the oldest updates go."""
        return cls(max_records=count)

    @classmethod
    def of_max_bytes(cls, count: int) -> BufferConfig:
        """Return room for so many bytes; when it is used up, the oldest updates go."""
        return cls(max_bytes=count)

    def with_max_records(self, count: int) -> BufferConfig:
        """Return the same with another number of keys."""
        return replace(self, max_records=count)

    def with_max_bytes(self, count: int) -> BufferConfig:
        """Return the same with another number of bytes."""
        return replace(self, max_bytes=count)

    def with_no_bound(self) -> BufferConfig:
        """Return the same without limits."""
        return replace(self, max_records=None, max_bytes=None)

    def emit_early_when_full(self) -> BufferConfig:
        """Let the oldest updates go when there is no room."""
        return replace(self, shuts_down_when_full=False)

    def shut_down_when_full(self) -> BufferConfig:
        """Stop with an error when there is no room."""
        return replace(self, shuts_down_when_full=True)

    def with_logging_enabled(self, changelog_config: Mapping[str, str]) -> BufferConfig:
        """Return the same with a changelog of these settings."""
        return replace(self, logging=True, changelog_config=changelog_config)

    def with_logging_disabled(self) -> BufferConfig:
        """Return the same without a changelog."""
        return replace(self, logging=False, changelog_config=None)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Which updates are held back, and how long; for `KTable.suppress`. Kafka: `Suppressed`.

    Attributes:
        limit_ms: How long after its record's time an update is held back; None until its window
            closes.
        buffer: The room for what is held back.
        name: Name of the processor; its store is `<name>-store`.
        idle_ms: Close all windows when no update has come for so long by wall clock, if at all.
    """

    limit_ms: int | None
    buffer: BufferConfig
    name: str | None = None
    idle_ms: int | None = None

    @classmethod
    def until_window_closes(
        cls,
        buffer: BufferConfig | None = None,
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
        shut_down_when_full: bool = True,
        idle_after: Duration | None = None,
    ) -> Suppressed:
        """Emit one result a key and window: the last one, when nothing can change it any more.

        That is when stream time passes the window's end and its grace. As in Kafka, sliding and
        session windows take a record at just that time still, so that a result may come twice.

        Args:
            buffer: Its room; unbounded by default.
            max_records: The most keys to hold back.
            max_bytes: The most bytes to hold back.
            shut_down_when_full: Must be true: a result that is emitted early is not final.
            idle_after: Close all open windows when no update has come for so long by wall clock.
                What comes for them then is dropped. Not Kafka's, see docs/extensions.md.

        Raises:
            TopologyError: The buffer would emit early, or the time is not above 0.
        """
        config = _config(buffer, max_records, max_bytes, shut_down_when_full)
        bounded = config.max_records is not None or config.max_bytes is not None
        if bounded and not config.shuts_down_when_full:
            raise TopologyError(
                "until_window_closes emits final results only, so its buffer cannot emit early: "
                "leave it unbounded, or let it shut down when it is full"
            )
        idle_ms = idle_ms_of("until_window_closes", idle_after)
        return cls(None, replace(config, shuts_down_when_full=True), idle_ms=idle_ms)

    @classmethod
    def until_time_limit(
        cls,
        limit: Duration,
        buffer: BufferConfig | None = None,
        *,
        max_records: int | None = None,
        max_bytes: int | None = None,
        shut_down_when_full: bool = False,
    ) -> Suppressed:
        """Emit the last update of a key when `limit` of stream time has passed since its first.

        Args:
            limit: How long.
            buffer: Its room; unbounded by default.
            max_records: The most keys to hold back.
            max_bytes: The most bytes to hold back.
            shut_down_when_full: Stop with an error when there is no room; by default the oldest
                updates go early.

        Raises:
            TopologyError: The limit is below 0.
        """
        limit_ms = to_ms(limit)
        if limit_ms < 0:
            raise TopologyError(f"the limit of suppress must not be below 0 ms, it is {limit_ms}")
        return cls(limit_ms, _config(buffer, max_records, max_bytes, shut_down_when_full))

    def with_name(self, name: str) -> Suppressed:
        """Return the same with a name for the processor."""
        return replace(self, name=name)

    def operator(self, store: str, place: Place) -> Suppress:
        """Return the operator that does it to the table at `place`.

        Raises:
            TopologyError: Windows are to close where there are none.
        """
        wait_ms = window_grace(place.step) if self.limit_ms is None else self.limit_ms
        return Suppress(
            store,
            wait_ms,
            self.limit_ms is None,
            self.buffer.max_records,
            self.buffer.max_bytes,
            self.buffer.shuts_down_when_full,
            idle_ms=self.idle_ms,
        )

    def store(self, name: str, place: Place) -> StoreSpec:
        """Return the buffer's store."""
        return StoreSpec(
            name,
            "change-buffer",
            place.key_or_default(),
            place.value_or_default(),
            persistent=False,
            logging=self.buffer.logging,
            caching=False,
            changelog_config=dict(self.buffer.changelog_config or {}),
        )


def suppressed_getter(buffer: str, table: TableGetter) -> TableGetter:
    """Return how others look into a suppressed table."""
    return TableGetter("", suppressed=SuppressedGetter(buffer, table))


def window_grace(step: PlanNode) -> int:
    """Return how long after their end the windows in front of a step take records, in ms.

    Of several the longest counts; a join of two tables has those of both. Kafka:
    `GraphGraceSearchUtil`.

    Raises:
        TopologyError: There are no windows.
    """
    operator = getattr(step, "operator", None)
    if isinstance(operator, Aggregate | WindowedAggregate) and operator.windows is not None:
        return grace_of(operator.windows)
    if not step.parents:
        raise TopologyError(
            "suppress until windows close needs windows in front: there are none between "
            f"{step.name!r} and it. Use until_time_limit, or windowed_by before the aggregation"
        )
    return max(window_grace(parent) for parent in step.parents)


def _config(
    buffer: BufferConfig | None,
    max_records: int | None,
    max_bytes: int | None,
    shut_down_when_full: bool,
) -> BufferConfig:
    if buffer is None:
        buffer = BufferConfig(shuts_down_when_full=shut_down_when_full)
    if max_records is not None:
        buffer = buffer.with_max_records(max_records)
    if max_bytes is not None:
        buffer = buffer.with_max_bytes(max_bytes)
    for what, limit in (("records", buffer.max_records), ("bytes", buffer.max_bytes)):
        if limit is not None and limit < 0:
            raise TopologyError(f"a buffer cannot hold {limit} {what}")
    return buffer
