"""Avro's text and compatibility against what Java's avro 1.12 says of the same schemas.

`golden/avro.jsonl` was recorded from `Schema.Parser`, `Schema.toString` and `SchemaCompatibility`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.avro.format import AvroSchema

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parent / "golden" / "avro.jsonl").read_text().splitlines()
]


def parse(text: str, *references: str, strict: bool = False) -> AvroSchema:
    named = {str(number): one for number, one in enumerate(references)}
    return AvroSchema(text, named, strict=strict)


@pytest.mark.parametrize("number", range(len(GOLDEN)))
def test_text_and_verdict_are_javas(number: int) -> None:
    case = GOLDEN[number]
    if case["canonical"] is None:
        with pytest.raises(InvalidSchemaError):
            parse(case["schema"], *case["references"], strict=case["strict"])
        return
    schema = parse(case["schema"], *case["references"], strict=case["strict"])
    assert schema.canonical == case["canonical"]
    assert schema.formatted("resolved") == case.get("resolved", schema.canonical)
    if "writer" in case:
        found = schema.read_incompatibilities(parse(case["writer"], *case["references"]))
        assert [
            f"{one.rule}|{one.path}|{one.message.split('additionalInfo:')[1][1:-2]}"
            for one in found
        ] == case["incompatibilities"]
        assert all(one.hint for one in found)


def test_normal_form_ignores_order_of_attributes_and_short_names() -> None:
    one = parse(
        '{"name":"R","namespace":"n","type":"record","z":1,"a":{"c":1,"b":2},"fields":['
        '{"type":{"logicalType":"decimal","scale":2,"precision":4,"type":"bytes"},"name":"f",'
        '"order":"ascending","aliases":["y","x"]}]}'
    )
    two = parse(
        '{"type":"record","name":"n.R","a":{"b":2,"c":1},"fields":[{"name":"f","aliases":["x","y"],'
        '"type":{"type":"bytes","precision":4,"logicalType":"decimal","scale":2}}],"z":1}'
    )
    assert one.canonical != two.canonical
    assert one.normalized().canonical == two.normalized().canonical
    assert one.normalized().canonical == (
        '{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":'
        '{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},"aliases":["x","y"]}],'
        '"a":{"b":2,"c":1},"z":1}'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ('{"type":"record","name":"R"}', "Record has no fields"),
        ('{"type":"record","name":"R","fields":[{"name":"a","type":"str"}]}', "Undefined schema"),
        ('{"type":"record","name":"R","fields":[{"name":"a"}]}', "No field type"),
        ('{"type":"enum","name":"E","symbols":["A","A"]}', "Duplicate enum symbol: A"),
        ('["int","int"]', "Duplicate in union:int"),
        ('{"type":"record","name":"1R","fields":[]}', "Illegal character in: 1R"),
        (
            '{"type":"record","name":"R","fields":[{"name":"a","type":"string","default":null}]}',
            "Invalid default for field a: null not a string",
        ),
        ("[" * 5_000 + "]" * 5_000, "nested too deeply"),
    ],
)
def test_what_is_not_valid_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(InvalidSchemaError, match=message.replace(":", ".*")):
        parse(text, strict=True)


def test_comments_are_allowed_as_in_java() -> None:
    assert parse('/* one */ {"type": // two\n "string"}').canonical == '"string"'


# ---------------------------------------------------------------------- what really decodes

_PRIMITIVES = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "string"])
_DEFAULTS: dict[str, Any] = {
    "null": None, "boolean": True, "int": 1, "long": 1, "float": 1.5, "double": 1.5, "string": "x"
}  # fmt: skip


@st.composite
def _types(draw: st.DrawFn, depth: int = 2) -> Any:
    kind = draw(st.sampled_from(["primitive"] * 3 + ["array", "map", "union", "enum", "record"]))
    if depth == 0 or kind == "primitive":
        return draw(_PRIMITIVES)
    if kind == "array":
        return {"type": "array", "items": draw(_types(depth=depth - 1))}
    if kind == "map":
        return {"type": "map", "values": draw(_types(depth=depth - 1))}
    if kind == "union":
        return draw(st.lists(_PRIMITIVES, min_size=1, max_size=3, unique=True))
    if kind == "enum":
        symbols = draw(st.lists(st.sampled_from("ABC"), min_size=1, unique=True))
        default = {"default": symbols[0]} if draw(st.booleans()) else {}
        return {"type": "enum", "name": "E", "symbols": symbols, **default}
    names = draw(st.lists(st.sampled_from("fgh"), max_size=3, unique=True))
    fields = []
    for name in names:
        field = {"name": name, "type": draw(_types(depth=0))}
        if draw(st.booleans()):
            field["default"] = _DEFAULTS[field["type"]]
        fields.append(field)
    return {"type": "record", "name": "R", "fields": fields}


@st.composite
def _values(draw: st.DrawFn, schema: Any) -> Any:
    if isinstance(schema, list):
        return draw(_values(draw(st.sampled_from(schema))))
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "array":
        return draw(st.lists(_values(schema["items"]), max_size=3))
    if kind == "map":
        return draw(st.dictionaries(st.sampled_from("xy"), _values(schema["values"])))
    if kind == "enum":
        return draw(st.sampled_from(schema["symbols"]))
    if kind == "record":
        return {field["name"]: draw(_values(field["type"])) for field in schema["fields"]}
    return draw(
        {
            "null": st.none(),
            "boolean": st.booleans(),
            "int": st.integers(-(2**31), 2**31 - 1),
            "long": st.integers(-(2**63), 2**63 - 1),
            "float": st.floats(width=32, allow_nan=False),
            "double": st.floats(allow_nan=False),
            "string": st.text(max_size=3),
        }[kind]
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_is_judged_readable_is_read(data: st.DataObject) -> None:
    writer = data.draw(_types(), label="writer")
    reader = data.draw(st.one_of(_types(), st.just(writer)), label="reader")
    assume(not parse(json.dumps(reader)).read_incompatibilities(parse(json.dumps(writer))))
    value = data.draw(_values(writer), label="value")
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(writer), value)
    out.seek(0)
    fastavro.schemaless_reader(out, fastavro.parse_schema(writer), fastavro.parse_schema(reader))
