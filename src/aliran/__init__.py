"""Aliran: Kafka Streams for Python, with the broker included.

The names below are imported when they are first used, so that `import aliran` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aliran.broker.embedded import EmbeddedBroker as EmbeddedBroker
    from aliran.core.errors import AliranError as AliranError
    from aliran.core.errors import ConfigError as ConfigError
    from aliran.streams import App as App
    from aliran.streams import FixedKeyProcessor as FixedKeyProcessor
    from aliran.streams import FixedKeyRecord as FixedKeyRecord
    from aliran.streams import KafkaStreams as KafkaStreams
    from aliran.streams import KeyValue as KeyValue
    from aliran.streams import KStream as KStream
    from aliran.streams import KTable as KTable
    from aliran.streams import Processor as Processor
    from aliran.streams import ProcessorTestContext as ProcessorTestContext
    from aliran.streams import PunctuationType as PunctuationType
    from aliran.streams import Record as Record
    from aliran.streams import Stores as Stores
    from aliran.streams import StreamsBuilder as StreamsBuilder
    from aliran.streams import Topology as Topology
    from aliran.streams import TopologyBuilder as TopologyBuilder
    from aliran.streams import TopologyTestDriver as TopologyTestDriver
    from aliran.streams import Windowed as Windowed

__version__ = "0.1.0"

_HOMES = {
    "AliranError": "aliran.core.errors",
    "ConfigError": "aliran.core.errors",
    "EmbeddedBroker": "aliran.broker.embedded",
    **dict.fromkeys(
        (
            "App",
            "FixedKeyProcessor",
            "FixedKeyRecord",
            "KStream",
            "KTable",
            "KafkaStreams",
            "KeyValue",
            "Processor",
            "ProcessorTestContext",
            "PunctuationType",
            "Record",
            "Stores",
            "StreamsBuilder",
            "Topology",
            "TopologyBuilder",
            "TopologyTestDriver",
            "Windowed",
        ),
        "aliran.streams",
    ),
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  (names, spelled once)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'aliran' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
