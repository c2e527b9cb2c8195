"""`ProtobufSerde`: Protobuf messages. Confluent: `ProtobufSerializer`, `ProtobufDeserializer`.

Behind the prefix stands where in its file the message is defined: how many numbers follow, and for
each level of nesting the message's number, all as zigzag varints; a single 0 stands for the first
message of the file.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.descriptor import Descriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message

from aliran.core.errors import ConfigError
from aliran.schema_registry.client.calls import RegisteredSchema
from aliran.schema_registry.client.synchronous import SchemaRegistryClient
from aliran.schema_registry.models import Reference, Schema
from aliran.schema_registry.serdes import wire
from aliran.schema_registry.serdes.base import Read, RegistrySerde, Write
from aliran.serdes.errors import SerializationError

if TYPE_CHECKING:
    from typing import Unpack

    from aliran.schema_registry.serdes.base import SerdeOptions

M = TypeVar("M", bound=Message)

_BUILT_IN = ("google/protobuf/", "google/type/", "confluent/")
"""Files that every registry knows."""


class ProtobufSerde(RegistrySerde[M]):
    """Messages of one class, with schemas in a registry.

    Files that the message's file imports are registered as well, each under its path.

    Args:
        message: The class that protoc generated.
        registry: A client, or the address of a registry.
        options: See `SerdeOptions`; with `use_latest` the newest version of the subject names the
            data, which is still written by the class.

    Raises:
        ConfigError: It is no message class, or an option is unknown.
    """

    form = "serialized"

    def __init__(
        self,
        message: type[M],
        registry: SchemaRegistryClient | str,
        **options: Unpack[SerdeOptions],
    ) -> None:
        descriptor = getattr(message, "DESCRIPTOR", None)
        if not isinstance(descriptor, Descriptor):
            raise ConfigError(f"{message!r} is no message class that protoc has generated")
        self.message = message
        self._descriptor = descriptor
        name = f"ProtobufSerde({descriptor.full_name})"
        # References are known when they are registered.
        super().__init__(registry, _content(descriptor.file, ()), name, options)

    @property
    def record_name(self) -> str | None:
        """Full name of the message."""
        return str(self._descriptor.full_name)

    def writer(self, schema: RegisteredSchema) -> Write:
        """Return what writes messages."""
        begin = wire.prefix(schema.id or 0) + message_indexes(self._descriptor)
        message, name = self.message, self.name

        def write(value: Any) -> bytes:
            if not isinstance(value, message):
                raise SerializationError(
                    f"{name} writes {message.__name__} messages, got {type(value).__name__}"
                )
            return begin + bytes(value.SerializeToString())

        return write

    def reader(self, schema: RegisteredSchema) -> Read:
        """Return what reads data into the class: Protobuf needs no other schema for that."""
        del schema
        parse, name = self.message.FromString, self.name

        def read(data: bytes) -> Any:
            return parse(data[_behind_indexes(name, data) :])

        return read

    def _schema_of(self, schema_id: int) -> RegisteredSchema:
        return RegisteredSchema(schema="", schema_type="PROTOBUF", id=schema_id)

    def _register(self) -> RegisteredSchema:
        if not self.options.get("use_latest"):
            references = tuple(map(self._reference, _imports(self._descriptor.file)))
            self.schema: Schema | None = _content(self._descriptor.file, references)
        return super()._register()

    def _reference(self, file: FileDescriptor) -> Reference:
        """Register an imported file, or find it; return how it is referred to."""
        content = _content(file, tuple(map(self._reference, _imports(file))))
        normalize = self.options.get("normalize", False)
        if self.options.get("auto_register", True):
            self.client.register(file.name, content, normalize=normalize)
        found = self.client.look_up(file.name, content, normalize=normalize)
        return Reference(name=file.name, subject=file.name, version=found.version or -1)


def _content(file: FileDescriptor, references: tuple[Reference, ...]) -> Schema:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    text = base64.standard_b64encode(proto.SerializeToString()).decode("ascii")
    return Schema(schema=text, schema_type="PROTOBUF", references=references)


def _imports(file: FileDescriptor) -> list[FileDescriptor]:
    return [each for each in file.dependencies if not each.name.startswith(_BUILT_IN)]


def message_indexes(descriptor: Descriptor) -> bytes:
    """Return where in its file a message is defined, as it stands in data."""
    path: list[int] = []
    while descriptor is not None:
        parent = descriptor.containing_type
        siblings = parent.nested_types if parent else descriptor.file.message_types_by_name.values()
        path.insert(0, [each.full_name for each in siblings].index(descriptor.full_name))
        descriptor = parent
    if path == [0]:
        return b"\0"
    return b"".join(_varint(each << 1) for each in (len(path), *path))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _behind_indexes(name: str, data: bytes) -> int:
    """Return where the message begins."""
    at, left = wire.PREFIX_LENGTH, -1
    while left:
        start = at
        while at < len(data) and data[at] & 0x80:
            at += 1
        at += 1
        if at > len(data):
            raise SerializationError(f"{name}: the data ends within its message indexes")
        if left < 0:
            left = (data[start] & 0x7F) >> 1 if at - start == 1 else -1
            if left < 0:
                raise SerializationError(f"{name}: the data has no message indexes")
        else:
            left -= 1
    return at
