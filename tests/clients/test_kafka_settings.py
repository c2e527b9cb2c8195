"""Settings with the prefixes of Kafka Streams reach the client they are for, and no other."""

from __future__ import annotations

from aliran.clients import kafka_settings

GIVEN = {
    "security.protocol": "plaintext",
    "consumer.fetch.min.bytes": 1,
    "main.consumer.session.timeout.ms": 2,
    "restore.consumer.fetch.min.bytes": 3,
    "producer.linger.ms": 4,
    "admin.client.id": "five",
}


def test_prefixes() -> None:
    common = kafka_settings.common_settings("host:1", lambda _error: None, GIVEN)
    member = kafka_settings.member_settings(common, "group")
    reader = kafka_settings.reader_settings(common)
    producer = kafka_settings.producer_settings(common)
    admin = kafka_settings.admin_settings(common)
    assert (member["fetch.min.bytes"], member["session.timeout.ms"]) == (1, 2)
    assert reader["fetch.min.bytes"] == 3
    assert "session.timeout.ms" not in reader
    assert producer["linger.ms"] == 4
    assert "fetch.min.bytes" not in producer
    assert admin["client.id"] == "five"
    prefixes = ("consumer.", "main.", "restore.", "producer.", "admin.")
    for settings in (member, reader, producer, admin):
        assert settings["security.protocol"] == "plaintext"
        assert not [name for name in settings if name.startswith(prefixes)]
