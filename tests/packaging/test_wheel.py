"""The wheel that the sdist gives is whole: every module imports, and topologies run from it.

The clean environment sees the third-party packages of this one by a `.pth` file (no downloads), but
not this checkout: its editable entry is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("wheel")  # one build, not one a worker

ROOT = Path(__file__).resolve().parents[2]

RUN_A_TOPOLOGY = """
import aliran
from aliran import TopologyTestDriver

builder = aliran.StreamsBuilder()
(builder.stream("lines", key=str, value=str)
    .flat_map_values(str.split)
    .group_by(lambda key, word: word)
    .count()
    .to_stream()
    .to("counts", value=int))
with TopologyTestDriver(builder.build()) as driver:
    lines = driver.create_input_topic("lines", key=str, value=str)
    counts = driver.create_output_topic("counts", key=str, value=int)
    lines.pipe_input("k", "to be or not to be")
    print(counts.read_key_values_to_map())
"""

RUN_AN_APP = """
import aliran

app = aliran.App("shout", brokers="embedded", data_dir="data", commit_interval="50ms")
app.stream("in", key=str, value=str).map_values(str.upper).to("out", value=str)
app.start()
try:
    app.send("in", "a", "hello")
    app.wait_until_idle(30)
    from aliran.core.types import TopicPartition
    print("out:", app.broker.broker.logs.get(TopicPartition("out", 0)).log_end_offset)
finally:
    app.close()
"""

IMPORT_ALL = """
import importlib, sys
for name in sys.stdin.read().split():
    module = importlib.import_module(name)
    assert "site-packages" in (module.__file__ or module.__path__[0]), module
"""


def run(*command: str | Path, cwd: Path, stdin: str | None = None) -> str:
    """Run a command without this session's Python settings; fail with all that it printed."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel built from it (not from the checkout)."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    [sdist] = out.glob("*.tar.gz")
    [wheel] = out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def python(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment that has the wheel."""
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, symlinks=True, with_pip=False)
    python = home / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    purelib = Path(run(python, "-c", where, cwd=home).strip())
    with zipfile.ZipFile(distributions[1]) as wheel:
        wheel.extractall(purelib)
    borrowed = home / "borrowed"
    borrowed.mkdir()
    for path in {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}:
        for entry in path.iterdir():
            link = borrowed / entry.name
            is_ours = "aliran" in entry.name or entry.suffix == ".pth"
            if not is_ours and not link.exists():
                link.symlink_to(entry)
    (purelib / "borrowed.pth").write_text(f"{borrowed}\n")
    return python


def modules_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist() if name.endswith(".py")]
    return sorted(
        ".".join((name.parent if name.stem == "__init__" else name.with_suffix("")).parts)
        for name in names
        if name.stem != "__main__"
    )


def test_wheel_holds_the_packages_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    folders = {name.split("/")[1] for name in names if name.startswith("aliran/")}
    assert tops == {"aliran"}
    assert "aliran/py.typed" in names
    assert {"cli/data/tweets.tsv", "cli/data/README.md"} <= {name[7:] for name in names}
    assert folders.isdisjoint({"tests", "examples", "benchmarks", "tools", "docs"})
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_wheel_holds_every_module_of_the_checkout(distributions: tuple[Path, Path]) -> None:
    links = (ROOT / "src" / "aliran").iterdir()
    folders = [path.resolve() for path in links if path.is_symlink()]
    expected = {
        f"aliran.{folder.name}." + ".".join(path.relative_to(folder).with_suffix("").parts)
        for folder in folders
        for path in folder.rglob("*.py")
        if path.stem not in {"__init__", "__main__"}
    }
    assert len(expected) > 20
    assert expected <= set(modules_of(distributions[1]))


def test_sdist_holds_the_tests_and_no_links(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as sdist:
        members = sdist.getmembers()
    names = {member.name.split("/", 1)[1] for member in members if "/" in member.name}
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert {"Makefile", "constraints.txt", "DESIGN.md", "tools/setup_env.py"} <= names
    assert "tests/packaging/test_wheel.py" in names


def test_every_module_of_the_wheel_imports(
    python: Path, distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    modules = modules_of(distributions[1])
    assert "aliran.streams" in modules
    run(python, "-W", "error", "-c", IMPORT_ALL, cwd=tmp_path, stdin="\n".join(modules))


def test_a_topology_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    printed = run(python, "-c", RUN_A_TOPOLOGY, cwd=tmp_path)
    assert printed.strip() == "{'to': 2, 'be': 2, 'or': 1, 'not': 1}"


def test_an_embedded_app_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    assert run(python, "-c", RUN_AN_APP, cwd=tmp_path).strip() == "out: 1"


def test_the_command_runs_from_the_wheel(python: Path, tmp_path: Path) -> None:
    printed = run(python, "-c", "from aliran.cli.main import main; main(['version'])", cwd=tmp_path)
    assert printed.startswith("aliran 0.")
