"""What `schema_registry=` of an application stands for: serdes for classes, by one registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.serdes.base import RegistrySerde
from aliran.serdes import Serde

if TYPE_CHECKING:
    from collections.abc import Callable


class RegistrySerdes:
    """Gives serdes that keep schemas in a registry.

    `App("orders", schema_registry="http://localhost:8081")` makes one that writes Avro; for another
    format, or for options, pass one: `RegistrySerdes(url, JsonSchemaSerde, normalize=True)`.

    Args:
        registry: A client, or the address of a registry.
        serde: The class of serdes; `AvroSerde` by default.
        options: Options of the serdes, see `SerdeOptions`.
    """

    def __init__(
        self,
        registry: SchemaRegistryClient | str,
        serde: Callable[..., RegistrySerde[Any]] | None = None,
        **options: Any,
    ) -> None:
        if serde is None:
            from aliran.schema_registry.serdes.avro import AvroSerde  # the library is an extra

            serde = AvroSerde
        self.client: SchemaRegistryClient = (
            SchemaRegistryClient(registry) if isinstance(registry, str) else registry
        )
        self._make = serde
        self._options = options

    def serde_for_type(self, target: Any) -> Serde[Any]:
        """Return the serde for a class."""
        return self._make(target, self.client, **self._options)
