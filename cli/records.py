"""`aliran produce` and `aliran consume`: lines in, lines out, on any Kafka broker."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aliran.cli.settings import CommandError
from aliran.cli.topics import Bootstrap, no_broker

if TYPE_CHECKING:
    from confluent_kafka import Message

_TIMEOUT_S = 10.0


def produce(
    topic: str, *, bootstrap: Bootstrap = "127.0.0.1:9092", key_separator: str | None = None
) -> int:
    r"""Write each line of standard input to a topic as one record.

    For example:

    ```
    printf 'a:1\nb:2\n' | aliran produce numbers --key-separator :
    ```

    Args:
        topic: Where to; created by the broker if it allows that.
        bootstrap: HOST:PORT of a broker.
        key_separator: What comes before it on a line is the record's key.
    """
    from confluent_kafka import Producer

    failures: list[str] = []

    def on_delivery(error: object, _message: Message) -> None:
        if error is not None:
            failures.append(str(error))

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
    count = 0
    for line in sys.stdin.buffer:
        value, key = line.rstrip(b"\r\n"), None
        if key_separator and key_separator.encode() in value:
            key, value = value.split(key_separator.encode(), 1)
        while True:
            try:
                producer.produce(topic, value, key, on_delivery=on_delivery)
                break
            except BufferError:  # the client's queue is full: let it send some
                producer.poll(0.1)
        count += 1
        producer.poll(0)
    waiting = producer.flush(_TIMEOUT_S)
    if waiting or failures:
        reason = failures[0] if failures else f"no broker answers at {bootstrap}"
        raise CommandError(f"{waiting + len(failures)} of {count} records not written: {reason}")
    print(f"{count} records written to {topic}", file=sys.stderr)
    return 0


def consume(
    topic: str, *, bootstrap: Bootstrap = "127.0.0.1:9092", follow: bool = False, keys: bool = True
) -> int:
    r"""Print the records of a topic from its beginning, a line each: key, tab, value.

    Bytes that are no UTF-8 are printed as `\xNN`. No consumer group is left behind.

    For example:

    ```
    aliran consume trending --bootstrap kafka-1:9092 --follow
    ```

    Args:
        topic: Which topic.
        bootstrap: HOST:PORT of a broker.
        follow: Wait for more at the end, until Ctrl-C.
        keys: Print keys; `--no-keys` leaves them out.
    """
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
    from confluent_kafka import TopicPartition as Place

    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "aliran-consume",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 0,
    }
    consumer = Consumer(settings)
    try:
        try:
            partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        except KafkaException as error:
            raise CommandError(no_broker(bootstrap, error.args[0].str())) from error
        if not partitions:
            raise CommandError(f"there is no topic {topic!r} on {bootstrap}")
        consumer.assign([Place(topic, number, OFFSET_BEGINNING) for number in partitions])
        unfinished = set(partitions)
        while follow or unfinished:
            for message in consumer.consume(10_000, 0.2):
                problem = message.error()
                if problem is None:
                    print(_line(message, keys))
                elif problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (its public name)
                    unfinished.discard(message.partition())
                else:
                    raise CommandError(f"{topic}-{message.partition()}: {problem.str()}")
            sys.stdout.flush()
    finally:
        consumer.close()
    return 0


def _line(message: Message, keys: bool) -> str:
    value = _text(message.value())
    return f"{_text(message.key())}\t{value}" if keys else value


def _text(data: bytes | str | None) -> str:
    if data is None:
        return "null"
    return data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")
