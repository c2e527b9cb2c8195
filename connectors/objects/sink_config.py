"""Options that all sinks of files share, with Confluent's names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from aliran.connectors.config.definition import ConfigValue, Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, between, invalid, not_empty
from aliran.connectors.formats.base import Format
from aliran.connectors.formats.table import format_named, known_format
from aliran.connectors.formats.table import short_name as short_format
from aliran.connectors.objects.partitioner import (
    DAILY_PATH,
    EXTRACTORS,
    HOUR_MS,
    HOURLY_PATH,
    PARTITIONERS,
    Extractor,
    Partitioner,
    default_partitioner,
    extractor,
    field_partitioner,
    known,
    short_name,
    time_partitioner,
    valid_path,
    valid_zone,
)


@dataclass(frozen=True, kw_only=True)
class ObjectSinkConfig:
    """The options."""

    flush_size: Annotated[
        int,
        Option(
            "How many records of a topic's partition end its files.",
            importance=Importance.HIGH, validator=at_least(1), group="Connector",
        ),
    ]  # fmt: skip
    rotate_interval_ms: Annotated[
        int,
        Option(
            "A record whose time is this much behind that of a file's first record ends the files; "
            "so does one that goes to another folder. -1 for never. By the times of records "
            "(timestamp.extractor), so that files are the same after a crash.",
            group="Connector",
        ),
    ] = -1
    rotate_schedule_interval_ms: Annotated[
        int,
        Option(
            "Files are ended at these times of the clock, -1 for never. After a crash records may "
            "then stand in two files.",
            group="Connector",
        ),
    ] = -1
    topics_dir: Annotated[
        str, Option("The folder that holds the topics' folders.", group="Storage")
    ] = "topics"
    directory_delim: Annotated[
        str, Option("What parts folders in a name.", validator=not_empty, group="Storage")
    ] = "/"
    file_delim: Annotated[
        str,
        Option("What parts topic, partition and offset.", validator=not_empty, group="Storage"),
    ] = "+"
    filename_offset_zero_pad_width: Annotated[
        int,
        Option("How many digits an offset has.", validator=between(0, 30), group="Storage"),
    ] = 10
    format_class: Annotated[
        str,
        Option(
            "json, avro, parquet, bytearray, lines or csv; Confluent's classes are known, too.",
            importance=Importance.HIGH, validator=known_format, group="Format",
        ),
    ] = "json"  # fmt: skip
    parquet_codec: Annotated[
        Literal["none", "snappy", "gzip", "zstd", "brotli", "lz4"],
        Option("How Parquet files are compressed.", group="Format"),
    ] = "snappy"
    avro_codec: Annotated[
        Literal["null", "deflate", "snappy"],
        Option("How Avro files are compressed.", group="Format"),
    ] = "null"
    format_bytearray_extension: Annotated[
        str, Option("How names of files of bytes end.", group="Format")
    ] = ".bin"
    format_bytearray_separator: Annotated[
        str | None, Option("What stands behind each value of bytes; a line end.", group="Format")
    ] = None
    schema_compatibility: Annotated[
        Literal["NONE", "BACKWARD", "FORWARD", "FULL"],
        Option(
            "NONE: another schema ends the files. Else values are written with the newest "
            "(BACKWARD, FULL) or oldest (FORWARD) version of the schema.",
            group="Format",
        ),
    ] = "NONE"
    behavior_on_null_values: Annotated[
        Literal["fail", "ignore"],
        Option("What becomes of records without a value.", group="Connector"),
    ] = "fail"
    store_kafka_keys: Annotated[
        bool, Option("Write keys into files beside those of the values.", group="Storage")
    ] = False
    store_kafka_headers: Annotated[
        bool, Option("Write headers into files beside those of the values.", group="Storage")
    ] = False
    keys_format_class: Annotated[
        str, Option("The format of the files of keys.", validator=known_format, group="Format")
    ] = "json"
    partitioner_class: Annotated[
        str,
        Option(
            "Default (a folder a Kafka partition), Field, TimeBased, Hourly or Daily; Confluent's "
            "classes are known, too.",
            importance=Importance.HIGH, validator=known("partitioner", PARTITIONERS),
            group="Partitioner",
        ),
    ] = "default"  # fmt: skip
    partition_field_name: Annotated[
        list[str], Option("The fields that name folders (Field).", group="Partitioner")
    ] = ()  # type: ignore[assignment]
    partition_duration_ms: Annotated[
        int, Option("How much time a folder has (TimeBased).", group="Partitioner")
    ] = -1
    path_format: Annotated[
        str,
        Option(
            "Folders by time, such as 'year'=YYYY/'month'=MM (TimeBased).",
            validator=valid_path, group="Partitioner",
        ),
    ] = ""  # fmt: skip
    locale: Annotated[
        str, Option("Taken for Confluent's sake; names are English.", group="Partitioner")
    ] = ""
    timezone: Annotated[
        str,
        Option("The time zone of folders, UTC if none.", validator=valid_zone, group="Partitioner"),
    ] = ""
    timestamp_extractor: Annotated[
        str,
        Option(
            "Where a record's time comes from: Record, RecordField or Wallclock. With Wallclock "
            "records may stand in two files after a crash.",
            validator=known("timestampextractor", EXTRACTORS), group="Partitioner",
        ),
    ] = "Record"  # fmt: skip
    timestamp_field: Annotated[
        str, Option("The field with the time (RecordField).", group="Partitioner")
    ] = "timestamp"

    @property
    def compression(self) -> str:
        """How text formats are compressed: "none" or "gzip"."""
        return "none"

    @property
    def level(self) -> int:
        """Level of gzip, -1 for its default."""
        return -1

    @property
    def timed(self) -> bool:
        """Whether the time of records matters."""
        return self._partitioner in {"timebased", "hourly", "daily"} or self.rotate_interval_ms > 0

    @property
    def _partitioner(self) -> str:
        return short_name(self.partitioner_class, "partitioner")

    def format(self, name: str) -> Format:
        """Return a format with the settings for it."""
        short = short_format(name)
        if short == "parquet":
            return format_named(short, codec=self.parquet_codec)
        if short == "avro":
            return format_named(short, codec=self.avro_codec)
        given: dict[str, Any] = {"compression": self.compression, "level": self.level}
        if short in {"bytes", "bytearray"}:
            given["extension"] = self.format_bytearray_extension
            given["separator"] = self.format_bytearray_separator or "\n"
        return format_named(short, **given)

    def partitioner(self) -> Partitioner:
        """Return what chooses folders."""
        kind, zone, delimiter = self._partitioner, self.timezone or "UTC", self.directory_delim
        if kind == "field":
            return field_partitioner(self.partition_field_name, delimiter)
        if kind == "hourly":
            return time_partitioner(HOURLY_PATH, HOUR_MS, zone, delimiter)
        if kind == "daily":
            return time_partitioner(DAILY_PATH, 24 * HOUR_MS, zone, delimiter)
        if kind == "timebased":
            return time_partitioner(self.path_format, self.partition_duration_ms, zone, delimiter)
        return default_partitioner

    def extractor(self) -> Extractor:
        """Return what finds times."""
        return extractor(self.timestamp_extractor, self.timestamp_field)


def look_at_several(found: dict[str, ConfigValue]) -> None:
    """Add errors about options that do not go together."""

    def value(name: str) -> Any:
        return found[name].value

    def need(name: str, fits: Callable[[Any], bool], why: str) -> None:
        if not found[name].errors and not fits(value(name)):
            found[name].errors.append(str(invalid(name, value(name), why)))

    kind = short_name(str(value("partitioner.class")), "partitioner")
    if kind == "field":
        need("partition.field.name", bool, "the Field partitioner needs the names of fields")
    if kind == "timebased":
        need("path.format", bool, "the TimeBased partitioner needs a pattern of folders")
        need("partition.duration.ms", lambda ms: ms > 0, "the TimeBased partitioner needs it")
