"""The topology of each example, without a broker: what goes in, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from examples import (
    bank_account,
    fraud,
    library,
    order_saga,
    schema_evolution,
    sensors,
    trending,
    trucks_gps,
    wordcount,
)
from examples.bank_account import Account, Command, Event
from examples.fraud import Journey, Payment
from examples.library import BookView, Request
from examples.sensors import Alarm
from examples.trending import Entry, Tweet
from examples.trucks_gps import Alert, Driver, Position, Stay

from aliran import StreamsBuilder, TopologyTestDriver, Windowed
from aliran.schema_registry.serdes.provider import RegistrySerdes
from aliran.schema_registry.server import RegistryServer
from aliran.serdes import SessionWindowedSerde, WindowedSerde
from aliran.streams import FunctionBuilder


@contextmanager
def running(build: Callable[[StreamsBuilder], None]) -> Iterator[TopologyTestDriver]:
    builder = StreamsBuilder()
    build(builder)
    with TopologyTestDriver(builder.build()) as driver:
        yield driver


def test_words_are_counted() -> None:
    with running(wordcount.build) as driver:
        driver.create_input_topic("lines").pipe_input(None, "to be or not to be")
        words = driver.create_output_topic("words", value=int)
        assert words.read_key_values_to_map() == {"to": 2, "be": 2, "or": 1, "not": 1}


def test_a_tag_that_overtakes_another_moves_up_in_the_ranking() -> None:
    with running(trending.build) as driver:
        tweets = driver.create_input_topic("tweets", value=Tweet)
        for second, text in enumerate(["#a #b", "#a", "#b #c #d", "#B", "#e"]):
            tweets.pipe_input("ana", Tweet("ana", text, 11), second * 1000)
        tweets.pipe_input("ana", Tweet("ana", "#e #e #e #e", 10), 6_000)  # not liked enough
        tweets.pipe_input("ana", Tweet("ana", "#next", 99), 60_000)
        rankings = driver.create_output_topic("top", key=int, value=list[Entry])
        assert rankings.read_key_values_to_map() == {
            0: [Entry("#b", 3), Entry("#a", 2), Entry("#c", 1)],
            60_000: [Entry("#next", 1)],
        }
        counts = driver.create_output_topic("trending", key=WindowedSerde(str, 60_000), value=int)
        assert counts.read_key_values_to_map()[Windowed("#b", 0, 60_000)] == 3


@pytest.fixture
def fleet() -> Iterator[TopologyTestDriver]:
    with running(trucks_gps.build) as driver:
        yield driver


def test_the_last_position_of_a_truck_replaces_the_one_before(fleet: TopologyTestDriver) -> None:
    positions = fleet.create_input_topic("positions", value=Position)
    positions.pipe_input("truck-1", Position(48, 16, 50), 0)
    positions.pipe_input("truck-1", Position(48, 17, 60), 60_000)
    assert fleet.get_key_value_store("last-positions").get("truck-1").lon == 17


def test_an_alert_names_the_driver_of_that_moment(fleet: TopologyTestDriver) -> None:
    positions = fleet.create_input_topic("positions", value=Position)
    drivers = fleet.create_input_topic("drivers", value=Driver)
    positions.pipe_input("truck-1", Position(48, 16, 90), 0)
    drivers.pipe_input("truck-1", Driver("Ana", "0171"), 1_000)
    positions.pipe_input("truck-1", Position(48, 16, 80), 2_000)  # as fast as allowed
    positions.pipe_input("truck-1", Position(48, 16, 81), 3_000)
    alerts = fleet.create_output_topic("alerts", value=Alert)
    assert alerts.read_values_to_list() == [Alert("nobody?", "-", 90), Alert("Ana", "0171", 81)]


def test_a_gap_of_more_than_three_minutes_ends_a_stay(fleet: TopologyTestDriver) -> None:
    positions = fleet.create_input_topic("positions", value=Position)
    depot = trucks_gps.ZONES[0]
    for minute in (0, 2, 5, 9):
        positions.pipe_input("truck-1", Position(depot.lat, depot.lon, 0), minute * 60_000)
    positions.pipe_input("truck-1", Position(depot.lat, depot.lon + 1, 0), 600_000)  # far away
    dwells = fleet.create_output_topic("dwell-times", key=SessionWindowedSerde(Stay), value=int)
    stays = {key: n for key, n in dwells.read_key_values_to_map().items() if n is not None}
    here = Stay("truck-1", "depot")
    assert stays == {Windowed(here, 0, 300_000): 3, Windowed(here, 540_000, 540_000): 1}


def test_the_bank_refuses_what_its_rules_forbid_and_the_log_gives_the_same_balances() -> None:
    with running(bank_account.build) as driver:
        commands = driver.create_input_topic("commands", value=Command)
        for command in (
            Command("deposit", 5),
            Command("open"),
            Command("open"),
            Command("deposit", 100),
            Command("withdraw", 101),
            Command("withdraw", 40),
            Command("audit"),
        ):
            commands.pipe_input("ana", command)
        events = driver.create_output_topic("events", value=Event).read_key_values_to_list()
        assert [event.kind for _, event in events] == [
            *("refused", "opened", "refused", "deposited", "refused", "withdrawn", "audited")
        ]
        balances = driver.create_output_topic("balances", value=int).read_key_values_to_map()
        snapshots = driver.create_output_topic("snapshots", value=Account).read_key_values_to_list()
        assert balances == {"ana": 60}
        assert bank_account.replay(events) == ({"ana": Account(7, True, 60)}, 7)
        assert snapshots == [("ana", Account(5, True, 100))]
        assert bank_account.replay(events, snapshots) == ({"ana": Account(7, True, 60)}, 2)


def test_a_lent_book_is_refused_and_both_read_models_follow() -> None:
    with running(library.build) as driver:
        requests = driver.create_input_topic("requests", value=Request)
        for title, request in (
            ("Dune", Request("borrow", "ana")),
            ("Dune", Request("borrow", "budi")),
            ("Emma", Request("borrow", "ana")),
            ("Dune", Request("return", "budi")),
            ("Dune", Request("return", "ana")),
            ("Dune", Request("borrow", "budi")),
        ):
            requests.pipe_input(title, request)
        refusals = driver.create_output_topic("refusals", value=library.Event)
        assert [event.reason for event in refusals.read_values_to_list()] == [
            "ana has it",
            "budi does not have it",
        ]
        books = driver.create_output_topic("books", value=BookView).read_key_values_to_map()
        assert books == {"Dune": BookView("budi", 2), "Emma": BookView("ana", 1)}
        readers = driver.create_output_topic("readers", value=list[str]).read_key_values_to_map()
        assert readers == {"ana": ["Emma"], "budi": ["Dune"]}


def test_a_saga_undoes_what_was_done_in_reverse_order() -> None:
    with running(order_saga.build) as driver:
        events = driver.create_input_topic("events")
        commands = driver.create_output_topic("commands")
        ends = driver.create_output_topic("ends")
        for event in ("placed", "charged", "reserved", "deliver-refused", "released", "refunded"):
            assert ends.is_empty()
            events.pipe_input("o1", event)
        assert commands.read_values_to_list() == [
            *("charge", "reserve", "deliver", "release", "refund")
        ]
        assert ends.read_value().startswith("cancelled: placed → charged")
        assert list(driver.get_key_value_store("sagas").all()) == []


def test_a_silent_service_is_undone_and_the_undoing_repeated_until_it_is_confirmed() -> None:
    with running(order_saga.build) as driver:
        events = driver.create_input_topic("events")
        commands = driver.create_output_topic("commands")
        events.pipe_input("o1", "placed")
        driver.advance_wall_clock_time(order_saga.TIMEOUT_MS - 1)
        assert commands.read_values_to_list() == ["charge"]
        driver.advance_wall_clock_time(order_saga.TIMEOUT_MS)
        driver.advance_wall_clock_time(order_saga.TIMEOUT_MS)
        assert commands.read_values_to_list() == ["refund", "refund"]
        events.pipe_input("o1", "charged")  # too late: it is being refunded
        assert commands.is_empty()
        events.pipe_input("o1", "refunded")
        assert driver.create_output_topic("ends").read_value() == (
            "cancelled: placed → timeout → timeout → refunded"
        )


def test_every_state_of_a_saga_but_its_ends_has_a_way_out() -> None:
    states = {state for state, _ in order_saga.TRANSITIONS.values()} | {"new"}
    left = {state for state, _ in order_saga.TRANSITIONS}
    assert states - left == {"completed", "cancelled"}


def test_a_card_in_two_cities_at_once_is_found_once() -> None:
    with running(fraud.build) as driver:
        payments = driver.create_input_topic("payments", value=Payment)
        for number, (city, minute) in enumerate([("Linz", 0), ("Milan", 20), ("Linz", 60)]):
            payments.pipe_input("c1", Payment(number, city, 9, minute * 60_000), minute * 60_000)
        journeys = driver.create_output_topic("impossible-journeys", value=Journey)
        pairs = [(pair.first.id, pair.second.id) for pair in journeys.read_values_to_list()]
        assert pairs == [(0, 1)]  # the third came 40 minutes after the second


def test_a_large_payment_without_confirmation_is_reported_once_its_time_is_up() -> None:
    with running(fraud.build) as driver:
        payments = driver.create_input_topic("payments", value=Payment)
        confirmations = driver.create_input_topic("confirmations")
        payments.pipe_input("c1", Payment(1, "Linz", 450, 0), 0)
        payments.pipe_input("c2", Payment(2, "Linz", 450, 0), 0)
        confirmations.pipe_input("c1", "ok", 100_000)
        unconfirmed = driver.create_output_topic("unconfirmed", value=Payment)
        payments.pipe_input("c3", Payment(3, "Linz", 500, 130_000), 130_000)
        assert unconfirmed.is_empty()
        payments.pipe_input("c4", Payment(4, "Linz", 500, 130_001), 130_001)
        assert unconfirmed.read_key_values_to_list() == [("c2", Payment(2, "Linz", 450, 0))]


def test_a_sensor_becomes_hot_falls_silent_and_comes_back() -> None:
    builder = FunctionBuilder()
    sensors.build(builder)
    with TopologyTestDriver(builder.build()) as driver:
        readings = driver.create_input_topic("readings", value=float)
        alarms = driver.create_output_topic("alarms", value=Alarm)
        for minute, celsius in ((0, 50.0), (1, 80.0), (2, 80.0)):
            readings.pipe_input("s1", celsius, minute * 60_000)
        assert alarms.read_key_values_to_list() == [("s1", Alarm("hot", 65.3, 120_000))]
        readings.pipe_input("s2", 20.0, 300_000)  # s1 has been silent for three minutes
        assert alarms.is_empty()
        readings.pipe_input("s2", 20.0, 360_000)
        readings.pipe_input("s1", 20.0, 400_000)
        assert alarms.read_key_values_to_list() == [
            ("s1", Alarm("silent", 65.3, 360_000)),
            ("s1", Alarm("ok", 51.7, 400_000)),
        ]
        messages = driver.create_output_topic("messages").read_values_to_list()
        assert messages[0] == "00:02 s1 is hot, 65.3 °C"
        assert len(messages) == 3


def test_releases_read_each_others_orders() -> None:
    release_1, release_3 = schema_evolution.Release1.Order, schema_evolution.Release3.Order
    with RegistryServer() as registry:
        builder = StreamsBuilder()
        schema_evolution.build(builder, 1, release_1)
        settings = {"schema_registry": RegistrySerdes(registry.url)}
        with TopologyTestDriver(builder.build(), settings) as driver:
            orders = driver.create_input_topic("orders", value=release_1)
            orders.pipe_input("k", release_1("tea", 2, "iced"))
            newer = driver.create_input_topic("orders", value=release_3)
            newer.pipe_input("k", release_3("jam", 3, "sweet", "USD"))
            seen = driver.create_output_topic("seen-by-1").read_values_to_list()
    assert seen == ["tea, 2, iced", "jam, 3, –"]
