"""Avro schemas: parsing, canonical text, compatibility."""

from aliran.schema_registry.formats.avro.format import AvroFormat

__all__ = ["AvroFormat"]
