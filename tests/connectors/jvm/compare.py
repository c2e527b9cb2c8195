"""Whether two answers say the same."""

from __future__ import annotations

import re
from typing import Any

from tests.connectors.jvm.wire import canonical

_CLASSES = {
    "java.lang.String": "str",
    "java.lang.Boolean": "bool",
    "java.math.BigDecimal": "Decimal",
    "java.util.Date": "datetime",
    "[B": "bytes",
    "java.util.ArrayList": "list",
    "java.util.HashMap": "dict",
    "java.util.LinkedHashMap": "dict",
    "org.apache.kafka.connect.data.Struct": "Struct",
    "org.apache.kafka.connect.source.SourceRecord": "SourceRecord",
    **dict.fromkeys(("java.lang.Byte", "java.lang.Short"), "int"),
    **dict.fromkeys(("java.lang.Integer", "java.lang.Long"), "int"),
    **dict.fromkeys(("java.lang.Float", "java.lang.Double"), "float"),
}
_CLASS = re.compile("|".join(map(re.escape, sorted(_CLASSES, key=len, reverse=True))))
_CONNECT = ("org.apache.kafka.connect.errors.", "org.apache.kafka.common.config.")


def _message(text: str, *, java: bool) -> str:
    if java:
        text = _CLASS.sub(lambda match: _CLASSES[match[0]], text)
        text = text.replace("Java class class", "Python class").replace("BigDecimal", "Decimal")
        return text.replace("Java object", "Python object")
    return re.sub(r"(class|found:) (date|time)\b", r"\1 datetime", text)


def difference(theirs: dict[str, Any], ours: dict[str, Any]) -> str | None:
    """Return what is different, None where nothing is.

    Our messages may say more than Kafka's, behind the same words. Where Kafka falls over its own
    feet (a NullPointerException and the like) any error of ours is right.
    """
    if "error" in theirs:
        if "error" not in ours:
            return f"Kafka raised {theirs['error']}, ours gave {ours['result']}"
        their_type, our_type = theirs["error"]["type"], ours["error"]["type"]
        if not their_type.startswith(_CONNECT):
            return None
        if their_type != our_type:
            return f"Kafka raised {theirs['error']}, ours {ours['error']}"
        wanted = _message(theirs["error"]["message"], java=True).rstrip(": ")
        got = _message(ours["error"]["message"], java=False)
        return None if got.startswith(wanted) else f"Kafka said {wanted!r}, ours {got!r}"
    if "error" in ours:
        return f"ours raised {ours['error']}, Kafka gave {theirs['result']}"
    expected = canonical(theirs["result"])
    if expected != ours["result"]:
        return f"Kafka gave {expected}, ours {ours['result']}"
    return None
