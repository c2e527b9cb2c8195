"""Amazon DynamoDB: records → items, changes of items → topics."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "DynamoDbSink",
        "sink",
        "sink:DynamoDbSink",
        extra="aws",
        needs=("boto3",),
        also=("io.confluent.connect.aws.dynamodb.DynamoDbSinkConnector",),
    ),
    BuiltIn("DynamoDbSource", "source", "source:DynamoDbSource", extra="aws", needs=("boto3",)),
)
