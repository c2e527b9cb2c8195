"""Splunk: records become events of the HTTP event collector."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "SplunkSink",
        "sink",
        "sink:SplunkSink",
        extra="http",
        needs=("httpx",),
        also=("com.splunk.kafka.connect.SplunkSinkConnector",),
    ),
)
