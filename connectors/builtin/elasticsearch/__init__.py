"""Elasticsearch and OpenSearch: records become documents."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "ElasticsearchSink",
        "sink",
        "sink:ElasticsearchSink",
        extra="http",
        needs=("httpx",),
        also=(
            "OpenSearchSink",
            "io.confluent.connect.elasticsearch.ElasticsearchSinkConnector",
        ),
    ),
)
