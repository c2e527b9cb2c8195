"""Files: lines, CSV, JSON."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "FileStreamSource",
        "source",
        "source:FileStreamSourceConnector",
        also=("org.apache.kafka.connect.file.FileStreamSourceConnector",),
    ),
    BuiltIn(
        "FileStreamSink",
        "sink",
        "sink:FileStreamSinkConnector",
        also=("org.apache.kafka.connect.file.FileStreamSinkConnector",),
    ),
)
