"""`ConnectTester`: a connector in a real worker beside a real broker, with faults.

The fixture `connect_tester` of `aliran.testing.plugin` gives one.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, Producer

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.api.connector import Connector
from aliran.connectors.api.functions import SinkPlugin, SourcePlugin
from aliran.core.errors import AliranError
from aliran.testing.worker_process import WorkerProcess

_JSON = "org.apache.kafka.connect.json.JsonConverter"
_PLAIN = {
    "key.converter": _JSON, "key.converter.schemas.enable": "false",
    "value.converter": _JSON, "value.converter.schemas.enable": "false",
}  # fmt: skip
# What a killed worker's sinks had is given to others once their sessions have ended.
_SHORT_SESSIONS = {"group.min.session.timeout.ms": "500"}
_SINKS = {"consumer.session.timeout.ms": "1000", "consumer.heartbeat.interval.ms": "200"}


class ReadRecord(NamedTuple):
    """A record of a topic, as bytes.

    Attributes:
        key: Its key.
        value: Its value; None for a tombstone.
        headers: Names and values.
        partition: Where it was found.
        offset: Where it was found there.
        timestamp: Milliseconds since the epoch.
    """

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    partition: int
    offset: int
    timestamp: int


class ConnectTester:
    """A broker in this process and a worker in one of its own, for tests of connectors.

    Keys and values are JSON without schemas unless a connector's options say otherwise.

    Args:
        folder: For data and logs.
        options: Options of the worker beside those it needs.

    Attributes:
        broker: The broker.
        worker: The worker.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._options = dict(options or {})
        self.broker: EmbeddedBroker = self._new_broker("127.0.0.1:0")
        self.worker: WorkerProcess

    def __enter__(self) -> Self:
        self.broker.start()
        address = self.broker.bootstrap_servers
        self.worker = WorkerProcess(
            self._folder,
            {
                **_PLAIN, **_SINKS, "bootstrap.servers": address, "listeners": "http://127.0.0.1:0",
                "offset.flush.interval.ms": "200", "aliran.data.dir": str(self._folder / "worker"),
                **self._options,
            },
        )  # fmt: skip
        self._given: dict[str, dict[str, str]] = {}
        self.start_worker()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.worker.running:
                self.worker.stop() if kind is None else self.worker.kill()
        finally:
            self.broker.close()

    # ------------------------------------------------------------------ connectors

    def put(
        self,
        name: str,
        connector: str | type[Connector] | SourcePlugin[Any] | SinkPlugin[Any],
        /,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Make a connector, or change it, and wait until it runs.

        Args:
            name: Its name.
            connector: What `@source` or `@sink` gave, a class, or what `connector.class` calls it.
            config: Options by their names.
            options: Options as the fields of a configuration class: `fail_at=3` is `fail.at`.

        Raises:
            AliranError: The worker refuses it, or it does not come to run; the message says why.
        """
        given = {"connector.class": _name_of(connector), **(config or {})}
        given |= {option.replace("_", "."): value for option, value in options.items()}
        self._given[name] = {option: _text(value) for option, value in given.items()}
        self.request("PUT", f"/connectors/{name}/config", self._given[name])
        self.wait_for(name, "RUNNING")

    def status(self, name: str) -> dict[str, Any]:
        """Return what `/connectors/{name}/status` says."""
        found: dict[str, Any] = self.request("GET", f"/connectors/{name}/status")
        return found

    def wait_for(self, name: str, state: str, timeout_s: float = 30) -> None:
        """Wait until the connector and all its tasks are RUNNING, PAUSED, …; or a task FAILED.

        Raises:
            AliranError: It does not come; the message has the traces of what failed.
        """

        def there() -> bool:
            found = self.status(name)
            states = [one["state"] for one in (found["connector"], *found["tasks"])]
            return state in states if state == "FAILED" else set(states) == {state}

        try:
            eventually(there, timeout_s)
        except AssertionError:
            found = json.dumps(self.status(name), indent=2).replace("\\n", "\n")
            raise AliranError(f"{name} is not {state}: {found}") from None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Call the worker's REST interface; return what it answers.

        Raises:
            AliranError: It answers with an error.
        """
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.worker.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise AliranError(f"{method} {path}: {error.code} {said}") from None
        return json.loads(text) if text else None

    # ------------------------------------------------------------------ topics

    def write(self, topic: str, *values: Any, key: Any = None) -> None:
        """Write values to a topic: bytes as they are, None as a tombstone, others as JSON."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap_servers})
        for value in values:
            producer.produce(topic, _bytes(value), _bytes(key))
        if left := producer.flush(30):
            raise AliranError(f"{left} records could not be written to {topic} within 30 s")

    def read(self, topic: str, count: int, timeout_s: float = 30) -> list[ReadRecord]:
        """Return the first records of a topic, at least `count` of them.

        Raises:
            AliranError: There are fewer after a while; the message has the worker's log.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self.broker.bootstrap_servers,
                "group.id": f"tester-{time.monotonic_ns()}", "auto.offset.reset": "earliest",
                "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 200,
            }
        )  # fmt: skip
        consumer.subscribe([topic])
        found: list[ReadRecord] = []
        deadline = time.monotonic() + timeout_s
        while len(found) < count and time.monotonic() < deadline:
            found += [_record(one) for one in consumer.consume(500, 0.2) if one.error() is None]
        consumer.close()
        if len(found) < count:
            raise AliranError(
                f"{topic} has {len(found)} records after {timeout_s} s, wanted {count}; the "
                f"worker's log:\n{self.worker.log_text()[-4000:]}"
            )
        return found

    def values(self, topic: str, count: int, timeout_s: float = 30) -> list[Any]:
        """Return the first values of a topic, read as JSON."""
        records = self.read(topic, count, timeout_s)
        return [None if one.value is None else json.loads(one.value) for one in records]

    # ------------------------------------------------------------------ faults

    def start_worker(self) -> None:
        """Start the worker, with the connectors that were made before it was killed."""
        self.worker.start()
        for name, config in self._given.items():
            self.request("PUT", f"/connectors/{name}/config", config)

    def kill_worker(self) -> None:
        """End the worker with SIGKILL, in the middle of whatever it does."""
        self.worker.kill()

    @contextmanager
    def broker_away(self) -> Iterator[None]:
        """Have no broker while the block runs; its data and its address stay."""
        address = self.broker.bootstrap_servers
        self.broker.close()
        try:
            yield
        finally:
            self.broker = self._new_broker(address).start()

    def _new_broker(self, address: str) -> EmbeddedBroker:
        return EmbeddedBroker(self._folder / "broker", listen=address, config=_SHORT_SESSIONS)


def eventually(ready: Callable[[], Any], timeout_s: float = 30) -> Any:
    """Return what `ready` returns once it is true.

    Raises:
        AssertionError: It was not within the time.
    """
    deadline = time.monotonic() + timeout_s
    while not (found := ready()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{ready} did not become true within {timeout_s} s")
        time.sleep(0.05)
    return found


def _name_of(connector: Any) -> str:
    if isinstance(connector, str):
        return connector
    cls = getattr(connector, "connector", connector)
    return f"{cls.__module__}.{cls.__qualname__}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return json.dumps(value).encode()


def _record(message: Any) -> ReadRecord:
    return ReadRecord(
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
    )
