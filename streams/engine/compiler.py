"""Turns the nodes of a task into Python functions: one loop a source, fused down to the sinks.

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
from itertools import count
from struct import Struct
from typing import Any, NamedTuple, Protocol

from aliran.serdes import Serde, Windowed, WindowedSerde
from aliran.streams import operators as op
from aliran.streams.engine.source_code import SourceCode
from aliran.streams.engine.tables import CANONICAL
from aliran.streams.processor import Record

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

_PACK_LONG = Struct(">q").pack


class Bindings(Protocol):
    """The live objects of one task that generated code refers to."""

    statistics: Any
    """Has a counter `dropped_records`."""

    def table(self, store: str) -> Any:
        """Return the KeyValueTable or WindowTable of a store."""
        ...

    def sink(self, node: op.SinkNode) -> Any:
        """Return the SinkBuffer or RoutedSink that a sink node writes to."""
        ...

    def processor(self, node: op.ProcessorNode) -> Callable[[Any], None]:
        """Return the bound `process` method of a custom processor."""
        ...

    def is_trusted(self, source: op.SourceNode) -> bool:
        """Tell whether we wrote what a source reads, so that unused values need no decoding."""
        ...


class SourceFunctions(NamedTuple):
    """The loops of one source: for batches without headers, and for batches with them.

    Each takes an iterator of (key, value, timestamp[, headers]) with serialised keys and values.
    """

    plain: Callable[[Iterator[Any]], None]
    with_headers: Callable[[Iterator[Any]], None]


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


class _Vars(NamedTuple):
    """The variables that hold a record at some point of the code.

    Where `window` is set the key is that of a window, in two variables until someone wants it.
    Where `key_bytes` is set, that variable holds what `key_format` makes of the key.
    """

    key: str
    value: str
    time: str
    headers: str
    window: str | None = None
    window_size_ms: int = 0
    key_bytes: str | None = None
    key_format: Serde[Any] | None = None


_PARAMETERS = _Vars("k", "v", "t", "h")


class Compiler:
    """Compiles the nodes of one task; use `compile_nodes`."""

    def __init__(self, nodes: Sequence[op.Node], bindings: Bindings, file_name: str) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._index = {node.name: number for number, node in enumerate(nodes)}
        self._children: dict[str, list[op.Node]] = {node.name: [] for node in nodes}
        for node in nodes:
            for parent in dict.fromkeys(getattr(node, "parents", ())):
                self._children[parent].append(node)
        self._bindings = bindings
        self._code = SourceCode(file_name)
        self._fresh = count()
        self._functions = {name for name in self._nodes if self._needs_function(name)}
        self._written: set[str] = set()
        # Assignments in front of the loop that is being written; None outside of loops.
        self._prologue: list[str] | None = None
        for node in nodes:
            self._choose_cells(node)
        self._code.namespace.update(
            Windowed=Windowed, Record=Record, pack_long=_PACK_LONG, stats=bindings.statistics
        )

    def compile(self) -> Compiled:
        """Write all functions and compile them."""
        sources = [node for node in self._nodes.values() if isinstance(node, op.SourceNode)]
        for source in sources:
            self._write_source(source, with_headers=False)
            self._write_source(source, with_headers=True)
        flushing = [node for node in self._nodes.values() if self._caching_table(node)]
        for node in flushing:
            self._write_flush(node)
        while pending := self._functions - self._written:
            for name in sorted(pending, key=self._index.__getitem__):
                self._write_function(name)
        namespace = self._code.compile()
        return Compiled(
            sources={
                source.name: SourceFunctions(
                    namespace[f"source_{self._index[source.name]}"],
                    namespace[f"source_{self._index[source.name]}_h"],
                )
                for source in sources
            },
            nodes={name: namespace[self._function_name(name)] for name in self._functions},
            flushes={node.name: namespace[f"flush_{self._index[node.name]}"] for node in flushing},
            code=self._code,
        )

    # ------------------------------------------------------------------ functions

    def _needs_function(self, name: str) -> bool:
        node = self._nodes[name]
        parents = [self._nodes[parent] for parent in dict.fromkeys(getattr(node, "parents", ()))]
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
        table, name = self._bindings.table(node.operator.store), node.name
        while name not in self._functions:
            (parent,) = (self._nodes[each] for each in self._parents(name))
            if isinstance(parent, op.SourceNode):
                if _same_format(parent.key_serde, table.key_serde):
                    table.use_key_bytes()
                return
            if not isinstance(getattr(parent, "operator", None), _KEY_PRESERVING):
                return
            name = parent.name

    def _parents(self, name: str) -> Sequence[str]:
        return list(dict.fromkeys(getattr(self._nodes[name], "parents", ())))

    def _function_name(self, name: str) -> str:
        return f"node_{self._index[name]}"

    def _write_source(self, source: op.SourceNode, *, with_headers: bool) -> None:
        code, number = self._code, self._index[source.name]
        suffix, columns = ("_h", "rk, rv, t, h") if with_headers else ("", "rk, rv, t")
        with (
            code.node(source.name),
            code.block(f"def source_{number}{suffix}(records):"),
        ):
            self._prologue = []
            prologue = code.reserve()
            with code.block(f"for {columns} in records:"):
                variables = _Vars("k", "v", "t", "h" if with_headers else "None")
                read_key = self._deserialize(source.key_serde, "rk", f"dk{number}")
                code.line(f"k = {read_key}", "read key")
                read_value = self._deserialize(source.value_serde, "rv", f"dv{number}")
                code.line(f"v = {read_value}", "read value")
                lines = code.length
                if _is_canonical(source.key_serde):
                    variables = variables._replace(key_bytes="rk", key_format=source.key_serde)
                self._write_children(source.name, variables)
                if self._bindings.is_trusted(source):
                    code.drop_unused({"k": lines - 1, "v": lines}, since=lines)
            code.replace(prologue, "; ".join(self._prologue))
            self._prologue = None

    def _write_function(self, name: str) -> None:
        self._written.add(name)
        with self._code.block(f"def {self._function_name(name)}(k, v, t, h):"):
            self._write_node(self._nodes[name], _PARAMETERS)

    def _write_flush(self, node: op.Node) -> None:
        """The function that forwards the dirty entries of a cache to the node's children."""
        code = self._code
        with (
            code.node(node.name),
            code.block(f"def flush_{self._index[node.name]}(items):"),
        ):
            windows = _windows_of(node)
            cell = "k" if self._bindings.table(_store_of(node)).keys_are_typed else "c"
            variables = _PARAMETERS
            if windows is None:
                self._write_flush_loop(node, f"for {cell}, e in items:", variables)
                return
            variables = variables._replace(window="w", window_size_ms=windows.size_ms)
            with code.block("for w, cells in items:"):
                self._write_flush_loop(node, f"for {cell}, e in cells.items():", variables)

    def _write_flush_loop(self, node: op.Node, loop: str, variables: _Vars) -> None:
        code, table = self._code, self._bindings.table(_store_of(node))
        with code.block(loop):
            code.line("v, t, h = e")
            if table.keys_are_typed:
                self._write_children(node.name, variables)
                return
            read_key = self._deserialize(table.key_serde, "c", self._name("dk"))
            code.line(f"k = {read_key}", "read the key of a cached entry of")
            lines = code.length
            if _is_canonical(table.key_serde):
                variables = variables._replace(key_bytes="c", key_format=table.key_serde)
            self._write_children(node.name, variables)
            code.drop_unused({"k": lines}, since=lines)

    def _caching_table(self, node: op.Node) -> bool:
        store = _store_of(node)
        return bool(store) and self._bindings.table(store).caching

    # ------------------------------------------------------------------ nodes

    def _write_children(self, name: str, variables: _Vars) -> None:
        for child in self._children[name]:
            self._write_call(child, variables)

    def _write_call(self, node: op.Node, variables: _Vars) -> None:
        """Run `node` here: inline, or by a call where it is a function."""
        if self._code.depth >= _MAX_DEPTH:
            self._functions.add(node.name)
        if node.name in self._functions:
            key = self._key(variables)
            self._code.line(
                f"{self._function_name(node.name)}"
                f"({key}, {variables.value}, {variables.time}, {variables.headers})"
            )
        else:
            self._write_node(node, variables)

    def _write_node(self, node: op.Node, variables: _Vars) -> None:
        with self._code.node(node.name):
            if isinstance(node, op.SinkNode):
                self._write_sink(node, variables)
            elif isinstance(node, op.ProcessorNode):
                writer = getattr(self, "_write_" + _snake(type(node.operator).__name__))
                writer(node, node.operator, variables)

    def _bind(self, prefix: str, value: Any) -> str:
        """Give `value` a name in the generated code."""
        name = f"{prefix}{next(self._fresh)}"
        self._code.namespace[name] = value
        return name

    def _name(self, prefix: str) -> str:
        return f"{prefix}{next(self._fresh)}"

    def _with_key(self, variables: _Vars, key: str) -> _Vars:
        """The record with its key in one variable; a windowed one is put together by then."""
        if variables.window is None:
            return variables._replace(key=key)
        return variables._replace(key=key, window=None, key_bytes=None)

    def _key(self, variables: _Vars) -> str:
        """Return the variable of the key, putting a windowed one together first."""
        if variables.window is None:
            return variables.key
        name = self._name("k")
        start = variables.window
        self._code.line(
            f"{name} = Windowed({variables.key}, {start}, {start} + {variables.window_size_ms})"
        )
        return name

    # ------------------------------------------------------------------ stateless operators

    def _write_filter(self, node: op.ProcessorNode, spec: op.Filter, v: _Vars) -> None:
        predicate, negated = self._bind("f", spec.predicate), "not " if spec.negate else ""
        key = self._key(v)
        with self._code.block(f"if {negated}{predicate}({key}, {v.value}):", "call the predicate"):
            self._write_children(node.name, v)

    def _write_drop_null_keys(
        self, node: op.ProcessorNode, _spec: op.DropNullKeys, v: _Vars
    ) -> None:
        if v.window is not None:  # windows have keys
            self._write_children(node.name, v)
            return
        with self._code.block(f"if {v.key} is not None:"):
            self._write_children(node.name, v)

    def _write_map(self, node: op.ProcessorNode, spec: op.Map, v: _Vars) -> None:
        mapper, key, value = self._bind("f", spec.mapper), self._name("k"), self._name("v")
        old_key = self._key(v)
        self._code.line(f"{key}, {value} = {mapper}({old_key}, {v.value})", "call the mapper")
        self._write_children(node.name, _Vars(key, value, v.time, v.headers))

    def _write_map_values(self, node: op.ProcessorNode, spec: op.MapValues, v: _Vars) -> None:
        mapper, value = self._bind("f", spec.mapper), self._name("v")
        arguments = self._arguments(spec.with_key, v)
        self._code.line(f"{value} = {mapper}({arguments})", "call the mapper")
        self._write_children(node.name, v._replace(value=value))

    def _write_flat_map(self, node: op.ProcessorNode, spec: op.FlatMap, v: _Vars) -> None:
        mapper, key, value = self._bind("f", spec.mapper), self._name("k"), self._name("v")
        old_key = self._key(v)
        loop = f"for {key}, {value} in {mapper}({old_key}, {v.value}):"
        with self._code.block(loop, "call the mapper"):
            self._write_children(node.name, _Vars(key, value, v.time, v.headers))

    def _write_flat_map_values(
        self, node: op.ProcessorNode, spec: op.FlatMapValues, v: _Vars
    ) -> None:
        mapper, value = self._bind("f", spec.mapper), self._name("v")
        arguments = self._arguments(spec.with_key, v)
        with self._code.block(f"for {value} in {mapper}({arguments}):", "call the mapper"):
            self._write_children(node.name, v._replace(value=value))

    def _write_select_key(self, node: op.ProcessorNode, spec: op.SelectKey, v: _Vars) -> None:
        mapper, key = self._bind("f", spec.mapper), self._name("k")
        old_key = self._key(v)
        self._code.line(f"{key} = {mapper}({old_key}, {v.value})", "call the key selector")
        self._write_children(node.name, _Vars(key, v.value, v.time, v.headers))

    def _write_peek(self, node: op.ProcessorNode, spec: op.Peek, v: _Vars) -> None:
        action, key = self._bind("f", spec.action), self._key(v)
        self._code.line(f"{action}({key}, {v.value})", "call the action")
        self._write_children(node.name, v)

    def _write_for_each(self, _node: op.ProcessorNode, spec: op.ForEach, v: _Vars) -> None:
        action, key = self._bind("f", spec.action), self._key(v)
        self._code.line(f"{action}({key}, {v.value})", "call the action")

    def _write_pass_through(self, node: op.ProcessorNode, _spec: op.PassThrough, v: _Vars) -> None:
        self._write_children(node.name, v)

    def _write_branch(self, _node: op.ProcessorNode, spec: op.Branch, v: _Vars) -> None:
        key = self._key(v)
        word = "if"
        for predicate, child in zip(spec.predicates, spec.children, strict=False):
            name = self._bind("f", predicate)
            with self._code.block(f"{word} {name}({key}, {v.value}):", "call a predicate"):
                self._write_call(self._nodes[child], v)
            word = "elif"
        for child in spec.children[len(spec.predicates) :]:
            if word == "if":  # a default branch alone
                self._write_call(self._nodes[child], v)
                continue
            with self._code.block("else:"):
                self._write_call(self._nodes[child], v)

    def _arguments(self, with_key: bool, v: _Vars) -> str:
        return f"{self._key(v)}, {v.value}" if with_key else v.value

    # ------------------------------------------------------------------ tables

    def _write_table_source(
        self, node: op.ProcessorNode, spec: op.TableSource | op.StreamToTable, v: _Vars
    ) -> None:
        key = self._key(v)
        with self._code.block(f"if {key} is None:"):
            self._code.line("stats.dropped_records += 1")
        with self._code.block("else:"):
            self._write_table_update(node, spec.store, self._with_key(v, key))

    _write_stream_to_table = _write_table_source

    def _write_table_to_stream(
        self, node: op.ProcessorNode, spec: op.TableToStream, v: _Vars
    ) -> None:
        if spec.mapper is not None:
            mapper, key, old = self._bind("f", spec.mapper), self._name("k"), self._key(v)
            self._code.line(f"{key} = {mapper}({old}, {v.value})", "call the key mapper")
            v = v._replace(key=key, window=None, key_bytes=None)
        self._write_children(node.name, v)

    def _write_table_filter(self, node: op.ProcessorNode, spec: op.TableFilter, v: _Vars) -> None:
        key = self._key(v)
        value = self._filtered(spec, key, v.value)
        self._write_table_update(node, spec.store, self._with_key(v, key)._replace(value=value))

    def _write_table_map_values(
        self, node: op.ProcessorNode, spec: op.TableMapValues, v: _Vars
    ) -> None:
        key = self._key(v)
        value = self._mapped(spec, key, v.value)
        self._write_table_update(node, spec.store, self._with_key(v, key)._replace(value=value))

    def _filtered(self, spec: op.TableFilter, key: str, value: str) -> str:
        predicate, name = self._bind("f", spec.predicate), self._name("v")
        negated = "not " if spec.negate else ""
        self._code.line(
            f"{name} = {value} if {value} is not None "
            f"and {negated}{predicate}({key}, {value}) else None",
            "call the predicate",
        )
        return name

    def _mapped(self, spec: op.TableMapValues, key: str, value: str) -> str:
        mapper, name = self._bind("f", spec.mapper), self._name("v")
        arguments = f"{key}, {value}" if spec.with_key else value
        self._code.line(
            f"{name} = None if {value} is None else {mapper}({arguments})", "call the mapper"
        )
        return name

    def _write_table_update(self, node: op.ProcessorNode, store: str | None, v: _Vars) -> None:
        """Put the record into the table's store, if it has one, and forward it."""
        if store is None:
            self._write_children(node.name, v)
            return
        table = self._bindings.table(store)
        put = self._bind("put", table.put)
        self._code.line(f"{put}({v.key}, {v.value}, {v.time}, {v.headers})", "update the store")
        if not table.caching:  # else the cache forwards it when it is flushed
            self._write_children(node.name, v)

    def _write_stream_table_join(
        self, node: op.ProcessorNode, spec: op.StreamTableJoin, v: _Vars
    ) -> None:
        code, key = self._code, self._key(v)
        missing = f"{v.value} is None" if spec.left else f"{key} is None or {v.value} is None"
        with code.block(f"if {missing}:"):
            code.line("stats.dropped_records += 1")
        with code.block("else:"):
            get, right = self._bind("get", self._bindings.table(spec.table.store).get), None
            right = self._name("r")
            code.line(f"{right} = None if {key} is None else {get}({key})", "read the table")
            for transform in spec.table.transforms:
                right = (
                    self._filtered(transform, key, right)
                    if isinstance(transform, op.TableFilter)
                    else self._mapped(transform, key, right)
                )
            if spec.left:
                self._write_joined(node, spec, v, key, right)
            else:
                with code.block(f"if {right} is not None:"):
                    self._write_joined(node, spec, v, key, right)

    def _write_joined(
        self, node: op.ProcessorNode, spec: op.StreamTableJoin, v: _Vars, key: str, right: str
    ) -> None:
        joiner, value = self._bind("f", spec.joiner), self._name("v")
        arguments = f"{key}, {v.value}" if spec.with_key else v.value
        self._code.line(f"{value} = {joiner}({arguments}, {right})", "call the joiner")
        self._write_children(node.name, v._replace(value=value))

    # ------------------------------------------------------------------ aggregations

    def _write_aggregate(self, node: op.ProcessorNode, spec: op.Aggregate, v: _Vars) -> None:
        code, table = self._code, self._bindings.table(spec.store)
        key = self._key(v)
        raw = None
        if v.window is None and _same_format(v.key_format, table.key_serde):
            raw = v.key_bytes
        # Kafka drops null values too, except where there are windows.
        missing = f"{raw or key} is None"
        if spec.windows is None:
            missing += f" or {v.value} is None"
        with code.block(f"if {missing}:"):
            code.line("stats.dropped_records += 1")
        with code.block("else:"):
            cell = key
            if not table.keys_are_typed:
                cell = raw or self._write_serialized_cell(table, key)
            v = v._replace(key=key, window=None, key_bytes=raw)
            if spec.windows is None:
                self._write_cell(node, spec, v, cell)
            else:
                self._write_windows(node, spec, v, cell)

    def _write_serialized_cell(self, table: Any, key: str) -> str:
        cell = self._name("c")
        serialize = self._bind("sk", table.key_serde.serializer)
        self._code.line(f"{cell} = {serialize}({key})", "serialize the key for the store of")
        return cell

    def _write_windows(
        self, node: op.ProcessorNode, spec: op.Aggregate, v: _Vars, cell: str
    ) -> None:
        """The windows that a record belongs to and that are still open."""
        code, windows = self._code, spec.windows
        if windows is None:
            return
        size, advance, start = windows.size_ms, windows.advance_ms, self._name("w")
        clock = self._write_stream_time(spec, v)
        open_until = f"{start} + {size + windows.grace_ms} > {clock}"
        windowed = v._replace(window=start, window_size_ms=size)
        if size == advance:
            code.line(f"{start} = {v.time} - {v.time} % {size}")
            loop = None
        else:
            first = f"max(0, {v.time} - {size - advance}) // {advance} * {advance}"
            loop = f"for {start} in range({first}, {v.time} + 1, {advance}):"
        with code.block(loop or "if True:"):
            with code.block(f"if {open_until}:"):
                self._write_cell(node, spec, windowed, cell)
            with code.block("else:"):
                code.line("stats.dropped_records += 1")

    def _write_stream_time(self, spec: op.Aggregate, v: _Vars) -> str:
        """Move the operator's clock on; returns an expression for it."""
        table = self._bind("w", self._bindings.table(spec.store))
        if self._prologue is None:
            clock = f"{table}.stream_time"
            self._code.line(f"if {v.time} > {clock}: {clock} = {v.time}")
            return clock
        # Within a loop nothing else moves it, so a local variable can stand for it.
        clock = self._name("st")
        self._prologue.append(f"{clock} = {table}.stream_time")
        self._code.line(f"if {v.time} > {clock}: {table}.stream_time = {clock} = {v.time}")
        return clock

    def _write_cell(self, node: op.ProcessorNode, spec: op.Aggregate, v: _Vars, cell: str) -> None:
        """Update one aggregate: entry = [value, timestamp, headers]."""
        code, table = self._code, self._bindings.table(spec.store)
        entry, load = self._name("e"), self._bind("load", table.load)
        where = cell if v.window is None else f"{cell}, {v.window}"
        if not table.caching:
            code.line(f"{entry} = {load}({where})", "read the store of")
            self._write_new_value(spec, v, entry)
            store = self._bind("store", table.store_entry)
            code.line(f"{store}({where}, {entry})", "update the store")
            value, time = self._name("v"), self._name("t")
            code.line(f"{value}, {time} = {entry}[0], {entry}[1]")
            self._write_children(node.name, v._replace(value=value, time=time))
            return
        self._write_cached_entry(table, v, cell, entry)
        with code.block(f"if {entry} is None:"):
            code.line(f"{entry} = {load}({where})", "read the store of")
            self._write_new_value(spec, v, entry)
            # Last, so that an entry whose function raised does not count as changed.
            if v.window is None:
                code.line(f"{self._bind('dirty', table.dirty)}[{cell}] = {entry}")
            else:
                code.line(f"{self._bind('insert', table.insert)}({where}, {entry})")
        with code.block("else:"):
            self._write_new_value(spec, v, entry)
        code.line(f"{entry}[2] = {v.headers}")  # a flush forwards those of the last update

    def _write_cached_entry(self, table: Any, v: _Vars, cell: str, entry: str) -> None:
        """Find the dirty entry of a cell, None where there is none."""
        get = self._bind("get", table.dirty.get)
        if v.window is None:
            self._code.line(f"{entry} = {get}({cell})")
            return
        cells = self._name("d")
        self._code.line(f"{cells} = {get}({v.window})")
        self._code.line(f"{entry} = None if {cells} is None else {cells}.get({cell})")

    def _write_new_value(self, spec: op.Aggregate, v: _Vars, entry: str) -> None:
        code = self._code
        newer = f"if {v.time} > {entry}[1]: {entry}[1] = {v.time}"
        if spec.kind == "count":
            code.line(f"{entry}[0] += 1")
            code.line(newer)
            return
        old, new = self._name("a"), self._name("a")
        code.line(f"{old} = {entry}[0]")
        aggregator = self._bind("f", spec.aggregator)
        with code.block(f"if {old} is None:"):
            # An aggregate that is not there, or became null, starts with the record's own time.
            code.line(f"{entry}[1] = {v.time}")
            if spec.kind == "reduce":
                code.line(f"{new} = {v.value}")
            else:
                code.line(f"{old} = {self._bind('f', spec.initializer)}()", "call the initializer")
        if spec.kind == "reduce":
            with code.block("else:"):
                code.line(f"{new} = {aggregator}({old}, {v.value})", "call the reducer")
                code.line(newer)
        else:
            code.line(f"{new} = {aggregator}({v.key}, {v.value}, {old})", "call the aggregator")
            code.line(newer)
        code.line(f"{entry}[0] = {new}")

    # ------------------------------------------------------------------ custom processors, sinks

    def _write_custom(self, node: op.ProcessorNode, _spec: op.Custom, v: _Vars) -> None:
        process, key = self._bind("p", self._bindings.processor(node)), self._key(v)
        self._code.line(
            f"{process}(Record({key}, {v.value}, {v.time}, {v.headers} or ()))", "call process()"
        )

    def _write_sink(self, node: op.SinkNode, v: _Vars) -> None:
        code, sink = self._code, self._bindings.sink(node)
        if not sink.is_static:
            send, key = self._bind("send", sink.send), self._key(v)
            code.line(f"{send}({key}, {v.value}, {v.time}, {v.headers})", "write the topic of")
            return
        key, value = self._name("k"), self._name("v")
        code.line(f"{key} = {self._serialized_key(node, v)}", "serialize the key for")
        serialized = self._serialize(node.value_serde, v.value)
        if v.window is None and _same_format(node.key_serde, node.value_serde):
            # A key selected from the value is often the value itself.
            serialized = f"{key} if {v.value} is {v.key} else {serialized}"
        code.line(f"{value} = {serialized}", "serialize the value for")
        code.line(f"{self._bind('sk', sink.keys.append)}({key})")
        code.line(f"{self._bind('sv', sink.values.append)}({value})")
        code.line(f"{self._bind('st', sink.timestamps.append)}({v.time})")
        if v.headers != "None":
            headers, keys = self._bind("sh", sink.headers), self._bind("sn", sink.keys)
            code.line(f"if {v.headers}: {headers}[len({keys}) - 1] = {v.headers}")

    def _serialized_key(self, node: op.SinkNode, v: _Vars) -> str:
        serde = node.key_serde
        if v.window is not None and isinstance(serde, WindowedSerde):
            if v.key_bytes is not None and _same_format(v.key_format, serde.inner):
                return f"{v.key_bytes} + pack_long({v.window})"
            return f"{self._serializer(serde.inner, v.key)} + pack_long({v.window})"
        if v.window is None and v.key_bytes is not None and _same_format(v.key_format, serde):
            return v.key_bytes
        return self._serialize(serde, self._key(v))

    def _serialize(self, serde: Serde[Any] | None, variable: str) -> str:
        return f"None if {variable} is None else {self._serializer(serde, variable)}"

    def _serializer(self, serde: Serde[Any] | None, variable: str) -> str:
        if serde is None:
            return variable
        if serde.inline_serialize is not None:
            return serde.inline_serialize.format(x=variable)
        return f"{self._bind('ser', serde.serializer)}({variable})"

    def _deserialize(self, serde: Serde[Any] | None, variable: str, name: str) -> str:
        if serde is None:
            return variable
        if serde.inline_deserialize is not None:
            read = serde.inline_deserialize.format(x=variable)
            return read if read == variable else f"None if {variable} is None else {read}"
        self._code.namespace[name] = serde.deserializer
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
        op.Aggregate | op.TableSource | op.StreamToTable | op.TableFilter | op.TableMapValues,
    ):
        return node.operator.store or ""
    return ""


def _windows_of(node: op.Node) -> op.TimeWindows | None:
    if isinstance(node, op.ProcessorNode) and isinstance(node.operator, op.Aggregate):
        return node.operator.windows
    return None


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


def _is_canonical(serde: Serde[Any] | None) -> bool:
    return type(serde) in CANONICAL  # a subclass may write something else


def _same_format(one: Serde[Any] | None, other: Serde[Any] | None) -> bool:
    """Tell whether what one serde has read or written can stand for the other's bytes."""
    return _is_canonical(one) and type(one) is type(other)
