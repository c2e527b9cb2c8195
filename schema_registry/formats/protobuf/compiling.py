"""Text or descriptor → a valid descriptor, by protoc and by Protobuf's own pool."""

from __future__ import annotations

import ast
import base64
import binascii
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from grpc_tools import _protoc_compiler

from aliran.schema_registry.errors import InvalidSchemaError
from aliran.schema_registry.formats.protobuf import built_in
from aliran.schema_registry.formats.protobuf.comments import with_syntax

ROOT = "schema.proto"
"""Name of a file that was sent as text."""

_SERIALIZED = re.compile(rb"AddSerializedFile\((b'(?:[^'\\]|\\.)*')\)")
_NAME = re.compile(r"[\w./-]+")
_lock = threading.Lock()


def descriptor_of(text: str) -> Any | None:
    """Return the FileDescriptorProto that a schema is in base64, None where it is text."""
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    proto = descriptor_pb2.FileDescriptorProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        return None
    return proto if proto.ByteSize() else None


def compile_schema(text: str, references: Mapping[str, str]) -> list[Any]:
    """Return the file, and before it all that it imports, as FileDescriptorProtos.

    Args:
        text: The schema, as text or as base64 of a descriptor.
        references: The files it imports, by path, in either form; not those of `built_in.py`.

    Raises:
        InvalidSchemaError: It is not valid; says in which file and line.
    """
    for name in references:
        if not _NAME.fullmatch(name) or ".." in name or name.startswith("/"):
            raise InvalidSchemaError(f"{name!r} cannot be the path of an imported file")
    given = descriptor_of(text)
    texts = {name: each for name, each in references.items() if descriptor_of(each) is None}
    binary = {name: found for name, each in references.items() if (found := descriptor_of(each))}
    for name, proto in binary.items():
        proto.name = name
    if given is None and not binary:
        return _compile({**texts, ROOT: text}, ROOT)
    return _link(text, given, texts, binary)


def _link(
    text: str, given: Any | None, texts: Mapping[str, str], binary: Mapping[str, Any]
) -> list[Any]:
    """Put texts and descriptors together: descriptors are printed where a text imports them."""
    from aliran.schema_registry.formats.protobuf.from_descriptor import file_of
    from aliran.schema_registry.formats.protobuf.printer import Printer

    for name, proto in binary.items():
        texts = {**texts, name: Printer(as_source=True).file(file_of(proto))}
    if given is None:
        return _compile({**texts, ROOT: text}, ROOT)
    imports = "".join(f'import "{name}";\n' for name in given.dependency)
    found = _compile({**texts, ROOT: f'syntax = "proto3";\n{imports}'}, ROOT)[:-1]
    if not given.name:
        given.name = ROOT
    return [*(each for each in found if each.name != given.name), _checked(given, found)]


def _checked(proto: Any, imported: list[Any]) -> Any:
    pool = DescriptorPool()
    try:
        for each in imported:
            pool.Add(each)
        pool.Add(proto)
        pool.FindFileByName(proto.name)
    except (TypeError, KeyError, ValueError) as error:
        reason = str(error).strip().replace("\n", " ")
        raise InvalidSchemaError(f"the descriptor is not valid: {reason[:500]}") from error
    return proto


def _compile(texts: Mapping[str, str], root: str) -> list[Any]:
    with tempfile.TemporaryDirectory(prefix="aliran-protobuf-") as folder:
        for name, text in {**built_in.FILES, **texts}.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(with_syntax(text), encoding="utf-8", errors="surrogatepass")
        include = [os.fsencode(path) for path in (folder, *built_in.include_paths())]
        try:
            with _lock:  # the compiler keeps errors in one place
                made = _protoc_compiler.get_protos(os.fsencode(root), include)
        except _protoc_compiler.ProtocErrors as error:
            raise InvalidSchemaError("; ".join(_reasons(error))) from error
    return [_serialized(code) for _, code in made]


def _reasons(error: Any) -> Iterator[str]:
    """Yield what protoc says, with lines and columns counted from 1."""
    for each in error.args[0]:
        name, message = _plain(each.filename), _plain(each.message)
        place = f"{name}:" if each.line < 0 else f"{name}:{each.line + 1}:{each.column + 1}:"
        yield f"{place} {message}"


def _plain(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _serialized(code: bytes) -> Any:
    found = _SERIALIZED.search(code)
    if found is None:
        raise InvalidSchemaError("protoc gave code without a descriptor")
    proto = descriptor_pb2.FileDescriptorProto()
    proto.ParseFromString(ast.literal_eval(found[1].decode("ascii")))
    return proto
