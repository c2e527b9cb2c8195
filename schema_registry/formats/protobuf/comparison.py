"""Compares two Protobuf files and lists their differences. Confluent: `protobuf.diff.SchemaDiff`.

"Old" is what wrote, "new" what is to read. Fields are compared by their numbers over the whole
message, whatever oneof they are in; messages by their names, those of other files as well where a
field is of their type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2

from aliran.schema_registry.formats.protobuf.rules import REFUSALS

_Field = descriptor_pb2.FieldDescriptorProto

_KINDS = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "general number"),
    **dict.fromkeys(("sint32", "sint64"), "signed number"),
    **dict.fromkeys(("string", "bytes"), "string or bytes"),
    **dict.fromkeys(("fixed32", "sfixed32"), "fixed32"),
    **dict.fromkeys(("fixed64", "sfixed64"), "fixed64"),
    "float": "float",
    "double": "double",
}
"""Types of one kind are encoded alike."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, and where it is."""

    rule: str
    path: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """The path as Confluent writes it."""
        return "#/" + "/".join(self.path)


@dataclass(frozen=True, slots=True)
class Type:
    """A message or enum, in the file that defines it.

    Attributes:
        proto: Its descriptor.
        package: The file's package.
        local_name: Its name within the package.
    """

    proto: Any
    package: str
    local_name: str

    @property
    def is_enum(self) -> bool:
        """Whether it is an enum."""
        return isinstance(self.proto, descriptor_pb2.EnumDescriptorProto)

    @property
    def is_map(self) -> bool:
        """Whether it is what the entries of a map are."""
        return not self.is_enum and bool(self.proto.options.map_entry)


def types_of(files: Iterable[Any]) -> dict[str, Type]:
    """Return all types of some files by their full names, with a dot in front."""
    found: dict[str, Type] = {}

    def add(proto: Any, package: str, outer: str) -> None:
        name = f"{outer}.{proto.name}" if outer else proto.name
        found[f".{package}.{name}" if package else f".{name}"] = Type(proto, package, name)
        if isinstance(proto, descriptor_pb2.DescriptorProto):
            for each in (*proto.nested_type, *proto.enum_type):
                add(each, package, name)

    for file in files:
        for each in (*file.message_type, *file.enum_type):
            add(each, file.package, "")
    return found


def differences(old: list[Any], new: list[Any]) -> list[Difference]:
    """Return how a file differs from an older one; each comes behind the files it imports."""
    comparison = _Comparison(types_of(old), types_of(new))
    found = []
    if old[-1].package != new[-1].package:
        found.append(Difference("PACKAGE_CHANGED"))
    return [*found, *comparison.types(_nested(old[-1]), _nested(new[-1]), ())]


def _nested(owner: Any) -> list[Any]:
    """Return the types that stand within a file or message."""
    messages = (
        owner.message_type
        if isinstance(owner, descriptor_pb2.FileDescriptorProto)
        else owner.nested_type
    )
    return [*messages, *owner.enum_type]


class _Comparison:
    """Compares what two sets of files hold."""

    def __init__(self, old: Mapping[str, Type], new: Mapping[str, Type]) -> None:
        self._old = old
        self._new = new
        self._under_way: set[int] = set()
        self._known: dict[tuple[int, int], tuple[Difference, ...]] = {}

    def types(self, old: list[Any], new: list[Any], path: tuple[str, ...]) -> Iterator[Difference]:
        """Yield the differences of the types within two files or messages."""
        before, now = ({each.name: each for each in types} for types in (old, new))
        for name in dict.fromkeys((*before, *now)):
            one, other, here = before.get(name), now.get(name), (*path, name)
            is_enum = isinstance(one or other, descriptor_pb2.EnumDescriptorProto)
            if is_enum or isinstance(other or one, descriptor_pb2.EnumDescriptorProto):
                yield from _changed_enum(one, other, here)
            elif other is None:
                if one is not None and not one.options.map_entry:
                    yield Difference("MESSAGE_REMOVED", here)
            elif one is None:
                if not other.options.map_entry:
                    yield Difference("MESSAGE_ADDED", here)
            else:
                yield from self.messages(one, other, here)

    def messages(self, old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
        """Yield the differences of two messages, and of the types within them."""
        if id(old) not in self._under_way:
            self._under_way.add(id(old))
            yield from _moves(old, new, path)
            yield from self._fields(old, new, path)
            self._under_way.discard(id(old))
        yield from self.types(_nested(old), _nested(new), path)

    def _fields(self, old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
        before = {field.number: field for field in old.field}
        now = {field.number: field for field in new.field}
        gone = _whole_one_ofs_gone(old, new)
        for number in sorted(before.keys() | now.keys()):
            one, other = before.get(number), now.get(number)
            if other is None:
                yield from _removed(old, one, gone, path)
            elif one is None:
                yield _added(new, other, path)
            else:
                one_of = _one_of(new, other)
                here = (*path, one_of, str(number)) if one_of else (*path, str(number))
                if _one_of(old, one) and not one_of:
                    yield Difference("ONEOF_FIELD_MOVED_TO_TOP_LEVEL", here)
                yield from self._field(one, other, here)

    def _field(self, old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
        if old.name != new.name:
            yield Difference("FIELD_NAME_CHANGED", path)
        if new.label == _Field.LABEL_REQUIRED != old.label:
            yield Difference("REQUIRED_LABEL_ADDED", path)
        yield from self._values(old, new, path, labels=True)

    def _values(
        self, old: Any, new: Any, path: tuple[str, ...], *, labels: bool = False
    ) -> Iterator[Difference]:
        """Yield the differences of what two fields hold."""
        before, now = self._old.get(old.type_name), self._new.get(new.type_name)
        kinds = [_kind(old, before), _kind(new, now)]
        if kinds[0] != kinds[1]:
            yield Difference("FIELD_KIND_CHANGED", path)
        elif kinds[0] == "scalar":
            yield from _scalars(old, new, path, labels=labels)
        elif before is None or now is None:
            if old.type_name != new.type_name:
                yield Difference("FIELD_NAMED_TYPE_CHANGED", path)
        elif kinds[0] == "map":
            for one, other in zip(before.proto.field, now.proto.field, strict=True):
                yield from self._values(one, other, path)
        else:
            if labels and _is_repeated(old) and not _is_repeated(new):
                yield Difference("FIELD_MESSAGE_LABEL_CHANGED", path)
            yield from self._message_types(before, now, path)

    def _message_types(self, old: Type, new: Type, path: tuple[str, ...]) -> Iterator[Difference]:
        if old.local_name != new.local_name:
            yield Difference("FIELD_NAMED_TYPE_CHANGED", path)
            return
        if id(old.proto) in self._under_way:
            return
        pair = (id(old.proto), id(new.proto))
        if pair not in self._known:
            name = tuple(old.local_name.split("."))
            self._known[pair] = ()  # within itself
            self._known[pair] = tuple(self.messages(old.proto, new.proto, name))
        found = self._known[pair]
        yield from found
        if any(each.rule in REFUSALS for each in found):
            yield Difference("FIELD_NAMED_TYPE_CHANGED", path)


# ---------------------------------------------------------------------------- fields


def _kind(field: Any, named: Type | None) -> str:
    if field.type not in (_Field.TYPE_MESSAGE, _Field.TYPE_GROUP):
        return "scalar"
    return "map" if named is not None and named.is_map else "message"


def _scalars(old: Any, new: Any, path: tuple[str, ...], *, labels: bool) -> Iterator[Difference]:
    before, now = _scalar_kind(old), _scalar_kind(new)
    if before != now:
        yield Difference("FIELD_SCALAR_KIND_CHANGED", path)
    elif labels and _is_repeated(old) != _is_repeated(new):
        rule = "STRING_OR_BYTES" if before == "string or bytes" else "NUMERIC"
        yield Difference(f"FIELD_{rule}_LABEL_CHANGED", path)


def _scalar_kind(field: Any) -> str:
    return _KINDS[_Field.Type.Name(field.type).removeprefix("TYPE_").lower()]


def _is_repeated(field: Any) -> bool:
    return bool(field.label == _Field.LABEL_REPEATED)


def _one_of(message: Any, field: Any) -> str | None:
    if not field.HasField("oneof_index") or field.proto3_optional:
        return None
    return str(message.oneof_decl[field.oneof_index].name)


def _removed(
    message: Any, field: Any, gone: set[str], path: tuple[str, ...]
) -> Iterator[Difference]:
    one_of, number = _one_of(message, field), str(field.number)
    if one_of is None:
        required = field.label == _Field.LABEL_REQUIRED
        rule = "REQUIRED_FIELD_REMOVED" if required else "FIELD_REMOVED"
        yield Difference(rule, (*path, number))
    elif one_of not in gone:
        yield Difference("ONEOF_FIELD_REMOVED", (*path, one_of, number))


def _added(message: Any, field: Any, path: tuple[str, ...]) -> Difference:
    one_of, number = _one_of(message, field), str(field.number)
    if one_of is not None:
        return Difference("ONEOF_FIELD_ADDED", (*path, one_of, number))
    required = field.label == _Field.LABEL_REQUIRED
    return Difference("REQUIRED_FIELD_ADDED" if required else "FIELD_ADDED", (*path, number))


# ---------------------------------------------------------------------------- oneofs


def _members(message: Any) -> dict[str, list[int]]:
    """Return the numbers of the fields of each oneof."""
    found: dict[str, list[int]] = {}
    for field in message.field:
        one_of = _one_of(message, field)
        if one_of is not None:
            found.setdefault(one_of, []).append(field.number)
    return found


def _whole_one_ofs_gone(old: Any, new: Any) -> set[str]:
    """Return the oneofs of which nothing is left, not even a field elsewhere."""
    numbers, names = {field.number for field in new.field}, _members(new)
    return {
        name
        for name, members in _members(old).items()
        if name not in names and not numbers.intersection(members)
    }


def _moves(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    """Yield what a oneof excludes now that could be set together before."""
    before, now = _members(old), _members(new)
    was_in = {number: name for name, members in before.items() for number in members}
    known = {field.number for field in old.field}
    for name, members in now.items():
        outside = [each for each in members if each in known and each not in was_in]
        groups = {was_in[each] for each in members if each in was_in}
        if len(outside) + len(groups) > 1:
            several = len(outside) > 1
            rule = "MULTIPLE_FIELDS_MOVED_TO_ONEOF" if several else "FIELD_MOVED_TO_EXISTING_ONEOF"
            yield Difference(rule, (*path, name))
    for name in sorted(before.keys() ^ now.keys()):
        yield Difference("ONEOF_ADDED" if name in now else "ONEOF_REMOVED", (*path, name))


def _changed_enum(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    """Yield changes of an enum, all compatible: numbers that are not known are kept as such."""
    if old is None or new is None:
        yield Difference("ENUM_ADDED" if old is None else "ENUM_REMOVED", path)
        message = old if old is not None else new
        if isinstance(message, descriptor_pb2.DescriptorProto):
            yield Difference("MESSAGE_REMOVED", path)
        return
    if isinstance(old, descriptor_pb2.DescriptorProto):  # an enum has taken its name
        yield Difference("MESSAGE_REMOVED", path)
