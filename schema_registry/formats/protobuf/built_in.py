"""Files that every schema may import without a reference: Google's, and Confluent's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PREFIXES = ("google/protobuf/", "google/type/", "confluent/")

FILES = {
    "confluent/meta.proto": """
syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
option java_package = "io.confluent.protobuf";
message Meta {
  string doc = 1;
  map<string, string> params = 2;
  repeated string tags = 3;
}
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
""",
    "confluent/type/decimal.proto": """
syntax = "proto3";
package confluent.type;
option java_package = "io.confluent.protobuf.type";
message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
""",
}
"""Confluent's, by path: what its clients import for metadata and decimals."""


def include_paths() -> list[str]:
    """Return the folders where Google's files lie in what is installed."""
    tools = importlib.util.find_spec("grpc_tools")
    assert tools is not None
    assert tools.origin is not None
    found = [str(Path(tools.origin).parent / "_proto")]
    types = importlib.util.find_spec("google.type")  # of googleapis-common-protos, if it is there
    if types is not None and types.submodule_search_locations:
        found += [str(Path(folder).parents[1]) for folder in types.submodule_search_locations]
    return found
