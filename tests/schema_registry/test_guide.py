"""The commands of the guide's page print what stands below them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from tests.docs.guide import DOCS, programs

from aliran.schema_registry.server import RegistryServer

PAGE = DOCS / "schema-registry.md"
ADDRESS = "http://127.0.0.1:8081"
A_LINE_EACH = 'curl() { command curl "$@" && echo; }\n'


def knows_json() -> bool:
    """Tell whether there is a curl that has `--json`."""
    if shutil.which("bash") is None or shutil.which("curl") is None:
        return False
    shown = subprocess.run(["curl", "--help", "all"], capture_output=True, text=True, check=False)
    return "--json" in shown.stdout


@pytest.mark.skipif(not knows_json(), reason="there is no bash, or no curl with --json")
def test_commands_print_what_the_guide_shows(server: RegistryServer) -> None:
    steps = list(programs(PAGE.read_text(encoding="utf-8"), "sh"))
    assert len(steps) > 10
    for step in steps:
        script = A_LINE_EACH + step.code.replace(ADDRESS, server.url)
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.stdout, done.stderr) == (step.shown, ""), f"line {step.line}"
