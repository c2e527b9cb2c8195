"""S3, and what speaks its interface: topics → objects, objects → topics."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "S3Sink",
        "sink",
        "sink:S3Sink",
        extra="aws",
        needs=("boto3",),
        also=("io.confluent.connect.s3.S3SinkConnector",),
    ),
    BuiltIn(
        "S3Source",
        "source",
        "source:S3Source",
        extra="aws",
        needs=("boto3",),
        also=("io.confluent.connect.s3.source.S3SourceConnector",),
    ),
)
