"""A fake of HDFS that speaks WebHDFS: a name node and a data node on one port, files in memory.

It redirects as Hadoop does, refuses what Hadoop refuses (a rename onto a file, or into no folder),
and can be away.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

PREFIX = "/webhdfs/v1"


class Hdfs:
    """The files, and a server for them.

    Args:
        standby: Whether it is a name node that stands by, and refuses everything.
    """

    def __init__(self, *, standby: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.folders = {"/"}
        self.requests: list[str] = []
        self.standby = standby
        self.lock = threading.RLock()
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        bound = type("Bound", (_Handler,), {"cluster": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), bound)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def names(self) -> list[str]:
        with self.lock:
            return sorted(one for one in self.files if "+tmp" not in one)


class _Refused(Exception):  # noqa: N818  (it is an answer)
    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.name = name


class _Handler(BaseHTTPRequestHandler):
    cluster: Hdfs
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one piece, which nobody waits for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        return

    def _answer(self, status: int, body: Any = None, **headers: str) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(url.path)
        try:
            with self.cluster.lock:
                if path.startswith("/data"):
                    self._store(path.removeprefix("/data"), query, body)
                else:
                    self._name_node(path.removeprefix(PREFIX), query, body)
        except _Refused as error:
            told = {"exception": error.name, "message": str(error),
                    "javaClassName": f"org.apache.hadoop.{error.name}"}  # fmt: skip
            self._answer(error.status, {"RemoteException": told})

    do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  (the base's names)

    def _name_node(self, path: str, query: dict[str, str], body: bytes) -> None:
        cluster, op = self.cluster, query["op"]
        cluster.requests.append(op)
        if cluster.standby:
            raise _Refused(403, "StandbyException", "Operation category READ is not supported")
        if path.startswith("/forbidden"):
            raise _Refused(403, "AccessControlException", "Permission denied: user=nobody")
        if op in {"CREATE", "APPEND"}:
            assert not body, "the name node was sent data"
            if op == "APPEND" and path not in cluster.files:
                raise _Refused(404, "FileNotFoundException", f"File does not exist: {path}")
            place = f"{cluster.url}/data{quote(path)}?op={op}"
            self._answer(307, Location=place)
        elif op == "MKDIRS":
            self._make_folders(path)
            self._answer(200, {"boolean": True})
        elif op == "DELETE":
            self._answer(200, {"boolean": cluster.files.pop(path, None) is not None})
        elif op == "RENAME":
            target = query["destination"]
            fits = target not in cluster.files and path in cluster.files
            fits = fits and target.rpartition("/")[0] in cluster.folders
            if fits:
                cluster.files[target] = cluster.files.pop(path)
            self._answer(200, {"boolean": fits})
        elif path in cluster.files:
            self._answer(200, {"FileStatus": {"length": len(cluster.files[path]), "type": "FILE"}})
        else:
            raise _Refused(404, "FileNotFoundException", f"File does not exist: {path}")

    def _make_folders(self, path: str) -> None:
        parts = path.split("/")
        self.cluster.folders |= {"/".join(parts[:end]) for end in range(1, len(parts) + 1)}

    def _store(self, path: str, query: dict[str, str], body: bytes) -> None:
        before = self.cluster.files.get(path, b"") if query["op"] == "APPEND" else b""
        self.cluster.files[path] = before + body
        self._make_folders(path.rpartition("/")[0])
        self._answer(201 if query["op"] == "CREATE" else 200)
