"""Consumer groups of each client, of two members and of three: one is killed, nothing is lost."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

import pytest
from broker_process import BrokerProcess
from broker_requests import batch, produce
from foreign_clients import CLIENTS
from group_member import command
from raw_client import RawClient

pytestmark = pytest.mark.compat

PARTITIONS = 6
PATIENCE_S = 30
Place = tuple[int, int]


class Member:
    """A running member; `places` are the (partition, offset) it has printed, in order."""

    def __init__(self, words: Sequence[str]) -> None:
        self.places: list[Place] = []
        self._process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._threads = [
            threading.Thread(target=self._read_output),
            threading.Thread(target=self._read_errors),
        ]
        self.errors = ""
        for each in self._threads:
            each.start()

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith("\n"):  # a killed process may end in the middle of one
                partition, offset = line.split()
                self.places.append((int(partition), int(offset)))

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.errors += line

    def partitions(self) -> set[int]:
        """The partitions it has had records from."""
        return {partition for partition, _ in list(self.places)}

    def kill(self) -> None:
        """End it with SIGKILL. Harmless when it is dead."""
        self._process.kill()
        self._process.wait()
        for each in self._threads:
            each.join()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class Feeder:
    """Writes one record after the other, over all partitions in turn, until it is stopped."""

    def __init__(self, address: str, topic: str) -> None:
        self.sent: set[Place] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(address, topic))
        self._thread.start()

    def _run(self, address: str, topic: str) -> None:
        with RawClient(address) as client:
            while not self._stopping.is_set():
                for partition in range(PARTITIONS):
                    now = int(time.time() * 1000)  # retention takes what is old
                    records = batch("tweet", timestamp=now)
                    result = produce(client, topic, records, partition=partition)
                    self.sent.add((partition, result.base_offset))
                self._stopping.wait(0.005)

    def stop(self) -> None:
        """Return when the last record is written."""
        self._stopping.set()
        self._thread.join()


@contextmanager
def feeding(address: str, topic: str) -> Iterator[Feeder]:
    feeder = Feeder(address, topic)
    try:
        yield feeder
    finally:
        feeder.stop()


def wait_for(
    condition: Callable[[], bool],
    members: Sequence[Member],
    explain: Callable[[], str] = lambda: "",
) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        said = [(len(each.places), each.partitions(), each.errors) for each in members]
        assert time.monotonic() < deadline, f"not in time; {explain()}; members: {said}"
        time.sleep(0.02)


def all_share(members: Sequence[Member]) -> bool:
    """Say whether every member has had records and together they had all partitions."""
    parts = [each.partitions() for each in members]
    return all(parts) and set().union(*parts) == set(range(PARTITIONS))


def run_group(server: BrokerProcess, topic: str, clients: Sequence[str]) -> None:
    """Start a member a client, kill the first in the middle, and see that nothing is lost."""
    server.create_topic(topic, PARTITIONS)
    with ExitStack() as stack:
        feeder = stack.enter_context(feeding(server.address, topic))
        members = [
            stack.enter_context(Member(command(each, server.address, topic, topic)))
            for each in clients
        ]
        wait_for(lambda: all_share(members), members)
        victim, *survivors = members
        victim.kill()
        died_at = [len(each.places) for each in survivors]

        def survivors_have_all() -> bool:
            news = zip(survivors, died_at, strict=True)
            seen = [{place[0] for place in each.places[start:]} for each, start in news]
            return set().union(*seen) == set(range(PARTITIONS))

        wait_for(survivors_have_all, survivors)
        feeder.stop()

        def missing() -> set[Place]:
            return feeder.sent.difference(*(list(each.places) for each in members))

        wait_for(lambda: not missing(), survivors, lambda: f"missing: {sorted(missing())}")
        assert set().union(*(each.places for each in members)) == feeder.sent


@pytest.mark.parametrize(
    "client",
    [pytest.param(each, marks=pytest.mark.xdist_group(f"group {each}")) for each in CLIENTS],
)
@pytest.mark.parametrize("size", [2, 3])
def test_a_group_goes_on_without_a_killed_member(
    server: BrokerProcess, name: str, client: str, size: int
) -> None:
    run_group(server, name, [client] * size)


@pytest.mark.parametrize("first", CLIENTS)
def test_all_clients_share_one_group(
    server: BrokerProcess, name: str, first: str, kcat: str
) -> None:
    run_group(server, name, [first, *(each for each in CLIENTS if each != first)])
