"""MongoDB, and DocumentDB, which speaks its protocol: changes → topics, topics → documents."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn(
        "MongoDbSource",
        "source",
        "source:MongoDbSource",
        extra="mongodb",
        needs=("pymongo",),
        also=("com.mongodb.kafka.connect.MongoSourceConnector",),
    ),
    BuiltIn(
        "MongoDbSink",
        "sink",
        "sink:MongoDbSink",
        extra="mongodb",
        needs=("pymongo",),
        also=("com.mongodb.kafka.connect.MongoSinkConnector",),
    ),
)
