"""The servers that the tests of this folder stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from databases import Database, mariadb, postgres


@pytest.mark.parametrize(
    ("make", "setting", "shown"),
    [
        (postgres, {"wal_level": "logical"}, "SELECT 1, current_setting('wal_level')"),
        (mariadb, {"log_bin": "on", "binlog_format": "ROW"}, "SELECT 1, @@binlog_format"),
    ],
)
def test_a_killed_server_has_what_was_committed(
    make: Callable[..., Database], setting: dict[str, str], shown: str, tmp_path: Path
) -> None:
    with make(tmp_path, **setting) as server:
        server.execute("CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
        server.kill()
        server.start()
        assert sorted(server.execute("SELECT a FROM t")) == [(1,), (2,)]
        assert server.execute(shown)[0][1] in setting.values()
        server.pause()
        server.resume()
        assert server.execute("SELECT 1") == [(1,)]
