"""Transformations of headers: `DropHeaders`, `InsertHeader`, `HeaderFrom`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef
from aliran.connectors.config.values import one_of
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.headers import ConnectHeaders
from aliran.connectors.data.parsing import parse_string
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.transforms.base import (
    PACKAGE,
    REPLACE_NULL,
    PartTransformation,
    R,
    Transformation,
    copy_basics,
    names,
    non_empty_list,
    not_none,
    require_map,
    require_struct,
    text,
)


class DropHeaders(Transformation):
    """Removes headers by name."""

    java_class = PACKAGE + "DropHeaders"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [names("headers", "The names of the headers to be removed.")]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `headers`."""
        self._names = set(self.definition.parse(settings)["headers"])

    def apply(self, record: R) -> R:
        """Return the record without the headers."""
        return record.with_headers(
            ConnectHeaders(each for each in record.headers if each.key not in self._names)
        )


class InsertHeader(Transformation):
    """Adds one header, whose value is of the type that it looks like."""

    java_class = PACKAGE + "InsertHeader"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text("header", "The name of the header.", validator=not_none),
            text("value.literal", "The value of the header on all records.", validator=not_none),
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `header` and `value.literal`."""
        parsed = self.definition.parse(settings)
        self._name, self._value = parsed["header"], parse_string(parsed["value.literal"])

    def apply(self, record: R) -> R:
        """Return the record with the header added."""
        headers = record.headers.duplicate()
        return record.with_headers(headers.add(self._name, self._value.value, self._value.schema))


class HeaderFrom(PartTransformation):
    """Copies or moves fields into headers."""

    java_class = PACKAGE + "HeaderFrom"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            names("fields", "Fields that are copied or moved.", validator=non_empty_list),
            names("headers", "Names of the headers, in the same order.", validator=non_empty_list),
            text("operation", "move or copy", validator=one_of("move", "copy")),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `fields`, `headers` and `operation`."""
        parsed = self.definition.parse(settings)
        self._fields, self._names = parsed["fields"], parsed["headers"]
        if len(self._fields) != len(self._names):
            raise ConfigError(
                "'fields' config must have the same number of elements as 'headers' config."
            )
        self._operation = parsed["operation"]
        self._replace = parsed["replace.null.with.default"]

    def apply(self, record: R) -> R:
        """Return the record with the headers added.

        Raises:
            DataError: The schema has no such field.
        """
        schema, value = self.schema_of(record), self.value_of(record)
        headers = record.headers.duplicate()
        moves = self._operation == "move"
        if schema is None:
            rest = dict(require_map(value, f"header {self._operation}"))
            values = dict(rest)
            for field, name in zip(self._fields, self._names, strict=True):
                headers.add(name, values.get(field))
                if moves:
                    rest.pop(field, None)
            return self.renew(record, None, rest).with_headers(headers)
        struct = require_struct(value, f"header {self._operation}")
        updated, result = schema, struct
        if moves:
            updated = self.cached(schema, self._moved_schema)
            result = Struct(updated)
            for kept in updated.fields:
                result.put(kept, self.field_value(struct, kept.name))
        for field, name in zip(self._fields, self._names, strict=True):
            found = schema.field(field)
            if found is None:
                raise DataError(f"{field} is not a field of the schema {schema}")
            headers.add(name, self.field_value(struct, field), found.schema)
        return self.renew(record, updated, result).with_headers(headers)

    def _moved_schema(self, schema: Schema) -> Schema:
        builder = copy_basics(schema, SchemaBuilder.struct())
        for field in schema.fields:
            if field.name not in self._fields:
                builder.field(field.name, field.schema)
        return builder.build()
