"""Snapshots, chunk by chunk: each is read between changes, and the next begins where it ended.

A chunk is read by the key in a database snapshot of its own, of which PostgreSQL says which
transactions it sees. A watermark, written behind it, then comes through the stream. Until it comes,
each change by a transaction that the chunk does not see lets the chunk's row of that key go first;
with the watermark go the rest. So each row stands exactly where it belongs among the changes,
whatever was written meanwhile, and a snapshot that goes on after a crash, in a new database
snapshot, is as good as one that was never interrupted. (DBLog, as Netflix describes it, drops the
rows instead; here no large value is lost that only the chunk knows.)
"""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg2

from aliran.connectors.builtin.cdc.envelope import Row
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, Published, TableInfo, quoted
from aliran.connectors.builtin.postgres_cdc.layout import Layout, Layouts
from aliran.connectors.builtin.postgres_cdc.server import Server, lsn_of, refused

WATERMARK = "aliran.watermark"
"""Prefix of the logical message that follows a chunk."""


@dataclass(slots=True)
class Job:
    """One table that is to be read.

    Attributes:
        table: `schema.table`.
        kind: Whether it belongs to the first snapshot, or a signal asked for it.
        filter: Which rows are wanted, as SQL.
        last: The key of the last row that was read, as texts; of a table without a key the next
            page.
        end: The greatest key when it began; what is behind it comes through the stream.
    """

    table: str
    kind: Literal["initial", "incremental"] = "initial"
    filter: str | None = None
    last: list[str] | None = None
    end: list[str] | None = None


@dataclass(slots=True)
class Progress:
    """What is left to read. Kept in the offsets as one text.

    Attributes:
        jobs: The tables, the first one being read.
        started: Whether a row was read yet.
        paused: Whether a signal has paused it.
    """

    jobs: list[Job] = field(default_factory=list)
    started: bool = False
    paused: bool = False

    def text(self) -> str | None:
        """Return the text, None where nothing is left."""
        if not self.jobs:
            return None
        names = Job.__slots__
        jobs = [
            {name: value for name in names if (value := getattr(job, name)) is not None}
            for job in self.jobs
        ]
        return json.dumps({"jobs": jobs, "started": self.started, "paused": self.paused})

    @classmethod
    def of(cls, text: str | None) -> Progress:
        """Return what a text says.

        Raises:
            ValueError: It is none of ours.
        """
        if not text:
            return cls()
        try:
            found = json.loads(text)
            jobs = [Job(**one) for one in found["jobs"]]
            return cls(jobs, bool(found.get("started")), bool(found.get("paused")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{text!r} is no progress of a snapshot") from error


class DatabaseSnapshot:
    """Which transactions a database snapshot sees: `pg_current_snapshot()`.

    Args:
        text: Such as "10:20:10,14,15".
    """

    def __init__(self, text: str) -> None:
        low, high, running = text.split(":")
        self.xmin: int = int(low)
        self._xmax = int(high)
        self._running = {int(one) for one in running.split(",") if one}

    def full(self, xid: int) -> int:
        """Return a transaction's number in 64 bits; the stream has the lower 32."""
        near = (self._xmax & ~0xFFFFFFFF) | xid
        if near - self._xmax > 1 << 31:
            return near - (1 << 32)
        return near + (1 << 32) if self._xmax - near > 1 << 31 else near

    def sees(self, xid: int) -> bool:
        """Whether it sees what a transaction that is committed now has done."""
        number = self.full(xid)
        return number < self._xmax and number not in self._running


@dataclass(slots=True)
class Chunk:
    """Rows that wait for their place among the changes.

    Attributes:
        job: What they were read for.
        layout: Their columns.
        rows: The rows by the texts of their keys, in the order of the keys.
        snapshot: What they see.
        lsn: Where the WAL was.
        taken_ns: When it was, in nanoseconds since 1970.
        last: Where the next chunk begins.
        final: Whether there is no next one of this table.
        token: Content of the watermark.
    """

    job: Job
    layout: Layout
    rows: dict[Any, Row]
    snapshot: DatabaseSnapshot
    lsn: int
    taken_ns: int
    last: list[str] | None
    final: bool
    token: str = field(default_factory=lambda: uuid.uuid4().hex)


class ChunkReader:
    """Reads chunks.

    Args:
        server: The server.
        catalog: Its catalog.
        layouts: Makes layouts.
    """

    def __init__(self, server: Server, catalog: Catalog, layouts: Layouts) -> None:
        self._server = server
        self._catalog = catalog
        self._layouts = layouts

    def read(self, job: Job, published: Published, size: int) -> Chunk | None:
        """Return the next chunk of a table, None if the table is gone.

        Args:
            job: How far it is.
            published: What is published of the table.
            size: Rows of a chunk.

        Raises:
            AwayError: The server is away.
            ConnectError: The table cannot be read.
        """
        table = self._catalog.table(published.schema, published.name)
        if table is None:
            return None
        columns = tuple(one for one in table.columns if one.name in published.columns)
        table = TableInfo(
            table.schema, table.name, columns, table.key, table.identity, table.partitioned
        )
        layout = self._layouts.of(table)
        wheres = [f"({one})" for one in (published.filter, job.filter) if one]
        try:
            if layout.has_key:
                return self._by_key(job, layout, wheres, size)
            return self._by_page(job, layout, wheres, size)
        except psycopg2.errors.UndefinedTable:
            return None
        except psycopg2.Error as error:
            refused(
                f"the table {table.full_name} cannot be read for the snapshot",
                error,
                f"The user needs SELECT on it and USAGE on its schema{_of_filter(job)}",
            )

    def _by_key(self, job: Job, layout: Layout, wheres: list[str], size: int) -> Chunk:
        table = layout.table
        names = [quoted(name) for name in table.key]
        if job.end is None:
            shown = ", ".join(f"{one}::text" for one in names)
            # In full: a bare name would mean the text that is shown.
            last_first = ", ".join(f"{table.quoted}.{one} DESC" for one in names)
            greatest = self._server.query(
                f"SELECT {shown} FROM {table.quoted} ORDER BY {last_first} LIMIT 1"
            )
            job.end = list(greatest[0]) if greatest else None
        key = f"({', '.join(names)})"
        if job.last is not None:
            wheres.append(f"{key} > {_literals(job.last)}")
        if job.end is not None:
            wheres.append(f"{key} <= {_literals(job.end)}")
        order = f" ORDER BY {', '.join(names)} LIMIT {size + 1}"
        _, chunk = self._copy(job, layout, [], wheres, order)
        chunk.final = len(chunk.rows) <= size
        if not chunk.final:
            chunk.rows.popitem()
        if chunk.rows:
            chunk.last = [(part or b"").decode() for part in next(reversed(chunk.rows))]
        return chunk

    def _by_page(self, job: Job, layout: Layout, wheres: list[str], size: int) -> Chunk:
        """Read pages of a table without a key; a roof over partitions as a whole."""
        table = layout.table
        if table.partitioned:
            _, chunk = self._copy(job, layout, [], wheres, "")
            return chunk
        name = _literal(table.quoted)
        (rows_a_page,) = self._server.query(
            "SELECT greatest(reltuples / greatest(relpages, 1), 1)::int FROM pg_class "
            f"WHERE oid = {name}::regclass"
        )[0]
        first = int(job.last[0]) if job.last else 0
        behind = first + max(size // (rows_a_page if rows_a_page > 1 else 100), 1)
        wheres.append(f"ctid >= '({first},0)'::tid AND ctid < '({behind},0)'::tid")
        pages = f"SELECT pg_relation_size({name}::regclass) / current_setting('block_size')::int"
        answers, chunk = self._copy(job, layout, [pages], wheres, "")
        chunk.last, chunk.final = [str(behind)], behind >= answers[1][0]
        return chunk

    def _copy(
        self, job: Job, layout: Layout, questions: list[str], wheres: Sequence[str], order: str
    ) -> tuple[list[tuple[Any, ...]], Chunk]:
        table = layout.table
        columns = ", ".join(quoted(one.name) for one in table.columns)
        where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
        select = f"SELECT {columns} FROM {table.quoted}{where}{order}"
        text = io.BytesIO()
        now = "SELECT pg_current_snapshot()::text, pg_current_wal_lsn()::text"
        answers = self._server.copy([now, *questions], f"COPY ({select}) TO STDOUT", text)
        lines = text.getvalue().split(b"\n")
        lines.pop()
        read = layout.row_of_copy
        rows: dict[Any, Row]
        if layout.has_key:
            rows = dict(map(read, lines))
        else:
            rows = {place: read(line)[1] for place, line in enumerate(lines)}
        seen, lsn = answers[0]
        snapshot = DatabaseSnapshot(seen)
        return answers, Chunk(
            job, layout, rows, snapshot, lsn_of(lsn), time.time_ns(), None, final=True
        )

    def write_watermark(self, chunk: Chunk) -> None:
        """Write the message behind which nothing comes that the chunk sees."""
        self._server.query("SELECT pg_logical_emit_message(true, %s, %s)", WATERMARK, chunk.token)


def _of_filter(job: Job) -> str:
    return f"; the signal's condition is {job.filter}" if job.filter else ""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literals(texts: Sequence[str]) -> str:
    return f"({', '.join(map(_literal, texts))})"
