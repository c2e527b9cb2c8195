"""Data of one schema seen through another. Kafka: `SchemaProjector`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from aliran.connectors.data.java import integer_of, text_of, to_single
from aliran.connectors.data.schema import BITS, Schema, Type
from aliran.connectors.data.struct import Struct
from aliran.connectors.errors import SchemaProjectorError

_WIDENING = [*BITS, Type.FLOAT32, Type.FLOAT64]


def project(source: Schema, record: Any, target: Schema) -> Any:
    """Return a record that was written with `source` as one of `target`.

    Numbers widen, fields that are new get their default, fields that are gone are left out.

    Raises:
        SchemaProjectorError: The schemas do not go together.
    """
    _check_compatible(source, target)
    if source.is_optional and not target.is_optional:
        if target.default_value is None:
            raise SchemaProjectorError(
                "Writer schema is optional, however, target schema does not provide a default "
                "value."
            )
        if record is None:
            return target.default_value
    return None if record is None else _project_present(source, record, target)


class SchemaProjector:
    """Kafka's name for `project`."""

    @staticmethod
    def project(source: Schema, record: Any, target: Schema) -> Any:
        """See `project`."""
        return project(source, record, target)


def _project_present(source: Schema, record: Any, target: Schema) -> Any:
    if target.type is Type.STRUCT:
        return _project_struct(source, record, target)
    if target.type is Type.ARRAY:
        assert source.value_schema is not None
        assert target.value_schema is not None
        return [project(source.value_schema, each, target.value_schema) for each in record]
    if target.type is Type.MAP:
        assert source.key_schema is not None
        assert source.value_schema is not None
        assert target.key_schema is not None
        assert target.value_schema is not None
        return {
            project(source.key_schema, key, target.key_schema): project(
                source.value_schema, each, target.value_schema
            )
            for key, each in record.items()
        }
    is_number = isinstance(record, int | float | Decimal) and not isinstance(record, bool)
    if is_number and _is_promotable(source.type, target.type):
        if target.type in BITS:
            return integer_of(record, BITS[target.type])
        return to_single(float(record)) if target.type is Type.FLOAT32 else float(record)
    return record


def _project_struct(source: Schema, record: Struct, target: Schema) -> Struct:
    result = Struct(target)
    for field in target.fields:
        before = source.field(field.name)
        if before is not None:
            try:
                value = project(before.schema, record.get(field.name), field.schema)
            except SchemaProjectorError as error:
                raise SchemaProjectorError(f"Error projecting {field.name}: {error}") from error
            result.put(field, value)
        elif field.schema.is_optional:
            continue
        elif field.schema.default_value is not None:
            result.put(field, field.schema.default_value)
        else:
            raise SchemaProjectorError(
                f"Required field `{field.name}` is missing from source schema: {source}"
            )
    return result


def _is_promotable(source: Type, target: Type) -> bool:
    if source not in _WIDENING or target not in _WIDENING:
        return False
    return _WIDENING.index(source) <= _WIDENING.index(target)


def _check_compatible(source: Schema, target: Schema) -> None:
    if source.type is not target.type and not _is_promotable(source.type, target.type):
        raise SchemaProjectorError(
            f"Schema type mismatch. source type: {source.type} and target type: {target.type}"
        )
    for what, ours, theirs in (
        ("name mismatch. source name", source.name, target.name),
        ("parameters not equal. source parameters", source.parameters, target.parameters),
    ):
        if ours != theirs:
            word = what.rpartition(" ")[2]
            raise SchemaProjectorError(
                f"Schema {what}: {text_of(ours)} and target {word}: {text_of(theirs)}"
            )
