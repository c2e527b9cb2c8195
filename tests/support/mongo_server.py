"""A server that speaks MongoDB's wire protocol (OP_MSG), for tests where no MongoDB can be had.

It holds documents and an oplog in memory and knows what the connectors send: hello, ping, insert,
update (replace, $set, $unset, $setOnInsert, upsert), delete, find (equality, min, limit, sorted by
_id), getMore, killCursors, listDatabases, listCollections, aggregate with $changeStream and $match.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from typing import Any, Self

import bson
from bson import CodecOptions, json_util

_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
Document = dict[str, Any]


def _canonical(value: Any) -> str:
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS)


class _RefusedError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class FakeMongo:
    """A replica set of one, on a port of its own; documents survive `stop` and `start`."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, Document]] = {}  # by "db.collection", by the _id as JSON
        self.log: list[Document] = []
        self.forgotten = 0  # how many changes the oplog no longer has
        self.commands: list[str] = []
        self.refuse: dict[str, tuple[int, str]] = {}  # commands that fail
        self._cursors: dict[int, Any] = {}
        self._next = 1
        self._lock = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._server: socketserver.ThreadingTCPServer | None = None
        self.port = 0

    # ------------------------------------------------------------------ life

    def start(self) -> Self:
        """Listen, on the port of before."""
        fake = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                fake._connections.add(self.request)
                with contextlib.suppress(OSError, EOFError):
                    fake._serve(self.request)
                fake._connections.discard(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="mongo", daemon=True
        ).start()
        return self

    def stop(self) -> None:
        """End all connections."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
        for one in list(self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        """Where it is."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def documents(self, name: str) -> list[Document]:
        """Return the documents of "db.collection"."""
        with self._lock:
            return list(self.data.get(name, {}).values())

    # ------------------------------------------------------------------ the wire

    def _serve(self, connection: socket.socket) -> None:
        while True:
            size, request, _, code = struct.unpack("<iiii", _exactly(connection, 16))
            body = _exactly(connection, size - 16)
            if code == 2004:  # OP_QUERY, which only the first hello is
                end = body.index(b"\0", 4)
                command = bson.decode(body[end + 9 :], _OPTIONS)
                answer = bson.encode(self._answer(command))
                data = struct.pack("<iqii", 8, 0, 0, 1) + answer
                reply = 1
            else:
                command = _message(body)
                data = struct.pack("<IB", 0, 0) + bson.encode(self._answer(command))
                reply = 2013
            connection.sendall(struct.pack("<iiii", len(data) + 16, 0, request, reply) + data)

    def _answer(self, command: Document) -> Document:
        name = next(iter(command))
        self.commands.append(name)
        try:
            if name in self.refuse:
                raise _RefusedError(*self.refuse[name])
            method = getattr(self, f"_on_{name.lower()}", None)
            if method is None:
                raise _RefusedError(59, f"no such command: '{name}'")
            return {**method(command), "ok": 1.0}
        except _RefusedError as error:
            return {"ok": 0.0, "errmsg": str(error), "code": error.code}

    def _on_hello(self, _: Document) -> Document:
        me = f"127.0.0.1:{self.port}"
        return {
            "isWritablePrimary": True, "ismaster": True, "helloOk": True, "setName": "rs",
            "hosts": [me], "primary": me, "me": me, "setVersion": 1, "minWireVersion": 0,
            "maxWireVersion": 21, "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30,
        }  # fmt: skip

    _on_ismaster = _on_hello

    def _on_ping(self, _: Document) -> Document:
        return {}

    _on_endsessions = _on_ping

    # ------------------------------------------------------------------ writes

    def _change(self, kind: str, name: str, key: Any, more: Document) -> None:
        database, _, collection = name.partition(".")
        token = {"_data": f"{self.forgotten + len(self.log) + 1:016x}"}
        self.log.append(
            {"_id": token, "operationType": kind, "ns": {"db": database, "coll": collection},
             "documentKey": {"_id": key}, **more}
        )  # fmt: skip
        self._lock.notify_all()

    def _put(self, name: str, document: Document, kind: str) -> None:
        self.data.setdefault(name, {})[_canonical(document["_id"])] = document
        self._change(kind, name, document["_id"], {"fullDocument": document})

    def _each(self, rows: list[Document], ordered: bool, do: Any) -> Document:
        count, wrong = 0, []
        for number, row in enumerate(rows):
            try:
                count += do(row)
            except _RefusedError as error:
                wrong.append({"index": number, "code": error.code, "errmsg": str(error)})
                if ordered:
                    break
        return {"n": count, "nModified": count, **({"writeErrors": wrong} if wrong else {})}

    def _on_insert(self, command: Document) -> Document:
        name = _name(command)

        def insert(document: Document) -> int:
            if _canonical(document["_id"]) in self.data.get(name, {}):
                raise _RefusedError(11000, f"E11000 duplicate key error collection: {name}")
            self._put(name, document, "insert")
            return 1

        with self._lock:
            return self._each(command["documents"], command.get("ordered", True), insert)

    def _on_update(self, command: Document) -> Document:
        name = _name(command)

        def update(row: Document) -> int:
            found = [one for one in self._all(name) if _matches(one, row["q"])]
            change, upsert = row["u"], row.get("upsert")
            if not found and not upsert:
                return 0
            before = found[0] if found else None
            plain = {key: one for key, one in row["q"].items() if not isinstance(one, dict)}
            old = dict(before or {**plain, "_id": row["q"].get("_id", bson.ObjectId())})
            if any(key.startswith("$") for key in change):
                old.update(change.get("$set", {}))
                if before is None:
                    old.update(change.get("$setOnInsert", {}))
                for key in change.get("$unset", {}):
                    old.pop(key, None)
                new, kind = old, "update"
            else:
                new, kind = {"_id": old["_id"], **change}, "replace"
            self._put(name, new, "insert" if before is None else kind)
            return 1

        with self._lock:
            return self._each(command["updates"], command.get("ordered", True), update)

    def _on_delete(self, command: Document) -> Document:
        name = _name(command)

        def delete(row: Document) -> int:
            found = [one for one in self._all(name) if _matches(one, row["q"])]
            for one in found[: row.get("limit") or None]:
                del self.data[name][_canonical(one["_id"])]
                self._change("delete", name, one["_id"], {})
            return len(found)

        with self._lock:
            return self._each(command["deletes"], command.get("ordered", True), delete)

    # ------------------------------------------------------------------ reads

    def _all(self, name: str) -> list[Document]:
        return sorted(
            self.data.get(name, {}).values(), key=lambda one: (str(type(one["_id"])), one["_id"])
        )

    def _on_find(self, command: Document) -> Document:
        with self._lock:
            rows = [
                one for one in self._all(_name(command)) if _matches(one, command.get("filter", {}))
            ]
        least = command.get("min")
        if least:
            start = [_canonical(one["_id"]) for one in rows].index(_canonical(least["_id"]))
            rows = rows[start:]
        rows = rows[: command.get("limit") or None]
        return {"cursor": {"id": 0, "ns": _name(command), "firstBatch": rows}}

    def _on_listdatabases(self, _: Document) -> Document:
        names = sorted({one.partition(".")[0] for one in self.data})
        return {"databases": [{"name": one} for one in names]}

    def _on_listcollections(self, command: Document) -> Document:
        start = command["$db"] + "."
        names = sorted(one.removeprefix(start) for one in self.data if one.startswith(start))
        rows = [{"name": one, "type": "collection"} for one in names]
        return {"cursor": {"id": 0, "ns": f"{command['$db']}.$cmd", "firstBatch": rows}}

    def _on_aggregate(self, command: Document) -> Document:
        stage, *rest = command["pipeline"]
        options = stage["$changeStream"]
        token = options.get("startAfter") or options.get("resumeAfter")
        with self._lock:
            at = self.forgotten + len(self.log)
            if token is not None:
                at = int(token["_data"], 16)
                if at < self.forgotten:
                    raise _RefusedError(286, "Resume of change stream was not possible")
            number, self._next = self._next, self._next + 1
            where = [one["$match"] for one in rest if "$match" in one]
            self._cursors[number] = [at, _name(command), where]
        return self._more(number, "firstBatch", 0)

    def _on_getmore(self, command: Document) -> Document:
        number = command["getMore"]
        if number not in self._cursors:
            raise _RefusedError(43, "cursor id not found")
        return self._more(number, "nextBatch", command.get("maxTimeMS", 1000) / 1000)

    def _more(self, number: int, batch: str, wait_s: float) -> Document:
        cursor = self._cursors[number]
        until = time.monotonic() + min(wait_s, 0.2)
        with self._lock:
            while not (found := self._behind(cursor)) and time.monotonic() < until:
                self._lock.wait(max(0.0, until - time.monotonic()))
            token = {"_data": f"{cursor[0]:016x}"}
        return {"cursor": {"id": number, "ns": cursor[1], batch: found,
                           "postBatchResumeToken": token}}  # fmt: skip

    def _behind(self, cursor: list[Any]) -> list[Document]:
        at, name, where = cursor
        found = self.log[at - self.forgotten :]
        cursor[0] = at + len(found)
        database, _, collection = name.partition(".")
        return [
            one
            for one in found
            if database in {"admin", one["ns"]["db"]}
            and collection in {"$cmd.aggregate", one["ns"]["coll"]}
            and all(_matches(one, each) for each in where)
        ]

    def _on_killcursors(self, command: Document) -> Document:
        for number in command["cursors"]:
            self._cursors.pop(number, None)
        return {"cursorsKilled": command["cursors"]}


def _name(command: Document) -> str:
    first = next(iter(command.values()))
    return f"{command['$db']}.{first if isinstance(first, str) else '$cmd.aggregate'}"


def _matches(document: Document, where: Document) -> bool:
    return all(document.get(name) == value for name, value in where.items())


def _message(body: bytes) -> Document:
    """Return the command of an OP_MSG, its sequences of documents put in."""
    flags = int.from_bytes(body[:4], "little")
    end = len(body) - (4 if flags & 1 else 0)
    at, command, sequences = 4, {}, {}
    while at < end:
        kind = body[at]
        size = int.from_bytes(body[at + 1 : at + 5], "little")
        part = body[at + 1 : at + 1 + size]
        at += 1 + size
        if kind == 0:
            command = bson.decode(part, _OPTIONS)
            continue
        stop = part.index(b"\0", 4)
        sequences[part[4:stop].decode()] = bson.decode_all(part[stop + 1 :], _OPTIONS)
    return {**command, **sequences}


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        data = connection.recv(size)
        if not data:
            raise EOFError
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
