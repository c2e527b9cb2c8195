"""The guide tells the truth: programs print what it shows, links lead somewhere, names exist."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from tests.docs.guide import DOCS, PAGES, anchors, links, namespace, printed_by, programs
from tests.docs.java_names import (
    aliran_names,
    home_of,
    java_words,
    names_said_to_be_missing,
    what_is_wrong_with,
)

from aliran.streams import StreamsConfig

each_page = pytest.mark.parametrize(
    "path", PAGES, ids=lambda path: f"{path.parent.name} {path.stem}"
)


@each_page
def test_programs_print_what_the_page_shows(path: Path) -> None:
    with namespace(path) as names:
        for program in programs(path.read_text(encoding="utf-8")):
            printed = printed_by(program, path, names)
            assert printed == program.shown, f"{path.name}, line {program.line}"


@each_page
def test_links_lead_somewhere(path: Path) -> None:
    missing = []
    for link in links(path.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            missing.append(link)
    assert missing == []


@pytest.mark.parametrize("folder", [DOCS, DOCS / "connectors"], ids=lambda path: path.name)
def test_the_index_leads_to_every_page(folder: Path) -> None:
    index = set(links((folder / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in folder.glob("*.md")} - {"README.md"} <= index


def test_the_pictures_are_what_the_engine_does() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "docs.pictures.scenes", "--check"],
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_every_picture_is_on_a_page() -> None:
    shown = {link for path in PAGES for link in links(path.read_text(encoding="utf-8"))}
    pictures = {f"pictures/{path.name}" for path in (DOCS / "pictures").glob("*.svg")}
    assert pictures
    assert pictures <= shown


def test_the_names_for_those_who_come_from_java_exist() -> None:
    text = (DOCS / "from-kafka-streams.md").read_text(encoding="utf-8")
    named = aliran_names(text)
    assert len(named) > 250
    assert [problem for name in named if (problem := what_is_wrong_with(name))] == []


def test_no_method_of_kafkas_is_left_out() -> None:
    left = java_words((DOCS / "from-kafka-streams.md").read_text(encoding="utf-8"))
    lines = Path(__file__).with_name("kafka_api.txt").read_text(encoding="utf-8").splitlines()
    methods = dict(line.split(": ") for line in lines if not line.startswith("#"))
    assert len(methods) > 60
    assert {
        kind: missing for kind, names in methods.items() if (missing := set(names.split()) - left)
    } == {}


def test_what_is_said_to_be_missing_is_missing() -> None:
    named = names_said_to_be_missing((DOCS / "from-kafka-streams.md").read_text(encoding="utf-8"))
    assert len(named) > 15
    assert [(owner, name) for owner, name in named if hasattr(home_of(owner), name)] == []


def test_every_setting_is_on_the_page_about_them() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    assert [each.name for each in fields(StreamsConfig) if f"`{each.name}`" not in text] == []
