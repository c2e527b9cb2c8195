"""`WebhookSource`: what is posted to a port becomes records.

A request is answered with 200 once Kafka has acknowledged all its records, so its sender knows
whether to send it again. Requests that come together are written together.
"""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.api.tasks import SourceTask
from aliran.connectors.builtin.http.webhook_app import Posted, WebhookApp
from aliran.connectors.builtin.http.webhook_config import WebhookConfig
from aliran.connectors.config.definition import ConfigValue
from aliran.connectors.config.typed import instance_of
from aliran.connectors.config.values import invalid
from aliran.connectors.errors import ConnectError
from aliran.connectors.messaging.acked import AckedSourceTask, Inbox, MessageRecord
from aliran.connectors.messaging.connector import MessageSource
from aliran.core.errors import AliranError
from aliran.core.http_server import HttpServer

_MOST = 500


class WebhookTask(AckedSourceTask):
    """Listens, and answers."""

    def start(self, props: Mapping[str, str]) -> None:
        """Listen from now on."""
        self._config = config = instance_of(WebhookConfig, props)
        self._inbox: Inbox[Posted] = Inbox()
        self._app = WebhookApp(config, self._inbox)
        self._server = _listen(config)
        self.port: int = self._server.address[1]
        try:
            self._server.serve(
                self._app, certificate=config.ssl_certificate, certificate_key=config.ssl_key
            )
        except AliranError as error:
            self._server.close()
            raise ConnectError(str(error)) from error

    def poll(self) -> list[MessageRecord]:
        """Return the records of requests that wait."""
        records = []
        for posted in self._inbox.take(_MOST, self.wait_s):
            records += posted.records
        self.sent(len(records))
        return records

    def acknowledge(self, token: Posted) -> None:
        """Answer a request when its last record is acknowledged."""
        self._app.acknowledged(token)

    def stop(self) -> None:
        """Take no more requests; those that are under way are still answered."""
        if hasattr(self, "_app"):
            self._app.close()
            self._inbox.wake()

    def close(self) -> None:
        """Stop listening."""
        if hasattr(self, "_app"):
            self._app.refuse(self._inbox.take(1 << 30, 0))
            closing = threading.Thread(target=self._server.close, daemon=True)
            closing.start()  # it waits for answers that come from this thread's producer
            closing.join(0.2)


def _listen(config: WebhookConfig) -> HttpServer:
    try:
        return HttpServer(config.host, config.port, "webhook source")
    except AliranError as error:
        raise ConnectError(str(error)) from error


class WebhookSource(MessageSource):
    """One port, one task."""

    settings: ClassVar[type[Any]] = WebhookConfig
    task: ClassVar[type[SourceTask]] = WebhookTask

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        if not found["topic"].value and not found["path.topics"].value:
            row = found["topic"]
            row.errors.append(str(invalid("topic", row.value, "give it, or path.topics")))
        if found["value.format"].value != "json":
            for name, needs in (("key.pointer", None), ("body.split", "array")):
                row = found[name]
                if row.value is not None and needs in {None, row.value}:
                    why = "it needs value.format=json"
                    row.errors.append(str(invalid(name, row.value, why)))
        return found

    def try_out(self, config: WebhookConfig) -> None:
        """See whether the port is free, or is that of a webhook that is being changed."""
        try:
            _listen(config).close()
        except ConnectError as error:
            cause = error.__cause__ and error.__cause__.__cause__
            in_use = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
            if not in_use or not _is_webhook(config):
                raise


def _is_webhook(config: WebhookConfig) -> bool:
    if config.ssl_certificate is not None:
        return True  # whose it is shows when the task starts
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)
    try:
        with socket.create_connection((host, config.port), timeout=2) as probe:
            probe.sendall(b"OPTIONS / HTTP/1.0\r\n\r\n")
            answer = probe.recv(4096)
    except OSError:
        return False
    return b"aliran-webhook" in answer
