"""Options that the converters with a registry share; names and meaning are Confluent's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aliran.connectors.config.definition import ConfigKey, Importance
from aliran.connectors.config.values import Password
from aliran.connectors.config.values import Type as Kind
from aliran.connectors.errors import ConfigError

if TYPE_CHECKING:
    from aliran.schema_registry.serdes.subjects import SubjectStrategy

_STRATEGIES: dict[str, SubjectStrategy] = {
    "TopicNameStrategy": "topic",
    "RecordNameStrategy": "record",
    "TopicRecordNameStrategy": "topic_record",
    "AssociatedNameStrategy": "associated",
}
_PACKAGE = "io.confluent.kafka.serializers.subject."


def flag(name: str, documentation: str, *, on: bool = False) -> ConfigKey:
    """Return the definition of a switch."""
    return ConfigKey(
        name, Kind.BOOLEAN, default=on, documentation=documentation, importance=Importance.LOW
    )


def strategy_of(name: str) -> SubjectStrategy:
    """Return our name of a subject strategy, of Java's class or its short name.

    Raises:
        ConfigError: There is no such strategy.
    """
    found = _STRATEGIES.get(name.rpartition(".")[2])
    if found is None:
        raise ConfigError.of(
            "subject.name.strategy", name, f"it must be one of {', '.join(_STRATEGIES)}"
        )
    return found


def _check_strategy(_name: str, value: Any) -> None:
    strategy_of(str(value))


def _strategy(which: str) -> ConfigKey:
    return ConfigKey(
        f"{which}.subject.name.strategy",
        default=f"{_PACKAGE}TopicNameStrategy",
        validator=_check_strategy,
        documentation=f"Under which subject schemas of {which}s are registered: "
        f"{', '.join(_STRATEGIES)}.",
    )


CONNECTION = [
    ConfigKey(
        "schema.registry.url",
        Kind.LIST,
        importance=Importance.HIGH,
        documentation="Addresses of the registry; the next is asked where one does not answer.",
    ),
    flag("auto.register.schemas", "Register schemas that are not there.", on=True),
    flag("use.latest.version", "Write with the newest schema of the subject."),
    flag("latest.compatibility.strict", "Refuse data that may not fit the newest schema.", on=True),
    flag("normalize.schemas", "Register schemas in a normal form."),
    ConfigKey(
        "use.schema.id", Kind.INT, default=-1, documentation="Write with the schema of this id."
    ),
    _strategy("key"),
    _strategy("value"),
    ConfigKey(
        "basic.auth.credentials.source",
        default="URL",
        documentation="Where user and password are: URL (http://user:password@host) or USER_INFO.",
    ),
    ConfigKey(
        "basic.auth.user.info",
        Kind.PASSWORD,
        default=None,
        documentation="user:password, with basic.auth.credentials.source=USER_INFO.",
    ),
    ConfigKey(
        "bearer.auth.credentials.source",
        default="STATIC_TOKEN",
        documentation="Where the token stands; STATIC_TOKEN is known.",
    ),
    ConfigKey("bearer.auth.token", Kind.PASSWORD, default=None, documentation="The token."),
    ConfigKey(
        "schema.registry.ssl.truststore.location",
        default=None,
        documentation="PEM file of the authorities that may sign the registry's certificate.",
    ),
    ConfigKey(
        "schemas.cache.size", Kind.INT, default=1000, documentation="How many schemas are kept."
    ),
]
"""How the registry is reached, and how schemas are registered."""

ANNOTATED = [
    flag("connect.meta.data", "Write Connect's names, versions, docs, parameters too.", on=True),
    flag("scrub.invalid.names", "Replace characters that names cannot have."),
    flag("generalized.sum.type.support", "Name unions and enums as all three converters do."),
    flag("ignore.default.for.nullables", "Write None as null, although there is a default."),
]
"""How much of Connect's schemas is kept."""


def session_options(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a client identifies itself."""
    options: dict[str, Any] = {}
    info: Password | None = parsed["basic.auth.user.info"]
    source = parsed["basic.auth.credentials.source"].upper()
    if source == "USER_INFO":
        user, colon, password = (info.value if info is not None else "").partition(":")
        if not colon:
            raise ConfigError("basic.auth.credentials.source=USER_INFO needs basic.auth.user.info")
        options["basic_auth"] = (user, password)
    elif source != "URL":
        raise ConfigError.of("basic.auth.credentials.source", source, "URL or USER_INFO")
    token: Password | None = parsed["bearer.auth.token"]
    if token is not None:
        options["bearer_token"] = token.value
    if parsed["schema.registry.ssl.truststore.location"]:
        options["verify"] = parsed["schema.registry.ssl.truststore.location"]
    return options
