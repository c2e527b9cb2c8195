"""HDFS, by its HTTP interface."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "HdfsSink",
        "sink",
        "sink:HdfsSink",
        extra="http",
        needs=("httpx",),
        also=(
            "io.confluent.connect.hdfs.HdfsSinkConnector",
            "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        ),
    ),
)
