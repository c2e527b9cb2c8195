"""One server process a test worker; each test has topics and groups of its own."""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections.abc import Iterator

import pytest
from broker_process import BrokerProcess
from jvm_programs import resolve_class_path

with warnings.catch_warnings():
    # kafka-python reads its schemas in an old way, when it is first imported
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.admin  # noqa: F401

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """A running `aliran broker`, shared by the tests of one worker."""
    with BrokerProcess(tmp_path_factory.mktemp("broker") / "data") as process:
        yield process


@pytest.fixture(scope="session")
def class_path() -> str:
    """The class path of Kafka's tools."""
    try:
        return resolve_class_path()
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for a topic or group that no other test has."""
    return f"t{next(NUMBERS)}"


@pytest.fixture(scope="session")
def kcat() -> str:
    """The kcat program; the test is skipped where there is none."""
    program = shutil.which("kcat")
    if program is None:
        pytest.skip("kcat is not installed (Debian, Ubuntu: apt-get install kcat)")
    return program


@pytest.fixture(autouse=True)
def _clients_are_here(request: pytest.FixtureRequest) -> None:
    """Skip a test that is to run with kcat where there is none."""
    parameters = getattr(request.node, "callspec", None)
    if parameters is not None and "kcat" in parameters.params.values():
        request.getfixturevalue("kcat")
