"""Names of topics, and which tables and columns are wanted.

Debezium: `SchemaTopicNamingStrategy`, `Filters`, `Key.CustomKeyMapper`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aliran.connectors.errors import ConfigError

_NO_TOPIC = re.compile(r"[^A-Za-z0-9._-]")
_MOST = 249


@dataclass(frozen=True, slots=True)
class TopicNames:
    """Names of the topics of one connector.

    Attributes:
        prefix: `topic.prefix`.
        delimiter: `topic.delimiter`.
        heartbeat_prefix: `topic.heartbeat.prefix`.
        transaction_name: `topic.transaction`.
    """

    prefix: str
    delimiter: str = "."
    heartbeat_prefix: str = "__debezium-heartbeat"
    transaction_name: str = "transaction"

    def table(self, *parts: str) -> str:
        """Return the topic of a table, `<prefix>.<schema>.<table>`."""
        return sanitized(self.delimiter.join(one for one in (self.prefix, *parts) if one))

    @property
    def heartbeat(self) -> str:
        """The topic of heartbeats."""
        return sanitized(self.delimiter.join((self.heartbeat_prefix, self.prefix)))

    @property
    def transaction(self) -> str:
        """The topic of BEGIN and END."""
        return sanitized(self.delimiter.join((self.prefix, self.transaction_name)))

    @property
    def message(self) -> str:
        """The topic of logical decoding messages."""
        return sanitized(f"{self.prefix}.message")


def sanitized(name: str) -> str:
    """Return a name that a topic can have: other letters become underscores."""
    made = _NO_TOPIC.sub("_", name)[:_MOST]
    return made.replace(".", "_") if made in {".", ".."} else made


def pattern_of(option: str, texts: Sequence[str]) -> re.Pattern[str] | None:
    """Return what matches any of some regular expressions in full, None for none.

    Raises:
        ConfigError: One is no regular expression.
    """
    parts = [one.strip() for one in texts if one.strip()]
    for each in parts:
        try:
            re.compile(each)
        except re.error as error:
            raise ConfigError.of(option, each, f"it is no regular expression: {error}") from error
    return re.compile("|".join(f"(?:{one})" for one in parts), re.IGNORECASE) if parts else None


def selector(name: str, include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Return whether something is wanted, by `<name>.include.list` and `<name>.exclude.list`.

    Raises:
        ConfigError: Both are given, or one is wrong.
    """
    wanted = pattern_of(f"{name}.include.list", include)
    unwanted = pattern_of(f"{name}.exclude.list", exclude)
    if wanted is not None and unwanted is not None:
        raise ConfigError.of(
            f"{name}.exclude.list",
            ",".join(exclude),
            f'"{name}.include.list" is already specified',
        )
    if wanted is not None:
        return lambda text: wanted.fullmatch(text) is not None
    if unwanted is not None:
        return lambda text: unwanted.fullmatch(text) is None
    return lambda _text: True


def message_keys(text: str) -> list[tuple[re.Pattern[str], list[str]]]:
    """Return `message.key.columns`: patterns of tables, and the columns that make their keys.

    Raises:
        ConfigError: It is not of the form `schema.table:column,column;…`.
    """
    found = []
    for part in filter(None, (one.strip() for one in text.split(";"))):
        table, colon, columns = part.rpartition(":")
        names = [one.strip() for one in columns.split(",") if one.strip()]
        pattern = pattern_of("message.key.columns", [table])
        if not colon or not names or pattern is None:
            raise ConfigError.of(
                "message.key.columns", part, "it must be <table>:<column>,<column>;…"
            )
        found.append((pattern, names))
    return found
