"""Fields: `ExtractField`, `HoistField`, `InsertField`, `ReplaceField`, `ValueToKey`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.data import builder as schemas
from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.schema import Schema
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError, DataError
from aliran.connectors.records import ConnectRecord, SinkRecord
from aliran.connectors.transforms.base import (
    PACKAGE,
    REPLACE_NULL,
    PartTransformation,
    R,
    copy_basics,
    names,
    require_map,
    require_struct,
    text,
)
from aliran.connectors.transforms.field_path import SYNTAX, FieldPath


class ExtractField(PartTransformation):
    """Replaces the key or value by one of its fields; None stays None."""

    java_class = PACKAGE + "ExtractField"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text("field", "The field that is left.", importance=Importance.MEDIUM),
            REPLACE_NULL,
            SYNTAX,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `field`, `field.syntax.version` and `replace.null.with.default`."""
        parsed = self.definition.parse(settings)
        self._field = parsed["field"]
        self._path = FieldPath(self._field, parsed["field.syntax.version"])
        self._replace = parsed["replace.null.with.default"]

    def apply(self, record: R) -> R:
        """Return the record with the field in place of the part.

        Raises:
            DataError: The schema has no such field.
        """
        schema, value = self.schema_of(record), self.value_of(record)
        if schema is None:
            if value is not None:
                value = self._path.value_of_map(require_map(value, "field extraction"))
            return self.renew(record, None, value)
        if value is not None:
            require_struct(value, "field extraction")
        field = self._path.field_of(schema)
        if field is None:
            raise DataError(f"Unknown field: {self._field} (the schema is {schema})")
        if value is not None:
            value = self._path.value_of_struct(value, with_default=self._replace)
        return self.renew(record, field.schema, value)


class HoistField(PartTransformation):
    """Wraps the key or value into a struct, or a dict, of one field."""

    java_class = PACKAGE + "HoistField"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [text("field", "The name of the only field.", importance=Importance.MEDIUM)]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `field`."""
        self._field = self.definition.parse(settings)["field"]

    def apply(self, record: R) -> R:
        """Return the record with the part wrapped."""
        schema, value = self.schema_of(record), self.value_of(record)
        if schema is None:
            return self.renew(record, None, {self._field: value})
        wrapped = self.cached(
            schema, lambda inner: SchemaBuilder.struct().field(self._field, inner).build()
        )
        return self.renew(record, wrapped, Struct(wrapped).put(self._field, value))


class _Insertion(NamedTuple):
    """One field that is added, and the schemas it has, required and optional."""

    name: str
    optional: bool
    source: str

    def schema(self) -> Schema:
        return _INSERTED[self.source][self.optional]


_INSERTED: dict[str, tuple[Schema, Schema]] = {
    "topic": (schemas.STRING_SCHEMA, schemas.OPTIONAL_STRING_SCHEMA),
    "partition": (schemas.INT32_SCHEMA, schemas.OPTIONAL_INT32_SCHEMA),
    "offset": (schemas.INT64_SCHEMA, schemas.OPTIONAL_INT64_SCHEMA),
    "timestamp": (logical.TIMESTAMP_SCHEMA, logical.OPTIONAL_TIMESTAMP_SCHEMA),
    "static": (schemas.STRING_SCHEMA, schemas.OPTIONAL_STRING_SCHEMA),
}
_OPTIONALITY = " Suffix with ! for a required field, or ? for an optional one (the default)."


class InsertField(PartTransformation):
    """Adds fields with the record's topic, partition, offset or time, or with a text."""

    java_class = PACKAGE + "InsertField"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            *(
                text(f"{source}.field", f"Field name for the {source}." + _OPTIONALITY, None)
                for source in _INSERTED
            ),
            text("static.value", "Static field value, if a field name is configured.", None),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take the names of the fields.

        Raises:
            ConfigError: There is none, or the static one has no value.
        """
        parsed = self.definition.parse(settings)
        self._replace = parsed["replace.null.with.default"]
        self._static = parsed["static.value"]
        self._insertions = []
        for source in _INSERTED:
            spec = parsed[f"{source}.field"]
            if spec is not None:
                name = spec[:-1] if spec.endswith(("?", "!")) else spec
                self._insertions.append(_Insertion(name, not spec.endswith("!"), source))
        if not self._insertions:
            raise ConfigError("No field insertion configured")
        if self._static is None and self._insertions[-1].source == "static":
            raise ConfigError.of(
                "static.value",
                None,
                f"No value specified for static field: {self._insertions[-1].name}",
            )

    def apply(self, record: R) -> R:
        """Return the record with the fields added."""
        schema, value = self.schema_of(record), self.value_of(record)
        if value is None:
            return record
        if schema is None:
            added = dict(require_map(value, "field insertion"))
            added.update(self._values(record, moments=False))
            return self.renew(record, None, added)
        struct = require_struct(value, "field insertion")
        updated = self.cached(struct.schema, self._updated_schema)
        values = self.field_values(struct)
        if None in values:
            result = Struct(updated, dict(zip(struct.schema.by_name, values, strict=True)))
        else:
            result = Struct.unchecked(updated, values + [None] * len(self._insertions))
        for name, each in self._values(record, moments=True).items():
            result.put(name, each)
        return self.renew(record, updated, result)

    def _values(self, record: ConnectRecord, *, moments: bool) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, _, source in self._insertions:
            if source == "topic":
                values[name] = record.topic
            elif source == "partition" and record.kafka_partition is not None:
                values[name] = record.kafka_partition
            elif source == "offset":
                if not isinstance(record, SinkRecord):
                    raise DataError(
                        "Only SinkRecord supported for [field insertion], found: "
                        f"{type(record).__name__}"
                    )
                values[name] = record.kafka_offset
            elif source == "timestamp" and record.timestamp is not None:
                stamp = record.timestamp
                values[name] = logical.datetime_of(stamp) if moments else stamp
            elif source == "static":
                values[name] = self._static
        return values

    def _updated_schema(self, schema: Schema) -> Schema:
        builder = copy_basics(schema, SchemaBuilder.struct())
        for field in schema.fields:
            builder.field(field.name, field.schema)
        for insertion in self._insertions:
            builder.field(insertion.name, insertion.schema())
        return builder.build()


def parse_renames(renames: list[str]) -> dict[str, str]:
    """Return new names by old ones, of pairs `old:new`.

    Raises:
        ConfigError: One is no pair.
    """
    pairs = {}
    for mapping in renames:
        parts = mapping.split(":")
        while parts and not parts[-1]:
            parts.pop()
        if len(parts) != 2:
            raise ConfigError.of(
                "renames", f"[{', '.join(renames)}]", f"Invalid rename mapping: {mapping}"
            )
        pairs[parts[0]] = parts[1]
    return pairs


class ReplaceField(PartTransformation):
    """Filters and renames fields."""

    java_class = PACKAGE + "ReplaceField"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            names("exclude", "Fields to exclude; it takes precedence over include.", []),
            names("include", "Fields to include. If given, only these are used.", []),
            names("renames", "Renames, as pairs old:new.", [], lambda _, v: _checked_renames(v)),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `exclude`, `include` and `renames`."""
        parsed = self.definition.parse(settings)
        self._replace = parsed["replace.null.with.default"]
        self._exclude, self._include = set(parsed["exclude"]), set(parsed["include"])
        self._renames = parse_renames(parsed["renames"])
        self._before = {new: old for old, new in self._renames.items()}

    def _keeps(self, name: str) -> bool:
        return name not in self._exclude and (not self._include or name in self._include)

    def apply(self, record: R) -> R:
        """Return the record with the fields that are left, under their new names."""
        schema, value = self.schema_of(record), self.value_of(record)
        if value is None:
            return record
        if schema is None:
            before = require_map(value, "field replacement")
            kept = {self._renames.get(k, k): v for k, v in before.items() if self._keeps(k)}
            return self.renew(record, None, kept)
        struct = require_struct(value, "field replacement")
        updated, places = self.cached(struct.schema, self._plan)
        held = self.field_values(struct)
        after = Struct.of_parts(updated, [held[place] for place in places])
        return self.renew(record, updated, after)

    def _plan(self, schema: Schema) -> tuple[Schema, list[int]]:
        """Return the new schema, and where each of its fields was."""
        builder = copy_basics(schema, SchemaBuilder.struct())
        for field in schema.fields:
            if self._keeps(field.name):
                builder.field(self._renames.get(field.name, field.name), field.schema)
        updated = builder.build()
        return updated, [self._place(schema, field.name) for field in updated.fields]

    def _place(self, schema: Schema, name: str) -> int:
        before = schema.field(self._before.get(name, name))
        if before is None:
            raise DataError(f"{self._before[name]} is not a valid field name")
        return before.index


def _checked_renames(renames: list[str]) -> None:
    parse_renames(renames)


class ValueToKey(PartTransformation):
    """Makes the key of fields of the value."""

    java_class = PACKAGE + "ValueToKey"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [names("fields", "The fields of the value that become the key."), REPLACE_NULL]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take `fields`."""
        parsed = self.definition.parse(settings)
        self._fields = list(dict.fromkeys(parsed["fields"]))
        self._replace = parsed["replace.null.with.default"]

    def apply(self, record: R) -> R:
        """Return the record with its new key.

        Raises:
            DataError: A field does not exist.
        """
        purpose = "copying fields from value to key"
        if record.value_schema is None:
            value = require_map(record.value, purpose)
            return record.with_key(None, {name: value.get(name) for name in self._fields})
        struct = require_struct(record.value, purpose)
        schema = self.cached(struct.schema, self._key_schema)
        key = Struct(schema)
        for name in self._fields:
            key.put(name, self.field_value(struct, name))
        return record.with_key(schema, key).with_value(struct.schema, struct)

    def _key_schema(self, schema: Schema) -> Schema:
        builder = SchemaBuilder.struct()
        for name in self._fields:
            field = schema.field(name)
            if field is None:
                raise DataError(f"Field does not exist: {name}")
            builder.field(name, field.schema)
        return builder.build()
