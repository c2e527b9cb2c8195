"""Each connector has a page; configurations there work, and all its options are named there."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from tests.docs.guide import DOCS, programs

from aliran.connectors import builtin
from aliran.connectors.builtin import BuiltIn
from aliran.connectors.runtime.definitions import SINK, SOURCE, topics_errors
from aliran.connectors.runtime.plugins import Plugins

PAGES = {path: path.read_text("utf-8") for path in sorted((DOCS / "connectors").glob("*.md"))}
PLUGINS = Plugins()


def configurations() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the configurations of the pages, and where they stand."""
    for path, page in PAGES.items():
        for block in programs(page, "json"):
            if '"connector.class"' in block.code:
                found: dict[str, Any] = json.loads(block.code)
                config = {**found.get("config", found), "name": found["name"]}
                yield f"{path.name}:{block.line}", config


def rows() -> list[BuiltIn]:
    """Return the connectors that come with Aliran."""
    names = [info.name for info in pkgutil.iter_modules(builtin.__path__)]
    found = [import_module(f"{builtin.__name__}.{name}").CONNECTORS for name in names]
    return [row for several in found for row in several]


CONFIGURATIONS = list(configurations())


@pytest.mark.parametrize("config", [pytest.param(two, id=one) for one, two in CONFIGURATIONS])
def test_a_configuration_is_valid(config: dict[str, str]) -> None:
    plugin = PLUGINS.connector(config["connector.class"])
    connector = plugin.make()
    values = {**(SINK if plugin.kind == "sink" else SOURCE).validate(config)}
    values |= {f"own {name}": value for name, value in connector.validate(config).items()}
    assert [error for value in values.values() for error in value.errors] == []
    if plugin.kind == "sink":
        assert topics_errors(dict(config)) == {}
    known = {*(SINK if plugin.kind == "sink" else SOURCE).keys, *connector.config().keys}
    prefixed = re.compile(
        r"(key|value|header)\.converter\.|transforms\.|predicates\.|topic\.creation\."
        r"|(producer|consumer|admin)\.override\."
    )
    patterns = [re.escape(name).replace(r"\*", ".*") for name in known]
    unknown = {
        name
        for name in config
        if not prefixed.match(name) and not any(re.fullmatch(one, name) for one in patterns)
    }
    assert unknown == set()


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.alias)
def test_a_connector_has_a_page_that_names_all_its_options(row: BuiltIn) -> None:
    pages = [
        page for page in PAGES.values() if re.search(rf'"connector.class": "{row.alias}"', page)
    ]
    assert pages, f"no page of docs/connectors has a configuration of {row.alias}"
    options = PLUGINS.connector(row.alias).make().config().keys
    text = "\n".join(pages)
    assert [
        name for name, key in options.items() if f"`{name}`" not in text and not key.internal
    ] == []
