"""NATS: subjects → topics, topics → subjects; with JetStream nothing is lost."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("NatsSource", "source", "source:NatsSource", extra="nats", needs=("nats",)),
    BuiltIn("NatsSink", "sink", "sink:NatsSink", extra="nats", needs=("nats",)),
)
