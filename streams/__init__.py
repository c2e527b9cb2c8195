"""Kafka Streams' DSL and Processor API: topologies as frozen data, and what runs them."""

from aliran.serdes import NumberedWindow, Windowed
from aliran.storage.state import RocksDBOptions
from aliran.streams.app import App
from aliran.streams.decorated.decorators import FunctionBuilder
from aliran.streams.decorated.store_view import StoreView, WindowView
from aliran.streams.decorated.stream_function import StreamFunction
from aliran.streams.dsl.branched import Branched, BranchedKStream
from aliran.streams.dsl.builder import StreamsBuilder
from aliran.streams.dsl.cogrouped import (
    CogroupedKStream,
    SessionWindowedCogroupedKStream,
    TimeWindowedCogroupedKStream,
)
from aliran.streams.dsl.config_objects import (
    Consumed,
    Grouped,
    Joined,
    Materialized,
    Named,
    Produced,
    Repartitioned,
)
from aliran.streams.dsl.count_windowed import CountWindowedKStream
from aliran.streams.dsl.foreign_key_join import TableJoined
from aliran.streams.dsl.global_table import GlobalKTable
from aliran.streams.dsl.grouped import KGroupedStream
from aliran.streams.dsl.grouped_table import KGroupedTable
from aliran.streams.dsl.join_windows import JoinWindows
from aliran.streams.dsl.kstream import KStream
from aliran.streams.dsl.ktable import KTable
from aliran.streams.dsl.stream_joins import StreamJoined
from aliran.streams.dsl.suppressed import BufferConfig, Suppressed
from aliran.streams.dsl.windowed import SessionWindowedKStream, TimeWindowedKStream
from aliran.streams.dsl.windows import (
    CountWindows,
    EmitStrategy,
    SessionWindows,
    SlidingWindows,
    TimeWindows,
    UnlimitedWindows,
    Windows,
)
from aliran.streams.errors import (
    DeserializationError,
    IllegalStateError,
    ProcessingError,
    StreamsError,
    TopologyError,
    UnstoredChangeError,
)
from aliran.streams.handlers import (
    ErrorHandlerContext,
    ErrorHandlers,
    ProducerRecord,
    Response,
    Result,
    dead_letter,
    log_and_continue,
    log_and_fail,
)
from aliran.streams.plan.describe import TopologyDescription
from aliran.streams.plan.operators import StoreSpec
from aliran.streams.plan.topology import Topology
from aliran.streams.plan.topology_builder import TopologyBuilder
from aliran.streams.processor import (
    Cancellable,
    ConsumerRecord,
    FixedKeyProcessor,
    FixedKeyProcessorContext,
    FixedKeyRecord,
    InvalidTimestampError,
    KeyValue,
    Processor,
    ProcessorContext,
    PunctuationType,
    Punctuator,
    Record,
    RecordMetadata,
    TimestampExtractor,
    fail_on_invalid_timestamp,
    log_and_skip_on_invalid_timestamp,
    use_partition_time_on_invalid_timestamp,
    wallclock_timestamp,
)
from aliran.streams.runtime.config import StreamsConfig
from aliran.streams.runtime.kafka_streams import KafkaStreams, StreamsStatistics
from aliran.streams.runtime.state import State
from aliran.streams.store_suppliers import (
    DslStoreSuppliers,
    InMemoryDslStoreSuppliers,
    RocksDBDslStoreSuppliers,
)
from aliran.streams.stores import Stores
from aliran.streams.testing.context import (
    CapturedForward,
    CapturedPunctuator,
    ProcessorTestContext,
)
from aliran.streams.testing.driver import TopologyTestDriver
from aliran.streams.testing.topics import (
    NoSuchElementError,
    TestInputTopic,
    TestOutputTopic,
    TestRecord,
)
from aliran.streams.value_transformer import ValueTransformer

__all__ = [
    "App",
    "Branched",
    "BranchedKStream",
    "BufferConfig",
    "Cancellable",
    "CapturedForward",
    "CapturedPunctuator",
    "CogroupedKStream",
    "Consumed",
    "ConsumerRecord",
    "CountWindowedKStream",
    "CountWindows",
    "DeserializationError",
    "DslStoreSuppliers",
    "EmitStrategy",
    "ErrorHandlerContext",
    "ErrorHandlers",
    "FixedKeyProcessor",
    "FixedKeyProcessorContext",
    "FixedKeyRecord",
    "FunctionBuilder",
    "GlobalKTable",
    "Grouped",
    "IllegalStateError",
    "InMemoryDslStoreSuppliers",
    "InvalidTimestampError",
    "JoinWindows",
    "Joined",
    "KGroupedStream",
    "KGroupedTable",
    "KStream",
    "KTable",
    "KafkaStreams",
    "KeyValue",
    "Materialized",
    "Named",
    "NoSuchElementError",
    "NumberedWindow",
    "ProcessingError",
    "Processor",
    "ProcessorContext",
    "ProcessorTestContext",
    "Produced",
    "ProducerRecord",
    "PunctuationType",
    "Punctuator",
    "Record",
    "RecordMetadata",
    "Repartitioned",
    "Response",
    "Result",
    "RocksDBDslStoreSuppliers",
    "RocksDBOptions",
    "SessionWindowedCogroupedKStream",
    "SessionWindowedKStream",
    "SessionWindows",
    "SlidingWindows",
    "State",
    "StoreSpec",
    "StoreView",
    "Stores",
    "StreamFunction",
    "StreamJoined",
    "StreamsBuilder",
    "StreamsConfig",
    "StreamsError",
    "StreamsStatistics",
    "Suppressed",
    "TableJoined",
    "TestInputTopic",
    "TestOutputTopic",
    "TestRecord",
    "TimeWindowedCogroupedKStream",
    "TimeWindowedKStream",
    "TimeWindows",
    "TimestampExtractor",
    "Topology",
    "TopologyBuilder",
    "TopologyDescription",
    "TopologyError",
    "TopologyTestDriver",
    "UnlimitedWindows",
    "UnstoredChangeError",
    "ValueTransformer",
    "WindowView",
    "Windowed",
    "Windows",
    "dead_letter",
    "fail_on_invalid_timestamp",
    "log_and_continue",
    "log_and_fail",
    "log_and_skip_on_invalid_timestamp",
    "use_partition_time_on_invalid_timestamp",
    "wallclock_timestamp",
]
