"""Protobuf, as text or as a descriptor, with Confluent's rules of what can read what."""

from aliran.schema_registry.formats.protobuf.schema import ProtobufFormat, ProtobufSchema

__all__ = ["ProtobufFormat", "ProtobufSchema"]
