"""The options of workers and connectors that the runtime itself knows.

Kafka: `WorkerConfig`, `ConnectorConfig`, `SourceConnectorConfig`, `SinkConnectorConfig`. What Kafka
does not have begins with `aliran.`.
"""

from __future__ import annotations

import re
from typing import Any

from aliran.connectors.config.definition import NO_DEFAULT, ConfigDef, ConfigKey, Importance, Width
from aliran.connectors.config.values import (
    Type,
    Validator,
    at_least,
    no_control_characters,
    no_duplicates,
    not_empty,
    one_of,
)
from aliran.connectors.transforms.java_regex import compile_regex

JSON = "org.apache.kafka.connect.json.JsonConverter"
SIMPLE_HEADERS = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW


# What forms show: place in the group, width, label.
_FORM: dict[str, tuple[int, Width, str]] = {
    "name": (1, Width.MEDIUM, "Connector name"),
    "connector.class": (2, Width.LONG, "Connector class"),
    "connector.plugin.version": (3, Width.MEDIUM, "Connector version"),
    "tasks.max": (4, Width.SHORT, "Tasks max"),
    "tasks.max.enforce": (5, Width.SHORT, "Enforce tasks max"),
    "key.converter": (6, Width.SHORT, "Key converter class"),
    "key.converter.plugin.version": (7, Width.SHORT, "Key converter version"),
    "value.converter": (8, Width.SHORT, "Value converter class"),
    "value.converter.plugin.version": (9, Width.SHORT, "Value converter version"),
    "header.converter": (10, Width.SHORT, "Header converter class"),
    "header.converter.plugin.version": (11, Width.SHORT, "Header converter version"),
    "transforms": (12, Width.LONG, "Transforms"),
    "predicates": (13, Width.LONG, "Predicates"),
    "config.action.reload": (14, Width.MEDIUM, "Reload Action"),
    "errors.retry.timeout": (1, Width.MEDIUM, "Retry Timeout for Errors"),
    "errors.retry.delay.max.ms": (2, Width.MEDIUM, "Maximum Delay Between Retries for Errors"),
    "errors.tolerance": (3, Width.SHORT, "Error Tolerance"),
    "errors.log.enable": (4, Width.SHORT, "Log Errors"),
    "errors.log.include.messages": (5, Width.SHORT, "Log Error Details"),
    "topic.creation.groups": (1, Width.LONG, "Topic Creation Groups"),
    "exactly.once.support": (2, Width.SHORT, "Exactly once support"),
    "transaction.boundary": (3, Width.SHORT, "Transaction Boundary"),
    "transaction.boundary.interval.ms": (4, Width.SHORT, "Transaction boundary interval"),
    "offsets.storage.topic": (1, Width.LONG, "Offsets topic"),
    "topics": (4, Width.LONG, "Topics"),
    "topics.regex": (4, Width.LONG, "Topics regex"),
    "errors.deadletterqueue.topic.name": (6, Width.MEDIUM, "Dead Letter Queue Topic Name"),
    "errors.deadletterqueue.topic.replication.factor": (
        7, Width.MEDIUM, "Dead Letter Queue Topic Replication Factor",
    ),
    "errors.deadletterqueue.context.headers.enable": (
        8, Width.MEDIUM, "Enable Error Context Headers",
    ),
}  # fmt: skip


def _key(
    name: str,
    kind: Type,
    default: Any,
    importance: Importance,
    documentation: str,
    check: Validator | None = None,
    group: str | None = None,
) -> ConfigKey:
    order, width, label = _FORM.get(name, (-1, Width.SHORT, ""))
    return ConfigKey(
        name, kind, default, documentation, importance, check, group, order, width, label
    )


WORKER = ConfigDef(
    [
        _key("bootstrap.servers", Type.LIST, "", _HIGH,
             "The Kafka cluster; empty for a broker in this process."),
        _key("key.converter", Type.STRING, JSON, _HIGH, "Converts keys."),
        _key("value.converter", Type.STRING, JSON, _HIGH, "Converts values."),
        _key("header.converter", Type.STRING, SIMPLE_HEADERS, _LOW, "Converts headers."),
        _key("listeners", Type.LIST, "http://127.0.0.1:8083", _LOW,
             "Where REST listens, such as http://HOST:PORT."),
        _key("offset.storage.file.filename", Type.STRING, None, _HIGH,
             "The file that source offsets are kept in, in Kafka's format."),
        _key("offset.storage.topic", Type.STRING, None, _HIGH,
             "The compacted topic that source offsets are kept in, in place of a file."),
        _key("offset.storage.partitions", Type.INT, 25, _LOW,
             "Partitions of that topic when it is made.", at_least(1)),
        _key("offset.storage.replication.factor", Type.SHORT, 3, _LOW,
             "Replicas of that topic when it is made, or as many as there are brokers."),
        _key("offset.flush.interval.ms", Type.LONG, 60_000, _LOW,
             "How often offsets are stored.", at_least(1)),
        _key("task.shutdown.graceful.timeout.ms", Type.LONG, 5_000, _LOW,
             "How long a task may take to end.", at_least(0)),
        _key("topic.tracking.enable", Type.BOOLEAN, True, _LOW,
             "Whether the topics of connectors are remembered."),
        _key("topic.tracking.allow.reset", Type.BOOLEAN, True, _LOW,
             "Whether they may be forgotten by a request."),
        _key("plugin.path", Type.LIST, "", _LOW,
             "Folders whose Python files hold further connectors."),
        _key("config.providers", Type.LIST, "file,env,dir", _LOW,
             "What placeholders such as ${file:path:key} ask."),
        _key("aliran.data.dir", Type.STRING, "aliran-data", _LOW,
             "Where the worker keeps logs, and the broker in this process its data."),
        _key("group.id", Type.STRING, "aliran-connect", _LOW,
             "The name of the workers that belong together; part of transactional ids."),
        _key("exactly.once.source.support", Type.STRING, "disabled", _HIGH,
             "Whether sources write records and their offsets in transactions (enabled); the Kafka "
             "cluster must have them.",
             one_of("disabled", "enabled", "preparing", ignore_case=True)),
        _key("aliran.isolation", Type.STRING, "thread", _LOW,
             "Whether connectors run as threads of the worker or each in a process of its own.",
             one_of("thread", "process")),
    ]
)  # fmt: skip


def distributed() -> ConfigDef:
    """Return the options of a worker that is one of several. Kafka: `DistributedConfig`."""
    theirs = {one.name for one in _DISTRIBUTED} | {"offset.storage.file.filename"}
    common = [one for one in WORKER.keys.values() if one.name not in theirs]
    return ConfigDef([*common, *_DISTRIBUTED])


_DISTRIBUTED = (
    _key("group.id", Type.STRING, NO_DEFAULT, _HIGH,
         "The group of workers that this one belongs to.", no_control_characters),
    _key("config.storage.topic", Type.STRING, NO_DEFAULT, _HIGH,
         "The topic of configurations: compacted, one partition."),
    _key("config.storage.replication.factor", Type.SHORT, 3, _LOW,
         "Replicas of that topic when it is made, or as many as there are brokers."),
    _key("offset.storage.topic", Type.STRING, NO_DEFAULT, _HIGH,
         "The topic of source offsets: compacted."),
    _key("offset.storage.partitions", Type.INT, 25, _LOW,
         "Partitions of that topic when it is made.", at_least(1)),
    _key("offset.storage.replication.factor", Type.SHORT, 3, _LOW,
         "Replicas of that topic when it is made, or as many as there are brokers."),
    _key("status.storage.topic", Type.STRING, NO_DEFAULT, _HIGH,
         "The topic of states: compacted."),
    _key("status.storage.partitions", Type.INT, 5, _LOW,
         "Partitions of that topic when it is made.", at_least(1)),
    _key("status.storage.replication.factor", Type.SHORT, 3, _LOW,
         "Replicas of that topic when it is made, or as many as there are brokers."),
    _key("connect.protocol", Type.STRING, "sessioned", _LOW,
         "How workers deal out work: sessioned, or compatible for workers older than 2.4.",
         one_of("sessioned", "compatible")),
    _key("session.timeout.ms", Type.INT, 10_000, _HIGH,
         "How long a worker may give no sign of life before its work is given to others.",
         at_least(1)),
    _key("heartbeat.interval.ms", Type.INT, 3_000, _HIGH,
         "How often a worker gives a sign of life.", at_least(1)),
    _key("rebalance.timeout.ms", Type.INT, 60_000, _HIGH,
         "How long a worker may take to join again when work is dealt out.", at_least(1)),
    _key("scheduled.rebalance.max.delay.ms", Type.INT, 300_000, _LOW,
         "How long the work of a worker that is gone waits for it to come back.", at_least(0)),
    _key("worker.sync.timeout.ms", Type.INT, 3_000, _MEDIUM,
         "How long a worker may take to read the configurations to their end.", at_least(1)),
    _key("worker.unsync.backoff.ms", Type.INT, 300_000, _MEDIUM,
         "How long a worker that could not stays without work.", at_least(0)),
    _key("rest.advertised.host.name", Type.STRING, None, _LOW,
         "The host by which other workers reach this one; that of the listener if none."),
    _key("rest.advertised.port", Type.INT, None, _LOW,
         "The port by which other workers reach this one; that of the listener if none."),
)  # fmt: skip

_COMMON = "Common"
_ERRORS = "Error Handling"
_TRANSFORMS = "Transforms"
_ISOLATION = "Isolation"
_EXACTLY_ONCE = "Exactly Once Support"


def _interval(name: str, value: Any) -> None:
    if value is not None:
        at_least(1)(name, value)


def _isolation(name: str, value: Any) -> None:
    if value is not None:
        one_of("thread", "process")(name, value)


_CONNECTOR = (
    _key("name", Type.STRING, NO_DEFAULT, _HIGH,
         "Globally unique name to use for this connector.", no_control_characters, _COMMON),
    _key("connector.class", Type.STRING, NO_DEFAULT, _HIGH,
         "The connector: class, alias, or the dotted name of a Python class.", None, _COMMON),
    _key("connector.plugin.version", Type.STRING, None, _MEDIUM,
         "The version of the connector; only the installed one.", None, _COMMON),
    _key("tasks.max", Type.INT, 1, _HIGH,
         "Maximum number of tasks to use for this connector.", at_least(1), _COMMON),
    _key("tasks.max.enforce", Type.BOOLEAN, True, _LOW,
         "Whether a connector that gives more tasks than tasks.max fails.", None, _COMMON),
    _key("key.converter", Type.CLASS, None, _LOW, "Converts keys; the worker's if none.",
         None, _COMMON),
    _key("key.converter.plugin.version", Type.STRING, None, _LOW,
         "Its version; only the installed one.", None, _COMMON),
    _key("value.converter", Type.CLASS, None, _LOW, "Converts values; the worker's if none.",
         None, _COMMON),
    _key("value.converter.plugin.version", Type.STRING, None, _LOW,
         "Its version; only the installed one.", None, _COMMON),
    _key("header.converter", Type.CLASS, None, _LOW, "Converts headers; the worker's if none.",
         None, _COMMON),
    _key("header.converter.plugin.version", Type.STRING, None, _LOW,
         "Its version; only the installed one.", None, _COMMON),
    _key("transforms", Type.LIST, "", _LOW, "Aliases for the transformations to be applied.",
         no_duplicates, _TRANSFORMS),
    _key("predicates", Type.LIST, "", _LOW, "Aliases for the predicates used by transformations.",
         no_duplicates, "Predicates"),
    _key("config.action.reload", Type.STRING, "restart", _LOW,
         "What happens when an external value changes.", one_of("none", "restart"), _COMMON),
    _key("errors.retry.timeout", Type.LONG, 0, _MEDIUM,
         "How long, in milliseconds, a failed step of a record is tried again; -1 for ever.",
         at_least(-1), _ERRORS),
    _key("errors.retry.delay.max.ms", Type.LONG, 60_000, _MEDIUM,
         "The longest wait between two attempts.", at_least(1), _ERRORS),
    _key("errors.tolerance", Type.STRING, "none", _MEDIUM,
         "Whether records that fail are passed over.", one_of("none", "all"), _ERRORS),
    _key("errors.log.enable", Type.BOOLEAN, False, _MEDIUM,
         "Whether each failure is written to the log.", None, _ERRORS),
    _key("errors.log.include.messages", Type.BOOLEAN, False, _MEDIUM,
         "Whether the log says which record it was.", None, _ERRORS),
    _key("errors.deadletterqueue.topic.name", Type.STRING, "", _MEDIUM,
         "The topic for records that fail; for sources, too.", None, _ERRORS),
    _key("errors.deadletterqueue.topic.replication.factor", Type.SHORT, 3, _MEDIUM,
         "Replicas of that topic when it is made, or as many as there are brokers.", None, _ERRORS),
    _key("errors.deadletterqueue.context.headers.enable", Type.BOOLEAN, False, _MEDIUM,
         "Whether headers say what happened.", None, _ERRORS),
    _key("aliran.check", Type.BOOLEAN, True, _LOW,
         "Whether the connector connects, logs in and so on before it is made or changed.",
         None, _COMMON),
    _key("aliran.restart.attempts", Type.INT, 10, _LOW,
         "How often a task that fails is started again; 0 for never.", at_least(0), _ERRORS),
    _key("aliran.restart.backoff.ms", Type.LONG, 1_000, _LOW,
         "The first wait before that; it doubles.", at_least(0), _ERRORS),
    _key("aliran.restart.backoff.max.ms", Type.LONG, 300_000, _LOW,
         "The longest wait. A task that ran as long counts as well again.", at_least(1), _ERRORS),
    _key("aliran.isolation", Type.STRING, None, _LOW,
         "Whether it runs as threads of the worker (thread) or in a process of its own (process); "
         "the worker's if none.", _isolation, _ISOLATION),
    _key("aliran.memory.limit.mb", Type.INT, 0, _LOW,
         "The memory, in MiB, that its process may use before it is ended; 0 for any.",
         at_least(0), _ISOLATION),
    _key("aliran.log.file", Type.STRING, None, _LOW,
         "The log of its process; logs/NAME.log under aliran.data.dir if none.", None, _ISOLATION),
    _key("aliran.task.stall.timeout.ms", Type.LONG, 300_000, _LOW,
         "How long the loop of a running task may take to come round; 0 for ever.",
         at_least(0), _ERRORS),
    _key("aliran.task.stall.action", Type.STRING, "restart", _LOW,
         "What happens then: it is shown in the status (report), or its process is ended, too, and "
         "started again (restart).", one_of("restart", "report"), _ERRORS),
)  # fmt: skip

SOURCE = ConfigDef(
    [
        *_CONNECTOR,
        _key("topic.creation.groups", Type.LIST, "", _LOW,
             "Groups of settings for topics that are made.", no_duplicates, "Topic Creation"),
        _key("exactly.once.support", Type.STRING, "requested", _MEDIUM,
             "Whether the connector is refused (required) where worker, connector or cluster do "
             "not write its records exactly once.",
             one_of("requested", "required", ignore_case=True), _EXACTLY_ONCE),
        _key("transaction.boundary", Type.STRING, "poll", _MEDIUM,
             "Where transactions end: behind each batch of a task (poll), in time (interval), or "
             "where the connector says so.",
             one_of("interval", "poll", "connector", ignore_case=True), _EXACTLY_ONCE),
        _key("transaction.boundary.interval.ms", Type.LONG, None, _LOW,
             "How long a transaction lasts then; offset.flush.interval.ms of the worker if none.",
             _interval, _EXACTLY_ONCE),
        _key("offsets.storage.topic", Type.STRING, None, _LOW,
             "A topic for the connector's own offsets, where it writes exactly once.",
             not_empty, "offsets.topic"),
    ]
)  # fmt: skip

SINK = ConfigDef(
    [
        *_CONNECTOR,
        _key("topics", Type.LIST, "", _HIGH, "Topics to consume, separated by commas.",
             None, _COMMON),
        _key("topics.regex", Type.STRING, "", _HIGH,
             "Regular expression of topics to consume, in place of topics.", None, _COMMON),
    ]
)  # fmt: skip


def topics_errors(config: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong about a sink's topics, by option (`SinkConnectorConfig.validate`)."""
    topics = [one.strip() for one in (config.get("topics") or "").split(",") if one.strip()]
    regex = (config.get("topics.regex") or "").strip()
    if topics and regex:
        text = "topics and topics.regex are mutually exclusive options, but both are set."
        return {"topics": text, "topics.regex": text}
    if not topics and not regex:
        text = "Must configure one of topics or topics.regex"
        return {"topics": text, "topics.regex": text}
    try:
        compile_regex(regex)
    except re.error as error:
        return {
            "topics.regex": f"Invalid value {regex} for configuration topics.regex: "
            f"Invalid regex: {error}"
        }
    dead = config.get("errors.deadletterqueue.topic.name")
    if dead and dead in topics:
        return {
            "topics": f"The DLQ topic '{dead}' may not be included in the list of topics "
            f"('topics=[{', '.join(topics)}]') consumed by the connector"
        }
    return {}
