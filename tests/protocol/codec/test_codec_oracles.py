"""Our bytes against two other codecs: same bytes, and the same values under the same names."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from enum import IntEnum
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kio.index import load_payload_module
from kio.schema.index import schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from aliran.protocol.codec import encode_request, encode_response
from aliran.protocol.primitives import ZERO_UUID
from aliran.protocol.schema import model

FEW = settings(
    max_examples=4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
OPERATIONS = "authorized_operations"  # kafka-python turns these numbers into sets of its own
MILLISECOND = dt.timedelta(milliseconds=1)


def body_bytes(api: model.Api, side: str, version: int, message: Any) -> bytes:
    """The encoded body without its header."""
    flexible = api.flexible is not None and version in api.flexible
    if side == "request":
        frame = b"".join(encode_request(version, 1, None, message))
        return frame[11 if flexible else 10 :]
    frame = b"".join(encode_response((api.key, version, 1), message))
    return frame[5 if flexible and api.key != 18 else 4 :]


def struct_of(api: model.Api, side: str) -> model.Struct:
    return api.request if side == "request" else api.response


def plain(value: Any, struct: model.Struct | None, version: int, kio: bool = True) -> Any:
    """One of our values as dicts, lists and numbers, with the two oracles' views of the absent."""
    if isinstance(value, list):
        return [plain(element, struct, version, kio) for element in value]
    if struct is None or value is None:
        return value
    classes = import_module(type(value).__module__)
    found = {}
    for field in struct.fields:
        if version not in field.versions:
            continue
        inner = getattr(value, field.name)
        if inner is None and field.tag is not None and field.struct is not None and kio:
            inner = getattr(classes, field.struct.name)()
        if kio or not field.name.endswith(OPERATIONS):
            found[field.name] = plain(inner, field.struct, version, kio)
    return found


def plain_kio(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: plain_kio(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [plain_kio(element) for element in value]
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, dt.timedelta):
        return value // MILLISECOND
    if isinstance(value, dt.datetime):
        return (value - EPOCH) // MILLISECOND
    return value


def assert_same(ours: Any, theirs: Any, path: str = "") -> None:
    """Compare by name; kio drops `_ms` from names and says None for the zero UUID."""
    if isinstance(ours, dict):
        names = {name: name if name in theirs else name.removesuffix("_ms") for name in ours}
        assert set(names.values()) == set(theirs), path
        for name, their_name in names.items():
            assert_same(ours[name], theirs[their_name], f"{path}.{name}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), path
        for number, (our_element, their_element) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(our_element, their_element, f"{path}[{number}]")
    else:
        assert (None if ours == ZERO_UUID else ours) == (None if theirs == ZERO_UUID else theirs), (
            path
        )


@FEW
@given(data=st.data())
def test_kio_reads_and_writes_the_same(
    api_name: str, side: str, version: int, messages: Any, data: st.DataObject
) -> None:
    kind: Any = EntityType.request if side == "request" else EntityType.response
    api = model.load(api_name)
    struct = struct_of(api, side)
    kio_class = getattr(load_payload_module(api.key, version, kind), struct.name)
    message = data.draw(messages(api_name, side, version))
    encoded = body_bytes(api, side, version, message)

    read, size = entity_reader(kio_class)(encoded, 0)
    assert size == len(encoded)
    assert_same(plain(message, struct, version), plain_kio(read))
    written = io.BytesIO()
    entity_writer(kio_class)(written, read)
    assert written.getvalue() == encoded


def kafka_python_class(name: str) -> Any:
    for package in ("admin", "consumer", "metadata", "producer", "sasl"):
        module = import_module(f"kafka.protocol.{package}")
        if hasattr(module, name):
            return getattr(module, name)
    return None


def plain_kafka_python(value: Any, struct: model.Struct | None, version: int) -> Any:
    if isinstance(value, list):
        return [plain_kafka_python(element, struct, version) for element in value]
    if struct is None or value is None:
        return bytes(value) if isinstance(value, memoryview) else value
    inner = {field.name: field.struct for field in struct.fields}
    return {
        name: plain_kafka_python(getattr(value, name), inner.get(name), version)
        for name, field in value._struct.fields.items()
        if field.for_version_q(version) and not name.endswith(OPERATIONS)
    }


@FEW
@given(data=st.data())
def test_kafka_python_reads_and_writes_the_same(
    api_name: str, side: str, version: int, messages: Any, data: st.DataObject
) -> None:
    api = model.load(api_name)
    struct = struct_of(api, side)
    oracle = kafka_python_class(struct.name)
    message = data.draw(messages(api_name, side, version))
    encoded = body_bytes(api, side, version, message)

    read = oracle.decode(encoded, version=version)
    ours = plain(message, struct, version, kio=False)
    assert_same(ours, plain_kafka_python(read, struct, version))
    read._header = None  # it sets this in its constructor only, but asks for it when encoding
    assert bytes(read.encode(version=version)) == encoded


def has_kio(api_name: str, side: str, version: int) -> bool:
    return version in schema_name_map[api_name]


def has_kafka_python(api_name: str, side: str, version: int) -> bool:
    return kafka_python_class(struct_of(model.load(api_name), side).name) is not None


COVERED = {
    "test_kio_reads_and_writes_the_same": has_kio,
    "test_kafka_python_reads_and_writes_the_same": has_kafka_python,
}


def test_only_the_newest_or_oldest_kinds_lack_an_oracle() -> None:
    without_kio = [
        f"{name}-v{version}"
        for name in model.names()
        for version in range(model.load(name).versions.first, model.load(name).versions.last + 1)
        if not has_kio(name, "request", version)
    ]
    assert len(without_kio) == 9, without_kio
    missing = [name for name in model.names() if not has_kafka_python(name, "request", 0)]
    assert missing == ["consumer_group_describe", "consumer_group_heartbeat"]
