"""A member of a consumer group as a program, for each client; tests kill it.

`python group_member.py CLIENT ADDRESS GROUP TOPIC [INSTANCE]` prints a line `PARTITION OFFSET` for
each record and commits behind it.
"""

from __future__ import annotations

import asyncio
import sys
import warnings

SESSION_MS = 1_500
HEARTBEAT_MS = 200


def confluent(address: str, group: str, topic: str, instance: str | None) -> None:
    """Run a member that is confluent-kafka."""
    from confluent_kafka import Consumer

    settings: dict[str, str | int | bool] = {
        "bootstrap.servers": address,
        "group.id": group,
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    if instance is not None:
        settings["group.instance.id"] = instance
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    while True:
        messages = consumer.consume(100, timeout=0.05)
        for each in messages:
            if each.error() is None:
                print(each.partition(), each.offset(), flush=True)
        if messages:
            consumer.commit(asynchronous=True)


def kafka_python(address: str, group: str, topic: str, instance: str | None) -> None:
    """Run a member that is kafka-python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from kafka import KafkaConsumer
        from kafka.errors import CommitFailedError

    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=group,
        group_instance_id=instance,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    while True:
        # a poll that ends during a rebalance makes kafka-python 3.0 forget what it was assigned
        polled = consumer.poll(10_000, max_records=100)
        for records in polled.values():
            for each in records:
                print(each.partition, each.offset, flush=True)
        if polled:
            try:
                consumer.commit()
            except CommitFailedError:  # a rebalance came first; the records will come again
                print("commit failed", file=sys.stderr)


def aiokafka(address: str, group: str, topic: str, instance: str | None) -> None:
    """Run a member that is aiokafka."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import CommitFailedError

    async def run() -> None:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=address,
            group_id=group,
            group_instance_id=instance,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        while True:
            polled = await consumer.getmany(timeout_ms=50, max_records=100)
            for records in polled.values():
                for each in records:
                    print(each.partition, each.offset, flush=True)
            if polled:
                try:
                    await consumer.commit()
                except CommitFailedError:
                    print("commit failed", file=sys.stderr)

    asyncio.run(run())


PROGRAMS = {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}


def main(client: str, address: str, group: str, topic: str, instance: str | None = None) -> None:
    """Run a member until it is killed."""
    PROGRAMS[client](address, group, topic, instance)


def command(client: str, address: str, group: str, topic: str, *instance: str) -> list[str]:
    """Return the command line of a member; kcat is its own program."""
    if client != "kcat":
        return [sys.executable, __file__, client, address, group, topic, *instance]
    settings = {
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": HEARTBEAT_MS,
        "auto.commit.interval.ms": 200,
        "auto.offset.reset": "earliest",
    }
    words = [word for each in settings.items() for word in ("-X", f"{each[0]}={each[1]}")]
    return ["kcat", "-b", address, *words, "-q", "-u", "-f", r"%p %o\n", "-G", group, topic]


if __name__ == "__main__":
    main(*sys.argv[1:])
