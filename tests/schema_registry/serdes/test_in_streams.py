"""Streams with schemas in a registry: a serde that is passed, and a setting of the application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from aliran.core.errors import ConfigError
from aliran.schema_registry.client import SchemaRegistryClient
from aliran.schema_registry.serdes import AvroSerde, JsonSchemaSerde
from aliran.schema_registry.serdes.provider import RegistrySerdes
from aliran.schema_registry.server import RegistryServer
from aliran.streams import App, StreamsBuilder, TopologyTestDriver


class Order(msgspec.Struct):
    item: str
    count: int = 1


class Total(msgspec.Struct):
    count: int = 0


def totals(builder: StreamsBuilder, **serdes: Any) -> StreamsBuilder:
    def add(_item: str, order: Order, total: Total) -> Total:
        return Total(total.count + order.count)

    (
        builder.stream("orders", value=serdes.get("orders", Order))
        .group_by(lambda _key, order: order.item, value=serdes.get("orders", Order))
        .aggregate(Total, add, store="totals", value=serdes.get("totals", Total))
        .to_stream()
        .to("totals", value=serdes.get("totals", Total))
    )
    return builder


@pytest.fixture
def client(server: RegistryServer) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(server.url) as made:
        yield made


def test_a_setting_gives_serdes_to_all_classes(client: SchemaRegistryClient) -> None:
    app = App("shop", schema_registry=RegistrySerdes(client))
    totals(app)
    with app:
        for item, count in (("tea", 2), ("milk", 1), ("tea", 3)):
            app.send("orders", "k", Order(item, count))
        app.wait_until_idle()
        assert dict(app.read("totals", value=Total)) == {"tea": Total(5), "milk": Total(1)}
    assert client.subjects() == [
        "orders-value",
        "shop-totals-changelog-value",
        "shop-totals-repartition-value",
        "totals-value",
    ]
    assert {each.schema_type for each in map(client.version, client.subjects())} == {"AVRO"}


def test_another_format_is_a_class_of_serdes(client: SchemaRegistryClient) -> None:
    topology = totals(StreamsBuilder()).build()
    config = {"schema_registry": RegistrySerdes(client, JsonSchemaSerde)}
    with TopologyTestDriver(topology, config) as driver:
        driver.create_input_topic("orders", value=Order).pipe_input("k", Order("tea", 2))
        output = driver.create_output_topic("totals", value=Total)
        assert output.read_key_value() == ("tea", Total(2))
    assert client.version("totals-value").schema_type == "JSON"


def test_a_serde_where_it_is_wanted(client: SchemaRegistryClient) -> None:
    app = App("shop")
    totals(app, orders=AvroSerde(Order, client))
    with app:
        app.send("orders", "k", Order("tea", 2))
        app.wait_until_idle()
        assert dict(app.read("totals", value=Total)) == {"tea": Total(2)}  # JSON
    assert client.subjects() == ["orders-value", "shop-totals-repartition-value"]


def test_state_survives_in_the_changelog(client: SchemaRegistryClient, tmp_path: Any) -> None:
    for expected in (2, 4):
        app = App("shop", data_dir=str(tmp_path), schema_registry=RegistrySerdes(client))
        totals(app)
        with app:
            app.send("orders", "k", Order("tea", 2))
            app.wait_until_idle()
            assert dict(app.read("totals", value=Total)) == {"tea": Total(expected)}
        app.streams.clean_up()  # the changelog has it all


def test_windows_and_foreign_keys(client: SchemaRegistryClient) -> None:
    builder = StreamsBuilder()
    orders = builder.table("orders", value=Order)
    items = builder.table("items", value=Total)
    orders.join(
        items, lambda order, total: order.count + total.count, foreign_key=lambda order: order.item
    ).to_stream().to("joined", value=int)
    builder.stream("clicks", key=Order, value=str).group_by_key().windowed_by("1m").count(
        store="clicks"
    ).to_stream().to("clicked")
    config = {"schema_registry": RegistrySerdes(client)}
    with TopologyTestDriver(builder.build(), config) as driver:
        driver.create_input_topic("items", value=Total).pipe_input("tea", Total(10))
        driver.create_input_topic("orders", value=Order).pipe_input("o1", Order("tea", 1))
        joined = driver.create_output_topic("joined", value=int)
        assert joined.read_key_value() == ("o1", 11)
        clicks = driver.create_input_topic("clicks", key=Order, value=str)
        clicks.pipe_input(Order("tea"), "x", 1)
        clicks.pipe_input(Order("tea"), "y", 2)
        store = driver.get_window_store("clicks")
        assert [found for _, found in store.fetch(Order("tea"), 0, 0)] == [2]
    assert "clicks-key" in client.subjects()


@pytest.mark.parametrize("setting", ["localhost:8081", 17, "ftp://host"])
def test_wrong_settings_are_told(setting: Any) -> None:
    with pytest.raises(ConfigError, match="schema_registry="):
        TopologyTestDriver(totals(StreamsBuilder()).build(), {"schema_registry": setting})
