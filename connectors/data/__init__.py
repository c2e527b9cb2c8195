"""Connect's data: schemas, structs, headers. Kafka: `org.apache.kafka.connect.data`."""

from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.headers import ConnectHeaders, Header
from aliran.connectors.data.projection import SchemaProjector, project
from aliran.connectors.data.schema import Field, Schema, SchemaAndValue, Type
from aliran.connectors.data.struct import Struct

__all__ = [
    "ConnectHeaders",
    "Field",
    "Header",
    "Schema",
    "SchemaAndValue",
    "SchemaBuilder",
    "SchemaProjector",
    "Struct",
    "Type",
    "project",
]
