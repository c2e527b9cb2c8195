"""`TimestampConverter`: times as texts, Unix times, or Connect's own types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from aliran.connectors.config.definition import ConfigDef, Importance
from aliran.connectors.config.values import one_of
from aliran.connectors.data import builder as schemas
from aliran.connectors.data import logical
from aliran.connectors.data.builder import SchemaBuilder
from aliran.connectors.data.date_format import DateFormat
from aliran.connectors.data.java import class_text
from aliran.connectors.data.logical import MILLIS_A_DAY
from aliran.connectors.data.schema import (
    DATE_NAME,
    TIME_NAME,
    TIMES,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import ConfigError, ConnectError, DataError
from aliran.connectors.transforms.base import (
    PACKAGE,
    REPLACE_NULL,
    PartTransformation,
    R,
    copy_basics,
    require_map,
    require_struct,
    text,
)

_NAMES = {TIMESTAMP_NAME: "Timestamp", DATE_NAME: "Date", TIME_NAME: "Time"}
_SCHEMAS: dict[str, tuple[Schema, Schema]] = {
    "string": (schemas.STRING_SCHEMA, schemas.OPTIONAL_STRING_SCHEMA),
    "unix": (schemas.INT64_SCHEMA, schemas.OPTIONAL_INT64_SCHEMA),
    "Date": (logical.DATE_SCHEMA, logical.OPTIONAL_DATE_SCHEMA),
    "Time": (logical.TIME_SCHEMA, logical.OPTIONAL_TIME_SCHEMA),
    "Timestamp": (logical.TIMESTAMP_SCHEMA, logical.OPTIONAL_TIMESTAMP_SCHEMA),
}
_NANOS = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 10**3, "nanoseconds": 1}
_LONGEST = (1 << 63) - 1


def _rescale(value: int, source: int, target: int) -> int:
    """Return a time in another unit; too large ones become the limit, as with Java's TimeUnit."""
    if source >= target:
        return max(-_LONGEST - 1, min(_LONGEST, value * (source // target)))
    whole = abs(value) // (target // source)
    return whole if value >= 0 else -whole


def _schema_kind(schema: Schema) -> str:
    named = _NAMES.get(schema.name or "")
    if named is not None:
        return named
    if schema.type is Type.STRING:
        return "string"
    if schema.type is Type.INT64:
        return "unix"
    raise ConnectError(f"Schema {schema} does not correspond to a known timestamp type format")


def _value_kind(value: Any) -> str:
    if isinstance(value, TIMES):
        return "Timestamp"
    if isinstance(value, int) and not isinstance(value, bool):
        return "unix"
    if isinstance(value, str):
        return "string"
    raise DataError(
        f"TimestampConverter does not support {class_text(value)} objects as timestamps"
    )


class TimestampConverter(PartTransformation):
    """Converts a field, or the whole key or value, from one form of time to another."""

    java_class = PACKAGE + "TimestampConverter"
    definition: ClassVar[ConfigDef] = ConfigDef(
        [
            text(
                "field",
                "The field; empty if the whole value is a time.",
                "",
                importance=Importance.HIGH,
            ),
            text(
                "target.type",
                "The form: string, unix, Date, Time or Timestamp.",
                validator=one_of(*_SCHEMAS),
            ),
            text("format", "The pattern of texts (SimpleDateFormat, in UTC).", ""),
            text(
                "unix.precision",
                "The unit of Unix times: seconds, milliseconds, microseconds or nanoseconds.",
                "milliseconds",
                one_of("nanoseconds", "microseconds", "milliseconds", "seconds"),
                Importance.LOW,
            ),
            REPLACE_NULL,
        ]
    )

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Take the settings.

        Raises:
            ConfigError: A text is wanted and there is no pattern, or it is wrong.
        """
        parsed = self.definition.parse(settings)
        self._field, self._target = parsed["field"], parsed["target.type"]
        self._unit = _NANOS[parsed["unix.precision"]]
        self._replace = parsed["replace.null.with.default"]
        pattern = parsed["format"].strip()
        if self._target == "string" and not pattern:
            raise ConfigError(
                "TimestampConverter requires format option to be specified when using string "
                "timestamps"
            )
        try:
            self._format = DateFormat(parsed["format"]) if pattern else None
        except ValueError as error:
            raise ConfigError(
                "TimestampConverter requires a SimpleDateFormat-compatible pattern for string "
                f"timestamps: {parsed['format']}: {error}"
            ) from error

    def apply(self, record: R) -> R:
        """Return the record with the time in its new form."""
        schema, value = self.schema_of(record), self.value_of(record)
        if schema is None:
            if value is None or not self._field:
                return self.renew(record, None, self._convert(value, None))
            before = require_map(value, "converting timestamp formats")
            converted = self._convert(before.get(self._field), None)
            return self.renew(record, None, {**before, self._field: converted})
        if not self._field:
            updated = _SCHEMAS[self._target][schema.is_optional]
            return self.renew(record, updated, self._convert(value, _schema_kind(schema)))
        if value is not None:
            require_struct(value, "converting timestamp formats")
        updated = self.cached(schema, self._updated_schema)
        return self.renew(record, updated, self._convert_struct(value, updated))

    def _updated_schema(self, schema: Schema) -> Schema:
        builder = copy_basics(schema, SchemaBuilder.struct())
        for field in schema.fields:
            wanted = _SCHEMAS[self._target][field.schema.is_optional]
            builder.field(field.name, wanted if field.name == self._field else field.schema)
        if schema.is_optional:
            builder.optional()
        if schema.default_value is not None:
            builder.default_value(self._convert_struct(schema.default_value, builder.build()))
        return builder.build()

    def _convert_struct(self, value: Struct | None, schema: Schema) -> Struct | None:
        if value is None:
            return None
        result = Struct(schema)
        for field in value.schema.fields:
            each = self.field_value(value, field)
            if field.name == self._field:
                each = self._convert(each, _schema_kind(field.schema))
            result.put(field.name, each)
        return result

    def _convert(self, value: Any, kind: str | None) -> Any:
        if value is None:
            return None
        return self._to_form(self._to_millis(value, kind or _value_kind(value)))

    def _to_millis(self, value: Any, kind: str) -> int:
        if kind == "string":
            return self._parse(value)
        if kind == "unix":
            if not isinstance(value, int):
                raise DataError(
                    f"Expected Unix timestamp to be a Long, but found {class_text(value)}"
                )
            return _rescale(value, self._unit, 10**6)
        if not isinstance(value, TIMES):
            raise DataError(
                f"Expected {kind} to be a java.util.Date, but found {class_text(value)}"
            )
        return logical.millis_of(value)

    def _parse(self, value: Any) -> int:
        if not isinstance(value, str):
            raise DataError(
                f"Expected string timestamp to be a String, but found {class_text(value)}"
            )
        if self._format is None:
            raise DataError(f"Set format, a text cannot be read as a time without it: {value}")
        try:
            return self._format.parse(value)
        except ValueError as error:
            raise DataError(
                f"Could not parse timestamp: value ({value}) does not match pattern "
                f"({self._format.pattern})"
            ) from error

    def _to_form(self, millis: int) -> Any:
        if self._target == "string":
            assert self._format is not None
            return self._format.format(millis)
        if self._target == "unix":
            return _rescale(millis, 10**6, self._unit)
        if self._target == "Date":
            return logical.datetime_of(millis - millis % MILLIS_A_DAY).date()
        if self._target == "Time":
            return logical.datetime_of(millis % MILLIS_A_DAY).time()
        return logical.datetime_of(millis)
