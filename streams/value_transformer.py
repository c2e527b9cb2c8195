"""Transformers of your own for the values of a table. Kafka: `ValueTransformerWithKey`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from aliran.streams.processor import ProcessingContext

K = TypeVar("K")
V = TypeVar("V")
V2 = TypeVar("V2")


class ValueTransformer(Generic[K, V, V2]):
    """Makes the value of a row from its key and old value, with the help of stores.

    One object is made for each task, and another one for each operator that looks into the table
    where it has no store. Subclass it and override `transform`; `init` keeps the context in
    `self.context`. A static method `stores()` may return the `StoreSpec` of stores to add and
    connect.

    >>> class Length(ValueTransformer[str, str, int]):
    ...     def transform(self, key: str, value: str | None) -> int | None:
    ...         return None if value is None else len(value)
    """

    context: ProcessingContext

    def init(self, context: ProcessingContext) -> None:
        """Prepare: fetch stores, schedule calls. Whoever overrides it calls `super().init`."""
        self.context = context

    def transform(self, key: K, value: V | None) -> V2 | None:
        """Return the new value of a row; None deletes it. `value` is None for a deletion."""
        raise NotImplementedError(f"{type(self).__name__} must override transform(key, value)")

    def close(self) -> None:
        """Clean up; stores are closed by others."""
