"""A fake of DynamoDB and its streams, for what moto does not do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


class FakeDynamoDb:
    """Answers each operation by a function: it takes the request, returns status and answer."""

    def __init__(self, **operations: Answer) -> None:
        self.operations = operations
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        handler = type("Bound", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
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
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeDynamoDb
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base's name)
        return

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        self.fake.asked.append(operation)
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.fake.operations[operation](request)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
