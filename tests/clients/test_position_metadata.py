"""The text that travels with committed offsets; bytes as Kafka Streams 4.3.1 writes them."""

from __future__ import annotations

import base64

import pytest

from aliran.clients.position_metadata import decode, encode

TIME_MS = 1_790_000_000_123


def test_text_is_kafkas() -> None:
    assert base64.b64decode(encode(TIME_MS, {})) == b"\x02" + TIME_MS.to_bytes(8)
    entry = b"\0\0\0\1" + b"\0\0\0\5store" + (7).to_bytes(8)
    assert base64.b64decode(encode(TIME_MS, {"store": 7})) == b"\x02" + TIME_MS.to_bytes(8) + entry


@pytest.mark.parametrize("entries", [{}, {"store": 7}, {"a": -1, "längerer name": 1 << 40}])
@pytest.mark.parametrize("behind", ["", "\xea\xff", "AB", "\x00x"])
def test_what_lies_behind_the_text_does_not_matter(entries: dict[str, int], behind: str) -> None:
    assert decode(encode(TIME_MS, entries) + behind) == (TIME_MS, entries)


@pytest.mark.parametrize("text", ["", "x", "no base64", "hello", "somelongmetadatatext", "é"])
def test_text_of_another_origin_says_nothing(text: str) -> None:
    assert decode(text) == (-1, {})


def test_text_of_older_versions_has_a_time_only() -> None:
    assert decode(base64.b64encode(b"\x01" + TIME_MS.to_bytes(8)).decode()) == (TIME_MS, {})
