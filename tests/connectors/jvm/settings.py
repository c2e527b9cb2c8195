"""Random settings of transformations, right ones mostly."""

from __future__ import annotations

import random
from collections.abc import Callable

NAMES = ["a", "b", "c.d", "e", "when"]
TEXTS = [
    "", "a", "true", "FALSE", "null", "1", "-7", "300", "70000", "5000000000", "1.5", "0.1", "1e3",
    "1e300", "-0.0", "99999999999999999999", "2024-02-30", "2024-01-31", "12:30:00.000Z", "NaN",
    "2024-01-31T01:02:03.004Z", "1970-01-01T00:00:00.000Z", "[1,2]", "[1,2.5,300]", '["x","y"]',
    '{"a":1,"b":2}', '{"a":null}', "[]", "{}", "[1,,2]", "[1", "{1:2}", "[null,1]", "[[1],[2]]",
    '"quoted"', "a\\\"b", "x:y", "+5", " 7 ", "ü\u2028\x01", "topic-1", "[true,false]", "0x10",
    "[null]", '{"a":[1,2]}', "1.0f", "2024", "12:30", "-", "+", "1.", ".5", "1e", "[a]", "{a}",
]  # fmt: skip
PATTERNS = ["yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss.SSS", "yyyyMMdd", "dd MMM yy", "EEE, d MMMM yyyy"]
PATTERNS += ["hh:mm a", "kk:mm", "yyyy-MM-dd'T'HH:mm:ssXXX", "D w W F u E G", "", "Q", "yyyy'", "S"]
PATTERNS += ["yyyy-MM-dd'T'HH:mm:ss.SSSZ", "YYYY-ww", "HH:mm:ss z", "K:m:s", "yyyy/M/d", "''yy''"]
REGEXES = [
    r"(.*)", r"([a-z]+)-(\d+)", r"(?<first>\w+)\..*", r"t", r"[a-z&&[^o]]+", r"\p{Lower}+.*", "(",
    r"(?i)AB_\d", r"\Qt\E", r"orders\.(eu|us)\.v(\d++)", r"(a)?.*", r"[^\W_]+-?\d?", r"[a-z",
    r"(\w+?)\.(\w+)\.(\w+)", r"(?:topic|t)(-1)?", r"[\w&&[^\d]]+", r"\p{L}.*$", r"a|b|(t)", r"*",
    r".*?[.](?=eu).*", r"(?>t|topic)-1", r"\x74", r"\h*t\z", r"a(?i)B|T", r"(?s:.)+",
    r"[\p{L}.]+\d",
]  # fmt: skip
_REPLACEMENTS = ["$1", "new", "$1-$2", "${first}", "x$0", r"\$1", "$", "$9", "$12", "a\\\\b"]
_TYPES = ["int8", "int16", "INT32", "int64", "float32", "float64", "boolean", "string"]


class _Draw:
    def __init__(self, source: random.Random) -> None:
        self.random = source
        self.one = source.choice

    def maybe(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def names(self) -> str:
        return ",".join(self.random.sample(NAMES, self.random.randrange(1, 4)))

    def some(self, given: dict[str, str], chance: float = 0.5) -> dict[str, str]:
        return {name: value for name, value in given.items() if self.maybe(chance)}


def _cast(draw: _Draw) -> dict[str, str]:
    pairs = [f"{each}:{draw.one(_TYPES)}" for each in draw.names().split(",")]
    rare = ["", "bytes", "a:b:c", "int8,int16", "a:struct", " a : int8 "]
    common = [",".join(pairs), draw.one(_TYPES)]
    return {"spec": draw.one(rare if draw.maybe(0.1) else common)}


def _extract_field(draw: _Draw) -> dict[str, str]:
    paths = [*NAMES, "x", "`c.d`", "a.b", "a.`c.d`", "b.a", "`a"]
    return {"field": draw.one(paths), "field.syntax.version": draw.one(["V1", "V2", "v2"])}


def _insert_field(draw: _Draw) -> dict[str, str]:
    sources = ("topic", "partition", "offset", "timestamp", "static")
    fields = {f"{each}.field": each + draw.one(["", "!", "?"]) for each in sources}
    return draw.some(fields, 0.4) | draw.some({"static.value": "s"})


def _replace_field(draw: _Draw) -> dict[str, str]:
    given = draw.some({"include": draw.names(), "exclude": draw.names()}, 0.4)
    return given | draw.some({"renames": draw.one(["a:z", "b:y,e:x", "a:b", "a", "a:b:c"])})


def _header_from(draw: _Draw) -> dict[str, str]:
    fields = draw.names()
    heads = ",".join(f"h{i}" for i, _ in enumerate(fields.split(",")))
    operation = draw.one(["move", "copy", "copy", "move", "drop"])
    return {"fields": fields, "headers": heads if draw.maybe(0.9) else "h", "operation": operation}


def _mask_field(draw: _Draw) -> dict[str, str]:
    names = draw.names()
    replacement = draw.one(["x", "7", "1.5", "300", "", "2024-01-31", "99999999999"])
    fields = draw.one([names, names, names, "", "a,a", "a,,b"])
    return {"fields": fields} | draw.some({"replacement": replacement})


def _timestamp_converter(draw: _Draw) -> dict[str, str]:
    targets = ["string", "unix", "Date", "Time", "Timestamp"]
    given = {"field": draw.one(["when", "a", "b", "", ""]), "format": draw.one(PATTERNS)}
    given["target.type"] = draw.one([*targets, *targets, "date"])
    precisions = ["seconds", "milliseconds", "microseconds", "nanoseconds"]
    return given | draw.some({"unix.precision": draw.one(precisions)})


def _set_schema_metadata(draw: _Draw) -> dict[str, str]:
    version = draw.one(["9", "9", "x", "99999999999"])
    return draw.some({"schema.name": "com.example.New", "schema.version": version}, 0.6)


def _timestamp_router(draw: _Draw) -> dict[str, str]:
    names = ["${topic}-${timestamp}", "x", "${timestamp}", "$1${topic}"]
    return {"topic.format": draw.one(names), "timestamp.format": draw.one(PATTERNS)}


_SETTINGS: dict[str, Callable[[_Draw], dict[str, str]]] = {
    "Cast": _cast,
    "ExtractField": _extract_field,
    "HoistField": lambda draw: {"field": draw.one(NAMES)},
    "InsertField": _insert_field,
    "ReplaceField": _replace_field,
    "HeaderFrom": _header_from,
    "Flatten": lambda draw: draw.some({"delimiter": draw.one(["_", ".", "--"])}),
    "MaskField": _mask_field,
    "SetSchemaMetadata": _set_schema_metadata,
    "TimestampConverter": _timestamp_converter,
    "ValueToKey": lambda draw: {"fields": draw.names()},
    "DropHeaders": lambda draw: {"headers": draw.one(["h", "i", "h,i", "x", "h,h"])},
    "InsertHeader": lambda draw: {"header": "n", "value.literal": draw.one(TEXTS)},
    "RegexRouter": lambda draw: {
        "regex": draw.one(REGEXES),
        "replacement": draw.one(_REPLACEMENTS),
    },
    "TimestampRouter": _timestamp_router,
    "Filter": lambda _: {},
}


def settings_of(source: random.Random, name: str) -> dict[str, str]:
    """Return settings for a transformation; now and then one is missing."""
    draw = _Draw(source)
    given = {"replace.null.with.default": draw.one(["true", "false"]), **_SETTINGS[name](draw)}
    if draw.maybe(0.05):
        given.pop(draw.one(sorted(given)))
    return given
