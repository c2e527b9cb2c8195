"""`S3Sink`: topics → objects, exactly once. Confluent: `S3SinkConnector`, with its options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from aliran.connectors.builtin.s3.store import BucketOptions, BucketSinkStore
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import between
from aliran.connectors.objects.sink import ObjectSink, ObjectSinkTask
from aliran.connectors.objects.sink_config import ObjectSinkConfig
from aliran.connectors.objects.store import SinkStore


@dataclass(frozen=True, kw_only=True)
class S3SinkConfig(BucketOptions, ObjectSinkConfig):
    """The options."""

    s3_part_size: Annotated[
        int,
        Option(
            "Objects of more bytes are sent in parts of so many.",
            validator=between(5 << 20, (1 << 31) - 1), group="S3",
        ),
    ] = 26_214_400  # fmt: skip
    s3_compression_type: Annotated[
        Literal["none", "gzip"],
        Option("How json, bytearray, lines and csv are compressed.", group="S3"),
    ] = "none"
    s3_compression_level: Annotated[
        int, Option("Level of gzip, -1 for its default.", validator=between(-1, 9), group="S3")
    ] = -1
    s3_acl_canned: Annotated[
        str | None, Option("Who may read new objects, such as bucket-owner-read.", group="S3")
    ] = None
    s3_ssea_name: Annotated[
        str | None, Option("How S3 encrypts new objects: AES256 or aws:kms.", group="S3")
    ] = None
    s3_sse_kms_key_id: Annotated[str | None, Option("The key for aws:kms.", group="S3")] = None

    @property
    def compression(self) -> str:
        """How text formats are compressed."""
        return self.s3_compression_type

    @property
    def level(self) -> int:
        """Level of gzip."""
        return self.s3_compression_level

    def arguments(self) -> dict[str, Any]:
        """Return what new objects get."""
        given = {
            "ACL": self.s3_acl_canned,
            "ServerSideEncryption": self.s3_ssea_name,
            "SSEKMSKeyId": self.s3_sse_kms_key_id,
        }
        return {name: value for name, value in given.items() if value}


class S3SinkTask(ObjectSinkTask):
    """Writes objects."""

    settings: ClassVar[type[Any]] = S3SinkConfig

    @classmethod
    def store_of(cls, config: S3SinkConfig) -> SinkStore:
        """Return the bucket."""
        return BucketSinkStore(config, config.s3_part_size, config.arguments())


class S3Sink(ObjectSink):
    """Topics → objects."""

    settings = S3SinkConfig
    task: ClassVar[type[Any]] = S3SinkTask
