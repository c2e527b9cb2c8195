"""Coordinators on a manual clock."""

from __future__ import annotations

import pytest
from group_bench import Bench


@pytest.fixture
def bench() -> Bench:
    """A coordinator with the default settings."""
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    """The class, for coordinators with other settings or an old store."""
    return Bench
