"""Whatever arrives, reading raises ProtocolError or gives a message; it never hangs or explodes."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aliran.protocol.codec import (
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from aliran.protocol.errors import ProtocolError, UnsupportedVersionError
from aliran.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from aliran.protocol.messages.produce import ProduceRequest
from aliran.protocol.schema import model

FEW = settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def encoded(api: model.Api, side: str, version: int, message: Any) -> bytes:
    if side == "request":
        return b"".join(encode_request(version, 1, "c", message))
    return b"".join(encode_response((api.key, version, 1), message))


def read(api: model.Api, side: str, version: int, frame: bytes) -> Any:
    if side == "request":
        return decode_request(frame)[1]
    return decode_response(api.key, version, frame)[1]


def cuts(size: int) -> list[int]:
    """Every length below `size`, or for a long frame the first and the last 100 and some others."""
    if size <= 300:
        return list(range(size))
    return [*range(100), *range(100, size - 100, size // 50), *range(size - 100, size)]


@FEW
@given(data=st.data())
def test_a_frame_cut_anywhere_is_refused(
    api_name: str, side: str, version: int, messages: Any, data: st.DataObject
) -> None:
    api = model.load(api_name)
    frame = encoded(api, side, version, data.draw(messages(api_name, side, version)))
    for size in cuts(len(frame)):
        with pytest.raises(ProtocolError):
            read(api, side, version, frame[:size])


@FEW
@given(data=st.data(), seed=st.integers(0, 1 << 32))
def test_damaged_frames_never_end_in_another_error(
    api_name: str, side: str, version: int, messages: Any, data: st.DataObject, seed: int
) -> None:
    api = model.load(api_name)
    frame = bytearray(encoded(api, side, version, data.draw(messages(api_name, side, version))))
    dice = random.Random(seed)
    for _ in range(30):
        damaged = frame.copy()
        for _ in range(dice.randint(1, 3)):
            position = dice.randrange(8 if side == "request" else 4, len(damaged))
            damaged[position] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
        try:
            message = read(api, side, version, bytes(damaged))
        except ProtocolError:
            continue
        assert type(message).__name__ == (api.request if side == "request" else api.response).name


def test_random_bodies_never_end_in_another_error(api_name: str, side: str, version: int) -> None:
    api = model.load(api_name)
    dice = random.Random(f"{api_name} {side} {version}")
    head = struct.pack(">hhih", api.key, version, 1, -1) if side == "request" else bytes(4)
    for size in (1, 2, 5, 17, 60, 200):
        for _ in range(5):
            try:
                message = read(api, side, version, head + dice.randbytes(size))
            except ProtocolError:
                continue
            assert message is not None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_random_frames_are_refused(frame: bytes) -> None:
    try:
        header, _ = decode_request(frame)
    except ProtocolError:
        return
    assert header.api_key in range(76)


@pytest.mark.parametrize("count", [2**31 - 1, 10_000_000, 1000])
def test_a_huge_declared_array_costs_no_memory(count: int) -> None:
    frame = struct.pack(">hhihi", 3, 1, 1, -1, count) + bytes(20)
    decode_request(b"".join(encode_request(1, 1, None, MetadataRequest())))  # compiled before
    tracemalloc.start()
    with pytest.raises(ProtocolError, match="topics"):
        decode_request(frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_a_huge_compact_length_costs_no_memory() -> None:
    frame = struct.pack(">hhih", 3, 12, 1, -1) + b"\0" + b"\xff\xff\xff\xff\x0f" + bytes(20)
    with pytest.raises(ProtocolError, match="topics"):
        decode_request(frame)


def test_an_endless_varint_is_refused() -> None:
    frame = struct.pack(">hhih", 3, 12, 1, -1) + b"\0" + b"\xff" * 40
    with pytest.raises(ProtocolError, match="five bytes"):
        decode_request(frame)


def test_a_huge_record_set_length_is_refused() -> None:
    whole = b"".join(encode_request(3, 1, None, ProduceRequest()))
    frame = whole[:-4] + struct.pack(">ihcii", 1, 1, b"t", 1, 0) + struct.pack(">i", 2**31 - 1)
    with pytest.raises(ProtocolError, match="ends too early"):
        decode_request(frame + bytes(30))


def test_a_negative_length_is_refused_where_null_is_not_allowed() -> None:
    frame = struct.pack(">hhihi", 3, 0, 1, -1, -1)
    with pytest.raises(ProtocolError, match="topics"):
        decode_request(frame)


def test_a_string_that_is_not_utf8_is_refused() -> None:
    message = MetadataRequest(topics=[MetadataRequestTopic(name="abcd")])
    frame = b"".join(encode_request(1, 1, None, message)).replace(b"abcd", b"ab\xff\xfe")
    with pytest.raises(ProtocolError, match="UTF-8"):
        decode_request(frame)
    header = struct.pack(">hhih", 3, 1, 1, 2) + b"\xff\xfe"
    with pytest.raises(ProtocolError, match="client id"):
        decode_request(header + bytes(4))


def test_an_unknown_version_says_whom_to_answer() -> None:
    frame = struct.pack(">hhih", 18, 99, 4711, 3) + b"cli" + b"anything"
    with pytest.raises(UnsupportedVersionError) as caught:
        decode_request(frame)
    error = caught.value
    assert (error.api_key, error.version) == (18, 99)
    assert (error.correlation_id, error.client_id) == (4711, "cli")


@pytest.mark.parametrize(("api_key", "version"), [(4, 0), (1000, 0), (-1, 0), (0, 2), (3, -1)])
def test_what_the_table_lacks_is_unsupported(api_key: int, version: int) -> None:
    with pytest.raises(UnsupportedVersionError):
        decode_request(struct.pack(">hhih", api_key, version, 1, -1))
    with pytest.raises(ProtocolError, match="table"):
        decode_response(api_key, version, bytes(10))


@pytest.mark.parametrize("size", range(10))
def test_a_frame_shorter_than_its_header_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match="header"):
        decode_request(bytes(size))


def test_bytes_behind_the_body_matter_only_when_strict() -> None:
    frame = b"".join(encode_request(1, 1, None, MetadataRequest())) + b"more"
    _, body = decode_request(frame)
    assert body == MetadataRequest()
    with pytest.raises(ProtocolError, match="4 bytes follow"):
        decode_request(frame, strict=True)
