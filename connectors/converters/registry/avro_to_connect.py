"""Avro schemas → Connect's. Confluent: `AvroData.toConnectSchema`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from aliran.connectors.converters.registry import avro_names as names
from aliran.connectors.converters.registry.avro_from_connect import Choices
from aliran.connectors.converters.registry.names import GENERALIZED_UNION
from aliran.connectors.data import logical
from aliran.connectors.data.builder import STRING_SCHEMA, SchemaBuilder
from aliran.connectors.data.schema import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Schema,
    Type,
)
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import DataError

_PRIMITIVE = {
    "boolean": Type.BOOLEAN,
    "int": Type.INT32,
    "long": Type.INT64,
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "string": Type.STRING,
    "bytes": Type.BYTES,
    "fixed": Type.BYTES,
}
_LOGICAL = {
    ("int", "date"): DATE_NAME,
    ("int", "time-millis"): TIME_NAME,
    ("long", "timestamp-millis"): TIMESTAMP_NAME,
}
_NARROW = {"int8": Type.INT8, "int16": Type.INT16}
_UNNAMED = re.compile(re.escape(f"{names.NAMESPACE}.{names.DEFAULT_NAME}") + r"\d*")
_MISSING: Final = object()


class AvroSchemaReader:
    """Reads Avro schemas.

    Args:
        named: Named types by full name, as fastavro gives them.
        choices: What is kept.
    """

    def __init__(self, named: Mapping[str, Any], choices: Choices) -> None:
        self._named = named
        self._choices = choices
        self._open: list[str] = []
        self._unions = 0

    def resolved(self, avro: Any) -> Any:
        """Return the schema itself where only its name is given."""
        return self._named.get(avro, avro) if isinstance(avro, str) else avro

    def schema(
        self,
        avro: Any,
        *,
        optional: bool = False,
        default: Any = _MISSING,
        version: int | None = None,
    ) -> Schema:
        """Return the schema of Connect.

        Args:
            avro: The Avro schema, parsed by fastavro.
            optional: Whether None is a value.
            default: The default of the field that it is of, as JSON.
            version: Its version in the registry, where it says none itself.

        Raises:
            DataError: Connect has no such schema.
        """
        avro = self.resolved(avro)
        if isinstance(avro, list):
            others = [one for one in avro if names.kind_of(one) != "null"]
            if len(avro) == 2 and len(others) == 1:
                return self.schema(others[0], optional=True)
        properties: Mapping[str, Any] = avro if isinstance(avro, dict) else {}
        builder = self._builder(avro, names.kind_of(avro))
        self._finish(builder, avro, properties, version)
        self._set_default(builder, avro, properties, default)
        if optional:
            builder.optional()
        return builder.build()

    # ------------------------------------------------------------------ by type

    def _builder(self, avro: Any, kind: str) -> SchemaBuilder:
        if kind in _PRIMITIVE:
            return self._primitive(avro if isinstance(avro, dict) else {"type": kind}, kind)
        if kind == "array":
            return self._array(avro)
        if kind == "map":
            return SchemaBuilder.map(STRING_SCHEMA, self.schema(avro["values"]))
        if kind == "enum":
            return self._enum(avro)
        if kind == "union":
            return self._union(avro)
        if kind in {"record", "error"}:
            return self._record(avro)
        if kind == "null":
            raise DataError("Standalone null schemas are not supported by this converter")
        raise DataError(f"Couldn't translate unsupported schema type {kind}.")

    def _primitive(self, avro: Mapping[str, Any], kind: str) -> SchemaBuilder:
        word = str(avro.get("logicalType", "")).lower()
        if kind in {"bytes", "fixed"} and (word == "decimal" or self._is_old_decimal(avro)):
            return self._decimal(avro)
        name = _LOGICAL.get((kind, word))
        if name is not None:
            return SchemaBuilder(_PRIMITIVE[kind]).name(name).version(1)
        narrow = avro.get(names.TYPE) if kind == "int" and not word else None
        if narrow is not None and narrow not in _NARROW:
            raise DataError(f"An Avro int cannot be Connect's {narrow}")
        return SchemaBuilder(_NARROW[narrow] if narrow else _PRIMITIVE[kind])

    @staticmethod
    def _is_old_decimal(avro: Mapping[str, Any]) -> bool:
        """Whether it is a decimal whose scale Avro's logical type does not allow."""
        return avro.get(names.NAME) == DECIMAL_NAME and "scale" in avro

    @staticmethod
    def _decimal(avro: Mapping[str, Any]) -> SchemaBuilder:
        scale, precision = avro.get("scale", 0), avro.get("precision")
        if not isinstance(scale, int):
            raise DataError("scale must be specified and must be a number.")
        builder = SchemaBuilder.bytes().name(DECIMAL_NAME).version(1)
        builder.parameter("scale", str(scale))
        if isinstance(precision, int) and precision != names.DEFAULT_PRECISION:
            builder.parameter(names.PRECISION, str(precision))
        return builder

    def _array(self, avro: Mapping[str, Any]) -> SchemaBuilder:
        items = self.resolved(avro["items"])
        if not is_map_entry(items):
            return SchemaBuilder.array(self.schema(avro["items"]))
        fields = {field["name"]: field["type"] for field in items["fields"]}
        if fields.keys() != {names.KEY, names.VALUE}:
            raise DataError(
                "Found map encoded as array of key-value pairs, but array elements do not match "
                "the expected format."
            )
        return SchemaBuilder.map(*(self.schema(fields[one]) for one in (names.KEY, names.VALUE)))

    def _enum(self, avro: Mapping[str, Any]) -> SchemaBuilder:
        choices, short = self._choices, names.split_name(avro["name"])[1]
        builder = SchemaBuilder.string()
        if choices.metadata and not choices.discard:
            if avro.get("doc") is not None:
                builder.parameter(names.ENUM_DOC + short, avro["doc"])
            if avro.get("default") is not None:
                builder.parameter(names.ENUM_DEFAULT + short, avro["default"])
        builder.parameter(choices.enum_name, avro["name"])
        for number, symbol in enumerate(avro["symbols"]):
            told = str(number) if choices.generalized else symbol
            builder.parameter(f"{choices.enum_name}.{symbol}", told)
        return builder

    def _union(self, avro: list[Any]) -> SchemaBuilder:
        builder = SchemaBuilder.struct().name(self._choices.union_name)
        if self._choices.generalized:
            builder.parameter(GENERALIZED_UNION, f"connect_union_{self._unions}")
            self._unions += 1
        number = 0
        for member in avro:
            if names.kind_of(member) == "null":
                builder.optional()
                continue
            builder.field(self.member_name(member, number), self.schema(member, optional=True))
            number += 1
        return builder

    def member_name(self, member: Any, number: int) -> str:
        """Return how the field of a union's struct is called that stands for a member."""
        if self._choices.generalized:
            return f"connect_union_field_{number}"
        member = self.resolved(member)
        kind = names.kind_of(member)
        if kind not in {"record", "error", "enum"}:
            return kind
        full = str(member["name"])
        return full if self._choices.enhanced else names.split_name(full)[1]

    def _record(self, avro: Mapping[str, Any]) -> SchemaBuilder:
        name = avro["name"]
        if name in self._open:
            raise DataError(
                f"the Avro schema {name} holds itself ({' > '.join([*self._open, name])}), which "
                "a schema of Connect cannot: read the topic with another converter"
            )
        self._open.append(name)
        documented = self._choices.metadata and not self._choices.discard
        builder = SchemaBuilder.struct()
        if documented and avro.get("doc") is not None:
            builder.parameter(names.RECORD_DOC, avro["doc"])
        for field in avro["fields"]:
            if documented and field.get("doc") is not None:
                builder.parameter(names.FIELD_DOC + field["name"], field["doc"])
            default = _MISSING if self._choices.discard else field.get("default", _MISSING)
            builder.field(field["name"], self.schema(field["type"], default=default))
        self._open.pop()
        return builder

    # ------------------------------------------------------------------ what all have

    def _finish(
        self,
        builder: SchemaBuilder,
        avro: Any,
        properties: Mapping[str, Any],
        version: int | None,
    ) -> None:
        choices = self._choices
        if choices.metadata and not choices.discard and names.DOC in properties:
            builder.doc(str(properties[names.DOC]))
        stated = properties.get(names.VERSION, version)
        if stated is not None and builder.parts.version is None:
            builder.version(int(stated))
        if choices.metadata and names.PARAMETERS in properties:
            given = properties[names.PARAMETERS]
            if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
                raise DataError(
                    f"Expected schema parameter values to be strings but found: {given}"
                )
            builder.parameters(given)
        builder.parameters(
            {key: str(value) for key, value in properties.items() if key.startswith("avro")}
        )
        name = properties.get(names.NAME)
        if name is None and names.kind_of(avro) in {"record", "error", "enum"}:
            name = properties["name"]
        if name is not None and builder.parts.name is None and not _UNNAMED.fullmatch(name):
            builder.name(str(name))

    def _set_default(
        self, builder: SchemaBuilder, avro: Any, properties: Mapping[str, Any], default: Any
    ) -> None:
        if self._choices.discard:
            return
        stated = properties.get(names.DEFAULT)
        if default is _MISSING or default is None:
            default = stated
        elif stated is None:
            builder.parameter(names.FIELD_DEFAULT, "true")
        if default is not None:
            builder.default_value(self._value(builder.build(), avro, default))

    def _value(self, schema: Schema, avro: Any, found: Any) -> Any:
        """Return a default, written in JSON, as a value of a schema."""
        if found is None:
            return None
        avro = self.resolved(avro)
        if isinstance(avro, list):
            return self._union_value(schema, avro, found)
        if schema.type is Type.BYTES:
            value: Any = str(found).encode("latin-1")
        elif schema.type is Type.ARRAY:
            assert schema.value_schema is not None
            value = [self._value(schema.value_schema, avro["items"], each) for each in found]
        elif schema.type is Type.MAP:
            value = self._map_value(schema, avro, found)
        elif schema.type is Type.STRUCT:
            value = Struct(schema)
            for place, field in zip(avro["fields"], schema.fields, strict=True):
                inner = found.get(place["name"], place.get("default"))
                value.put(field, self._value(field.schema, place["type"], inner))
        elif schema.type in {Type.FLOAT32, Type.FLOAT64}:
            value = float(Decimal(str(found)))
        else:
            value = found
        read = logical.TO_LOGICAL.get(schema.name or "")
        return value if read is None else read(schema, value)

    def _map_value(self, schema: Schema, avro: Any, found: Any) -> dict[Any, Any]:
        keys, values = schema.key_schema, schema.value_schema
        assert keys is not None
        assert values is not None
        if isinstance(found, dict):
            return {key: self._value(values, avro["values"], each) for key, each in found.items()}
        entry = self.resolved(avro["items"])
        kinds = {field["name"]: field["type"] for field in entry["fields"]}
        pairs = [(one[names.KEY], one[names.VALUE]) if isinstance(one, dict) else one
                 for one in found]  # fmt: skip
        return {
            self._value(keys, kinds[names.KEY], key): self._value(values, kinds[names.VALUE], each)
            for key, each in pairs
        }

    def _union_value(self, schema: Schema, avro: list[Any], found: Any) -> Any:
        others = [one for one in avro if names.kind_of(one) != "null"]
        if len(avro) == 2 and len(others) == 1:
            return self._value(schema, others[0], found)
        if names.kind_of(avro[0]) == "null":
            return None
        field = schema.fields[0]  # a union's default is of its first member
        return Struct(schema).put(field, self._value(field.schema, avro[0], found))


def is_map_entry(avro: Any) -> bool:
    """Whether the elements of an array are entries of a map."""
    if not isinstance(avro, dict) or avro.get("type") != "record":
        return False
    return (
        avro["name"] == f"{names.NAMESPACE}.{names.MAP_ENTRY}"
        or avro.get(names.INTERNAL_TYPE) == names.MAP_ENTRY
    )
