"""`S3Source`: objects → topics. Confluent: `S3SourceConnector`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.s3.store import BucketOptions, BucketSourceStore
from aliran.connectors.config.definition import ConfigValue, Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import invalid, not_empty
from aliran.connectors.formats.base import Format
from aliran.connectors.formats.table import format_named, known_format
from aliran.connectors.objects.source import ObjectSource, ObjectSourceTask
from aliran.connectors.objects.source_config import ObjectSourceConfig, need_topic
from aliran.connectors.objects.source_plan import EachOnce, InOrder, Plan
from aliran.connectors.objects.store import SourceStore


@dataclass(frozen=True, kw_only=True)
class S3SourceConfig(BucketOptions, ObjectSourceConfig):
    """The options."""

    mode: Annotated[
        Literal["RESTORE_BACKUP", "GENERIC"],
        Option(
            "RESTORE_BACKUP: what S3Sink wrote, in order, to the topics in the names of the "
            "objects (or to `topic`); GENERIC: any objects, each once.",
            importance=Importance.HIGH,
        ),
    ] = "RESTORE_BACKUP"
    topics_dir: Annotated[str, Option("How the names of the objects begin.")] = "topics"
    file_delim: Annotated[
        str, Option("What parts topic, partition and offset.", validator=not_empty)
    ] = "+"
    parquet_codec: Annotated[
        str, Option("How S3Sink compressed Parquet, which stands in the names.")
    ] = "snappy"
    restore_partitions: Annotated[
        bool,
        Option(
            "Records go to the partition that they came from, which the topic must have "
            "(RESTORE_BACKUP)."
        ),
    ] = True
    store_kafka_keys: Annotated[
        bool, Option("Read keys from the files beside those of the values.")
    ] = False
    store_kafka_headers: Annotated[
        bool, Option("Read headers from the files beside those of the values.")
    ] = False
    keys_format_class: Annotated[
        str, Option("The format of the files of keys.", validator=known_format)
    ] = "json"


class S3SourceTask(ObjectSourceTask):
    """Reads objects."""

    settings: ClassVar[type[Any]] = S3SourceConfig
    _config: S3SourceConfig

    @classmethod
    def store_of(cls, config: S3SourceConfig) -> SourceStore:
        """Return the bucket."""
        prefix = config.topics_dir and f"{config.topics_dir.rstrip('/')}/"
        return BucketSourceStore(config, prefix)

    @classmethod
    def plan_of(cls, config: S3SourceConfig) -> Plan:
        """Return what the mode says."""
        place = {"bucket": config.s3_bucket_name}
        if config.mode == "GENERIC":
            return EachOnce(config.topic or "", place, config.puts_away)
        keys = cls._ending(config, config.keys_format_class)
        return InOrder(
            place,
            cls._ending(config, config.format_class),
            config.file_delim,
            config.restore_partitions,
            config.topic,
            f".keys{keys}" if config.store_kafka_keys else "",
            ".headers.json" if config.store_kafka_headers else "",
        )

    @staticmethod
    def _ending(config: S3SourceConfig, name: str) -> str:
        if "parquet" in name.lower():
            return format_named(name, codec=config.parquet_codec).extension
        return format_named(name).extension

    def key_format(self) -> Format:
        """Return the format of keys."""
        return format_named(self._config.keys_format_class)


class S3Source(ObjectSource):
    """Objects → topics."""

    settings = S3SourceConfig
    task: ClassVar[type[Any]] = S3SourceTask

    def validate(self, given: Mapping[str, Any]) -> dict[str, ConfigValue]:
        """Return what is to be said about each option, and about several together."""
        found = super().validate(given)
        if found["mode"].value == "GENERIC":
            need_topic(found)
        elif found["after.read.action"].value != "none":
            row = found["after.read.action"]
            why = "only mode=GENERIC puts objects away: those of S3Sink are kept"
            row.errors.append(str(invalid(row.name, row.value, why)))
        return found
