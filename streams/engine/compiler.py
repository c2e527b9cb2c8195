"""Turns the nodes of a task into Python functions: one loop from its sources down to the sinks.

For `stream.filter(p).flat_map_values(f).to(topic)` the loop reads, in essence:

    for rk, rv, t in records:
        k = None if rk is None else rk.decode()
        v = None if rv is None else decode(rv)
        if p(k, v):
            for v1 in f(v):
                ...append key, value and time to the sink's columns

A record runs through all its processors before the next one starts, as in Kafka Streams (depth
first), whatever the size of the batch; that is why batch sizes cannot change a result. A node
becomes a function of its own where it has several parents, where something other than a parent
calls it (a processor's `forward`, the flush of a cache), or where nesting gets deep.

This module knows operators and code, not brokers, threads or time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from struct import Struct
from typing import Any, NamedTuple, Protocol

from aliran.serdes import Serde, Windowed
from aliran.streams.engine import (
    aggregate_code,
    foreign_key_code,
    stateless_code,
    table_code,
    table_group_code,
    table_join_code,
    windowed_code,
)
from aliran.streams.engine.old_values import (
    TAKES_LATEST,
    TAKES_OLD_VALUES,
    senders_of_old_values,
)
from aliran.streams.engine.rim_code import write_custom, write_sink
from aliran.streams.engine.source_code import SourceCode
from aliran.streams.engine.stream_join_code import WRITERS as STREAM_JOIN_WRITERS
from aliran.streams.engine.variables import PARAMETERS, Vars, is_canonical, same_format
from aliran.streams.plan import operators as op
from aliran.streams.processor import FixedKeyRecord, Record

_MAX_DEPTH = 10
"""Levels of nesting after which a node becomes a function (Python allows 20 nested loops)."""

_KEY_PRESERVING = (
    op.Filter,
    op.DropNullKeys,
    op.MapValues,
    op.FlatMapValues,
    op.Peek,
    op.PassThrough,
)

_WRITERS: dict[type, Callable[..., None]] = {
    **stateless_code.WRITERS,
    **table_code.WRITERS,
    **table_join_code.WRITERS,
    **table_group_code.WRITERS,
    **foreign_key_code.WRITERS,
    **aggregate_code.WRITERS,
    **windowed_code.WRITERS,
    **STREAM_JOIN_WRITERS,
    op.Custom: write_custom,
}

_PACK_LONG = Struct(">q").pack


class Bindings(Protocol):
    """The live objects of one task that generated code refers to."""

    statistics: Any
    """Has a counter `dropped_records`."""

    stores: Any
    """The `TaskStores`, for operators that work on the bytes of a store."""

    @property
    def environment(self) -> Any:
        """The clock and the settings of the application."""
        ...

    origins: Any
    """Knows where the current record comes from (`RecordOrigins`)."""

    processor_metadata: dict[str, int]
    """Small numbers of operators, by name, that are committed with the task's positions."""

    def table(self, store: str) -> Any:
        """Return the KeyValueTable or WindowTable of a store."""
        ...

    def sink(self, node: op.SinkNode) -> Any:
        """Return the SinkBuffer or RoutedSink that a sink node writes to."""
        ...

    def processor(self, node: op.ProcessorNode) -> Callable[[Any], None]:
        """Return the bound `process` method of a custom processor."""
        ...

    @property
    def wraps(self) -> bool:
        """Whether every node is wrapped, and so needs a function."""
        ...

    def wrap(self, node: op.ProcessorNode, function: Callable[..., None]) -> Callable[..., None]:
        """Return what to call instead of the function of a node."""
        ...

    def transformer(self, spec: op.TableTransformValues) -> Callable[[Any, Any, int], Any]:
        """Return `transform(key, value, time)` of a new transformer of a table's values."""
        ...

    @property
    def partition(self) -> int:
        """The partition of its inputs that the task reads."""
        ...

    def call_at_intervals(
        self, node: str, interval_ms: int, function: Callable[[int], None], *, stream_time: bool
    ) -> None:
        """Call `function(now)` at intervals of stream time or the wall clock, for a node."""
        ...

    def flush_caches(self) -> None:
        """Forward what caches hold back."""
        ...

    def node_guard(self, node: str) -> Callable[..., None] | None:
        """Return what to call with (error, key, value, time, headers) of a node, if anything."""
        ...

    def sink_guard(self, node: op.SinkNode) -> Callable[..., None] | None:
        """Return what to call so with an error of a sink's serialisers, if anything."""
        ...

    def is_trusted(self, source: op.SourceNode) -> bool:
        """Tell whether we wrote what a source reads, so that unused values need no decoding."""
        ...


class SourceFunctions(NamedTuple):
    """The loops that a source's records go through: one for those that may have headers.

    Each takes an iterator of (key, value, timestamp[, headers]) with serialised keys and values.
    Where a task has several sources, one loop serves them all, so that their records can follow
    each other in any order; it takes the number of the source first.
    """

    plain: Callable[[Iterator[Any]], None]
    with_headers: Callable[[Iterator[Any]], None]
    number: int | None = None


class Compiled(NamedTuple):
    """What came out.

    Attributes:
        sources: The loops, by name of the source node.
        nodes: The function of each node that has one: `f(key, value, timestamp, headers)`.
        flushes: For each caching node, the function that forwards its dirty entries downstream.
        code: The source, to find the node a traceback passed through.
    """

    sources: dict[str, SourceFunctions]
    nodes: dict[str, Callable[..., None]]
    flushes: dict[str, Callable[..., None]]
    code: SourceCode


class Compiler:
    """Compiles the nodes of one task; use `compile_nodes`."""

    def __init__(self, nodes: Sequence[op.Node], bindings: Bindings, file_name: str) -> None:
        self.nodes: dict[str, op.Node] = {node.name: node for node in nodes}
        self._index = {node.name: number for number, node in enumerate(nodes)}
        self._children: dict[str, list[op.Node]] = {node.name: [] for node in nodes}
        apart = {getattr(getattr(node, "operator", None), "late", None) for node in nodes}
        for node in nodes:
            for parent in dict.fromkeys(getattr(node, "parents", ())):
                if node.name not in apart:  # late records have a way of their own
                    self._children[parent].append(node)
        self.bindings = bindings
        self.code: SourceCode = SourceCode(file_name)
        self._numbers = count()
        self._functions = {name for name in self.nodes if self._needs_function(name)}
        self._written: set[str] = set()
        # Assignments in front of the loop that is being written; None outside of loops.
        self.prologue: list[str] | None = None
        self.senders_of_old_values: set[str] = senders_of_old_values(nodes)
        # What operators keep in memory, by store: several nodes, or codes of a node, share it.
        self.operator_state: dict[str, Any] = {}
        self._forwarders: dict[str, tuple[Any, ...]] = {}
        self._senders_of_late: list[tuple[str, Any]] = []
        for node in nodes:
            self._choose_cells(node)
            if node.name in self.senders_of_old_values and self._caching_table(node):
                self.bindings.table(_store_of(node)).send_old_values()
        self.code.namespace.update(
            Windowed=Windowed,
            Record=Record,
            FixedKeyRecord=FixedKeyRecord,
            pack_long=_PACK_LONG,
            stats=bindings.statistics,
        )

    def compile(self) -> Compiled:
        """Write all functions and compile them."""
        sources = [node for node in self.nodes.values() if isinstance(node, op.SourceNode)]
        self._write_loop(sources, with_headers=False)
        self._write_loop(sources, with_headers=True)
        flushing = [node for node in self.nodes.values() if self._caching_table(node)]
        for node in flushing:
            self._write_flush(node)
        while pending := (self._functions | self._forwarders.keys()) - self._written:
            for name in sorted(pending, key=self._index.__getitem__):
                if name in self._functions:
                    self._write_function(name)
                if name in self._forwarders:
                    self._write_forward(name)
        namespace = self.code.compile()
        for name in self._functions:
            node = self.nodes[name]
            if isinstance(node, op.ProcessorNode):
                function = self._function_name(name)
                namespace[function] = self.bindings.wrap(node, namespace[function])
        for name, objects in self._forwarders.items():
            for each in objects:
                each.forward = namespace[f"forward_{self._index[name]}"]
        for name, sender in self._senders_of_late:
            sender.send_late = namespace[self._function_name(name)]
        return Compiled(
            sources={
                source.name: SourceFunctions(
                    namespace["loop"], namespace["loop_h"], number if len(sources) > 1 else None
                )
                for number, source in enumerate(sources)
            },
            nodes={name: namespace[self._function_name(name)] for name in self._functions},
            flushes={node.name: namespace[f"flush_{self._index[node.name]}"] for node in flushing},
            code=self.code,
        )

    # ------------------------------------------------------------------ functions

    def _needs_function(self, name: str) -> bool:
        node = self.nodes[name]
        if self.bindings.wraps and isinstance(node, op.ProcessorNode):
            return True
        parents = [self.nodes[parent] for parent in dict.fromkeys(getattr(node, "parents", ()))]
        if len(parents) > 1:
            return True
        return any(
            isinstance(parent, op.ProcessorNode) and isinstance(parent.operator, op.Custom)
            for parent in parents
        )

    def _choose_cells(self, node: op.Node) -> None:
        """Let an aggregation cache keys as bytes where they come straight from a source."""
        if not (isinstance(node, op.ProcessorNode) and isinstance(node.operator, op.Aggregate)):
            return
        table, name = self.bindings.table(node.operator.store), node.name
        while name not in self._functions:
            (parent,) = (self.nodes[each] for each in self._parents(name))
            if isinstance(parent, op.SourceNode):
                if same_format(parent.key_serde, table.key_serde):
                    table.use_key_bytes()
                return
            if not isinstance(getattr(parent, "operator", None), _KEY_PRESERVING):
                return
            name = parent.name

    def _parents(self, name: str) -> Sequence[str]:
        return list(dict.fromkeys(getattr(self.nodes[name], "parents", ())))

    def _is_sent_old_values(self, name: str) -> bool:
        return type(getattr(self.nodes[name], "operator", None)) in TAKES_OLD_VALUES and any(
            parent in self.senders_of_old_values for parent in self._parents(name)
        )

    def is_sent_latest(self, name: str) -> bool:
        """Tell whether a node's updates are a versioned table's, of which it minds the order."""
        return type(getattr(self.nodes[name], "operator", None)) in TAKES_LATEST and any(
            getattr(self.nodes[parent], "versioned", False) for parent in self._parents(name)
        )

    def _function_name(self, name: str) -> str:
        return f"node_{self._index[name]}"

    def _write_loop(self, sources: Sequence[op.SourceNode], *, with_headers: bool) -> None:
        code = self.code
        suffix, columns = ("_h", "rk, rv, t, h") if with_headers else ("", "rk, rv, t")
        headers = "h" if with_headers else "None"
        with code.block(f"def loop{suffix}(records):"):
            self.prologue = []
            prologue = code.reserve()
            if len(sources) == 1:
                with code.block(f"for {columns} in records:"):
                    self._write_source(sources[0], headers)
            else:
                with code.block(f"for s, {columns} in records:"):
                    for number, source in enumerate(sources):
                        with code.block(f"{'elif' if number else 'if'} s == {number}:"):
                            self._write_source(source, headers)
            code.replace(prologue, "; ".join(self.prologue))
            self.prologue = None

    def _write_source(self, source: op.SourceNode, headers: str) -> None:
        code, number = self.code, self._index[source.name]
        with code.node(source.name):
            variables = Vars("k", "v", "t", headers)
            read_key = self._deserialize(source.key_serde, "rk", f"dk{number}")
            code.line(f"k = {read_key}", "read key")
            read_value = self._deserialize(source.value_serde, "rv", f"dv{number}")
            code.line(f"v = {read_value}", "read value")
            lines = code.length
            if is_canonical(source.key_serde):
                variables = variables._replace(key_bytes="rk", key_format=source.key_serde)
            self.write_children(source.name, variables)
            if self.bindings.is_trusted(source):
                code.drop_unused({"k": lines - 1, "v": lines}, since=lines)

    def _write_function(self, name: str) -> None:
        self._written.add(name)
        variables, parameters = PARAMETERS, "k, v, t, h"
        if self._is_sent_old_values(name):
            variables, parameters = variables._replace(old="o"), f"{parameters}, o"
        if self.is_sent_latest(name):
            variables, parameters = variables._replace(latest="n"), f"{parameters}, n"
        with self.code.block(f"def {self._function_name(name)}({parameters}):"):
            self._write_node(self.nodes[name], variables)

    def forward_from(self, node: op.ProcessorNode, *objects: Any) -> None:
        """Give objects a `forward(key, value, time, headers, old value)` to a node's children."""
        self._forwarders[node.name] = objects

    def send_late_from(self, late: str, sender: Any) -> None:
        """Give an object a `send_late(key, value, time, headers)` to the node of late records."""
        self._functions.add(late)
        self._senders_of_late.append((late, sender))

    def _write_forward(self, name: str) -> None:
        self._written.add(name)
        variables = PARAMETERS
        if name in self.senders_of_old_values:
            variables = variables._replace(old="o")
        with (
            self.code.node(name),
            self.code.block(f"def forward_{self._index[name]}(k, v, t, h, o):"),
        ):
            self.write_children(name, variables)

    def _write_flush(self, node: op.Node) -> None:
        """The function that forwards the dirty entries of a cache to the node's children."""
        code = self.code
        with (
            code.node(node.name),
            code.block(f"def flush_{self._index[node.name]}(items):"),
        ):
            windows = _windows_of(node)
            cell = "k" if self.bindings.table(_store_of(node)).keys_are_typed else "c"
            variables = PARAMETERS
            if windows is None:
                self._write_flush_loop(node, f"for {cell}, e in items:", variables)
                return
            variables = variables._replace(window="w", window_size_ms=windows.size_ms)
            with code.block("for w, cells in items:"):
                self._write_flush_loop(node, f"for {cell}, e in cells.items():", variables)

    def _write_flush_loop(self, node: op.Node, loop: str, variables: Vars) -> None:
        code, table = self.code, self.bindings.table(_store_of(node))
        with code.block(loop):
            code.line("v, t, h = e")
            if node.name in self.senders_of_old_values:
                cell = "k" if table.keys_are_typed else "c"
                where = cell if variables.window is None else f"{variables.window}, {cell}"
                code.line(f"o = {self.bind('olds', table.old_values)}[{where}]")
                variables = variables._replace(old="o")
            if table.keys_are_typed:
                self.write_children(node.name, variables)
                return
            read_key = self._deserialize(table.key_serde, "c", self.fresh("dk"))
            code.line(f"k = {read_key}", "read the key of a cached entry of")
            lines = code.length
            if is_canonical(table.key_serde):
                variables = variables._replace(key_bytes="c", key_format=table.key_serde)
            self.write_children(node.name, variables)
            code.drop_unused({"k": lines}, since=lines)

    def _caching_table(self, node: op.Node) -> bool:
        store = _store_of(node)
        return bool(store) and self.bindings.table(store).caching

    # ------------------------------------------------------------------ nodes

    def write_children(self, name: str, variables: Vars) -> None:
        """Run the record through all children of a node, in order."""
        for child in self._children[name]:
            self.write_call(child, variables)

    def write_call(self, node: op.Node, variables: Vars) -> None:
        """Run `node` here: inline, or by a call where it is a function."""
        if self.code.depth >= _MAX_DEPTH:
            self._functions.add(node.name)
        if node.name in self._functions:
            given = [self.key(variables), variables.value, variables.time, variables.headers]
            if self._is_sent_old_values(node.name):
                given.append(variables.old or "None")
            if self.is_sent_latest(node.name):
                given.append(variables.latest or "True")
            self.code.line(f"{self._function_name(node.name)}({', '.join(given)})")
        else:
            self._write_node(node, variables)

    def _write_node(self, node: op.Node, variables: Vars) -> None:
        with self.code.node(node.name):
            if isinstance(node, op.SinkNode):
                write_sink(self, node, variables)
            elif isinstance(node, op.ProcessorNode):
                with self.guarded(self.bindings.node_guard(node.name), variables):
                    _WRITERS[type(node.operator)](self, node, node.operator, variables)

    @contextmanager
    def guarded(self, guard: Callable[..., None] | None, variables: Vars) -> Iterator[None]:
        """Hand what the lines within raise to `guard`, and go on behind them if it returns."""
        if guard is None:
            yield
            return
        code, name = self.code, self.bind("guard", guard)
        with code.block("try:"):
            yield
        error = self.fresh("x")
        with code.block(f"except Exception as {error}:", "ask the error handler about"):
            key = self.key(variables)
            code.line(
                f"{name}({error}, {key}, {variables.value}, {variables.time}, {variables.headers})",
                "ask the error handler about",
            )

    def bind(self, prefix: str, value: Any) -> str:
        """Give `value` a name in the generated code."""
        name = f"{prefix}{next(self._numbers)}"
        self.code.namespace[name] = value
        return name

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing has yet."""
        return f"{prefix}{next(self._numbers)}"

    def with_key(self, variables: Vars, key: str) -> Vars:
        """The record with its key in one variable; a windowed one is put together by then."""
        if variables.window is None:
            return variables._replace(key=key)
        return variables._replace(key=key, window=None, key_bytes=None)

    def key(self, variables: Vars) -> str:
        """Return the variable of the key, putting a windowed one together first."""
        if variables.window is None:
            return variables.key
        name = self.fresh("k")
        start = variables.window
        self.code.line(
            f"{name} = Windowed({variables.key}, {start}, {start} + {variables.window_size_ms})"
        )
        return name

    def serialize(self, serde: Serde[Any] | None, variable: str) -> str:
        """Return an expression for the bytes of a variable that may be None."""
        return f"None if {variable} is None else {self.serializer(serde, variable)}"

    def serializer(self, serde: Serde[Any] | None, variable: str) -> str:
        """Return an expression for the bytes of a variable that is not None."""
        if serde is None:
            return variable
        if serde.inline_serialize is not None:
            return serde.inline_serialize.format(x=variable)
        return f"{self.bind('ser', serde.serializer)}({variable})"

    def _deserialize(self, serde: Serde[Any] | None, variable: str, name: str) -> str:
        if serde is None:
            return variable
        if serde.inline_deserialize is not None:
            read = serde.inline_deserialize.format(x=variable)
            return read if read == variable else f"None if {variable} is None else {read}"
        self.code.namespace[name] = serde.deserializer
        return f"None if {variable} is None else {name}({variable})"


def compile_nodes(nodes: Sequence[op.Node], bindings: Bindings, file_name: str) -> Compiled:
    """Compile the nodes of one task.

    Args:
        nodes: All nodes of the task's sub-topology, parents before children.
        bindings: The task's stores, sinks and processors.
        file_name: What tracebacks call the generated source: `<aliran task 0_1>`.
    """
    return Compiler(nodes, bindings, file_name).compile()


def _store_of(node: op.Node) -> str:
    """Return the store a node updates and forwards from, or an empty string."""
    if not isinstance(node, op.ProcessorNode):
        return ""
    if isinstance(
        node.operator,
        op.Aggregate
        | op.TableSource
        | op.StreamToTable
        | op.TableFilter
        | op.TableMapValues
        | op.TableTransformValues
        | op.TableMerge
        | op.TableAggregate,
    ):
        return node.operator.store or ""
    return ""


def _windows_of(node: op.Node) -> op.TimeWindows | None:
    if isinstance(node, op.ProcessorNode) and isinstance(node.operator, op.Aggregate):
        return node.operator.windows
    return None
