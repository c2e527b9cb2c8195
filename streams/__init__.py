"""Kafka Streams' DSL and Processor API: topologies as frozen data, and what runs them."""

from aliran.serdes import Windowed
from aliran.streams.branched import Branched, BranchedKStream
from aliran.streams.builder import StreamsBuilder
from aliran.streams.config_objects import (
    Consumed,
    Grouped,
    Joined,
    Materialized,
    Named,
    Produced,
    Repartitioned,
)
from aliran.streams.errors import StreamsError, TopologyError
from aliran.streams.grouped import KGroupedStream, TimeWindowedKStream
from aliran.streams.kstream import KStream
from aliran.streams.ktable import KTable
from aliran.streams.topology import Topology
from aliran.streams.topology_builder import TopologyBuilder
from aliran.streams.windows import TimeWindows

__all__ = [
    "Branched",
    "BranchedKStream",
    "Consumed",
    "Grouped",
    "Joined",
    "KGroupedStream",
    "KStream",
    "KTable",
    "Materialized",
    "Named",
    "Produced",
    "Repartitioned",
    "StreamsBuilder",
    "StreamsError",
    "TimeWindowedKStream",
    "TimeWindows",
    "Topology",
    "TopologyBuilder",
    "TopologyError",
    "Windowed",
]
