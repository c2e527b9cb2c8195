"""Amazon SQS: messages → a topic, records → messages."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "SqsSource",
        "source",
        "source:SqsSource",
        extra="aws",
        needs=("boto3",),
        also=("io.confluent.connect.sqs.source.SqsSourceConnector",),
    ),
    BuiltIn("SqsSink", "sink", "sink:SqsSink", extra="aws", needs=("boto3",)),
)
