"""The HTTP server's end: what is under way is answered, idle connections are not waited for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from aliran.core.http_server import HttpServer


class _App:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.answer = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.set()
        while not self.answer.is_set():
            await asyncio.sleep(0.001)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def test_a_request_under_way_is_answered_before_the_end() -> None:
    app, server = _App(), HttpServer("127.0.0.1", 0, "test")
    host, port = server.address
    url = f"http://{host}:{port}"
    server.serve(app)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.get, url)
        assert app.reached.wait(30)
        closed = pool.submit(server.close)
        while _listens(host, port):
            time.sleep(0.001)
        assert not closed.done()
        app.answer.set()
        assert answer.result(30).text == "answered"
        closed.result(30)
    server.close()


def test_an_idle_connection_does_not_keep_it() -> None:
    app, server = _App(), HttpServer("127.0.0.1", 0, "test")
    app.answer.set()
    server.serve(app)
    with httpx.Client() as client:
        host, port = server.address
        assert client.get(f"http://{host}:{port}").text == "answered"
        server.close()  # the client still holds its connection


def test_one_that_never_served_ends_as_well() -> None:
    server = HttpServer("127.0.0.1", 0, "test")
    server.close()
    server.close()
