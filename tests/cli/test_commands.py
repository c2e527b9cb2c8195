"""The `aliran` command as a user meets it: help, one-line errors, exit status, topics."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliran.broker.embedded import EmbeddedBroker
from aliran.cli.main import main
from aliran.cli.settings import CommandError, key_values


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker.bootstrap_servers


def aliran(*words: str, stdin: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
    """Run the command in a process; returns status, standard output and error."""
    done = subprocess.run(
        [sys.executable, "-m", "aliran.cli.main", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in ("broker", "registry", "demo", "topics", "produce", "consume", "version"):
        assert f" {command} " in printed


@pytest.mark.parametrize(
    "command",
    [
        ["broker"],
        ["registry"],
        ["demo", "trending"],
        ["topics", "create"],
        ["produce"],
        ["consume"],
    ],
)
def test_help_of_a_command_has_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--help"]) == 0
    printed = capsys.readouterr().out
    assert "For example:" in printed
    assert f"aliran {' '.join(command)}" in printed.split("For example:")[1]


@pytest.mark.parametrize("words", [["brooker"], ["broker", "--nope"], ["demo", "trending", "-x"]])
def test_wrong_usage_ends_with_status_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert words[-1] in captured.out + captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("aliran ")


def test_help_is_quick_because_it_imports_no_broker_and_no_engine() -> None:
    script = (
        "import sys; from aliran.cli.main import main; main(['--help']); "
        "print([name for name in sys.modules if name.startswith('aliran.') "
        "and name.split('.')[1] not in ('cli', 'core')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    status, _, printed = aliran("broker", "--data", str(tmp_path), "--config", "num.partitions")
    assert status == 1
    assert printed.splitlines() == [
        "aliran: --config 'num.partitions' is not NAME=VALUE, for example num.partitions=4"
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["broker", "--listen", "nonsense"],
        ["broker", "--config", "num.partitoins=4", "--listen", "127.0.0.1:0"],
        ["broker", "--data", "/proc/nowhere", "--listen", "127.0.0.1:0"],
    ],
)
def test_a_broker_that_cannot_start_says_why_in_one_line(words: list[str], tmp_path: Path) -> None:
    status, printed, complaint = aliran(*words, cwd=tmp_path)
    assert status == 1
    assert printed == ""
    assert len(complaint.splitlines()) == 1
    assert complaint.startswith("aliran")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--compatibility", "BACK"], "no compatibility level 'BACK'"),
        (["--access", "nope.toml"], "nope.toml cannot be read"),
        (["-c", "max_body_byte=1"], "no setting max_body_byte"),
    ],
)
def test_a_registry_that_cannot_start_says_why_in_one_line(
    words: list[str], reason: str, tmp_path: Path
) -> None:
    status, out, err = aliran("registry", "--listen", "127.0.0.1:0", *words, cwd=tmp_path)
    assert (status, out) == (1, "")
    assert err.startswith("aliran registry: ")
    assert reason in err
    assert err.count("\n") == 1


def test_key_values_takes_the_first_equals_sign() -> None:
    assert key_values(["a=b=c", " d = e "], "--config") == {"a": "b=c", "d": "e"}
    with pytest.raises(CommandError, match="-c '=x'"):
        key_values(["=x"], "-c")


def test_topics_are_created_listed_described_and_deleted(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", "create", "made", "--partitions", "3", "-b", address]) == 0
    assert main(["topics", "list", "-b", address]) == 0
    assert "made\t3\n" in capsys.readouterr().out
    assert main(["topics", "describe", "made", "-b", address]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["0\t0\t0\t0", "1\t0\t0\t0", "2\t0\t0\t0"]
    assert main(["topics", "delete", "made", "-b", address]) == 0
    assert main(["topics", "list", "-b", address]) == 0
    assert "made\t" not in capsys.readouterr().out


def test_topic_errors_name_the_topic(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "describe", "missing", "-b", address]) == 1
    assert "there is no topic 'missing'" in capsys.readouterr().err
    assert main(["topics", "create", "twice", "-b", address]) == 0
    assert main(["topics", "create", "twice", "-b", address]) == 1
    assert "topic 'twice'" in capsys.readouterr().err


def test_lines_written_are_lines_read(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = aliran(
        "produce", "lines", "--key-separator", ":", "-b", address, stdin="a:1\nb:2:3\nplain\n"
    )
    assert (status, said) == (0, "3 records written to lines\n")
    assert main(["consume", "lines", "-b", address]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["a\t1", "b\t2:3", "null\tplain"]
    assert main(["consume", "lines", "--no-keys", "-b", address]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["1", "2:3", "plain"]


@pytest.mark.parametrize("words", [["topics", "list"], ["consume", "words"]])
def test_where_no_broker_answers_the_way_out_is_told(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--bootstrap", "nonsense.invalid:1"]) == 1
    complaint = capsys.readouterr().err
    assert "no broker answers at 'nonsense.invalid:1'" in complaint
    assert "start one with `aliran broker`" in complaint
