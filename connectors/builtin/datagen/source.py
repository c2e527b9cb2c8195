"""`Datagen`: made-up records by a description, the same for the same seed.

`fields` is a JSON object of names and kinds, for instance
`{"id": "sequence", "user": ["anna", "ben"], "amount": {"min": 1, "max": 99.5}, "at": "timestamp"}`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from aliran.connectors.api.function_tasks import Record, SourceContext
from aliran.connectors.api.functions import source
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, invalid
from aliran.connectors.errors import ConfigError

_KINDS = ("sequence", "timestamp", "boolean", "int", "float", "uuid", "word")
_WORDS = ["amber", "birch", "cedar", "delta", "ember", "flint", "grove", "harbor", "kelp", "lark"]
_START_MS = 1_700_000_000_000


def _check_fields(name: str, value: Any) -> None:
    """Check a description of fields."""
    try:
        fields = json.loads(value)
    except ValueError as error:
        raise invalid(name, value, f"it is no JSON: {error}") from None
    if not isinstance(fields, dict) or not fields:
        raise invalid(name, value, "it must be an object of names and kinds")
    for field, kind in fields.items():
        ranged = (
            isinstance(kind, dict) and {"min", "max"} == set(kind) and kind["min"] <= kind["max"]
        )
        chosen = isinstance(kind, list) and kind
        if not (ranged or chosen or kind in _KINDS):
            raise invalid(
                name, value,
                f"{field} must be one of {', '.join(_KINDS)}, a list to choose from, or "
                '{"min": …, "max": …}',
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatagenConfig:
    """The options."""

    topic: Annotated[str, Option("The topic for the records.", importance=Importance.HIGH)]
    fields: Annotated[
        str,
        Option("Names and kinds, as JSON.", importance=Importance.HIGH, validator=_check_fields),
    ]
    key_field: Annotated[str | None, Option("The field that becomes the key.")] = None
    seed: Annotated[int, Option("Another seed gives other records.")] = 1
    iterations: Annotated[
        int, Option("How many records a task makes; -1 for no end.", validator=at_least(-1))
    ] = -1
    max_interval_ms: Annotated[
        int, Option("The longest wait between two records; 0 for none.", validator=at_least(0))
    ] = 500


@source("Datagen", config=DatagenConfig, version="1")
def datagen(cfg: DatagenConfig, ctx: SourceContext) -> Iterator[Record]:
    """Make records; record number N of a task is the same in every run."""
    fields = json.loads(cfg.fields)
    if cfg.key_field is not None and cfg.key_field not in fields:
        raise ConfigError(f"key.field={cfg.key_field} is none of the fields")
    partition = {"task": ctx.split}
    number = int(ctx.offset(partition, {"iteration": 0})["iteration"])
    while not ctx.stopping and (cfg.iterations < 0 or number < cfg.iterations):
        dice = random.Random(f"{cfg.seed}/{ctx.split}/{number}")
        value = {name: _made(kind, dice, number, int(ctx.split)) for name, kind in fields.items()}
        wait_s = dice.random() * cfg.max_interval_ms / 1000
        number += 1
        yield Record(
            value,
            key=None if cfg.key_field is None else value[cfg.key_field],
            partition=partition,
            offset={"iteration": number},
        )
        if wait_s:
            ctx.sleep(wait_s)


@datagen.splits
def _splits(_cfg: DatagenConfig, max_tasks: int) -> Sequence[int]:
    return range(max_tasks)


def _made(kind: Any, dice: random.Random, number: int, task: int) -> Any:
    if isinstance(kind, list):
        return dice.choice(kind)
    if isinstance(kind, dict):
        low, high = kind["min"], kind["max"]
        whole = isinstance(low, int) and isinstance(high, int)
        return dice.randint(low, high) if whole else round(dice.uniform(low, high), 6)
    made: dict[str, Callable[[], Any]] = {
        "sequence": lambda: number,
        "timestamp": lambda: _START_MS + number * 1000 + task,
        "boolean": lambda: dice.random() < 0.5,
        "int": lambda: dice.randint(0, 999_999),
        "float": lambda: round(dice.random(), 6),
        "uuid": lambda: f"{dice.getrandbits(128):032x}",
        "word": lambda: dice.choice(_WORDS),
    }
    return made[kind]()
