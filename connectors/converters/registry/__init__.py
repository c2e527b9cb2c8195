"""Converters whose schemas are in a schema registry: Avro, JSON Schema, Protobuf.

`converter.py` speaks with the registry; for each format a module maps schemas and one maps values.
They are imported when a converter is configured, since each needs a package that is an extra.
"""
