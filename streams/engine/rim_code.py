"""Code at the rim: processors of the user's, and sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aliran.serdes import WindowedSerde
from aliran.streams.engine.variables import Vars, same_format
from aliran.streams.plan import operators as op

if TYPE_CHECKING:
    from aliran.streams.engine.compiler import Compiler


def write_custom(c: Compiler, node: op.ProcessorNode, spec: op.Custom, v: Vars) -> None:
    """Hand the record to a processor of the user's; what it forwards comes by other ways."""
    process, key = c.bind("p", c.bindings.processor(node)), c.key(v)
    kind = "FixedKeyRecord" if spec.fixed_key else "Record"
    c.code.line(
        f"{process}({kind}({key}, {v.value}, {v.time}, {v.headers} or ()))", "call process()"
    )


def write_sink(c: Compiler, node: op.SinkNode, v: Vars) -> None:
    """Append the record to the columns of a sink, both serialised before either is appended."""
    code, sink = c.code, c.bindings.sink(node)
    guard = c.bindings.sink_guard(node)
    if not sink.is_static:
        send, key = c.bind("send", sink.send), c.key(v)
        sink.guard = guard
        code.line(f"{send}({key}, {v.value}, {v.time}, {v.headers})", "write the topic of")
        return
    if guard is None:
        _write_static_sink(c, node, v)
        return
    with c.guarded(guard, v):
        _write_static_sink(c, node, v)


def _write_static_sink(c: Compiler, node: op.SinkNode, v: Vars) -> None:
    code, sink = c.code, c.bindings.sink(node)
    key, value = c.fresh("k"), c.fresh("v")
    code.line(f"{key} = {_serialized_key(c, node, v)}", "serialize the key for")
    serialized = c.serialize(node.value_serde, v.value)
    if v.window is None and same_format(node.key_serde, node.value_serde):
        # A key selected from the value is often the value itself.
        serialized = f"{key} if {v.value} is {v.key} else {serialized}"
    code.line(f"{value} = {serialized}", "serialize the value for")
    code.line(f"{c.bind('sk', sink.keys.append)}({key})")
    code.line(f"{c.bind('sv', sink.values.append)}({value})")
    code.line(f"{c.bind('st', sink.timestamps.append)}({v.time})")
    if v.headers != "None":
        headers, keys = c.bind("sh", sink.headers), c.bind("sn", sink.keys)
        code.line(f"if {v.headers}: {headers}[len({keys}) - 1] = {v.headers}")


def _serialized_key(c: Compiler, node: op.SinkNode, v: Vars) -> str:
    serde = node.key_serde
    if v.window is not None and isinstance(serde, WindowedSerde):
        if v.key_bytes is not None and same_format(v.key_format, serde.inner):
            return f"{v.key_bytes} + pack_long({v.window})"
        return f"{c.serializer(serde.inner, v.key)} + pack_long({v.window})"
    if v.window is None and v.key_bytes is not None and same_format(v.key_format, serde):
        return v.key_bytes
    return c.serialize(serde, c.key(v))
