"""An ASGI application on a socket, served by uvicorn on a thread of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import Any

from aliran.core.errors import AliranError

ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class HttpServer:
    """Listens at once, so that the address is known; answers from `serve` on.

    Args:
        host: The address to listen on.
        port: The port; 0 takes a free one.
        name: What listens, for messages and the thread's name.

    Raises:
        AliranError: The address cannot be used.
    """

    def __init__(self, host: str, port: int, name: str) -> None:
        self._host = host
        self._name = name
        self._cleanup = contextlib.ExitStack()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._cleanup.callback(self._socket.close)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._cleanup.close()
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise AliranError(
                f"cannot listen on {shown}: {error.strerror}; is another {name} running there? "
                "Port 0 takes a free one"
            ) from error

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that clients of this machine can use."""
        return ANY_HOST.get(self._host, self._host), self._socket.getsockname()[1]

    def serve(
        self, app: Any, *, certificate: str | None = None, certificate_key: str | None = None
    ) -> None:
        """Answer requests until `close`.

        Args:
            app: The ASGI application.
            certificate: Certificate chain in PEM; with it HTTPS is spoken.
            certificate_key: Its private key, where the certificate's file does not hold it.

        Raises:
            AliranError: The certificate cannot be used, or uvicorn is not installed.
        """
        try:
            import uvicorn

            from aliran.core.uvicorn_server import UvicornServer
        except ImportError as error:
            raise AliranError(
                "serving HTTP needs uvicorn: pip install 'aliran[registry]' or 'aliran[connect]'"
            ) from error
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
            ssl_certfile=certificate,
            ssl_keyfile=certificate_key,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise AliranError(f"the certificate {certificate} cannot be used: {error}") from error
        self._socket.listen(1024)
        server = UvicornServer(config)
        thread = threading.Thread(
            target=server.run,
            kwargs={"sockets": [self._socket]},
            name=f"aliran-{self._name}",
            daemon=True,
        )
        thread.start()

        def stop() -> None:
            server.stop()
            thread.join()

        self._cleanup.callback(stop)

    def close(self) -> None:
        """Answer what is being worked on, then stop. Idempotent."""
        self._cleanup.close()
