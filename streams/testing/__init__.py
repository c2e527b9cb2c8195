"""Tests without a broker: the driver of a whole topology, and the context of one processor."""

from aliran.streams.testing.context import ProcessorTestContext
from aliran.streams.testing.driver import TopologyTestDriver
from aliran.streams.testing.topics import TestInputTopic, TestOutputTopic

__all__ = ["ProcessorTestContext", "TestInputTopic", "TestOutputTopic", "TopologyTestDriver"]
