"""The Kafka wire protocol: bytes in, values out; no I/O."""
