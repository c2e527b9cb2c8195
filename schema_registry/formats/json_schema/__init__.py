"""JSON Schema, drafts 4 to 2020-12, with Confluent's rules of what can read what."""

from aliran.schema_registry.formats.json_schema.schema import JsonSchema, JsonSchemaFormat

__all__ = ["JsonSchema", "JsonSchemaFormat"]
