"""Properties by which Avro schemas keep what only Connect's schemas have. Confluent: `AvroData`."""

from __future__ import annotations

from typing import Any

NAMESPACE = "io.confluent.connect.avro"
DEFAULT_NAME = "ConnectDefault"
MAP_ENTRY = "MapEntry"
KEY, VALUE = "key", "value"

NAME = "connect.name"
DOC = "connect.doc"
VERSION = "connect.version"
DEFAULT = "connect.default"
PARAMETERS = "connect.parameters"
INTERNAL_TYPE = "connect.internal.type"
TYPE = "connect.type"
PRECISION = "connect.decimal.precision"
DEFAULT_PRECISION = 64

RECORD_DOC = f"{NAMESPACE}.record.doc"
FIELD_DOC = f"{NAMESPACE}.field.doc."
ENUM_DOC = f"{NAMESPACE}.enum.doc."
ENUM_DEFAULT = f"{NAMESPACE}.enum.default."
FIELD_DEFAULT = f"{NAMESPACE}.field.default"
UNION = f"{NAMESPACE}.Union"
ENUM = f"{NAMESPACE}.Enum"

ANYTHING: dict[str, Any] = {
    "type": "record",
    "name": "Anything",
    "namespace": NAMESPACE,
    "fields": [
        *(
            {"name": kind, "type": ["null", kind], "default": None}
            for kind in ("boolean", "bytes", "double", "float", "int", "long", "string")
        ),
        {
            "name": "array",
            "type": ["null", {"type": "array", "items": f"{NAMESPACE}.Anything"}],
            "default": None,
        },
        {
            "name": "map",
            "type": [
                "null",
                {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": MAP_ENTRY,
                        "namespace": NAMESPACE,
                        "fields": [
                            {"name": KEY, "type": f"{NAMESPACE}.Anything"},
                            {"name": VALUE, "type": f"{NAMESPACE}.Anything"},
                        ],
                    },
                },
            ],
            "default": None,
        },
    ],
}
"""The schema of values without one: a record of which one field is set."""


def split_name(full: str) -> tuple[str | None, str]:
    """Return package and name."""
    package, dot, name = full.rpartition(".")
    return (package if dot else None), name


def kind_of(avro: Any) -> str:
    """Return what an Avro schema is; a name for one that only names another."""
    if isinstance(avro, list):
        return "union"
    return str(avro["type"]) if isinstance(avro, dict) else str(avro)
