"""Oracle GoldenGate's messages in JSON."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (BuiltIn("GoldenGateSource", "source", "source:goldengate_source"),)
