"""Where the serdes of classes come from, if not from `serde_for`: a schema registry, say."""

from __future__ import annotations

import dataclasses
from importlib.metadata import entry_points
from typing import Any, Protocol, is_typeddict, runtime_checkable

import msgspec

from aliran.core.errors import ConfigError
from aliran.serdes.base import Serde
from aliran.serdes.json import PydanticSerde, StructSerde

ENTRY_POINTS = "aliran.serde_providers"
"""Group of entry points: the scheme of an address, and what makes a provider of the address."""


@runtime_checkable
class SerdeProvider(Protocol):
    """Gives serdes for classes of values; see `schema_registry=` of `App`."""

    def serde_for_type(self, target: Any) -> Serde[Any]:
        """Return the serde for a Struct, dataclass, TypedDict or pydantic model."""
        ...


def provider_of(setting: str | SerdeProvider | None) -> SerdeProvider | None:
    """Return the provider that a setting stands for.

    Args:
        setting: A provider; or the address of a schema registry, `http://host:8081`.

    Raises:
        ConfigError: It is neither, or nothing is installed that knows such addresses.
    """
    if setting is None or isinstance(setting, SerdeProvider):
        return setting
    scheme = setting.partition("://")[0] if isinstance(setting, str) else ""
    for found in entry_points(group=ENTRY_POINTS, name=scheme):
        try:
            made: SerdeProvider = found.load()(setting)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"a schema registry needs the package {error.name}: pip install 'aliran[registry]'"
            ) from error
        return made
    raise ConfigError(
        f"schema_registry={setting!r} must be the address of a registry, such as "
        "http://localhost:8081, or a provider of serdes"
    )


def bound_serde(
    serde: Serde[Any], provider: SerdeProvider | None, topic: str, *, is_key: bool
) -> Serde[Any]:
    """Return the serde for the keys or values of a topic.

    A serde that was inferred from a class is replaced by the provider's, if there is one.
    """
    if provider is not None and isinstance(serde, StructSerde | PydanticSerde):
        target = serde.target if isinstance(serde, StructSerde) else serde.model
        if _has_fields(target):
            serde = provider.serde_for_type(target)
    return serde.for_topic(topic, is_key=is_key)


def _has_fields(target: Any) -> bool:
    return isinstance(target, type) and (
        issubclass(target, msgspec.Struct)
        or dataclasses.is_dataclass(target)
        or is_typeddict(target)
        or hasattr(target, "model_fields")
    )
