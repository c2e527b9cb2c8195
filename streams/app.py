"""`App`: a topology, its settings and its runtime in one object."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from aliran.clients.transport import Transport
from aliran.core.errors import AliranError
from aliran.core.types import Columns, Headers
from aliran.protocol.partitioner import partition_for_key
from aliran.serdes import SerdeLike
from aliran.streams.decorated.decorators import FunctionBuilder
from aliran.streams.errors import IllegalStateError
from aliran.streams.plan.naming import check_name
from aliran.streams.runtime.config import StreamsConfig, settings_of
from aliran.streams.runtime.kafka_streams import KafkaStreams, StreamsStatistics
from aliran.streams.runtime.state import State

if TYPE_CHECKING:
    from aliran.broker.embedded import EmbeddedBroker
    from aliran.streams.plan.topology import Topology

logger: logging.Logger = logging.getLogger("aliran.streams")


class App(FunctionBuilder):
    """A stream-processing application: build its topology with the methods of `StreamsBuilder`.

    >>> app = App("shout")
    >>> app.stream("words", value=str).map_values(str.upper).to("shouted")
    >>> with app:
    ...     app.send("words", "a", "hello")
    ...     app.wait_until_idle()
    ...     [value for _, value in app.read("shouted")]
    ['HELLO']

    Args:
        application_id: Names the consumer group, the internal topics and the state directory.
        brokers: `embedded` for a broker in this process, or `host:port,host:port`.
        config: Settings by Kafka's names or Python's, see `StreamsConfig`.
        settings: The same as keywords: `commit_interval="1s"`, `data_dir="data"`.

    Raises:
        ConfigError: A setting is unknown or impossible.
    """

    def __init__(
        self,
        application_id: str,
        brokers: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        given = {"application_id": application_id, **settings_of(config), **settings}
        if brokers is not None:
            given["brokers"] = brokers
        self.config: StreamsConfig = StreamsConfig.from_mapping(given)
        super().__init__(
            default_key=self.config.default_key, default_value=self.config.default_value
        )
        self._streams: KafkaStreams | None = None
        self._writer: Transport | None = None

    def build(self, config: Mapping[str, Any] | StreamsConfig | None = None) -> Topology:
        """Return the topology as frozen data, optimised as the application's settings say."""
        return super().build(self.config if config is None else config)

    # ------------------------------------------------------------------ running

    def run(self) -> None:
        """Run until SIGINT or SIGTERM, then commit and close.

        Ends the process with status 1 and a message on an error that stops the application.
        """
        _log_to_terminal()
        try:
            with _stopping_on_signals(self._make()) as streams:
                streams.run()
        except AliranError as error:
            self.close()
            sys.exit(f"{self.config.application_id}: {error}")
        finally:
            self.close()

    def start(self) -> Self:
        """Run on a thread of its own, until `close`.

        Raises:
            AliranError: It cannot start; says why.
        """
        self._open().start()
        return self

    def close(self, timeout_s: float | None = None) -> bool:
        """Stop, commit and let go of everything; returns whether it ended in time."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        return True if self._streams is None else self._streams.close(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ watching

    @property
    def state(self) -> State:
        """Where in its life the application is."""
        return State.CREATED if self._streams is None else self._streams.state

    @property
    def streams(self) -> KafkaStreams:
        """The runtime.

        Raises:
            IllegalStateError: The application has not been started.
        """
        if self._streams is None:
            raise IllegalStateError("the application is not started: call start() or run()")
        return self._streams

    @property
    def broker(self) -> EmbeddedBroker:
        """The embedded broker; starts it where it does not run yet.

        Raises:
            IllegalStateError: `brokers` names a cluster.
        """
        broker = self._open().connection.embedded
        if broker is None:
            raise IllegalStateError(
                f"there is no embedded broker: the application uses {self.bootstrap_servers}"
            )
        return broker

    @property
    def bootstrap_servers(self) -> str:
        """The address of the broker, for other clients."""
        return self._open().connection.bootstrap_servers

    def wait_until_running(self, timeout_s: float = 30) -> None:
        """See `KafkaStreams.wait_until_running`."""
        self.streams.wait_until_running(timeout_s)

    def wait_until_idle(self, timeout_s: float = 30) -> None:
        """See `KafkaStreams.wait_until_idle`."""
        self.streams.wait_until_idle(timeout_s)

    def statistics(self) -> StreamsStatistics:
        """Return counters of what was done since the start."""
        return self.streams.statistics()

    # ------------------------------------------------------------------ records in and out

    def send(
        self,
        topic: str,
        key: Any,
        value: Any,
        timestamp_ms: int | None = None,
        headers: Headers = (),
    ) -> None:
        """Write one record, serialised by the types of its key and value; returns when it is there.

        Where the application reads the topic with schemas of a registry, it is written with them.
        For trying things out; to write many records use a producer of your choice.

        Args:
            topic: The topic; made if need be where the broker makes topics on first use.
            key: Its key, or None.
            value: Its value, or None.
            timestamp_ms: Its time; None for now.
            headers: Its headers.

        Raises:
            AliranError: The topic does not exist, or the record cannot be serialised or written.
        """
        check_name(topic, "topic name")
        streams = self._open()
        if self._writer is None:
            self._writer = streams.connection.open_transport()
        count = streams.partitions_of(self._writer, topic)
        raw_key = streams.writing_serde(topic, key, is_key=True).serialize(key)
        raw_value = streams.writing_serde(topic, value, is_key=False).serialize(value)
        time_ms = streams.time_ms() if timestamp_ms is None else timestamp_ms
        partition = 0 if raw_key is None else partition_for_key(raw_key, count)
        columns = Columns(topic, partition, (), [raw_key], [raw_value], [time_ms])
        if headers:
            columns.headers = [headers]
        self._writer.send(columns)
        self._writer.flush()

    def read(
        self, topic: str, *, key: SerdeLike[Any] = str, value: SerdeLike[Any] = str
    ) -> Iterator[tuple[Any, Any]]:
        """Yield key and value of every record that is in `topic` now, partition by partition.

        For trying things out; to follow a topic use a consumer of your choice.

        Raises:
            AliranError: The topic does not exist, or a record cannot be deserialised.
        """
        streams = self._open()
        if self._writer is None:
            self._writer = streams.connection.open_transport()
        key_serde = streams.reading_serde(topic, key, is_key=True)
        value_serde = streams.reading_serde(topic, value, is_key=False)
        for columns in streams.read_all(self._writer, topic):
            for raw_key, raw_value in zip(columns.keys, columns.values, strict=True):
                yield key_serde.deserialize(raw_key), value_serde.deserialize(raw_value)

    def _make(self) -> KafkaStreams:
        if self._streams is None:
            self._streams = KafkaStreams(self.build(), self.config)
        return self._streams

    def _open(self) -> KafkaStreams:
        streams = self._make()
        return streams.open() if streams.state is State.CREATED else streams


@contextlib.contextmanager
def _stopping_on_signals(streams: KafkaStreams) -> Iterator[KafkaStreams]:
    """Stop the application on SIGINT and SIGTERM; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield streams
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, _frame: FrameType | None) -> None:
        logger.info("stopping on %s", signal.Signals(number).name)
        for each, handler in before.items():
            signal.signal(each, handler)
        streams.stop()

    for number in before:
        signal.signal(number, stop)
    try:
        yield streams
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _log_to_terminal() -> None:
    """Show what the application does, unless the program has set logging up by itself."""
    if not logging.getLogger().handlers and not logging.getLogger("aliran").handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
