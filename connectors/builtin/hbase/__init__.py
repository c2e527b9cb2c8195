"""HBase, by its REST interface."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (BuiltIn("HBaseSink", "sink", "sink:HBaseSink", extra="http", needs=("httpx",)),)
