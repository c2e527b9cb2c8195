from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from aliran.cli.main import main
from aliran.connectors.errors import ConfigError
from aliran.connectors.server_main import read_connector


def test_a_connectors_file_is_json_or_properties(tmp_path: Path) -> None:
    whole, flat, plain = (tmp_path / name for name in ("a.json", "b.json", "c.properties"))
    whole.write_text(json.dumps({"name": "a", "config": {"tasks.max": 2}}))
    flat.write_text(json.dumps({"name": "b", "x": "y"}))
    plain.write_text("name=c\nx = y\n")

    assert read_connector(whole) == ("a", {"name": "a", "tasks.max": "2"})
    assert read_connector(flat) == ("b", {"name": "b", "x": "y"})
    assert read_connector(plain) == ("c", {"name": "c", "x": "y"})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", "[]", "must hold an object"),
        ("a.properties", "x=1", "says no name"),
    ],
)
def test_files_that_are_none_are_said(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)

    with pytest.raises(ConfigError, match=message):
        read_connector(path)


def test_a_worker_that_cannot_start_says_why(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    worker, connector = tmp_path / "worker.properties", tmp_path / "c.properties"
    worker.write_text(f"listeners=http://127.0.0.1:0\naliran.data.dir={tmp_path / 'data'}\n")
    connector.write_text("name=c\nconnector.class=Nope\n")

    status = main(["connect", "run", str(worker), str(connector)])

    err = capfd.readouterr().err
    assert status == 1
    assert err.startswith("aliran connect: Failed to find any class that implements Connector")
    assert "Traceback" not in err


def test_a_missing_file_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", "run", str(tmp_path / "none")]) == 1
    assert "none cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_a_new_connectors_tests_pass(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / f"my-{kind}"

    assert main(["connect", "new", str(folder), "--kind", kind]) == 0
    assert f"next: cd {folder}" in capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, config = read_connector(folder / f"my-{kind}.json")
    assert config["connector.class"] == f"My{kind.capitalize()}{kind.capitalize()}"


def test_a_new_connector_needs_a_name_and_an_empty_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    assert main(["connect", "new", str(tmp_path / "full")]) == 1
    assert main(["connect", "new", str(tmp_path / "1st")]) == 1
    assert main(["connect", "new", str(tmp_path / "a b")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert "is not empty" in errors[0]
    assert "'1st' cannot be the name" in errors[1]
    assert "'a b' cannot be the name" in errors[2]


def test_plugins_and_their_options_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connect", "plugins"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["source", "Datagen", "aliran.connectors.Datagen", version("aliran")] in rows
    assert {"FileStreamSource", "PostgresCdcSource", "TwitterSink"} <= {row[1] for row in rows}

    assert main(["connect", "options", "Datagen"]) == 0
    assert "max.interval.ms" in capsys.readouterr().out
    assert main(["connect", "options", "Nonsense"]) == 1
    assert "Nonsense" in capsys.readouterr().err
