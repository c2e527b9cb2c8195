"""Stores and internal topics must be named where that is asked for (KIP-1111)."""

from __future__ import annotations

from typing import Any

import pytest

from aliran.streams import App, StreamsBuilder, StreamsConfig, TopologyError, TopologyTestDriver


def test_automatic_names_are_refused_and_listed() -> None:
    builder = StreamsBuilder()
    stream: Any = builder.stream("in").select_key(lambda k, v: v)
    stream.group_by_key().count()
    with pytest.raises(TopologyError, match="strict_naming") as caught:
        TopologyTestDriver(builder.build(), {"strict_naming": True})
    store = "KSTREAM-AGGREGATE-STATE-STORE-0000000002"
    assert f"the stores {store} and the repartition topics {store}-repartition" in str(caught.value)


def test_an_app_refuses_them_too() -> None:
    app = App("app", strict_naming=True)
    app.table("in")
    app.stream("other").group_by_key().count()
    with pytest.raises(TopologyError, match="KSTREAM-AGGREGATE-STATE-STORE"), app:
        pass


def test_names_of_the_users_will_do() -> None:
    builder = StreamsBuilder()
    stream: Any = builder.stream("in").select_key(lambda k, v: v)
    stream.group_by_key(name="by-value").count(store="counts")
    TopologyTestDriver(builder.build(), {"strict_naming": True}).close()


def test_kafkas_property_is_understood() -> None:
    setting = "ensure.explicit.internal.resource.naming"
    assert StreamsConfig.from_mapping({"application.id": "a", setting: "true"}).strict_naming
    assert not StreamsConfig.from_mapping({"application.id": "a", setting: "false"}).strict_naming
