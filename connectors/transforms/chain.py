"""The transformations of a connector, one behind the other, each perhaps with a predicate.

```
transforms=mask,drop
transforms.mask.type=org.apache.kafka.connect.transforms.MaskField$Value
transforms.mask.fields=card
transforms.drop.type=Filter
transforms.drop.predicate=gone
transforms.drop.negate=false
predicates=gone
predicates.gone.type=RecordIsTombstone
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from aliran.connectors.config.values import Type as Kind
from aliran.connectors.config.values import parse
from aliran.connectors.errors import ConfigError
from aliran.connectors.transforms.base import R, Transformation
from aliran.connectors.transforms.predicates import Predicate
from aliran.connectors.transforms.table import find_predicate, find_transformation

_T = TypeVar("_T", Transformation, Predicate)


@dataclass(frozen=True, slots=True)
class Stage:
    """One transformation and who gets it. Kafka: `TransformationStage`.

    Attributes:
        name: Its alias, such as `mask`.
        transformation: The transformation.
        predicate: What chooses the records; None for all.
        negate: Whether it chooses those that the predicate does not.
    """

    name: str
    transformation: Transformation
    predicate: Predicate | None = None
    negate: bool = False

    def apply(self, record: R) -> R | None:
        """Return the record, transformed if it is chosen."""
        if self.predicate is None or self.predicate.test(record) != self.negate:
            return self.transformation.apply(record)
        return record


class TransformationChain:
    """Applies stages in their order. Kafka: `TransformationChain`."""

    def __init__(self, stages: list[Stage]) -> None:
        self.stages = stages

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> TransformationChain:
        """Return the chain that a connector's settings describe.

        Raises:
            ConfigError: A name is unknown or a setting is wrong; the message says of which.
        """
        aliases = parse("transforms", settings.get("transforms"), Kind.LIST) or []
        if len(set(aliases)) != len(aliases):
            raise ConfigError.of(
                "transforms", f"[{', '.join(aliases)}]", "Duplicate alias provided."
            )
        return cls([_stage(alias, settings) for alias in aliases])

    def apply(self, record: R) -> R | None:
        """Return the transformed record, None where it is dropped."""
        current: R | None = record
        for stage in self.stages:
            if current is None:
                break
            current = stage.apply(current)
        return current

    def close(self) -> None:
        """Close all that is in the chain."""
        for stage in self.stages:
            stage.transformation.close()
            if stage.predicate is not None:
                stage.predicate.close()


def _stage(alias: str, settings: Mapping[str, Any]) -> Stage:
    prefix = f"transforms.{alias}."
    transformation = _made(prefix, settings, find_transformation, "Transformation")
    predicate_name = settings.get(prefix + "predicate")
    negate = settings.get(prefix + "negate")
    if predicate_name is None:
        if negate is not None:
            raise ConfigError(
                f"Config '{prefix}negate' was provided but there is no config "
                f"'{prefix}predicate' defining a predicate to be negated."
            )
        return Stage(alias, transformation)
    known = parse("predicates", settings.get("predicates"), Kind.LIST) or []
    if predicate_name not in known:
        raise ConfigError.of(
            prefix + "predicate",
            predicate_name,
            f"it is not one of predicates=[{', '.join(known)}]",
        )
    predicate = _made(f"predicates.{predicate_name}.", settings, find_predicate, "Predicate")
    negated = bool(parse(prefix + "negate", negate, Kind.BOOLEAN))
    return Stage(alias, transformation, predicate, negated)


def _made(
    prefix: str,
    settings: Mapping[str, Any],
    find: Callable[[str], Callable[[], _T] | None],
    word: str,
) -> _T:
    name = settings.get(prefix + "type")
    if name is None:
        raise ConfigError(
            f'Missing required configuration "{prefix}type" which has no default value.'
        )
    make = find(str(name).strip())
    if make is None:
        raise ConfigError.of(prefix + "type", name, f"Class {name} could not be found.")
    made = make()
    own = {
        key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)
    }
    for implicit in ("type", "predicate", "negate"):
        own.pop(implicit, None)
    try:
        made.configure(own)
    except ConfigError as error:
        raise ConfigError(f"{word} {prefix[:-1]} ({name}): {error}") from error
    return made
