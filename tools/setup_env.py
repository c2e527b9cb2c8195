"""Make .venv and install Aliran there, editable: `python tools/setup_env.py GROUP...`.

A group is `run` (what `aliran` itself needs) or a dependency group of pyproject.toml. Versions come
from constraints.txt. Each installed group leaves a stamp, `.venv/.installed-<group>`, that the
Makefile compares with pyproject.toml. Uses the standard library only, and pip as old as 23, which
knows no dependency groups.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main(groups: list[str]) -> int:
    """Install `groups` and stamp them; returns the exit status."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    try:
        requirements = [line for name in groups for line in requirements_of(project, name)]
        check_links(project)
        uv = shutil.which("uv")
        if not venv_works():
            make_venv(uv)
        install(uv, "platform" if groups == ["run"] else "all", requirements)
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        command = " ".join(str(word) for word in error.cmd)
        print(f"set-up: this command failed ({error.returncode}): {command}", file=sys.stderr)
        return 1
    for name in groups:
        (VENV / f".installed-{name}").touch()
    return 0


def requirements_of(project: dict[str, Any], group: str) -> list[str]:
    """Return the requirement lines of a dependency group; `run` has none beside the project's."""
    if group == "run":
        return []
    known = project["dependency-groups"]
    if group not in known:
        names = ", ".join(["run", *known])
        raise SetupError(f"there is no dependency group {group!r}; pyproject.toml has: {names}")
    return [str(line) for line in known[group]]


def check_links(project: dict[str, Any]) -> None:
    """See that each package folder is reachable as src/aliran/<folder>; lay links that are missing.

    An editable install imports through these links. An archive may lack them, which is mended; a
    checkout that wrote them as text files (git's core.symlinks=false) can only be reported.
    """
    sources = project["tool"]["hatch"]["build"]["targets"]["wheel"]["sources"]
    for folder, target in sources.items():
        link = ROOT / "src" / target
        if link.is_dir():
            continue
        if link.exists():
            raise SetupError(
                f"src/{target} is a file, but must be a link to ../../{folder}: this checkout was "
                "made without symbolic links. Run `git config core.symlinks true` and "
                "`git checkout -- src/aliran`, or install without -e: pip install ."
            )
        link.symlink_to(Path("..") / ".." / folder)


def venv_works() -> bool:
    """Whether .venv is there and its Python runs and is new enough."""
    if not VENV_PYTHON.exists():
        return False
    version = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST})"
    return subprocess.run([VENV_PYTHON, "-c", version], check=False).returncode == 0


def make_venv(uv: str | None) -> None:
    """Make .venv anew for the Python that runs this script."""
    print(f"making .venv (Python {sys.version.split()[0]}, {'uv' if uv else 'venv and pip'})")
    if VENV.exists():
        shutil.rmtree(VENV)
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, VENV], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)


def install(uv: str | None, extra: str, requirements: list[str]) -> None:
    """Install the project with an extra, editable, and `requirements` within constraints.txt."""
    print("installing (once; a minute or less)", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        if uv:
            pip = [uv, "pip", "install", "--quiet", "--python", str(VENV_PYTHON)]
        else:
            quiet = {} if os.environ.get("CI") else {"PIP_PROGRESS_BAR": "off"}
            os.environ.update(quiet, PIP_DISABLE_PIP_VERSION_CHECK="1")
            pip = [str(VENV_PYTHON), "-m", "pip", "install", "--quiet"]
        constraints = str(ROOT / "constraints.txt")
        subprocess.run(
            [
                *pip,
                "--constraint",
                constraints,
                "--editable",
                f"{ROOT}[{extra}]",
                "-r",
                str(listed),
            ],
            check=True,
            cwd=ROOT,
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["run"]))
