"""The processors of a join on a foreign key, as frozen data. See `operators.py`.

    left table → SubscriptionSend → topic → SubscriptionReceive → SubscriptionJoin ─┐
                                       right table → ForeignTableJoin ──────────────┤
                                        result table ← ResponseJoin ← topic ←───────┘

A task of the right table's side keeps in a store who refers to which of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from aliran.serdes import Serde

if TYPE_CHECKING:
    from aliran.streams.plan.operators import TableGetter


@dataclass(frozen=True, slots=True)
class SubscriptionSend:
    """Send each update's subscription to its foreign key. Kafka: `SubscriptionSendProcessor`.

    Attributes:
        extractor: `extractor(key, value)` gives the foreign key, None for none.
        foreign_key_serde: Foreign keys are equal where their bytes are.
        value_serde: Of the left table's values, whose hash tells versions apart.
        left: Whether rows without a partner give results.
    """

    extractor: Callable[[Any, Any], Any]
    foreign_key_serde: Serde[Any]
    value_serde: Serde[Any]
    left: bool


@dataclass(frozen=True, slots=True)
class SubscriptionReceive:
    """Store or delete a subscription and forward it. Kafka: `SubscriptionReceiveProcessor`.

    Attributes:
        store: Name of the store of subscriptions.
        foreign_key_serde: Serde of the right table's keys.
        primary_key_serde: Serde of the left table's keys.
    """

    store: str
    foreign_key_serde: Serde[Any]
    primary_key_serde: Serde[Any]


@dataclass(frozen=True, slots=True)
class SubscriptionJoin:
    """Answer a subscription with the right table's row. Kafka: `SubscriptionJoinProcessor`."""

    table: TableGetter


@dataclass(frozen=True, slots=True)
class ForeignTableJoin:
    """Tell all subscribers of a row of its update. Kafka: `ForeignTableJoinProcessor`.

    Attributes:
        store: Name of the store of subscriptions.
        foreign_key_serde: Serde of the right table's keys.
        primary_key_serde: Serde of the left table's keys.
    """

    store: str
    foreign_key_serde: Serde[Any]
    primary_key_serde: Serde[Any]


@dataclass(frozen=True, slots=True)
class ResponseJoin:
    """Join a response with the left row, unless that has changed. Kafka: `ResponseJoinProcessor`.

    Attributes:
        table: How to look into the left table.
        value_serde: Of its values, for their hash.
        joiner: `joiner(value, foreign_value)`.
        left: Whether rows without a partner give results.
    """

    table: TableGetter
    value_serde: Serde[Any]
    joiner: Callable[[Any, Any], Any]
    left: bool


ForeignKeyOperator: TypeAlias = (
    SubscriptionSend | SubscriptionReceive | SubscriptionJoin | ForeignTableJoin | ResponseJoin
)
