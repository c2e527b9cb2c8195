"""Whoever waits for an application hears of its end, and of nothing that is not so."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from raw_client import RawClient

from aliran.broker.embedded import EmbeddedBroker
from aliran.protocol.messages.describe_groups import DescribeGroupsRequest
from aliran.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from aliran.streams import App, IllegalStateError, Processor, ProcessorContext, Record
from aliran.streams.errors import ProcessingError


def test_an_application_that_failed_was_never_idle() -> None:
    app = App("failing")
    app.stream("in", value=int).to("out")
    app.send("in", None, "no number")
    with app:
        with pytest.raises(ProcessingError):
            app.wait_until_idle()
        loop: Any = app.streams._loop
        assert not loop.when_idle().is_set()
        with pytest.raises(ProcessingError):
            app.wait_until_idle()


def test_an_application_that_is_told_to_stop_says_so_to_who_waits() -> None:
    reached, go_on = threading.Event(), threading.Event()
    heard: list[BaseException] = []

    def work(value: str) -> str:
        reached.set()
        assert go_on.wait(30)
        return value

    app = App("stopped")
    app.stream("in").map_values(work).to("out")
    app.send("in", None, "one")

    def wait() -> None:
        with pytest.raises(IllegalStateError, match="NOT_RUNNING") as raised:
            app.wait_until_idle()
        heard.append(raised.value)

    with app:
        assert reached.wait(30)
        waiter = threading.Thread(target=wait)
        waiter.start()
        loop: Any = app.streams._loop
        while not loop._waiters:
            waiter.join(0.001)
        app.streams.stop()
        go_on.set()
        waiter.join()
    assert heard


def test_a_member_that_lost_its_place_while_it_started_gets_another_one(tmp_path: Path) -> None:
    """As after a pause of the machine: the group has given the tasks away, and says so late."""
    with EmbeddedBroker(config={"group.initial.rebalance.delay.ms": "0"}) as broker:
        thrown_out: list[str] = []

        class ThrowsOut(Processor[str, str, str, str]):
            """Before the application's first commit somebody removes it from its group."""

            def init(self, context: ProcessorContext[str, str]) -> None:
                super().init(context)
                if thrown_out:
                    return
                with RawClient(broker.bootstrap_servers) as client:
                    described = client.call(DescribeGroupsRequest(groups=["away"]), 5)
                    (member,) = described.groups[0].members
                    thrown_out.append(member.member_id)
                    leaving = [MemberIdentity(member_id=member.member_id)]
                    request = LeaveGroupRequest(group_id="away", members=leaving)
                    assert client.call(request, 5).error_code == 0

            def process(self, record: Record[str, str]) -> None:
                self.context.forward(record)

        client = {"consumer.session.timeout.ms": 6_000, "consumer.heartbeat.interval.ms": 100}
        settings: dict[str, Any] = {"state_dir": str(tmp_path), "client": client}
        app = App("away", broker.bootstrap_servers, **settings)
        app.stream("in").process(ThrowsOut).to("out")
        with app:
            app.send("in", "a", "x")
            app.wait_until_idle()
            assert list(app.read("out")) == [("a", "x")]
        assert thrown_out
