from __future__ import annotations

from pathlib import Path

import pytest

from aliran.connectors.errors import ConnectError
from aliran.connectors.runtime import java_map
from aliran.connectors.runtime.offsets import FileOffsetStore

# What java.io.ObjectOutputStream (Java 17) writes for {k1: v1, k2: null, k3: v3}.
OF_JAVA = (
    b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16`\xd1\x03\x00\x02F\x00\n"
    b"loadFactorI\x00\tthresholdxp?@\x00\x00\x00\x00\x00\x0cw\x08\x00\x00\x00\x10\x00\x00\x00\x03"
    b"ur\x00\x02[B\xac\xf3\x17\xf8\x06\x08T\xe0\x02\x00\x00xp\x00\x00\x00\x02k1uq\x00~\x00\x02"
    b"\x00\x00\x00\x02v1uq\x00~\x00\x02\x00\x00\x00\x02k2puq\x00~\x00\x02\x00\x00\x00\x02k3"
    b"uq\x00~\x00\x02\x00\x00\x00\x02v3x"
)


def test_a_map_of_java_is_read() -> None:
    assert java_map.load(OF_JAVA) == {b"k1": b"v1", b"k2": None, b"k3": b"v3"}


def test_a_map_is_written_as_java_writes_it() -> None:
    without_null = OF_JAVA.replace(b"uq\x00~\x00\x02\x00\x00\x00\x02k2p", b"")
    without_null = without_null.replace(b"\x00\x00\x00\x03ur", b"\x00\x00\x00\x02ur")

    assert java_map.dump({b"k1": b"v1", b"k3": b"v3"}) == without_null


def test_what_is_no_map_is_refused() -> None:
    for length in range(len(OF_JAVA)):
        with pytest.raises(java_map.FormatError):
            java_map.load(OF_JAVA[:length])


def test_offsets_survive_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "connect.offsets"
    store = FileOffsetStore(path)
    store.put("c1", [({"filename": "/x", "part": 1}, {"position": 6}), ({"filename": "/y"}, {})])
    store.put("c1", [({"filename": "/y"}, None)])
    store.put("c2", [({"filename": "/x"}, {"position": 1})])

    again = FileOffsetStore(path)

    assert again.get("c1", {"part": 1, "filename": "/x"}) == {"position": 6}
    assert again.all("c1") == [({"filename": "/x", "part": 1}, {"position": 6})]
    assert java_map.load(path.read_bytes())[b'["c2",{"filename":"/x"}]'] == b'{"position":1}'


def test_a_broken_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "connect.offsets"
    path.write_bytes(b"nonsense")

    with pytest.raises(ConnectError, match="cannot be read"):
        FileOffsetStore(path)
