"""What nodes hand on beside an update: the value its row had before, and whether it is the latest.

The topology says so (`ProcessorNode.sends_old_values`, decided by `KTable.send_old_values` while it
is built; `ProcessorNode.versioned`); here is what follows for the code. Kafka:
`KTableImpl.enableSendingOldValues`, `VersionedSemanticsGraphNode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler
    from aliran.streams.engine.variables import Vars

TAKES_OLD_VALUES: set[type] = {op.TableFilter, op.TableMapValues, op.TableTransformValues}
"""Operators that do something with the old value; others behind a sender do not see it."""

TAKES_LATEST: set[type] = {op.TableFilter, op.TableMapValues, op.TableTransformValues}
"""Operators that hand on whether an update of a versioned table is the latest, or go by it."""


@contextmanager
def latest_only(
    c: Compiler, node: op.ProcessorNode, variables: Vars, *, drops: bool = True
) -> Iterator[None]:
    """Run the lines within for updates of a versioned table that are the latest of their key.

    Others are dropped, as results are to be those of the latest rows: KIP-914.
    """
    if not c.is_sent_latest(node.name) or variables.latest is None:
        yield
        return
    with c.code.block(f"if {variables.latest}:"):
        yield
    if drops:
        with c.code.block("else:"):
            c.code.line("stats.dropped_records += 1")


def senders_of_old_values(nodes: Iterable[op.Node]) -> set[str]:
    """Return the names of the nodes that forward old values."""
    return {
        node.name for node in nodes if isinstance(node, op.ProcessorNode) and node.sends_old_values
    }
