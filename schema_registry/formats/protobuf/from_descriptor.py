"""A descriptor → the parsed file that would give it, with all names of types in full.

Confluent: `ProtobufSchema.toProtoFile`. A map is there what it is in the descriptor, a message with
the option `map_entry`, until the file is normalized.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from proto_schema_parser import ast

_Type = descriptor_pb2.FieldDescriptorProto
_DESCRIPTORS = "google/protobuf/descriptor.proto"
_SCALARS = {
    getattr(_Type, f"TYPE_{name.upper()}"): name
    for name in (
        *("double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string"),
        *("bytes", "uint32", "sfixed32", "sfixed64", "sint32", "sint64"),
    )
}
_LABELS = {
    _Type.LABEL_OPTIONAL: ast.FieldCardinality.OPTIONAL,
    _Type.LABEL_REQUIRED: ast.FieldCardinality.REQUIRED,
    _Type.LABEL_REPEATED: ast.FieldCardinality.REPEATED,
}


def file_of(proto: Any, files: Sequence[Any] = (), *, with_maps: bool = False) -> ast.File:
    """Return the parsed form of a FileDescriptorProto.

    Args:
        proto: The descriptor.
        files: It, and before it all that it imports: options of one's own are defined there.
        with_maps: Whether fields that are maps are written as such, and their messages left out.
    """
    return _Reader(proto, files, with_maps).file()


class _Reader:
    def __init__(self, proto: Any, files: Sequence[Any], with_maps: bool) -> None:
        self._proto = proto
        self._option_classes = _option_classes(files)
        self._with_maps = with_maps
        self._is_proto3 = proto.syntax == "proto3"

    def file(self) -> ast.File:
        proto = self._proto
        elements: list[Any] = []
        if proto.package:
            elements.append(ast.Package(proto.package))
        public, weak = set(proto.public_dependency), set(proto.weak_dependency)
        elements += [
            ast.Import(name, weak=number in weak, public=number in public)
            for number, name in enumerate(proto.dependency)
        ]
        elements += self._options(proto.options)
        own = _groups_of(proto.extension)
        elements += [self._message(each) for each in proto.message_type if each.name not in own]
        elements += map(self._enum, proto.enum_type)
        elements += self._extensions(proto.extension, proto.message_type)
        elements += map(self._service, proto.service)
        edition = None
        if proto.syntax == "editions":
            edition = descriptor_pb2.Edition.Name(proto.edition).removeprefix("EDITION_")
        syntax = None if edition else proto.syntax or None
        return ast.File(syntax=syntax, edition=edition, file_elements=elements)

    def _message(self, proto: Any) -> ast.Message:
        return ast.Message(proto.name, [*self._message_elements(proto)])

    def _message_elements(self, proto: Any) -> Iterator[Any]:
        for each in proto.reserved_range:
            yield ast.Reserved(ranges=[_range(each.start, each.end - 1)])
        for name in proto.reserved_name:
            yield ast.Reserved(names=[name])
        yield from self._options(proto.options)
        maps = {each.name: each for each in proto.nested_type if each.options.map_entry}
        groups = {each.name: each for each in proto.nested_type}
        one_ofs: list[list[Any]] = [[] for _ in proto.oneof_decl]
        for field in proto.field:
            if field.HasField("oneof_index") and not field.proto3_optional:
                one_ofs[field.oneof_index].append(self._member(field, groups, in_one_of=True))
                continue
            entry = maps.get(field.type_name.rpartition(".")[2]) if self._with_maps else None
            yield self._member(field, groups) if entry is None else self._map(field, entry)
        for declared, fields in zip(proto.oneof_decl, one_ofs, strict=True):
            if fields:
                yield ast.OneOf(declared.name, [*self._options(declared.options), *fields])
        for each in proto.extension_range:
            range_ = _range(each.start, each.end - 1)
            yield ast.ExtensionRange([range_], [*self._options(each.options)])
        yield from self._extensions(proto.extension, proto.nested_type)
        own = _groups_of((*proto.field, *proto.extension))
        for each in proto.nested_type:
            if each.name not in own and not (self._with_maps and each.options.map_entry):
                yield self._message(each)
        yield from map(self._enum, proto.enum_type)

    def _member(
        self, proto: Any, groups: Mapping[str, Any], *, in_one_of: bool = False
    ) -> ast.Field | ast.Group:
        """Return a field, or a group, whose message stands within it."""
        field = self._field(proto, in_one_of=in_one_of)
        message = groups.get(proto.type_name.rpartition(".")[2])
        if proto.type != _Type.TYPE_GROUP or message is None:
            return field
        elements = [*self._message_elements(message)]
        return ast.Group(message.name, proto.number, field.cardinality, elements)

    def _field(self, proto: Any, *, in_one_of: bool = False) -> ast.Field:
        label = None if in_one_of else _LABELS[proto.label]
        if proto.label == _Type.LABEL_OPTIONAL and self._proto.syntax in ("proto3", "editions"):
            label = _LABELS[proto.label] if proto.proto3_optional else None
        return ast.Field(
            proto.name,
            proto.number,
            _SCALARS.get(proto.type) or proto.type_name,
            label,
            [*self._field_options(proto)],
        )

    def _map(self, proto: Any, entry: Any) -> ast.MapField:
        key, value = (_SCALARS.get(each.type) or each.type_name for each in entry.field)
        return ast.MapField(proto.name, proto.number, key, value, [*self._field_options(proto)])

    def _field_options(self, proto: Any) -> Iterator[ast.Option]:
        yield from self._options(proto.options)
        if proto.HasField("default_value"):
            yield ast.Option("default", _default(proto))
        if proto.json_name and proto.json_name != _json_name(proto.name):
            yield ast.Option("json_name", proto.json_name)

    def _extensions(
        self, fields: Sequence[Any], messages: Sequence[Any]
    ) -> Iterator[ast.Extension]:
        groups = {each.name: each for each in messages}
        by_name: dict[str, list[Any]] = {}
        for each in fields:
            by_name.setdefault(each.extendee, []).append(self._member(each, groups))
        for name, found in by_name.items():
            yield ast.Extension(name, found)

    def _enum(self, proto: Any) -> ast.Enum:
        elements: list[Any] = []
        elements += [ast.EnumReserved([_range(e.start, e.end)]) for e in proto.reserved_range]
        elements += [ast.EnumReserved(names=[name]) for name in proto.reserved_name]
        elements += self._options(proto.options)
        elements += [
            ast.EnumValue(each.name, each.number, [*self._options(each.options)])
            for each in proto.value
        ]
        return ast.Enum(proto.name, elements)

    def _service(self, proto: Any) -> ast.Service:
        methods = [
            ast.Method(
                each.name,
                ast.MessageType(each.input_type, each.client_streaming),
                ast.MessageType(each.output_type, each.server_streaming),
                [*self._options(each.options)],
            )
            for each in proto.method
        ]
        return ast.Service(proto.name, [*self._options(proto.options), *methods])

    def _options(self, options: Any) -> Iterator[ast.Option]:
        """Yield options in the order of their numbers, extensions that are known behind them."""
        known = self._option_classes.get(type(options).DESCRIPTOR.name)
        if known is not None:
            options = known.FromString(options.SerializeToString())
        for field, value in options.ListFields():
            name = f"({field.full_name})" if field.is_extension else field.name
            for each in value if _is_repeated(field) else [value]:
                yield ast.Option(name, _value_of(field, each))


def _groups_of(fields: Sequence[Any]) -> set[str]:
    """Return the names of the messages that stand within groups."""
    return {each.type_name.rpartition(".")[2] for each in fields if each.type == _Type.TYPE_GROUP}


def _option_classes(files: Sequence[Any]) -> dict[str, Any]:
    """Return classes of options that know the extensions of some files; none without any."""
    if not any(file.name == _DESCRIPTORS for file in files):
        return {}
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    message_factory.GetMessageClassesForFiles([file.name for file in files], pool)
    found = pool.FindFileByName(_DESCRIPTORS).message_types_by_name.values()
    return {
        each.name: message_factory.GetMessageClass(each)
        for each in found
        if each.name.endswith("Options")
    }


def _value_of(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _literal(value)
    if field.enum_type is not None:
        found = field.enum_type.values_by_number.get(value)
        return ast.Identifier(found.name if found else str(value))
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value


def _literal(message: Any) -> ast.MessageLiteral:
    found: list[Any] = []
    for field, value in message.ListFields():
        name = f"[{field.full_name}]" if field.is_extension else field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, item = field.message_type.fields
            for each, other in sorted(value.items()):
                entry = [
                    ast.MessageLiteralField("key", _value_of(key, each)),
                    ast.MessageLiteralField("value", _value_of(item, other)),
                ]
                found.append(ast.MessageLiteralField(name, ast.MessageLiteral([*entry])))
            continue
        values = value if _is_repeated(field) else [value]
        found += [ast.MessageLiteralField(name, _value_of(field, each)) for each in values]
    return ast.MessageLiteral(found)


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _default(proto: Any) -> Any:
    """Return a default as it would be written."""
    text = proto.default_value
    if proto.type == _Type.TYPE_STRING:
        return text.replace("\\", "\\\\")
    if proto.type == _Type.TYPE_BYTES:
        return text
    return ast.Identifier(text)


def _json_name(name: str) -> str:
    """Return the name in JSON that a field has unless it says otherwise."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _range(start: int, end: int) -> str:
    return str(start) if start == end else f"{start} to {end}"
