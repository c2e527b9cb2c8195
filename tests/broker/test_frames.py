import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliran.broker.frames import FrameBuffer, FrameError


def wire(*frames: bytes) -> bytes:
    return b"".join(struct.pack(">i", len(frame)) + frame for frame in frames)


@given(
    frames=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(min_value=1, max_value=20), min_size=1, max_size=30),
)
def test_any_cutting_gives_the_same_frames(frames: list[bytes], cuts: list[int]) -> None:
    buffer, received = FrameBuffer(1000), []
    data, position, number = wire(*frames), 0, 0
    while position < len(data):
        size = cuts[number % len(cuts)]
        received += [bytes(frame) for frame in buffer.feed(data[position : position + size])]
        position, number = position + size, number + 1
    assert received == frames
    assert buffer.partial_bytes == 0


def test_frames_already_handed_out_stay_as_they_are() -> None:
    buffer = FrameBuffer(1000)
    assert buffer.feed(wire(b"first")[:6]) == []
    (first,) = buffer.feed(wire(b"first")[6:])
    (second,) = buffer.feed(wire(b"second"))
    assert (bytes(first), bytes(second)) == (b"first", b"second")


def test_an_announced_length_alone_costs_no_memory() -> None:
    buffer = FrameBuffer(100_000_000)
    assert buffer.feed(struct.pack(">i", 99_000_000) + b"abc") == []
    assert buffer.partial_bytes == 7


@pytest.mark.parametrize(
    ("data", "guess"),
    [
        (struct.pack(">i", 1001) + b"x" * 20, "socket.request.max.bytes=1000"),
        (b"\xff\xff\xff\xff1234", "its length is -1"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "TLS"),
        (b"SSH-2.0-OpenSSH", "SSH"),
    ],
)
def test_what_is_no_request_is_named(data: bytes, guess: str) -> None:
    with pytest.raises(FrameError, match=guess):
        FrameBuffer(1000).feed(data)
