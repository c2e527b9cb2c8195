"""Kafka Streams' DSL and Processor API: topologies as frozen data, and what runs them."""

from aliran.serdes import NumberedWindow, Windowed
from aliran.storage.state import RocksDBOptions
from aliran.streams.app import App
from aliran.streams.branched import Branched, BranchedKStream
from aliran.streams.builder import StreamsBuilder
from aliran.streams.cogrouped import (
    CogroupedKStream,
    SessionWindowedCogroupedKStream,
    TimeWindowedCogroupedKStream,
)
from aliran.streams.config_objects import (
    Consumed,
    Grouped,
    Joined,
    Materialized,
    Named,
    Produced,
    Repartitioned,
)
from aliran.streams.count_windowed import CountWindowedKStream
from aliran.streams.decorators import FunctionBuilder
from aliran.streams.describe import TopologyDescription
from aliran.streams.errors import (
    DeserializationError,
    IllegalStateError,
    ProcessingError,
    StreamsError,
    TopologyError,
    UnstoredChangeError,
)
from aliran.streams.foreign_key_join import TableJoined
from aliran.streams.global_table import GlobalKTable
from aliran.streams.grouped import KGroupedStream
from aliran.streams.grouped_table import KGroupedTable
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
from aliran.streams.join_windows import JoinWindows
from aliran.streams.kstream import KStream
from aliran.streams.ktable import KTable
from aliran.streams.operators import StoreSpec
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
from aliran.streams.store_view import StoreView, WindowView
from aliran.streams.stores import Stores
from aliran.streams.stream_function import StreamFunction
from aliran.streams.stream_joins import StreamJoined
from aliran.streams.suppressed import BufferConfig, Suppressed
from aliran.streams.testing import TopologyTestDriver
from aliran.streams.testing_context import (
    CapturedForward,
    CapturedPunctuator,
    ProcessorTestContext,
)
from aliran.streams.testing_topics import (
    NoSuchElementError,
    TestInputTopic,
    TestOutputTopic,
    TestRecord,
)
from aliran.streams.topology import Topology
from aliran.streams.topology_builder import TopologyBuilder
from aliran.streams.value_transformer import ValueTransformer
from aliran.streams.windowed import SessionWindowedKStream, TimeWindowedKStream
from aliran.streams.windows import (
    CountWindows,
    EmitStrategy,
    SessionWindows,
    SlidingWindows,
    TimeWindows,
    UnlimitedWindows,
    Windows,
)

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
