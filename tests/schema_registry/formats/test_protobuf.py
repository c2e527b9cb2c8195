"""Protobuf files: Confluent's text of them, its rules one change at a time, what is refused."""

from __future__ import annotations

import base64
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.protobuf import ProtobufFormat, ProtobufSchema


def parsed(text: str, **references: str) -> ProtobufSchema:
    return ProtobufFormat().parse(text, references)


def message(body: str, *, syntax: str = "proto3", more: str = "") -> str:
    return f'syntax = "{syntax}"; package p; {more} message M {{ {body} }}'


def refusals(old: str, new: str, **keywords: Any) -> list[str]:
    """Return what stops `new` from reading what `old` wrote, as `RULE path`."""
    before, now = (parsed(message(body, **keywords)) for body in (old, new))
    return [f"{each.rule} {each.path}" for each in now.read_incompatibilities(before)]


# ---------------------------------------------------------------------------- texts

WRITTEN = """
// of a file
syntax = "proto3";
package shop;   /* comments go */
import "google/protobuf/timestamp.proto";
import public "google/protobuf/any.proto";
option java_package = "com.shop";
enum Kind { NONE = 0; TEA = 0x1 [deprecated = true]; reserved 5 to 7, 9; }
message Order {
  // the number
  int64 id = 1 [json_name = "ID", deprecated = true];
  reserved 10, 12 to max; reserved "old";
  oneof paid { string card = 2; bytes cash = 3; }
  message Line { string item = 1; }
  repeated Line lines = 4;
  map<string, Line> by_name = 5;
  optional Kind kind = 6;
  google.protobuf.Timestamp at = 7;
}
service Shop { rpc Buy(Order) returns (stream Order) { option deprecated = true; } }
"""

CANONICAL = """syntax = "proto3";
package shop;

import "google/protobuf/timestamp.proto";
import public "google/protobuf/any.proto";

option java_package = "com.shop";

message Order {
  reserved 10, 12 to max;
  reserved "old";

  int64 id = 1 [
    deprecated = true,
    json_name = "ID"
  ];
  repeated Line lines = 4;
  map<string, Line> by_name = 5;
  optional Kind kind = 6;
  google.protobuf.Timestamp at = 7;

  oneof paid {
    string card = 2;
    bytes cash = 3;
  }

  message Line {
    string item = 1;
  }
}
enum Kind {
  reserved 5 to 7, 9;
  NONE = 0;
  TEA = 1 [deprecated = true];
}

service Shop {
  rpc Buy (Order) returns (stream Order) {
    option deprecated = true;
  };
}
"""


def test_the_text_has_confluents_form() -> None:
    schema = parsed(WRITTEN)
    assert schema.canonical == CANONICAL
    assert parsed(CANONICAL).canonical == CANONICAL
    assert schema.name == "shop.Order"


def test_normalized_texts_are_equal_where_files_mean_the_same() -> None:
    other = WRITTEN.replace(" Line lines", " .shop.Order.Line lines")
    other = other.replace("Kind kind", "shop.Kind kind")
    normal = parsed(WRITTEN).normalized()
    assert parsed(other).normalized().canonical == normal.canonical
    assert "repeated .shop.Order.Line lines = 4;" in normal.canonical
    assert "map<string, .shop.Order.Line> by_name = 5;" in normal.canonical
    assert normal.normalized().canonical == normal.canonical
    descriptor = parsed(parsed(WRITTEN).formatted("serialized"))
    assert descriptor.normalized().canonical == normal.canonical


def test_a_descriptor_keeps_its_maps() -> None:
    descriptor = parsed(parsed(WRITTEN).formatted("serialized"))
    assert "option map_entry = true;" in descriptor.canonical  # as Confluent stores it
    assert descriptor.read_incompatibilities(parsed(WRITTEN)) == []
    assert parsed(WRITTEN).read_incompatibilities(descriptor) == []


def test_options_of_ones_own() -> None:
    text = """syntax = "proto2";
package o;
import "google/protobuf/descriptor.proto";
extend google.protobuf.FieldOptions { optional Note note = 50001; }
message Note { optional string text = 1; repeated int32 numbers = 2; }
message M { optional int32 a = 1 [(note) = { text: "a\\"b" "c" numbers: [1, 2] }, default = -5]; }
"""
    schema = parsed(text)
    assert '(note) = {\n      text: "a\\"bc",\n' in schema.canonical
    assert "(o.note)" in schema.normalized().canonical
    assert "note" not in schema.formatted("ignore_extensions").split("message M")[1]
    assert parsed(schema.canonical).canonical == schema.canonical


def test_groups_and_defaults_of_proto2() -> None:
    text = 'message M { repeated group G = 1 { optional bytes b = 1 [default = "\\001\\377"]; } }'
    schema = parsed(text)
    assert "repeated group G = 1 {" in schema.normalized().canonical
    assert '[default = "\\001\\377"]' in schema.normalized().canonical
    assert parsed(schema.formatted("serialized")).read_incompatibilities(schema) == []


# ---------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int32 a = 1;", "int64 b = 1;"),
        ("uint32 a = 1;", "bool a = 1;"),
        ("int32 a = 1;", "E a = 1; enum E { ZERO = 0; }"),
        ("string a = 1;", "bytes a = 1;"),
        ("string a = 1;", "repeated string a = 1;"),
        ("int32 a = 1;", "int32 a = 1; string b = 2; message N {}"),
        ("int32 a = 1; string b = 2;", "int32 a = 1;"),
        ("string b = 2;", "oneof o { string b = 2; int32 c = 3; }"),
        ("oneof o { string b = 2; }", "string b = 2;"),
        ("oneof o { string b = 2; int32 c = 3; } int32 d = 4;", "int32 d = 4;"),
        ("enum E { ZERO = 0; ONE = 1; }", "enum E { ZERO = 0; }"),
        ("N a = 1; message N { int32 x = 1; }", "N a = 1; message N { int64 x = 1; int32 y = 2; }"),
        ("map<string, int32> a = 1;", "map<string, int64> a = 1;"),
        ("N a = 1; message N {}", "repeated N a = 1; message N {}"),
    ],
)
def test_compatible(old: str, new: str) -> None:
    assert refusals(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("int32 a = 1;", "sint32 a = 1;", "FIELD_SCALAR_KIND_CHANGED #/M/1"),
        ("int32 a = 1;", "string a = 1;", "FIELD_SCALAR_KIND_CHANGED #/M/1"),
        ("int32 a = 1;", "repeated int32 a = 1;", "FIELD_NUMERIC_LABEL_CHANGED #/M/1"),
        ("int32 a = 1;", "N a = 1; message N {}", "FIELD_KIND_CHANGED #/M/1"),
        (
            "N a = 1; message N {}",
            "O a = 1; message N {} message O {}",
            "FIELD_NAMED_TYPE_CHANGED #/M/1",
        ),
        ("message N {}", "", "MESSAGE_REMOVED #/M/N"),
        ("message N {}", "enum N { ZERO = 0; }", "MESSAGE_REMOVED #/M/N"),
        (
            "oneof o { string b = 2; int32 c = 3; }",
            "oneof o { string b = 2; }",
            "ONEOF_FIELD_REMOVED #/M/o/3",
        ),
        (
            "int32 a = 1; int32 b = 2;",
            "oneof o { int32 a = 1; int32 b = 2; }",
            "MULTIPLE_FIELDS_MOVED_TO_ONEOF #/M/o",
        ),
        (
            "int32 a = 1; oneof o { int32 b = 2; }",
            "oneof o { int32 a = 1; int32 b = 2; }",
            "FIELD_MOVED_TO_EXISTING_ONEOF #/M/o",
        ),
        (
            "map<string, int32> a = 1;",
            "map<string, string> a = 1;",
            "FIELD_SCALAR_KIND_CHANGED #/M/1",
        ),
        ("map<string, int32> a = 1;", "int32 a = 1;", "FIELD_KIND_CHANGED #/M/1"),
        (
            "repeated N a = 1; message N {}",
            "N a = 1; message N {}",
            "FIELD_MESSAGE_LABEL_CHANGED #/M/1",
        ),
        (
            "N a = 1; message N { int32 x = 1; }",
            "N a = 1; message N { string x = 1; }",
            "FIELD_NAMED_TYPE_CHANGED #/M/1",
        ),
    ],
)
def test_refused(old: str, new: str, reason: str) -> None:
    assert reason in refusals(old, new)


def test_required_fields() -> None:
    a, b = "optional int32 a = 1;", "required int32 b = 2;"
    assert refusals(a, a + b, syntax="proto2") == ["REQUIRED_FIELD_ADDED #/M/2"]
    assert refusals(a + b, a, syntax="proto2") == ["REQUIRED_FIELD_REMOVED #/M/2"]
    optional = b.replace("required", "optional")
    assert refusals(optional, b, syntax="proto2") == ["REQUIRED_LABEL_ADDED #/M/2"]
    assert refusals(b, optional, syntax="proto2") == []


def test_the_package_counts() -> None:
    old, new = parsed(message("")), parsed(message("").replace("package p", "package q"))
    (found,) = new.read_incompatibilities(old)
    assert found.message == (
        '{errorType:"PACKAGE_CHANGED", description:"The package at \'#/\' in the %s schema does '
        'not match the package in the %s schema"}'
    )
    assert found.hint


def test_messages_that_hold_each_other_end() -> None:
    body = "M m = 1; N n = 2; message N { M m = 1; N n = 2; int32 x = 3; }"
    assert refusals(body, body) == []
    changed = body.replace("int32 x", "string x")
    assert "FIELD_SCALAR_KIND_CHANGED #/M/N/3" in refusals(body, changed)


# ---------------------------------------------------------------------------- references

MONEY = 'syntax = "proto3"; package money; import "unit.proto"; message Money { Unit unit = 1; }'
UNIT = 'syntax = "proto3"; package money; message Unit { string name = 1; }'
BUYING = message("money.Money price = 1;", more='import "sub/money.proto";')


@pytest.mark.parametrize("binary", [False, True])
def test_imported_files_are_found_by_their_paths(binary: bool) -> None:
    texts = {"unit.proto": UNIT}
    money = ProtobufFormat().parse(MONEY, texts)
    texts["sub/money.proto"] = MONEY
    buying = ProtobufFormat().parse(BUYING, texts)
    if binary:
        texts = {
            "unit.proto": parsed(UNIT).formatted("serialized"),
            "sub/money.proto": money.formatted("serialized"),
        }
        assert ProtobufFormat().parse(BUYING, texts).canonical == buying.canonical
        again = ProtobufFormat().parse(buying.formatted("serialized"), texts)
        assert again.normalized().canonical == buying.normalized().canonical
    changed = {**texts, "unit.proto": UNIT.replace("string name", "int32 name")}
    found = ProtobufFormat().parse(BUYING, changed).read_incompatibilities(buying)
    assert "FIELD_SCALAR_KIND_CHANGED #/Unit/1" in [f"{each.rule} {each.path}" for each in found]


def test_files_of_google_and_confluent_need_no_reference() -> None:
    body = (
        "google.protobuf.Timestamp at = 1; "
        'confluent.type.Decimal d = 2 [(confluent.field_meta) = { doc: "x" }];'
    )
    imports = "".join(
        f'import "{name}"; '
        for name in (
            "google/protobuf/timestamp.proto",
            "confluent/meta.proto",
            "confluent/type/decimal.proto",
        )
    )
    assert "confluent.field_meta" in parsed(message(body, more=imports)).canonical


# ---------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('syntax = "proto3";\nmessage M { int33 a = 1; }', '2:13: "int33" is not defined'),
        ("message M {", "Reached end of input"),
        ('import "absent.proto";', "absent.proto"),
        ("message M { optional int32 a = 1; optional int32 b = 1; }", "already been used"),
        (base64.b64encode(b"no descriptor").decode(), "schema.proto:1:"),
    ],
)
def test_what_is_no_schema_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSchemaError, match=reason):
        parsed(text)


def test_references_cannot_leave_their_place() -> None:
    for name in ("../x.proto", "/etc/x.proto", "a b.proto"):
        with pytest.raises(InvalidSchemaError, match="cannot be the path"):
            ProtobufFormat().parse(UNIT, {name: UNIT})


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(string.printable),
        st.binary().map(lambda b: base64.b64encode(b).decode()),
    )
)
def test_nothing_else_than_a_refusal_comes_of_nonsense(text: str) -> None:
    try:
        schema = parsed(text)
    except InvalidSchemaError:
        return
    assert parsed(schema.canonical).canonical == schema.canonical
