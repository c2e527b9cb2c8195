"""A client of MQTT whose messages are acknowledged when we say so."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid
from aliran.connectors.errors import ConnectError, RetriableError

_PORTS = {"tcp": 1883, "mqtt": 1883, "ssl": 8883, "mqtts": 8883, "tls": 8883}
_FATAL = {
    "Bad user name or password", "Not authorized", "Banned", "Client identifier not valid",
    "Unsupported protocol version", "Bad authentication method",
}  # fmt: skip


def _check_uri(name: str, value: Any) -> None:
    try:
        parts = urlsplit(str(value))
        right = parts.scheme in _PORTS and parts.hostname and (parts.port or 1)
    except ValueError:
        right = False
    if not right:
        raise invalid(name, value, "it must be tcp://HOST:PORT or ssl://HOST:PORT")


@dataclass(frozen=True, kw_only=True)
class MqttOptions:
    """Which broker."""

    mqtt_server_uri: Annotated[
        str,
        Option("The broker: tcp://HOST:PORT, or ssl://HOST:PORT.", importance=Importance.HIGH,
               validator=_check_uri),
    ]  # fmt: skip
    mqtt_username: Annotated[str | None, Option("The user.")] = None
    mqtt_password: Annotated[Password | None, Option("The password.")] = None
    mqtt_client_id: Annotated[
        str | None,
        Option("Names the session; a task's number follows. aliran-CONNECTOR if not given."),
    ] = None
    mqtt_version: Annotated[Literal["5", "3.1.1"], Option("Which MQTT is spoken.")] = "5"
    mqtt_session_expiry_seconds: Annotated[
        int,
        Option("How long the broker keeps messages while nobody is connected (MQTT 5).",
               validator=at_least(0)),
    ] = 7 * 86_400  # fmt: skip
    mqtt_keepalive_interval_seconds: Annotated[
        int, Option("How often the connection is tried out.", validator=at_least(1))
    ] = 60
    mqtt_connect_timeout_seconds: Annotated[
        int, Option("How long connecting may take.", validator=at_least(1))
    ] = 30
    mqtt_ssl_ca_file: Annotated[str | None, Option("Certificates (PEM) to trust, with ssl://.")] = (
        None
    )
    mqtt_ssl_certificate_file: Annotated[
        str | None, Option("Our certificate and key (PEM), for brokers that ask.")
    ] = None
    mqtt_ssl_verify: Annotated[bool, Option("Whether the broker's certificate is checked.")] = True

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.mqtt_server_uri)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]

    def tls(self) -> ssl.SSLContext | None:
        """Return how connections are made safe, None for not at all."""
        if _PORTS[urlsplit(self.mqtt_server_uri).scheme] != 8883:
            return None
        try:
            context = ssl.create_default_context(cafile=self.mqtt_ssl_ca_file)
            if self.mqtt_ssl_certificate_file is not None:
                context.load_cert_chain(self.mqtt_ssl_certificate_file)
        except (OSError, ssl.SSLError) as error:
            raise ConnectError(f"a file of certificates cannot be used: {error}") from error
        if not self.mqtt_ssl_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass
class Listener:
    """Who is told of what happens, on the client's thread.

    Attributes:
        connected: There is a connection; whether the broker knew the session.
        received: A message came, over the connection of this number.
        away: There is no connection any more, or none could be made; why.
        refused: The broker does not want us, and will not.
    """

    connected: Callable[[bool], None]
    away: Callable[[str], None]
    refused: Callable[[ConnectError], None]
    received: Callable[[int, paho.MQTTMessage], None] = field(default=lambda *_: None)


class Connection:
    """A session with a broker, connected again when the connection ends.

    Args:
        options: Which broker.
        client_id: Names the session.
        clean: Whether the broker forgets the session when the connection ends.
        listener: Is told of what happens.
        receive_maximum: How many messages the broker sends before one is acknowledged (MQTT 5).
    """

    def __init__(
        self,
        options: MqttOptions,
        client_id: str,
        listener: Listener,
        *,
        clean: bool,
        receive_maximum: int = 65_535,
    ) -> None:
        self._options = options
        self._five = options.mqtt_version == "5"
        self._listener = listener
        self._clean = clean
        self._maximum = receive_maximum
        self.epoch: int = 0
        self.client: _HeldClient = _HeldClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._five else clean,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            manual_ack=True,
        )
        client, context = self.client, options.tls()
        client.received = self._received
        client.on_message = self._on_message
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: listener.away("it cannot be reached")
        client.on_disconnect = self._on_disconnect
        client.connect_timeout = options.mqtt_connect_timeout_seconds
        client.reconnect_delay_set(1, 10)
        if context is not None:
            client.tls_set_context(context)
        if options.mqtt_username is not None:
            secret = options.mqtt_password
            client.username_pw_set(options.mqtt_username, secret.value if secret else None)

    def start(self) -> None:
        """Connect, on a thread of its own, again and again."""
        host, port = self._options.address
        more: dict[str, Any] = {}
        if self._five:
            properties: Any = _properties()
            properties.ReceiveMaximum = self._maximum
            if not self._clean:
                properties.SessionExpiryInterval = self._options.mqtt_session_expiry_seconds
            more = {"clean_start": self._clean, "properties": properties}
        keep_alive = self._options.mqtt_keepalive_interval_seconds
        self.client.connect_async(host, port, keep_alive, **more)
        self.client.loop_start()

    def close(self) -> None:
        """Disconnect; the session stays unless it is a clean one."""
        self.client.disconnect()
        self.client.loop_stop()

    def acknowledge(self, epoch: int, message: paho.MQTTMessage) -> None:
        """Acknowledge a message, if it came over the connection that is there now.

        The broker sends those of earlier connections again, and may call others by their numbers.
        """
        if epoch == self.epoch and message.qos:
            self.client.release(message.mid, message.qos)

    def _received(self, message: paho.MQTTMessage) -> None:
        self._listener.received(self.epoch, message)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        if message.qos < 2:  # others have been received already, before they were acknowledged
            self._received(message)

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _more: Any) -> None:
        self.epoch += 1
        if not reason.is_failure:
            self._listener.connected(flags.session_present)
            return
        text = f"{self._options.mqtt_server_uri} refuses the connection: {reason}"
        if str(reason) in _FATAL:
            self._listener.refused(ConnectError(f"{text}; see mqtt.username and mqtt.password"))
        else:
            self._listener.away(text)

    def _on_disconnect(self, *_args: Any) -> None:
        self.epoch += 1
        self._listener.away("the connection has ended")


class _HeldClient(paho.Client):
    """Hands out messages of QoS 2 when they come, and tells the broker only when it is told to.

    paho answers them at once, after which the broker counts them as delivered: those that this
    process has not written yet would be lost with it.
    """

    received: Callable[[paho.MQTTMessage], None]
    _held: int | None = None

    def _send_pubrec(self, mid: int) -> MQTTErrorCode:
        self._held = mid
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_publish(self) -> MQTTErrorCode:
        self._held = None
        done = super()._handle_publish()
        if self._held is not None:
            self.received(self._in_messages[self._held])
        return done

    def _handle_pubrel(self) -> MQTTErrorCode:
        self._manual_ack = False  # the message is in Kafka: this ends it
        try:
            return super()._handle_pubrel()
        finally:
            self._manual_ack = True

    def release(self, mid: int, qos: int) -> None:
        """Acknowledge a message; on any thread."""
        if qos == 2:
            super()._send_pubrec(mid)
        else:
            self._send_puback(mid)


def _properties() -> Any:
    make: Any = Properties
    return make(PacketTypes.CONNECT)


def try_out(options: MqttOptions) -> None:
    """Connect.

    Raises:
        ConnectError: It does not work.
    """
    answered = threading.Event()
    problem: list[ConnectError] = []

    def away(why: str) -> None:
        if not answered.is_set():
            problem.append(RetriableError(f"{options.mqtt_server_uri}: {why}"))
            answered.set()

    def refused(error: ConnectError) -> None:
        problem.append(error)
        answered.set()

    listener = Listener(lambda _: answered.set(), away, refused)
    connection = Connection(options, "", listener, clean=True)
    connection.start()
    if not answered.wait(options.mqtt_connect_timeout_seconds):
        problem.append(RetriableError(f"{options.mqtt_server_uri} does not answer"))
    answered.set()
    connection.close()
    if problem:
        raise problem[0]
