"""Names of formats → what writes and reads them; libraries are imported when one is named."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from aliran.connectors.config.values import invalid
from aliran.connectors.errors import ConfigError
from aliran.connectors.formats.base import Format

_PLACES = {
    "json": ("text", "JsonFormat"),
    "bytearray": ("text", "BytesFormat"),
    "bytes": ("text", "BytesFormat"),
    "lines": ("text", "LinesFormat"),
    "string": ("text", "LinesFormat"),
    "csv": ("text", "CsvFormat"),
    "avro": ("avro", "AvroFormat"),
    "parquet": ("parquet", "ParquetFormat"),
}
_EXTRAS = {"avro": "avro", "parquet": "parquet"}
FORMATS = ("json", "avro", "parquet", "bytearray", "lines", "csv")
"""Short names, as they are documented."""


def short_name(name: str) -> str:
    """Return "json" for `io.confluent.connect.s3.format.json.JsonFormat`, `JsonFormat`, `json`."""
    return name.rpartition(".")[2].lower().removesuffix("format")


def known_format(name: str, value: Any) -> None:
    """Check the name of a format."""
    if value is not None and short_name(value) not in _PLACES:
        raise invalid(name, value, f"the formats are {', '.join(FORMATS)}")


def format_named(name: str, **settings: Any) -> Format:
    """Return a format.

    Raises:
        ConfigError: It is unknown, or needs a package that is not installed.
    """
    short = short_name(name)
    if short not in _PLACES:
        raise ConfigError(f"the format {name} is unknown; there are {', '.join(FORMATS)}")
    module, attribute = _PLACES[short]
    try:
        found = import_module(f"aliran.connectors.formats.{module}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the format {short} needs packages that are not installed: "
            f"pip install 'aliran[{_EXTRAS.get(short, 'connectors')}]'"
        ) from error
    made: Format = getattr(found, attribute)(**settings)
    return made
