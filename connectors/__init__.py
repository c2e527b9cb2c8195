"""Kafka Connect in Python: what connectors are written with; `server.py` runs them."""

from aliran.connectors.api.connector import (
    Connector,
    ConnectorContext,
    SinkConnector,
    SourceConnector,
)
from aliran.connectors.api.functions import (
    Record,
    Retry,
    SinkContext,
    SinkPlugin,
    SourceContext,
    SourcePlugin,
    sink,
    source,
)
from aliran.connectors.api.tasks import (
    ErrantRecordReporter,
    SinkTask,
    SinkTaskContext,
    SourceTask,
    SourceTaskContext,
    TransactionContext,
)
from aliran.connectors.config.definition import ConfigDef, ConfigKey, ConfigValue, Importance
from aliran.connectors.config.typed import Option, definition_of, instance_of
from aliran.connectors.config.values import Password, Type
from aliran.connectors.errors import ConfigError, ConnectError, DataError, RetriableError
from aliran.connectors.records import SinkRecord, SourceRecord

__all__ = [
    "ConfigDef",
    "ConfigError",
    "ConfigKey",
    "ConfigValue",
    "ConnectError",
    "Connector",
    "ConnectorContext",
    "DataError",
    "ErrantRecordReporter",
    "Importance",
    "Option",
    "Password",
    "Record",
    "RetriableError",
    "Retry",
    "SinkConnector",
    "SinkContext",
    "SinkPlugin",
    "SinkRecord",
    "SinkTask",
    "SinkTaskContext",
    "SourceConnector",
    "SourceContext",
    "SourcePlugin",
    "SourceRecord",
    "SourceTask",
    "SourceTaskContext",
    "TransactionContext",
    "Type",
    "definition_of",
    "instance_of",
    "sink",
    "source",
]
