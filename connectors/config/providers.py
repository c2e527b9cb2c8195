"""Values from elsewhere: `${file:path:key}`, `${env:NAME}`, `${dir:path:name}`.

Kafka: `ConfigProvider`, `FileConfigProvider`, `EnvVarConfigProvider`, `DirectoryConfigProvider`.
The runtime keeps configurations with the placeholders and puts values in when it starts something,
so that no secret is stored, logged or answered.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from aliran.connectors.config.properties import parse_properties
from aliran.connectors.errors import ConfigError

_PLACE = re.compile(r"\$\{([^}]*?):(?:([^}]*?):)?([^}]*?)\}")


class ConfigProvider(Protocol):
    """Looks values up. Kafka: `ConfigProvider`."""

    def get(self, path: str, key: str) -> str | None:
        """Return a value; None where there is none.

        Raises:
            ConfigError: The place that it would be in cannot be read.
        """
        ...


def _check_allowed(path: Path, allowed: list[Path]) -> None:
    if allowed and not any(path.resolve().is_relative_to(one.resolve()) for one in allowed):
        raise ConfigError(f"{path} does not lie in allowed.paths of its configuration provider")


class FileProvider:
    """Reads keys of properties files.

    Args:
        allowed: Directories that files must lie in; empty for any.
    """

    def __init__(self, allowed: list[Path] | None = None) -> None:
        self._allowed = allowed or []

    def get(self, path: str, key: str) -> str | None:
        """Return the value of `key` in the properties file `path`."""
        file = Path(path)
        _check_allowed(file, self._allowed)
        try:
            return parse_properties(file.read_text("utf-8")).get(key)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"Could not read properties from file {path}: {reason}") from error


class EnvironmentProvider:
    """Reads environment variables.

    Args:
        allow: A regular expression that names must match; None for any.
    """

    def __init__(self, allow: str | None = None) -> None:
        self._allow = None if allow is None else re.compile(allow)

    def get(self, path: str, key: str) -> str | None:
        """Return the variable `key`; there is no path."""
        if path:
            raise ConfigError(f"${{env:{path}:{key}}}: environment variables have no path")
        if self._allow is not None and self._allow.fullmatch(key) is None:
            return None
        return os.environ.get(key)


class DirectoryProvider:
    """Reads files that hold one value each, as Kubernetes mounts secrets.

    Args:
        allowed: Directories that files must lie in; empty for any.
    """

    def __init__(self, allowed: list[Path] | None = None) -> None:
        self._allowed = allowed or []

    def get(self, path: str, key: str) -> str | None:
        """Return what the file `key` in the directory `path` holds."""
        file = Path(path, key)
        _check_allowed(file, self._allowed)
        if file.resolve().parent != Path(path).resolve() or not file.is_file():
            return None
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Could not read file {file}: {error}") from error


def providers_of(settings: Mapping[str, str]) -> dict[str, ConfigProvider]:
    """Return the providers that a worker's `config.providers` names.

    `config.providers.NAME.class` is Kafka's class or `file`, `env`, `directory`; without a class
    the name says it (`dir` too). Where `config.providers` is not there, all three are.

    Raises:
        ConfigError: A class is unknown.
    """
    names = settings.get("config.providers", "file,env,dir,directory")
    found: dict[str, ConfigProvider] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        prefix = f"config.providers.{name}."
        wanted = settings.get(f"{prefix}class", name).rsplit(".", 1)[-1].lower()
        paths = settings.get(f"{prefix}param.allowed.paths", "")
        allowed = [Path(part.strip()) for part in paths.split(",") if part.strip()]
        if wanted in {"file", "fileconfigprovider"}:
            found[name] = FileProvider(allowed)
        elif wanted in {"env", "envvarconfigprovider"}:
            found[name] = EnvironmentProvider(settings.get(f"{prefix}param.allowlist.pattern"))
        elif wanted in {"dir", "directory", "directoryconfigprovider"}:
            found[name] = DirectoryProvider(allowed)
        else:
            raise ConfigError(
                f"config.providers.{name}.class: there is no provider {wanted!r}; there are "
                "FileConfigProvider, EnvVarConfigProvider and DirectoryConfigProvider"
            )
    return found


def resolve(
    config: Mapping[str, str | None], providers: Mapping[str, ConfigProvider]
) -> dict[str, str | None]:
    """Return a configuration with values in place of its placeholders.

    What no provider knows stays as it is, as with Kafka (`ConfigTransformer`).

    Raises:
        ConfigError: A file cannot be read.
    """

    def value(match: re.Match[str]) -> str:
        provider = providers.get(match[1])
        found = None if provider is None else provider.get(match[2] or "", match[3])
        return match[0] if found is None else found

    return {
        name: text if text is None else _PLACE.sub(value, text) for name, text in config.items()
    }


def secrets_of(given: Mapping[str, str | None], resolved: Mapping[str, str | None]) -> list[str]:
    """Return the values that placeholders stood for, longest first, to be kept out of texts."""
    found = {text for name, text in resolved.items() if text and text != given.get(name)}
    return sorted(found, key=len, reverse=True)
