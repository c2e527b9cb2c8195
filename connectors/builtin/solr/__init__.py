"""Solr: records become documents, documents become records."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("SolrSink", "sink", "sink:SolrSink", extra="http", needs=("httpx",)),
    BuiltIn("SolrSource", "source", "source:solr_source", extra="http", needs=("httpx",)),
)
