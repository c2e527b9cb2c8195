"""Code of joins on a foreign key: calls of the functions here, which do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aliran.streams.dsl.foreign_keys import (
    Instruction,
    Response,
    Subscription,
    foreign_prefix,
    primary_key_of,
)
from aliran.streams.engine.getters import Getter, open_getter
from aliran.streams.engine.murmur3 import hash128
from aliran.streams.engine.old_values import TAKES_LATEST, TAKES_OLD_VALUES, latest_only
from aliran.streams.engine.variables import Vars
from aliran.streams.plan import foreign_key_operators as op

if TYPE_CHECKING:
    from aliran.serdes import Serde
    from aliran.streams.engine.compiler import Compiler
    from aliran.streams.plan.operators import ProcessorNode

_DELETES = (Instruction.DELETE_KEY_AND_PROPAGATE, Instruction.DELETE_KEY_NO_PROPAGATE)


# ---------------------------------------------------------------------------- the left side


def _write_send(c: Compiler, node: ProcessorNode, spec: op.SubscriptionSend, v: Vars) -> None:
    sender = _Sender(spec, c.bindings.statistics, c.bindings.partition)
    send, key = c.bind("send", sender.left if spec.left else sender.inner), c.key(v)
    foreign, value = c.fresh("k"), c.fresh("v")
    loop = f"for {foreign}, {value} in {send}({key}, {v.value}, {v.old or None}):"
    with latest_only(c, node, v), c.code.block(loop, "extract the foreign key for"):
        c.write_children(node.name, Vars(foreign, value, v.time, v.headers))


class _Sender:
    """Which subscriptions an update begins and ends."""

    def __init__(self, spec: op.SubscriptionSend, statistics: Any, partition: int) -> None:
        self._extract = spec.extractor
        self._foreign_key_serde = spec.foreign_key_serde
        self._value_serde = spec.value_serde
        self._statistics = statistics
        self._partition = partition

    def left(self, key: Any, new: Any, old: Any) -> Iterator[tuple[Any, Subscription]]:
        """Every row subscribes, those without a foreign key to nothing."""
        if old is None and new is None:
            return
        before = None if old is None else self._extract(key, old)
        after = None if new is None else self._extract(key, new)
        found = _hash_of(self._value_serde, new)
        if before is not None and self._differ(before, after):
            yield self._subscription(before, found, Instruction.DELETE_KEY_NO_PROPAGATE, key)
        instruction = Instruction.PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE
        yield self._subscription(after, found, instruction, key)

    def inner(self, key: Any, new: Any, old: Any) -> Iterator[tuple[Any, Subscription]]:
        """Rows subscribe that have a foreign key; a result is taken back where one may be."""
        before = None if old is None else self._extract(key, old)
        after = None if new is None else self._extract(key, new)
        found = _hash_of(self._value_serde, new)
        if after is None:
            if new is not None:
                self._statistics.dropped_records += 1
            if before is not None:
                yield self._subscription(before, found, Instruction.DELETE_KEY_AND_PROPAGATE, key)
            return
        instruction = Instruction.PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE
        if before is not None and self._differ(before, after):
            yield self._subscription(before, found, Instruction.DELETE_KEY_NO_PROPAGATE, key)
            instruction = Instruction.PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE
        yield self._subscription(after, found, instruction, key)

    def _differ(self, one: Any, other: Any) -> bool:
        serialize = self._foreign_key_serde.serialize
        return serialize(one) != serialize(other)

    def _subscription(
        self, foreign: Any, found: bytes | None, instruction: Instruction, key: Any
    ) -> tuple[Any, Subscription]:
        return foreign, Subscription(found, instruction, key, self._partition)


def _write_response(c: Compiler, node: ProcessorNode, spec: op.ResponseJoin, v: Vars) -> None:
    code, key, value = c.code, c.key(v), c.fresh("v")
    resolver = _Resolver(spec, open_getter(c.bindings, spec.table))
    current, resolve = c.bind("current", resolver.current), c.bind("resolve", resolver.resolve)
    row = c.fresh("r")
    code.line(f"{row} = {current}({key}, {v.value})", "look into the left table of")
    with code.block(f"if {row} is None:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        code.line(f"{value} = {resolve}({row}[0], {v.value})", "call the joiner")
        c.write_children(node.name, c.with_key(v, key)._replace(value=value, old=None))


class _Resolver:
    """Joins responses with the rows they were asked for."""

    def __init__(self, spec: op.ResponseJoin, getter: Getter) -> None:
        self._get = getter
        self._serde = spec.value_serde
        self._joiner = spec.joiner
        self._left = spec.left

    def current(self, key: Any, response: Response) -> tuple[Any] | None:
        """Return the left row's value, in a tuple; None where it has changed since it asked."""
        row = self._get(key)
        value = None if row is None else row[0]
        return (value,) if _hash_of(self._serde, value) == response.hash else None

    def resolve(self, value: Any, response: Response) -> Any:
        """Return the result, None where there is none (any more)."""
        if response.foreign_value is None and (value is None or not self._left):
            return None
        return self._joiner(value, response.foreign_value)


# A row is hashed when it subscribes, and again when the answer comes.
_hash128 = lru_cache(maxsize=8_192)(hash128)


def _hash_of(serde: Serde[Any], value: Any) -> bytes | None:
    data = serde.serialize(value)
    return None if data is None else _hash128(data)


# ---------------------------------------------------------------------------- the right side


def _write_receive(c: Compiler, node: ProcessorNode, spec: op.SubscriptionReceive, v: Vars) -> None:
    code, key = c.code, c.key(v)
    only_null = int(Instruction.PROPAGATE_NULL_IF_NO_FK_VAL_AVAILABLE)
    with code.block(f"if {key} is None and {v.value}.instruction != {only_null}:"):
        code.line("stats.dropped_records += 1")
    with code.block("else:"):
        receive = c.bind("receive", _receiver(c, spec))
        code.line(f"{receive}({key}, {v.value}, {v.time}, {v.headers})", "update the store of")
        c.write_children(node.name, c.with_key(v, key)._replace(old=None))


def _receiver(c: Compiler, spec: op.SubscriptionReceive) -> Callable[..., None]:
    table = c.bindings.table(spec.store)
    foreign, primary = spec.foreign_key_serde, spec.primary_key_serde

    def receive(key: Any, subscription: Subscription, time: int, headers: Any) -> None:
        prefix = foreign.serialize(key)
        if prefix is None:  # subscribed to nothing
            return
        combined = foreign_prefix(prefix) + (primary.serialize(subscription.primary_key) or b"")
        gone = subscription.instruction in _DELETES
        table.put_logging_headers(combined, None if gone else subscription, time, headers)

    return receive


def _write_subscription_join(
    c: Compiler, node: ProcessorNode, spec: op.SubscriptionJoin, v: Vars
) -> None:
    answer, key = c.bind("answer", _answerer(open_getter(c.bindings, spec.table))), c.key(v)
    primary, value, time = c.fresh("k"), c.fresh("v"), c.fresh("t")
    loop = f"for {primary}, {value}, {time} in {answer}({key}, {v.value}, {v.time}):"
    with c.code.block(loop, "look into the right table of"):
        c.write_children(node.name, Vars(primary, value, time, v.headers))


def _answerer(
    getter: Getter,
) -> Callable[[Any, Subscription, int], list[tuple[Any, Response, int]]]:
    def answer(key: Any, subscription: Subscription, time: int) -> list[tuple[Any, Response, int]]:
        found, instruction, primary, partition = subscription
        row = None if key is None else getter(key)
        if row is not None and row[1] > time:
            time = row[1]
        if instruction == Instruction.DELETE_KEY_NO_PROPAGATE:
            return []
        if instruction == Instruction.DELETE_KEY_AND_PROPAGATE:
            return [(primary, Response(found, None, partition), time)]
        if row is None:
            if instruction == Instruction.PROPAGATE_ONLY_IF_FK_VAL_AVAILABLE:
                return []
            return [(primary, Response(found, None, partition), time)]
        return [(primary, Response(found, row[0], partition), time)]

    return answer


def _write_foreign_join(
    c: Compiler, node: ProcessorNode, spec: op.ForeignTableJoin, v: Vars
) -> None:
    tell, key = c.bind("tell", _teller(c, spec)), c.key(v)
    primary, value = c.fresh("k"), c.fresh("v")
    loop = f"for {primary}, {value} in {tell}({key}, {v.value}):"
    with latest_only(c, node, v), c.code.block(loop, "find the subscribers of"):
        c.write_children(node.name, Vars(primary, value, v.time, v.headers))


def _teller(
    c: Compiler, spec: op.ForeignTableJoin
) -> Callable[[Any, Any], Iterator[tuple[Any, Response]]]:
    table = c.bindings.table(spec.store)
    foreign, primary = spec.foreign_key_serde, spec.primary_key_serde

    def tell(key: Any, value: Any) -> Iterator[tuple[Any, Response]]:
        prefix = foreign_prefix(foreign.serialize(key) or b"")
        for combined, subscription in table.prefix_scan(prefix):
            response = Response(subscription.hash, value, subscription.primary_partition)
            yield primary.deserialize(primary_key_of(combined)), response

    return tell


TAKES_OLD_VALUES.add(op.SubscriptionSend)
TAKES_LATEST.update((op.SubscriptionSend, op.ForeignTableJoin))

WRITERS: dict[type, Callable[..., None]] = {
    op.SubscriptionSend: _write_send,
    op.SubscriptionReceive: _write_receive,
    op.SubscriptionJoin: _write_subscription_join,
    op.ForeignTableJoin: _write_foreign_join,
    op.ResponseJoin: _write_response,
}
