from __future__ import annotations

from pathlib import Path

import pytest

from aliran.connectors.config.properties import parse_properties
from aliran.connectors.config.providers import providers_of, resolve, secrets_of
from aliran.connectors.errors import ConfigError


def test_placeholders_become_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secrets.properties").write_text("user=anna\npassword = s3cr\\u0065t\n")
    (tmp_path / "token").write_text("t0k")
    monkeypatch.setenv("ALIRAN_TEST_HOST", "db-1")
    given = {
        "url": "pg://${file:"
        + str(tmp_path)
        + "/secrets.properties:user}@${env:ALIRAN_TEST_HOST}/x",
        "password": "${file:" + str(tmp_path) + "/secrets.properties:password}",
        "token": "${dir:" + str(tmp_path) + ":token}",
        "plain": "${nobody:knows}",
        "gone": None,
    }

    resolved = resolve(given, providers_of({}))

    assert resolved == {
        "url": "pg://anna@db-1/x", "password": "s3cret", "token": "t0k",
        "plain": "${nobody:knows}", "gone": None,
    }  # fmt: skip
    assert secrets_of(given, resolved) == ["pg://anna@db-1/x", "s3cret", "t0k"]


def test_what_is_not_there_stays(tmp_path: Path) -> None:
    config = {"a": "${env:ALIRAN_SURELY_UNSET}", "b": "${dir:" + str(tmp_path) + ":../x}"}

    assert resolve(config, providers_of({})) == config


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Could not read properties from file"):
        resolve({"a": "${file:" + str(tmp_path) + "/none:x}"}, providers_of({}))


def test_paths_can_be_limited(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.properties").write_text("x=1")
    providers = providers_of(
        {
            "config.providers": "f",
            "config.providers.f.class": "org.apache.kafka.common.FileConfigProvider",
            "config.providers.f.param.allowed.paths": str(tmp_path / "in"),
        }
    )

    with pytest.raises(ConfigError, match=r"allowed\.paths"):
        resolve({"a": "${f:" + str(tmp_path) + "/in/../out.properties:x}"}, providers)


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no provider 'vault'"):
        providers_of({"config.providers": "vault"})


def test_properties_are_read_as_java_reads_them() -> None:
    text = (
        "# a comment\n! another\na=1\nb : 2\nc 3\nd=x\\\n   y\ne\\ f=g\\=h\ni=\\u00e4\nj\nk=a\\\\\n"
    )

    assert parse_properties(text) == {
        "a": "1", "b": "2", "c": "3", "d": "xy", "e f": "g=h", "i": "ä", "j": "", "k": "a\\",
    }  # fmt: skip
