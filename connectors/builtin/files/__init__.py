"""Files: lines, CSV, JSON of one that grows; whole ones of a folder, Parquet and Avro, too."""

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
    BuiltIn("FolderSource", "source", "folder_source:FolderSource"),
    BuiltIn("FolderSink", "sink", "folder_sink:FolderSink"),
)
