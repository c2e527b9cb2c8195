"""`aliran topics`: look at topics and make them, on any Kafka broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from aliran.cli.settings import CommandError, key_values

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

app: App = App(name="topics", help="List, describe, create and delete topics.")

_TIMEOUT_S = 5.0

Bootstrap = Annotated[str, Parameter(name=["--bootstrap", "-b"])]


@app.command(name="list")
def list_topics(*, bootstrap: Bootstrap = "127.0.0.1:9092", internal: bool = False) -> None:
    """Print the names of the topics and how many partitions they have.

    Args:
        bootstrap: HOST:PORT of a broker.
        internal: Show `__consumer_offsets` and its like too.
    """
    for name, topic in sorted(_metadata(_admin(bootstrap), bootstrap).topics.items()):
        if internal or not name.startswith("__"):
            print(f"{name}\t{len(topic.partitions)}")


@app.command
def describe(name: str, *, bootstrap: Bootstrap = "127.0.0.1:9092") -> None:
    """Print the partitions of a topic with their first and end offsets.

    Args:
        name: The topic.
        bootstrap: HOST:PORT of a broker.
    """
    from confluent_kafka import Consumer, TopicPartition

    topics = _metadata(_admin(bootstrap), bootstrap).topics
    if name not in topics:
        known = ", ".join(sorted(topic for topic in topics if not topic.startswith("__"))) or "none"
        raise CommandError(f"there is no topic {name!r} on {bootstrap}; topics: {known}")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "aliran-describe"})
    try:
        print("partition\tfirst\tend\trecords")
        for partition in sorted(topics[name].partitions):
            bounds = consumer.get_watermark_offsets(
                TopicPartition(name, partition), timeout=_TIMEOUT_S
            )
            if bounds is None:
                raise CommandError(f"{bootstrap} did not say the offsets of {name}-{partition}")
            print(f"{partition}\t{bounds[0]}\t{bounds[1]}\t{bounds[1] - bounds[0]}")
    finally:
        consumer.close()


@app.command
def create(
    name: str,
    *,
    bootstrap: Bootstrap = "127.0.0.1:9092",
    partitions: int = 1,
    config: Annotated[
        tuple[str, ...], Parameter(name=["--config", "-c"], negative="", show_default=False)
    ] = (),
) -> None:
    """Create a topic.

    For example:

    ```
    aliran topics create tweets --partitions 4 -c retention.ms=86400000
    ```

    Args:
        name: The topic.
        bootstrap: HOST:PORT of a broker.
        partitions: How many partitions it shall have.
        config: A setting as NAME=VALUE; may be given several times.
    """
    from confluent_kafka.cimpl import NewTopic

    topic = NewTopic(name, partitions, config=key_values(config, "--config"))
    admin = _admin(bootstrap)  # must live until the answer is there
    _done(admin.create_topics([topic], operation_timeout=_TIMEOUT_S)[name], name)
    print(f"created {name} with {partitions} partition(s)")


@app.command
def delete(name: str, *, bootstrap: Bootstrap = "127.0.0.1:9092") -> None:
    """Delete a topic and its records.

    Args:
        name: The topic.
        bootstrap: HOST:PORT of a broker.
    """
    admin = _admin(bootstrap)  # must live until the answer is there
    _done(admin.delete_topics([name], operation_timeout=_TIMEOUT_S)[name], name)
    print(f"deleted {name}")


def _admin(bootstrap: str) -> AdminClient:
    from confluent_kafka.admin import AdminClient

    # A broker that is not there is our message to give, once; librdkafka would repeat its own.
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def _metadata(admin: AdminClient, bootstrap: str) -> Any:
    from confluent_kafka import KafkaException

    try:
        return admin.list_topics(timeout=_TIMEOUT_S)
    except KafkaException as error:
        raise CommandError(no_broker(bootstrap, error.args[0].str())) from error


def no_broker(bootstrap: str, cause: str) -> str:
    """Return what to say where no broker answers."""
    return (
        f"no broker answers at {bootstrap!r} ({cause}); give HOST:PORT of one with --bootstrap, "
        "or start one with `aliran broker`"
    )


def _done(future: Future[None], name: str) -> None:
    from confluent_kafka import KafkaException

    try:
        future.result(2 * _TIMEOUT_S)
    except (KafkaException, TimeoutError) as error:
        cause = error.args[0].str() if isinstance(error, KafkaException) else "no broker answers"
        raise CommandError(f"topic {name!r}: {cause}") from error
