"""The commands of the guide's page print what stands below them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aliran.schema_registry.server import RegistryServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schema-registry.md"
COMMANDS = re.compile(r"^```sh\n(.*?)^```\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_print_what_the_guide_shows(server: RegistryServer) -> None:
    steps = COMMANDS.findall(PAGE.read_text(encoding="utf-8"))
    assert len(steps) > 5
    for command, shown in steps:
        ours = command.replace("http://127.0.0.1:8081", server.url)
        done = subprocess.run(
            ["bash", "-c", ours], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.stdout.strip(), done.stderr) == (shown.strip(), ""), command
