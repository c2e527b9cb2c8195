"""Redis: streams, lists, keys and channels → topics; topics → streams, hashes, texts, lists."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("RedisSource", "source", "source:RedisSource", extra="redis", needs=("redis",)),
    BuiltIn("RedisSink", "sink", "sink:RedisSink", extra="redis", needs=("redis",),
            also=("com.redis.kafka.connect.RedisSinkConnector",)),
)  # fmt: skip
