from __future__ import annotations

from aliran.broker.embedded import EmbeddedBroker
from aliran.connectors.runtime.cluster import Cluster
from aliran.connectors.runtime.offsets import TopicOffsetStore
from aliran.core.types import TopicPartition


def test_offsets_are_rows_of_a_compacted_topic() -> None:
    with EmbeddedBroker() as broker:
        cluster = Cluster(broker.bootstrap_servers)
        store = TopicOffsetStore(cluster, "connect-offsets", partitions=3)
        store.put("c1", [({"b": 1, "a": "ä"}, {"n": 1}), ({"file": "/x"}, {"n": 2})])
        store.put("c1", [({"a": "ä", "b": 1}, {"n": 3}), ({"file": "/x"}, None)])
        store.close()
        topic = broker.broker.topics.require("connect-offsets")
        again = TopicOffsetStore(cluster, "connect-offsets")

        assert again.all("c1") == [({"b": 1, "a": "ä"}, {"n": 3})]
        assert again.get("c1", {"a": "ä", "b": 1}) == {"n": 3}
        assert again.get("c2", {"a": "ä", "b": 1}) is None
        assert topic.partitions == 3
        assert topic.configs["cleanup.policy"] == "compact"
        again.close()


def test_rows_of_a_jvm_worker_are_read() -> None:
    from confluent_kafka import Producer

    with EmbeddedBroker() as broker:
        cluster = Cluster(broker.bootstrap_servers)
        cluster.ensure_topic("offsets", 1, 1, {"cleanup.policy": "compact"})
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce("offsets", b'{"position":6}', b'["c1",{"filename":"/x"}]')
        producer.produce("offsets", b"odd", b"none of ours")
        producer.flush()

        store = TopicOffsetStore(cluster, "offsets")

        assert store.all("c1") == [({"filename": "/x"}, {"position": 6})]
        store.close()


def test_a_group_goes_where_it_is_sent() -> None:
    with EmbeddedBroker() as broker:
        cluster = Cluster(broker.bootstrap_servers)
        cluster.ensure_topic("t", 2, 1, {})
        first, second = TopicPartition("t", 0), TopicPartition("t", 1)

        cluster.alter_group("connect-x", {first: 5, second: 6})
        cluster.alter_group("connect-x", {first: None})

        assert cluster.committed("connect-x", ["t"]) == {first: 0, second: 6}
        cluster.delete_group("connect-x")
        assert cluster.committed("connect-x", ["t"]) == {}
