"""Writes the first files of a connector's project: `aliran connect new`."""

from __future__ import annotations

import json
import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

from aliran.cli.settings import CommandError

_OPTIONS = {
    "source": {"topic": "numbers", "until": "1000"},
    "sink": {"topics": "numbers", "path": "numbers.jsonl"},
}


def write_connector(folder: Path, kind: str) -> list[Path]:
    """Write a project whose tests pass; return its files.

    Args:
        folder: Where to; its name is the project's.
        kind: "source" or "sink".

    Raises:
        CommandError: The name will not do, or there is something already.
    """
    name = folder.resolve().name
    module = re.sub(r"\W", "_", name.lower())
    if not re.fullmatch(r"[A-Za-z]([\w.-]*[A-Za-z0-9])?", name, re.ASCII) or keyword.iskeyword(
        module
    ):
        raise CommandError(
            f"{name!r} cannot be the name of a Python package: begin with a letter, and go on with "
            "letters, digits and hyphens"
        )
    if folder.exists() and any(folder.iterdir()):
        raise CommandError(f"{folder} is not empty: choose a folder that is new")
    title = "".join(part.capitalize() for part in module.split("_"))
    words = {
        "name": name,
        "module": module,
        "title": title,
        "alias": f"{title}{kind.capitalize()}",
        "function": f"{module}_{kind}",
        "kind": kind,
    }
    written = [
        _write(folder / target.format(**words), template, words)
        for target, template in (
            ("README.md", "README.md"),
            ("pyproject.toml", "pyproject.toml.txt"),
            ("worker.properties", "worker.properties"),
            ("src/{module}/__init__.py", "package.py.txt"),
            ("src/{module}/connector.py", f"{kind}.py.txt"),
            ("tests/conftest.py", "conftest.py.txt"),
            ("tests/test_{module}.py", f"test_{kind}.py.txt"),
        )
    ]
    config = {"connector.class": words["alias"], **_OPTIONS[kind]}
    posted = folder / f"{name}.json"
    posted.write_text(json.dumps({"name": name, "config": config}, indent=2) + "\n", "utf-8")
    return [*written, posted]


def _write(path: Path, template: str, words: dict[str, str]) -> Path:
    text = (files("aliran.cli") / "templates" / "connector" / template).read_text("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(Template(text).substitute(words), "utf-8")
    return path
