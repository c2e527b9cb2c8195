"""What differs from Kafka's classes on purpose, or cannot be otherwise; the whole list."""

from __future__ import annotations

import re
from typing import Any

ADDRESS = "Kafka's text has an address of an object (bytes, InsertionSpec), ours its content"
YEARS = "Python's datetime knows the years 1 to 9999"
HASHABLE = "lists and dicts cannot be keys of a dict"
LATE_CHECK = "TimestampRouter's pattern is refused when it is configured, not at the first record"
REGEX_TEXT = "what is wrong about a regular expression is told in Python's words"
FORMAT_TEXT = "Kafka takes the message for a setting's name where a date pattern is wrong"
NO_WIDTH = "integers and floats that come without a schema have no width, Java's have"
RECORD_TEXT = "records read as Python writes them"
ORDER = "which of two fields fails first is the order of Java's hash table"
WEEKS = "dates by week can be written but not read"
STRUCT_DEFAULT = "Kafka's JsonConverter cannot read a struct's default, ours can"

_OF_ONE_FIELD = re.compile("Cast transformation|Cannot mask|was out of range for requested")
_ADDRESS = re.compile(r"\[B@[0-9a-f]+|InsertionSpec@")


def _has_bytes(told: Any) -> bool:
    if isinstance(told, list):
        return told[:1] == ["bytes"] or any(map(_has_bytes, told))
    return False


def excuse(question: dict[str, Any], theirs: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """Return why these answers may differ, None where they may not."""
    told = ours.get("error", {}).get("message", "")
    wanted = theirs.get("error", {}).get("message", "")
    name = question["class"].rpartition(".")[2]
    cases = {
        YEARS: "not in the years 1 to 9999" in told,
        HASHABLE: "cannot have" in told and "as a key" in told,
        ADDRESS: bool(_ADDRESS.search(wanted))
        or (name == "StringConverter" and _has_bytes(question.get("value"))),
        LATE_CHECK: name == "TimestampRouter" and "timestamp.format" in told,
        REGEX_TEXT: "Invalid regex: " in wanted and "Invalid regex: " in told,
        FORMAT_TEXT: wanted.startswith("Invalid value java.lang.IllegalArgumentException"),
        NO_WIDTH: "result" in ours and wanted.startswith("Failed to serialize to "),
        RECORD_TEXT: wanted.startswith("Timestamp missing on record: "),
        ORDER: name.startswith(("Cast", "MaskField"))
        and all(_OF_ONE_FIELD.search(each) for each in (wanted, told)),
        WEEKS: "does not match pattern (YYYY-ww)" in told,
        STRUCT_DEFAULT: name == "JsonConverter" and wanted == "Invalid default value",
    }
    return next((why for why, so in cases.items() if so), None)
