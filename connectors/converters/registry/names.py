"""Names that Avro, JSON Schema and Protobuf share with Connect's schemas."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

GENERALIZED_UNION = "org.apache.kafka.connect.data.Union"
GENERALIZED_ENUM = "org.apache.kafka.connect.data.Enum"

_INVALID = re.compile(r"[^A-Za-z0-9_]")


def scrubbed(name: str, start: str = r"[A-Za-z_]") -> str:
    """Return a name of letters, digits and underscores: what is none is percent-encoded first.

    Args:
        name: The name.
        start: What a name may begin with; else an x is put in front of it.
    """
    encoded = quote_plus(name, safe="*").replace("~", "%7E")
    if not re.match(start, encoded):
        encoded = f"x{encoded}"
    return _INVALID.sub("_", encoded)


def scrubbed_full(name: str) -> str:
    """Return a name with dots, each part scrubbed."""
    return ".".join(scrubbed(part) for part in name.split("."))
