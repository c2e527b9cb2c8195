"""Stores for processors of your own, as data: the engine makes them in each task that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypedDict

from aliran.core.durations import Duration, to_ms
from aliran.serdes import SerdeLike, serde_for
from aliran.streams.dsl.config_objects import check_switch
from aliran.streams.dsl.functions import check_function
from aliran.streams.dsl.places import topic_settings
from aliran.streams.errors import TopologyError
from aliran.streams.plan.naming import check_name
from aliran.streams.plan.operators import AnyFunction, StoreKind, StoreSpec

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.storage.state import RocksDBOptions


class SpecOptions(TypedDict, total=False):
    """What all stores can be told.

    Attributes:
        key: Type or serde of the keys; str unless given.
        value: Type or serde of the values; str unless given.
        logging: Whether updates go to a changelog topic (default), so that the store survives
            its machine.
        caching: Whether updates are held back until commit; by default not, as the processor
            cannot see the difference and each update is wanted in the changelog.
        changelog_config: Topic settings of the changelog, by Kafka's dotted names.
        rocksdb_options: Settings of RocksDB for this store.
    """

    key: SerdeLike[Any]
    value: SerdeLike[Any]
    logging: bool
    caching: bool
    changelog_config: Mapping[str, str]
    rocksdb_options: RocksDBOptions


class Stores:
    """Makes store definitions. Kafka: `Stores`, supplier and builder in one.

    What they make can be given wherever a store is asked for: `add_state_store`, `stores()` of a
    processor, `store_supplier=` of a table.

    >>> Stores.in_memory_key_value_store("totals", key=str, value=int).persistent
    False
    """

    # ------------------------------------------------------------------ by key

    @staticmethod
    def persistent_key_value_store(name: str, **options: Unpack[SpecOptions]) -> StoreSpec:
        """Return a store of one value a key, on RocksDB."""
        return _spec(name, "key-value", options)

    @staticmethod
    def in_memory_key_value_store(name: str, **options: Unpack[SpecOptions]) -> StoreSpec:
        """Return a store of one value a key, in memory; the changelog restores it."""
        return _spec(name, "key-value", options, persistent=False)

    @staticmethod
    def persistent_timestamped_key_value_store(
        name: str, **options: Unpack[SpecOptions]
    ) -> StoreSpec:
        """Return a store of one value and its time a key, on RocksDB: what tables use."""
        return _spec(name, "timestamped", options)

    @staticmethod
    def in_memory_timestamped_key_value_store(
        name: str, **options: Unpack[SpecOptions]
    ) -> StoreSpec:
        """Return a store of one value and its time a key, in memory."""
        return _spec(name, "timestamped", options, persistent=False)

    @staticmethod
    def lru_map(name: str, max_entries: int, **options: Unpack[SpecOptions]) -> StoreSpec:
        """Return a store in memory of the `max_entries` keys that were used last.

        Raises:
            TopologyError: `max_entries` is negative.
        """
        if not isinstance(max_entries, int):
            raise TopologyError(f"store {name!r}: max_entries is a number, got {max_entries!r}")
        if max_entries < 0:
            raise TopologyError(f"store {name!r}: max_entries must not be negative: {max_entries}")
        return _spec(name, "lru", options, persistent=False, max_entries=max_entries)

    @staticmethod
    def persistent_versioned_key_value_store(
        name: str,
        history_retention: Duration,
        *,
        segment_interval: Duration | None = None,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store that knows what the value of a key was at a time, on RocksDB.

        Args:
            name: Name of the store.
            history_retention: How long ago one may ask for.
            segment_interval: Time span of what expires together; Kafka's choice unless given.
            options: See `SpecOptions`.

        Raises:
            TopologyError: A duration is too short, or caching is asked for.
        """
        if options.get("caching"):
            raise TopologyError(f"store {name!r} is versioned: such stores cannot be cached")
        return _spec(
            name,
            "versioned",
            options,
            retention_ms=_ms(name, "history_retention", history_retention, least=0),
            segment_interval_ms=_interval(name, segment_interval),
        )

    # ------------------------------------------------------------------ by key and window

    @staticmethod
    def persistent_window_store(
        name: str,
        *,
        window_size: Duration,
        retention: Duration | None = None,
        retain_duplicates: bool = False,
        segment_interval: Duration | None = None,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value a key and window start, on RocksDB.

        Args:
            name: Name of the store.
            window_size: Length of the windows.
            retention: How long windows are kept behind the latest one; by default their size.
            retain_duplicates: Keep all values of a key and window start instead of the last one.
            segment_interval: Time span of what expires together; half the retention, at least a
                minute, unless given.
            options: See `SpecOptions`.

        Raises:
            TopologyError: The size is not above 0, or the retention is shorter.
        """
        spec = _windows(name, "window", options, window_size, retention, retain_duplicates)
        return replace(spec, segment_interval_ms=_interval(name, segment_interval))

    @staticmethod
    def persistent_timestamped_window_store(
        name: str,
        *,
        window_size: Duration,
        retention: Duration | None = None,
        retain_duplicates: bool = False,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value and its time a key and window start, on RocksDB.

        For the arguments see `persistent_window_store`.
        """
        return _windows(
            name, "timestamped-window", options, window_size, retention, retain_duplicates
        )

    @staticmethod
    def in_memory_window_store(
        name: str,
        *,
        window_size: Duration,
        retention: Duration | None = None,
        retain_duplicates: bool = False,
        **options: Unpack[SpecOptions],
    ) -> StoreSpec:
        """Return a store of one value a key and window start, in memory.

        Its windows expire to the millisecond. For the arguments see `persistent_window_store`.
        """
        spec = _windows(name, "window", options, window_size, retention, retain_duplicates)
        return replace(spec, persistent=False)

    @staticmethod
    def persistent_session_store(
        name: str, retention: Duration, **options: Unpack[SpecOptions]
    ) -> StoreSpec:
        """Return a store of one value a session, on RocksDB.

        Args:
            name: Name of the store.
            retention: How long sessions are kept behind the latest end of one.
            options: See `SpecOptions`.

        Raises:
            TopologyError: The retention is not above 0.
        """
        return _spec(name, "session", options, retention_ms=_ms(name, "retention", retention))

    @staticmethod
    def in_memory_session_store(
        name: str, retention: Duration, **options: Unpack[SpecOptions]
    ) -> StoreSpec:
        """Return a store of one value a session, in memory; see `persistent_session_store`."""
        spec = Stores.persistent_session_store(name, retention, **options)
        return replace(spec, persistent=False)

    # ------------------------------------------------------------------ of your own

    @staticmethod
    def custom(store: StoreSpec, opener: AnyFunction) -> StoreSpec:
        """Return a store that is kept in a way of your own. Kafka: a `StoreSupplier` of yours.

        Args:
            store: What it does: its methods are those of the bytes store that is opened otherwise,
                for example `KeyValueBytesStore`.
            opener: `opener(spec, database)` makes it for each task.

        Raises:
            TopologyError: `opener` does not take two arguments.
        """
        check_function("custom", "opener(spec, database)", opener)
        return replace(store, opener=opener)

    # ------------------------------------------------------------------ as Kafka builds them

    @staticmethod
    def key_value_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a store with these serdes, without timestamps."""
        plain = {"timestamped": "key-value", "timestamped-lru": "lru"}
        return _built(store, plain, ("key-value", "lru"), key, value)

    @staticmethod
    def timestamped_key_value_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a store with these serdes, with timestamps."""
        stamped = {"key-value": "timestamped", "lru": "timestamped-lru"}
        return _built(store, stamped, ("timestamped", "timestamped-lru"), key, value)

    @staticmethod
    def versioned_key_value_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a versioned store with these serdes."""
        return _built(store, {}, ("versioned",), key, value)

    @staticmethod
    def window_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a window store with these serdes, without timestamps."""
        return _built(store, {"timestamped-window": "window"}, ("window",), key, value)

    @staticmethod
    def timestamped_window_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a window store with these serdes, with timestamps."""
        return _built(store, {"window": "timestamped-window"}, ("timestamped-window",), key, value)

    @staticmethod
    def session_store_builder(
        store: StoreSpec, key: SerdeLike[Any], value: SerdeLike[Any]
    ) -> StoreSpec:
        """Return a session store with these serdes."""
        return _built(store, {}, ("session",), key, value)


def _spec(name: str, kind: StoreKind, options: SpecOptions, **settings: Any) -> StoreSpec:
    unknown = set(options) - set(SpecOptions.__annotations__)
    if unknown:
        known = ", ".join(SpecOptions.__annotations__)
        raise TopologyError(
            f"store {name!r} has no option {', '.join(sorted(unknown))}; options: {known}"
        )
    changelog_config = topic_settings(name, options.get("changelog_config"))
    for switch in ("logging", "caching"):
        check_switch(f"store {name!r}", switch, options.get(switch))
    check_switch(f"store {name!r}", "retain_duplicates", settings.get("retain_duplicates"))
    logging = options.get("logging", True)
    if changelog_config and not logging:
        raise TopologyError(
            f"store {name!r} has logging=False, so changelog_config has nothing to configure"
        )
    rocksdb_options = options.get("rocksdb_options")
    if rocksdb_options is not None and not settings.get("persistent", True):
        raise TopologyError(f"store {name!r} is in memory, so rocksdb_options has no use")
    return StoreSpec(
        check_name(name, "store name"),
        kind,
        serde_for(options.get("key", str)),
        serde_for(options.get("value", str)),
        logging=logging,
        caching=options.get("caching", False),
        changelog_config=changelog_config,
        rocksdb_options=rocksdb_options,
        **settings,
    )


def _windows(
    name: str,
    kind: StoreKind,
    options: SpecOptions,
    window_size: Duration,
    retention: Duration | None,
    retain_duplicates: bool,
) -> StoreSpec:
    size_ms = _ms(name, "window_size", window_size)
    retention_ms = size_ms if retention is None else to_ms(retention)
    if retention_ms < size_ms:
        raise TopologyError(
            f"store {name!r} would keep windows for {retention_ms} ms, but they are "
            f"{size_ms} ms long: retention must be at least that"
        )
    return _spec(
        name,
        kind,
        options,
        retention_ms=retention_ms,
        window_size_ms=size_ms,
        retain_duplicates=retain_duplicates,
    )


def _ms(name: str, what: str, duration: Duration, *, least: int = 1) -> int:
    duration_ms = to_ms(duration)
    if duration_ms < least:
        bound = "must be above 0 ms" if least else "must not be negative"
        raise TopologyError(f"store {name!r}: {what} {bound}, it is {duration_ms}")
    return duration_ms


def _interval(name: str, duration: Duration | None) -> int | None:
    return None if duration is None else _ms(name, "segment_interval", duration)


def _built(
    store: StoreSpec,
    kinds: Mapping[Any, Any],
    wanted: tuple[StoreKind, ...],
    key: SerdeLike[Any],
    value: SerdeLike[Any],
) -> StoreSpec:
    kind: StoreKind = kinds.get(store.kind, store.kind)
    if kind not in wanted:
        raise TopologyError(
            f"store {store.name!r} is of kind {store.kind}, which this builder does not build: "
            f"it builds {' and '.join(wanted)}"
        )
    return replace(store, kind=kind, key_serde=serde_for(key), value_serde=serde_for(value))
