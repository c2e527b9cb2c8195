"""JsonConverter: its cache, and what it forgives."""

from __future__ import annotations

import pytest

from aliran.connectors.converters.json import JsonConverter
from aliran.connectors.data import SchemaBuilder, Struct
from aliran.connectors.data.builder import INT32_SCHEMA, OPTIONAL_STRING_SCHEMA
from aliran.connectors.errors import ConfigError, DataError

ROW = SchemaBuilder.struct().field("id", INT32_SCHEMA).field("name", OPTIONAL_STRING_SCHEMA).build()


def converter(**settings: str) -> JsonConverter:
    made = JsonConverter()
    made.configure({name.replace("_", "."): value for name, value in settings.items()})
    return made


def test_what_is_written_is_read_again() -> None:
    both = converter()
    row = Struct(ROW, {"id": 1, "name": "x"})
    data = both.from_connect_data("t", ROW, row)
    assert both.to_connect_data("t", data) == (ROW, row)
    assert both.to_connect_data("t", data).schema is both.to_connect_data("t", data).schema


def test_a_small_cache_forgets_and_goes_on() -> None:
    both = converter(schemas_cache_size="1")
    for _ in range(2):
        for schema in (INT32_SCHEMA, SchemaBuilder.int64().build()):
            data = both.from_connect_data("t", schema, 5)
            assert both.to_connect_data("t", data) == (schema, 5)


def test_schema_content_is_the_schema_of_all_messages() -> None:
    reader = converter(schema_content='{"type":"struct","fields":[{"field":"id","type":"int32"}]}')
    read = reader.to_connect_data("t", b'{"id": 7, "more": 1}')
    assert read.value.to_dict() == {"id": 7}
    with pytest.raises(DataError, match="Invalid null value for required INT32 field"):
        reader.to_connect_data("t", b"{}")


def test_faults_that_jackson_forgives() -> None:
    plain = converter(schemas_enable="false")
    assert plain.to_connect_data("t", b'{"a": 007} trailing') == (None, {"a": 7})
    assert plain.to_connect_data("t", b"") == (None, None)
    with pytest.raises(DataError, match="due to serialization error"):
        plain.to_connect_data("t", b"{")


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigError, match=r"decimal.format: String must be one of"):
        converter(decimal_format="hex")
