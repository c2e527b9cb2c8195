"""Keys with their window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliran.core.errors import ConfigError
from aliran.serdes import (
    SerializationError,
    SessionWindowedSerde,
    Windowed,
    WindowedSerde,
    serde_for,
)
from aliran.serdes.windowed import MAX_TIMESTAMP


def test_time_windows_have_kafkas_bytes() -> None:
    serde = WindowedSerde(serde_for(str), 60_000)
    data = serde.serialize(Windowed("tag", 120_000, 180_000))
    assert data == b"tag" + (120_000).to_bytes(8, "big")
    assert serde.deserialize(data) == Windowed("tag", 120_000, 180_000)
    assert serde.serialize(None) is None
    assert serde.deserialize(None) is None


def test_the_end_is_capped_at_the_largest_time() -> None:
    serde = WindowedSerde(serde_for(str), 60_000)
    data = serde.serialize(Windowed("k", MAX_TIMESTAMP - 1, MAX_TIMESTAMP))
    windowed = serde.deserialize(data)
    assert windowed == Windowed("k", MAX_TIMESTAMP - 1, MAX_TIMESTAMP)


def test_sessions_have_kafkas_bytes() -> None:
    serde = SessionWindowedSerde(serde_for(str))
    data = serde.serialize(Windowed("k", 5, 9))
    assert data == b"k" + (9).to_bytes(8, "big") + (5).to_bytes(8, "big")
    assert serde.deserialize(data) == Windowed("k", 5, 9)


def test_short_data_and_plain_keys_are_refused() -> None:
    time, session = WindowedSerde(serde_for(str), 1), SessionWindowedSerde(serde_for(str))
    with pytest.raises(SerializationError, match="8 bytes of window start"):
        time.deserialize(b"1234567")
    with pytest.raises(SerializationError, match="16 bytes of end and start"):
        session.deserialize(b"123456789012345")
    for serde in (time, session):
        with pytest.raises(SerializationError, match=r"it writes Windowed\("):
            serde.serialize("k")  # type: ignore[arg-type]
    with pytest.raises(SerializationError, match=r"WindowedSerde\(StringSerde\)"):
        time.serialize(Windowed(5, 0, 1))  # type: ignore[arg-type]


def test_a_window_size_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="window_size_ms must be above 0"):
        WindowedSerde(serde_for(str), 0)


@given(st.text(), st.integers(0, MAX_TIMESTAMP), st.integers(1, MAX_TIMESTAMP))
def test_windowed_keys_come_back(key: str, start: int, size: int) -> None:
    serde = WindowedSerde(serde_for(str), size)
    windowed = Windowed(key, start, min(start + size, MAX_TIMESTAMP))
    assert serde.deserialize(serde.serialize(windowed)) == windowed
