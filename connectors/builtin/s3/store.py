"""A bucket as a store of files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

from aliran.connectors.cloud.aws import AwsOptions, aws_errors, code_of
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import not_empty
from aliran.connectors.errors import ConnectError
from aliran.connectors.objects.store import ObjectInfo, ObjectWriter, SinkStore, SourceStore

_IN_MEMORY = 32 << 20


@dataclass(frozen=True, kw_only=True)
class BucketOptions(AwsOptions):
    """Which bucket."""

    s3_bucket_name: Annotated[
        str,
        Option("The bucket.", importance=Importance.HIGH, validator=not_empty, group="S3"),
    ]
    s3_region: Annotated[str, Option("Its region.", group="S3")] = "us-west-2"
    store_url: Annotated[
        str | None,
        Option("Another server that speaks S3, such as MinIO's URL.", group="S3"),
    ] = None
    s3_path_style_access_enabled: Annotated[
        bool, Option("Name the bucket in the path, not in the host.", group="S3")
    ] = True

    def s3(self) -> Any:
        """Return a client."""
        style = "path" if self.s3_path_style_access_enabled else "virtual"
        options = AwsOptions(
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            aws_endpoint_url=self.store_url or self.aws_endpoint_url,
        )
        return options.client("s3", self.s3_region, s3={"addressing_style": style})


class _Bucket:
    """What both directions do with a bucket."""

    def __init__(self, options: BucketOptions) -> None:
        self.s3: Any = options.s3()
        self.bucket: str = options.s3_bucket_name

    def check(self) -> None:
        """Ask for the bucket.

        Raises:
            ConnectError: It is not there, not ours, or S3 is away.
        """
        try:
            with aws_errors(f"asking for the bucket {self.bucket}"):
                self.s3.head_bucket(Bucket=self.bucket)
        except ConnectError as error:
            hint = {
                "404": "there is no such bucket; create it, or correct s3.bucket.name",
                "403": "the keys do not allow it; correct them, or the bucket's policy",
            }.get(code_of(error), str(error))
            raise ConnectError(f"the bucket {self.bucket} cannot be used: {hint}") from error

    def close(self) -> None:
        """Close connections."""
        self.s3.close()


class BucketSinkStore(_Bucket, SinkStore):
    """A bucket that objects are written to.

    Args:
        options: Which bucket.
        part_size: How many bytes a part of a large object has.
        arguments: More for new objects, such as `ACL`.
    """

    def __init__(self, options: BucketOptions, part_size: int, arguments: dict[str, Any]) -> None:
        super().__init__(options)
        self.part_size = part_size
        self.arguments = arguments

    def create(self, name: str) -> ObjectWriter:
        """Begin an object."""
        return _Upload(self, name)


class _Upload(ObjectWriter):
    """One object: sent at once, or in parts where it is larger than one."""

    def __init__(self, store: BucketSinkStore, name: str) -> None:
        super().__init__()
        self._store = store
        self._name = name
        self._id: str | None = None
        self._parts: list[dict[str, Any]] = []

    @property
    def _place(self) -> dict[str, str]:
        return {"Bucket": self._store.bucket, "Key": self._name}

    def upload(self) -> None:
        """Send whole parts."""
        size = self._store.part_size
        while len(self.collected) >= size:
            self._send_part(bytes(self.collected[:size]))
            del self.collected[:size]

    def _send_part(self, data: bytes) -> None:
        with aws_errors(f"writing {self._name} to the bucket {self._store.bucket}"):
            if self._id is None:
                begun = self._store.s3.create_multipart_upload(
                    **self._place, **self._store.arguments
                )
                self._id = begun["UploadId"]
            number = len(self._parts) + 1
            sent = self._store.s3.upload_part(
                **self._place, UploadId=self._id, PartNumber=number, Body=data
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def commit(self) -> None:
        """Let the object appear."""
        self.upload()
        if self._id is None:
            with aws_errors(f"writing {self._name} to the bucket {self._store.bucket}"):
                self._store.s3.put_object(
                    **self._place, Body=bytes(self.collected), **self._store.arguments
                )
            return
        if self.collected:
            self._send_part(bytes(self.collected))
            self.collected.clear()
        with aws_errors(f"writing {self._name} to the bucket {self._store.bucket}"):
            self._store.s3.complete_multipart_upload(
                **self._place, UploadId=self._id, MultipartUpload={"Parts": self._parts}
            )

    def abort(self) -> None:
        """Take away the parts that were sent."""
        if self._id is not None:
            try:
                with aws_errors(f"forgetting {self._name}"):
                    self._store.s3.abort_multipart_upload(**self._place, UploadId=self._id)
            except ConnectError:
                return  # a rule of the bucket removes parts that are left, if it has one


class BucketSourceStore(_Bucket, SourceStore):
    """A bucket that objects are read from.

    Args:
        options: Which bucket.
        prefix: How their names begin.
    """

    def __init__(self, options: BucketOptions, prefix: str) -> None:
        super().__init__(options)
        self._prefix = prefix

    def files(self) -> Iterator[ObjectInfo]:
        """Yield the objects."""
        with aws_errors(f"listing the bucket {self.bucket}"):
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self._prefix
            )
            for page in pages:
                for one in page.get("Contents", ()):
                    modified_ms = int(one["LastModified"].timestamp() * 1000)
                    yield ObjectInfo(one["Key"], one["Size"], one["ETag"].strip('"'), modified_ms)

    def open(self, name: str) -> BinaryIO:
        """Fetch an object."""
        file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (the caller closes it)
        try:
            with aws_errors(f"reading {name} of the bucket {self.bucket}"):
                body = self.s3.get_object(Bucket=self.bucket, Key=name)["Body"]
                for chunk in body.iter_chunks(1 << 20):
                    file.write(chunk)
        except ConnectError as error:
            file.close()
            if code_of(error) == "NoSuchKey":
                raise FileNotFoundError(name) from error
            raise
        file.seek(0)
        return file  # type: ignore[return-value]  # it has all that is used of one

    def delete(self, name: str) -> None:
        """Delete an object."""
        with aws_errors(f"deleting {name} of the bucket {self.bucket}"):
            self.s3.delete_object(Bucket=self.bucket, Key=name)

    def move(self, name: str, folder: str) -> None:
        """Copy an object and delete the old one."""
        target = f"{folder.rstrip('/')}/{name.removeprefix(self._prefix).lstrip('/')}"
        with aws_errors(f"moving {name} to {target} in the bucket {self.bucket}"):
            self.s3.copy_object(
                Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": name}
            )
        self.delete(name)
