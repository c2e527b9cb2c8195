"""Which nodes hand on the value a row had before, beside its new one.

A filter behind a stored table needs it: a row that did not match before and does not match now is
no news. Without a store nobody knows the old value, and every row that does not match is forwarded
as a tombstone. Kafka: `KTableImpl.enableSendingOldValues`.
"""

from __future__ import annotations

from collections.abc import Iterable

from aliran.streams import operators as op


def senders_of_old_values(nodes: Iterable[op.Node]) -> set[str]:
    """Return the names of the nodes that know old values and have a filter that asks for them."""
    found: set[str] = set()
    known = [node for node in nodes if isinstance(node, op.ProcessorNode)]
    by_name = {node.name: node for node in known}
    for node in known:
        if not isinstance(node.operator, op.TableFilter):
            continue
        path: list[str] = []
        parent = by_name.get(node.parents[0])
        while parent is not None:
            path.append(parent.name)
            if getattr(parent.operator, "store", None) is not None:
                found.update(path)
                break
            if not isinstance(parent.operator, op.TableFilter | op.TableMapValues):
                break
            parent = by_name.get(parent.parents[0])
    return found
