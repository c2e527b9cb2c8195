"""Which chunk is read next, and what becomes of one whose place among the changes has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from aliran.connectors.builtin.cdc.naming import pattern_of
from aliran.connectors.builtin.cdc.signals import Signal, signal_of
from aliran.connectors.builtin.postgres_cdc.catalog import Catalog, Published
from aliran.connectors.builtin.postgres_cdc.config import PostgresCdcConfig
from aliran.connectors.builtin.postgres_cdc.decoder import Decoder, Out
from aliran.connectors.builtin.postgres_cdc.layout import Layouts
from aliran.connectors.builtin.postgres_cdc.server import Server
from aliran.connectors.builtin.postgres_cdc.snapshot import Chunk, ChunkReader, Job, Progress
from aliran.connectors.errors import ConfigError
from aliran.connectors.records import SourceRecord

logger: logging.Logger = logging.getLogger("aliran.connectors")


class Snapshots:
    """Goes through the tables that are to be read.

    Args:
        config: The options.
        server: The server.
        catalog: Its catalog.
        layouts: Makes layouts.

    Attributes:
        decoder: Has the position and the waiting chunk.
    """

    decoder: Decoder

    def __init__(
        self, config: PostgresCdcConfig, server: Server, catalog: Catalog, layouts: Layouts
    ) -> None:
        self._config = config
        self._reader = ChunkReader(server, catalog, layouts)
        self._progress = Progress()
        self._published: Mapping[str, Published] = {}
        self._recent: set[int] = set()

    # ------------------------------------------------------------------ planning

    def plan(self, tables: Sequence[str]) -> str | None:
        """Return the progress of a snapshot of these tables that begins."""
        wanted = pattern_of(
            "snapshot.include.collection.list", self._config.snapshot_include_collection_list
        )
        jobs = [Job(one) for one in tables if wanted is None or wanted.fullmatch(one)]
        logger.info("a snapshot of %s tables begins", len(jobs))
        return Progress(jobs).text()

    def restart(self, published: Mapping[str, Published]) -> None:
        """Go on where the decoder's position says."""
        position = self.decoder.position
        self._published = published
        self._progress = Progress.of(position.progress)
        self._recent = {position.xid} if position.xid else set()

    def details(self) -> dict[str, Any]:
        """Return what `/status` shows."""
        jobs = self._progress.jobs
        if not jobs:
            return {"snapshot": "done"}
        state = "paused" if self._progress.paused else "running"
        return {
            "snapshot": state,
            "snapshot_tables_left": len(jobs),
            "snapshot_table": jobs[0].table,
        }

    # ------------------------------------------------------------------ reading

    def go_on(self) -> None:
        """Read the next chunk, unless one waits or nothing is left.

        Raises:
            AwayError: The server is away.
            ConnectError: A table cannot be read.
        """
        decoder, progress = self.decoder, self._progress
        while progress.jobs and decoder.chunk is None and not progress.paused:
            job = progress.jobs[0]
            published = self._published.get(job.table)
            size = self._config.snapshot_fetch_size
            if job.kind == "incremental":
                size = self._config.incremental_snapshot_chunk_size
            chunk = None if published is None else self._reader.read(job, published, size)
            if chunk is None:
                logger.warning("%s is not (or no longer) published and is not read", job.table)
                self._advance(job, None, final=True)
                continue
            position = decoder.position
            passed_on = self._recent | ({position.xid} if position.tx_lsn else set())
            if not all(map(chunk.snapshot.sees, passed_on)):
                # What the stream has shown is not visible yet (synchronous replication holds it
                # back): rows that do not have it must not come behind it.
                time.sleep(0.02)
                return
            self._recent = {
                one for one in self._recent if chunk.snapshot.full(one) >= chunk.snapshot.xmin
            }
            if not chunk.rows and not chunk.final:
                self._advance(job, chunk.last, final=False)
                continue
            self._reader.write_watermark(chunk)
            decoder.chunk = chunk

    def on_commit(self, xid: int) -> None:
        """Note a transaction that was passed on, as long as chunks may have to see it."""
        if self._progress.paused:
            self._recent.clear()
        if self._progress.jobs:
            self._recent.add(xid)

    def on_watermark(self, chunk: Chunk, out: Out) -> None:
        """Pass on the rest of a chunk, and go on behind it."""
        progress, job, decoder = self._progress, chunk.job, self.decoder
        keys = list(chunk.rows)
        markers: dict[int, str] = {}
        if job.kind == "initial" and keys:
            others = [one for one in progress.jobs if one is not job and one.kind == "initial"]
            if chunk.final:
                markers[len(keys) - 1] = "last_in_data_collection" if others else "last"
            if not progress.started:
                markers[0] = "first"
            elif job.last is None:
                markers[0] = "first_in_data_collection"
            if chunk.final and not others:
                markers[len(keys) - 1] = "last"
            progress.started = True
        records = decoder.rows(chunk, keys, markers)
        if job in progress.jobs:  # no signal has stopped it
            self._advance(job, chunk.last, final=chunk.final)
        if records:  # with the last one the chunk is done
            *rest, last = records
            out.extend(rest)
            out.append(_with_offset(last, decoder.position.offset()))

    def _advance(self, job: Job, last: list[str] | None, *, final: bool) -> None:
        progress = self._progress
        if final:
            progress.jobs.remove(job)
            left = len(progress.jobs)
            logger.info("%s has been read; %s tables are left", job.table, left)
        else:
            job.last = last if last is not None else job.last
        self.decoder.position.progress = progress.text()

    # ------------------------------------------------------------------ signals

    def on_signal(self, row: dict[str, Any]) -> None:
        """Do what a row of the signal table says."""
        signal = signal_of(row)
        if signal is None:
            return
        progress = self._progress
        if signal.type == "log":
            logger.info("signal %s: %s", signal.id, signal.message)
        elif signal.type == "execute-snapshot":
            self._execute(signal)
        elif signal.type == "stop-snapshot":
            wanted = pattern_of("data-collections", signal.tables)
            progress.jobs = [
                one
                for one in progress.jobs
                if one.kind == "initial" or not (wanted is None or wanted.fullmatch(one.table))
            ]
        else:
            progress.paused = signal.type == "pause-snapshot"
        self.decoder.position.progress = progress.text()

    def _execute(self, signal: Signal) -> None:
        try:
            wanted = pattern_of("data-collections", signal.tables)
            filters = [
                (pattern_of("additional-conditions", [one]), where)
                for one, where in signal.filters.items()
            ]
        except ConfigError as error:
            logger.warning("signal %s: %s", signal.id, error)
            return
        assert wanted is not None
        found = [one for one in self._published if wanted.fullmatch(one)]
        if not found:
            logger.warning("signal %s: no captured table is named by %s", signal.id, signal.tables)
        for table in found:
            where = next((w for p, w in filters if p is not None and p.fullmatch(table)), None)
            self._progress.jobs.append(Job(table, "incremental", where))
        logger.info("signal %s: a snapshot of %s", signal.id, ", ".join(found))


def _with_offset(record: SourceRecord, offset: Mapping[str, Any]) -> SourceRecord:
    return replace(record, source_offset=offset)
