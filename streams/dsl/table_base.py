"""What all tables share: where they stand, how others look into them, and old values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aliran.streams.dsl.config_objects import Materialized, with_keywords
from aliran.streams.dsl.hints import unknown_operator

if TYPE_CHECKING:
    from aliran.streams.dsl.places import Place
    from aliran.streams.plan.operators import TableGetter

K = TypeVar("K")
V = TypeVar("V")

AskForOldValues = Callable[[bool], bool]
"""`ask(force)` prepares what is in front of a table; see `KTable.send_old_values`."""


class TableBase(Generic[K, V]):
    """A table's place and its ways in.

    Args:
        place: Where the table stands.
        getter: Gives how others look into it; stores what has to be stored for that.
        queryable: Name of the store that users may query.
        ask_for_old_values: Prepares what is in front; None where the node itself knows them.
    """

    def __init__(
        self,
        place: Place,
        getter: Callable[[], TableGetter],
        queryable: str | None,
        ask_for_old_values: AskForOldValues | None = None,
    ) -> None:
        self._place = place
        self._getter = getter
        self._ask_for_old_values = ask_for_old_values
        self.queryable_store_name = queryable

    if not TYPE_CHECKING:  # type checkers are to see what is not there

        def __getattr__(self, name: str) -> None:
            raise unknown_operator(self, name)

    @property
    def name(self) -> str:
        """Name of the topology's node that gives this table."""
        return self._place.name

    @property
    def place(self) -> Place:
        """Where in the plan the table stands; for operators, not for users."""
        return self._place

    @property
    def sources(self) -> frozenset[str]:
        """Names of the sources its records come from."""
        return self._place.sources

    def getter(self) -> TableGetter:
        """Return how others look into the table; stores it if it was not stored yet."""
        return self._getter()

    def send_old_values(self, *, force: bool) -> bool:
        """Let the table forward the value before each update too, if it knows it.

        A filter asks whoever can tell; a join or a group that depends on it forces the source to
        be stored. The order of definition counts, as it does for Kafka: a filter in front of the
        join that makes the source a store has asked in vain. Kafka:
        `KTableImpl.enableSendingOldValues`.

        Args:
            force: Store what has to be stored.

        Returns:
            Whether old values will come.
        """
        step = self._place.step
        if step.sends_old_values:
            return True
        ask = self._ask_for_old_values
        step.sends_old_values = ask is None or ask(force)
        return step.sends_old_values


def table_config(
    method: str, materialized: Materialized[Any, Any] | None, store: str | None, options: Any
) -> Materialized[Any, Any] | None:
    """Return None where nothing was said: Kafka counts names otherwise then."""
    given = {name: value for name, value in options.items() if value is not None}
    if materialized is None and store is None and not given:
        return None
    return with_keywords(method, materialized, Materialized(), store=store, **given)
