"""Stores for processors of your own, as data: the engine makes them in each task that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from aliran.core.durations import Duration, to_ms
from aliran.serdes import SerdeLike, serde_for
from aliran.streams.dsl import topic_settings
from aliran.streams.errors import TopologyError
from aliran.streams.naming import check_name
from aliran.streams.operators import StoreSpec

if TYPE_CHECKING:
    from typing import Unpack


class SpecOptions(TypedDict, total=False):
    """What all stores can be told.

    Attributes:
        logging: Whether updates go to a changelog topic (default), so that the store survives
            its machine.
        caching: Whether updates are held back until commit; by default not, as the processor
            cannot see the difference and each update is wanted in the changelog.
        changelog_config: Topic settings of the changelog, by Kafka's dotted names.
    """

    logging: bool
    caching: bool
    changelog_config: Mapping[str, str]


class Stores:
    """Makes store definitions. Kafka: `Stores`, supplier and builder in one.

    >>> Stores.in_memory_key_value_store("totals", key=str, value=int).persistent
    False
    """

    @staticmethod
    def persistent_key_value_store(
        name: str,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any] = str,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value a key, on RocksDB."""
        return _spec(name, "key-value", key, value, options)

    @staticmethod
    def in_memory_key_value_store(
        name: str,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any] = str,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value a key, in memory; the changelog restores it."""
        return _spec(name, "key-value", key, value, options, persistent=False)

    @staticmethod
    def persistent_timestamped_key_value_store(
        name: str,
        *,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any] = str,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value and its time a key, on RocksDB: what tables use."""
        return _spec(name, "timestamped", key, value, options)

    @staticmethod
    def persistent_window_store(
        name: str,
        *,
        window_size: Duration,
        retention: Duration | None = None,
        key: SerdeLike[Any] = str,
        value: SerdeLike[Any] = str,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value a key and window start, on RocksDB.

        Args:
            name: Name of the store.
            window_size: Length of the windows.
            retention: How long windows are kept behind the latest one; by default their size.
            key: Type or serde of the keys.
            value: Type or serde of the values.
            options: See `SpecOptions`.

        Raises:
            TopologyError: The size is not above 0, or the retention is shorter.
        """
        size_ms = to_ms(window_size)
        retention_ms = size_ms if retention is None else to_ms(retention)
        if size_ms <= 0:
            raise TopologyError(f"store {name!r}: window_size must be above 0 ms, it is {size_ms}")
        if retention_ms < size_ms:
            raise TopologyError(
                f"store {name!r} would keep windows for {retention_ms} ms, but they are "
                f"{size_ms} ms long: retention must be at least that"
            )
        spec = _spec(name, "window", key, value, options)
        return replace(spec, retention_ms=retention_ms, window_size_ms=size_ms)


def _spec(
    name: str,
    kind: Literal["key-value", "timestamped", "window"],
    key: SerdeLike[Any],
    value: SerdeLike[Any],
    options: SpecOptions,
    *,
    persistent: bool = True,
) -> StoreSpec:
    unknown = set(options) - set(SpecOptions.__annotations__)
    if unknown:
        known = ", ".join(SpecOptions.__annotations__)
        raise TopologyError(
            f"store {name!r} has no option {', '.join(sorted(unknown))}; options: {known}"
        )
    changelog_config = topic_settings(name, options.get("changelog_config"))
    logging = options.get("logging", True)
    if changelog_config and not logging:
        raise TopologyError(
            f"store {name!r} has logging=False, so changelog_config has nothing to configure"
        )
    return StoreSpec(
        check_name(name, "store name"),
        kind,
        serde_for(key),
        serde_for(value),
        persistent=persistent,
        logging=logging,
        caching=options.get("caching", False),
        changelog_config=changelog_config,
    )
