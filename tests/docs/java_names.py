"""Whether the names in the right column of "Kafka Streams → Aliran" exist, and their keywords."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

import aliran
from aliran import serdes, streams
from aliran.storage import state
from aliran.streams.dsl.config_objects import KeyedStoreOptions, StoreOptions
from aliran.streams.dsl.stream_joins import StreamJoinOptions
from aliran.streams.plan.topology_builder import SourceOptions
from aliran.streams.stores import SpecOptions

_ROW = re.compile(r"^\|.*\|(.*)\|$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_NAME = re.compile(r"(\w+)(?:\.(\w+))?(?:\(([\w=, ]*)\))?")

_MISSING = "## What has no counterpart yet"

_OPTIONS = {
    each.__name__: each
    for each in (KeyedStoreOptions, StoreOptions, SpecOptions, StreamJoinOptions, SourceOptions)
}


def aliran_names(page: str) -> list[str]:
    """Return the pieces of code in right columns that name something of Aliran's."""
    codes = [code for row in _ROW.findall(page) for code in _CODE.findall(row)]
    named = [code for code in codes if (found := _NAME.fullmatch(code)) and found[1][0].isupper()]
    return named + [code for code in codes if code in streams.__all__]


def java_words(page: str) -> set[str]:
    """Return all words in left columns."""
    left = re.findall(r"^\|(.*?)\|", page, re.MULTILINE)
    return {word for cell in left for word in re.findall(r"\w+", cell)}


def names_said_to_be_missing(page: str) -> list[tuple[str, str]]:
    """Return classes and methods that the page says are not there, the methods in Python's case."""
    section = page.split(_MISSING, 1)[1].split("\n## ", 1)[0]
    found, owner = [], ""
    for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE):
        for code in _CODE.findall(row):
            before, _, name = code.rpartition(".")
            owner = before or owner
            if owner.isidentifier() and name.isidentifier() and name[0].islower():
                found.append((owner, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return found


def what_is_wrong_with(code: str) -> str | None:
    """Return why `Class.method(keyword=)` is nothing that exists; None where it is."""
    found = _NAME.fullmatch(code)
    assert found is not None
    name, member, keywords = found[1], found[2], found[3]
    thing = home_of(name)
    if thing is None:
        return f"{code}: there is no {name}"
    if member is not None:
        if member not in dir(thing) and member not in _instance_attributes(thing):
            return f"{code}: {name} has no {member}"
        thing = inspect.getattr_static(thing, member, None)
        thing = getattr(thing, "__func__", thing)
    wanted = re.findall(r"(\w+)=", keywords or "")
    missing = set(wanted) - _keywords(thing) if wanted else set()
    return f"{code}: no keyword {', '.join(sorted(missing))}" if missing else None


def home_of(name: str) -> Any:
    """Return what is called `name` in one of the packages, None for nothing."""
    homes = (aliran, streams, serdes, state)
    return next((getattr(home, name) for home in homes if hasattr(home, name)), None)


def _instance_attributes(thing: type) -> set[str]:
    """Return the attributes that a class annotates or its docstring names."""
    return set(re.findall(r"^ +(\w+):", thing.__doc__ or "", re.MULTILINE))


def _keywords(function: Callable[..., Any]) -> set[str]:
    """Return the keywords that a function takes, those of its overloads among them."""
    names: set[str] = set()
    for each in (function, *typing.get_overloads(function)):
        for parameter in inspect.signature(each).parameters.values():
            names.add(parameter.name)
            options = re.search(r"Unpack\[(\w+)\]", str(parameter.annotation))
            if options is not None:
                names |= set(_OPTIONS[options[1]].__annotations__)
    return names
