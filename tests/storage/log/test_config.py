import pytest

from aliran.core.errors import ConfigError
from aliran.storage.log import LogConfig


def test_defaults_are_kafkas() -> None:
    shown = LogConfig().to_dotted()
    assert shown["segment.bytes"] == "1073741824"
    assert shown["cleanup.policy"] == "delete"
    assert shown["max.message.bytes"] == "1048588"
    assert shown["flush.messages"] == "9223372036854775807"
    assert shown["message.timestamp.before.max.ms"] == "9223372036854775807"
    assert LogConfig.from_dotted(shown) == LogConfig()


def test_from_dotted() -> None:
    config = LogConfig.from_dotted(
        {
            "segment.bytes": "1000",
            "cleanup.policy": "compact, delete",
            "min.cleanable.dirty.ratio": "0.1",
            "min.insync.replicas": "1",
        }
    )
    assert (config.segment_bytes, config.min_cleanable_dirty_ratio) == (1000, 0.1)
    assert config.cleanup_policy == {"compact", "delete"}
    assert config.is_compacted
    base = LogConfig(retention_ms=7)
    changed = LogConfig.from_dotted({"internal.segment.bytes": "64"}, base)
    assert (changed.retention_ms, changed.segment_bytes) == (7, 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("segment.bytes", "0"),
        ("segment.bytes", "1 MB"),
        ("cleanup.policy", "shred"),
        ("message.timestamp.type", "Now"),
        ("compression.type", "rar"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("segment.index.bytes", "8"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        LogConfig.from_dotted({name: value})
