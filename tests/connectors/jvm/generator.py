"""Random questions: a class, its settings, a record that has something to do with them."""

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable
from typing import Any

from tests.connectors.jvm.settings import NAMES, REGEXES, TEXTS, settings_of

PACKAGE = "org.apache.kafka.connect."
TRANSFORMS = PACKAGE + "transforms."
INTEGERS = [0, 1, -1, 5, 127, -128, 128, 255, 32767, -32768, 65536, 2**31 - 1, -(2**31), 2**40]
INTEGERS += [2**63 - 1, -(2**63), 1700000000123, 86399999, 86400000]
FLOATS = [0.0, -0.0, 1.0, 1.5, -2.25, 0.5, 100.0, 1e7, 12345.678, 1e-5, 3e9, -3e9, 1e19, 1e300]
FLOATS += [float("nan"), float("inf"), float("-inf"), 127.9, 300.0]
DECIMALS = ["0", "1.50", "-3.14", "1E+3", "123456789012345678901234567890", "0.00001", "-0.0000001"]
MILLIS = [0, 1, -1, 86400000, 1700000000123, 1706659200000, 43200000, -86400000, -12219292800001]
Told = Any


def java(value: float) -> str:
    """Return a float as Java parses it."""
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(repr(value), repr(value))


class Generator:
    """Draws from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._of_type: dict[str, Callable[[], Told]] = {
            "BOOLEAN": lambda: ["boolean", self.one([True, False])],
            "STRING": lambda: ["string", self.one(TEXTS)],
            "BYTES": lambda: ["bytes", self.base64(self.one([b"", b"a", b"\x00\xff", b"hello"]))],
            "FLOAT32": lambda: ["float32", java(self.single())],
            "FLOAT64": lambda: ["float64", java(self.double())],
        }

    def one(self, options: Any) -> Any:
        return self.random.choice(options)

    def maybe(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    @staticmethod
    def base64(data: bytes) -> str:
        return base64.b64encode(data).decode()

    def double(self) -> float:
        if self.maybe(0.6):
            return float(self.one(FLOATS))
        return float(f"{self.random.uniform(-1e6, 1e6):.{self.random.randrange(1, 9)}f}")

    def single(self) -> float:
        value = self.double()
        if value in {1e19, 1e300}:
            value = 1e19
        return float(struct.unpack("<f", struct.pack("<f", value))[0])

    # ---- schemas and values

    def schema(self, depth: int = 2, *, field: bool = False) -> Told:
        kinds = ["INT8", "INT16", "INT32", "INT64", "FLOAT32", "FLOAT64", "BOOLEAN", "STRING"]
        kinds += ["STRING", "BYTES", "Decimal", "Date", "Time", "Timestamp"]
        kinds += ["ARRAY", "MAP", "STRUCT"] if depth else []
        kind = self.one(kinds)
        told: dict[str, Told] = {"type": kind, "optional": self.maybe()}
        if kind in {"Decimal", "Date", "Time", "Timestamp"}:
            stored = {"Decimal": "BYTES", "Timestamp": "INT64"}.get(kind, "INT32")
            told |= {"type": stored, "name": f"{PACKAGE}data.{kind}", "version": 1}
            if kind == "Decimal":
                told["parameters"] = {"scale": self.one(["0", "2", "5"])}
        elif kind in {"ARRAY", "MAP"}:
            told["values"] = self.schema(depth - 1)
            if kind == "MAP":
                keys = [{"type": "STRING", "optional": False}, {"type": "INT32", "optional": False}]
                told["keys"] = self.one(keys)
        elif kind == "STRUCT":
            told = self.struct_schema(depth - 1)
        elif self.maybe(0.1):
            told |= {"name": "com.example.Kind", "version": self.one([None, 3])}
            told |= {"doc": self.one([None, "what"]), "parameters": self.one([None, {"p": "q"}])}
        if field and kind not in {"STRUCT", "ARRAY", "MAP"} and self.maybe(0.25):
            told["default"] = self.value(told)
        return told

    def struct_schema(self, depth: int = 1) -> Told:
        fields = self.random.sample(NAMES, self.random.randrange(0, 5))
        return {
            "type": "STRUCT",
            "optional": self.maybe(0.3),
            "name": self.one([None, "com.example.Row"]),
            "version": self.one([None, 2]),
            "doc": self.one([None, None, "a row"]),
            "fields": [[name, self.schema(depth, field=True)] for name in fields],
        }

    def maybe_value(self, schema: Told) -> Told:
        has_way_out = schema["optional"] or schema.get("default") is not None
        return None if has_way_out and self.maybe(0.3) else self.value(schema)

    def value(self, schema: Told) -> Told:
        name = (schema.get("name") or "").rpartition(".")[2]
        kind = schema["type"]
        if name == "Decimal":
            scale = int(schema["parameters"]["scale"])
            return ["decimal", f"{self.random.randrange(-(10**9), 10**9) / 10**scale:.{scale}f}"]
        if name in {"Date", "Time", "Timestamp"}:
            millis = self.one(MILLIS) + self.one([0, self.random.randrange(10**12)])
            whole = {"Date": millis - millis % 86400000, "Time": millis % 86400000}
            return [name, whole.get(name, millis)]
        if kind in self._of_type:
            return self._of_type[kind]()
        if kind.startswith("INT"):
            bits = int(kind[3:])
            fitting = [each for each in INTEGERS if -(1 << bits - 1) <= each < 1 << bits - 1]
            return [kind.lower(), self.one(fitting)]
        if kind == "STRUCT":
            # A required field cannot be put as None, and one with a default need not be put.
            return ["struct", schema, [self.maybe_value(each) for _, each in schema["fields"]]]
        count = self.random.randrange(3)
        if kind == "ARRAY":
            return ["list", [self.optional_value(schema["values"]) for _ in range(count)]]
        keys = {json.dumps(self.value(schema["keys"])) for _ in range(count)}
        pairs = [[json.loads(key), self.optional_value(schema["values"])] for key in sorted(keys)]
        return ["map", pairs]

    def optional_value(self, schema: Told) -> Told:
        return None if schema["optional"] and self.maybe(0.3) else self.value(schema)

    def plain(self, depth: int = 2) -> Told:
        """Return a value as it comes without a schema."""
        kinds = ["BOOLEAN", "STRING", "STRING", "FLOAT64", "INT64", "INT64", "NULL", "BYTES"]
        kind = self.one([*kinds, "list", "map", "map"] if depth else kinds)
        if kind == "NULL":
            return None
        if kind == "list":
            return ["list", [self.plain(depth - 1) for _ in range(self.random.randrange(3))]]
        if kind == "map":
            return self.plain_map(depth - 1)
        return ["int64", self.one(INTEGERS)] if kind == "INT64" else self._of_type[kind]()

    def plain_map(self, depth: int = 1) -> Told:
        names = self.random.sample(NAMES, self.random.randrange(0, 5))
        return ["map", [[["string", name], self.plain(depth)] for name in names]]

    def part(self) -> tuple[Told, Told]:
        """Return a schema and a value for a key or value, mostly with fields."""
        if self.maybe(0.4):
            return None, self.one([self.plain_map(), self.plain_map(), self.plain(), None])
        schema = self.struct_schema(2) if self.maybe(0.8) else self.schema()
        return schema, self.optional_value(schema)

    def record(self) -> Told:
        told: dict[str, Told] = {"sink": self.maybe(0.7), "headers": []}
        for part in ("key", "value"):
            told[f"{part}_schema"], told[part] = self.part()
        told["topic"] = self.one(["t", "topic-1", "orders.eu.v2", "Ab_9", "shop.public.users"])
        told["partition"] = self.random.randrange(5) if told["sink"] else self.one([None, 1])
        told["offset"] = self.random.randrange(1000)
        told["timestamp"] = self.one([None, *MILLIS])
        for _ in range(self.random.randrange(3)):
            schema = self.schema(1)
            told["headers"].append([self.one(["h", "i"]), schema, self.optional_value(schema)])
        return told

    # ---- questions

    def transform(self) -> Told:
        parts = ["Cast", "ExtractField", "HoistField", "InsertField", "ReplaceField", "HeaderFrom"]
        parts += ["Flatten", "MaskField", "SetSchemaMetadata", "TimestampConverter", "Cast"]
        whole = ["ValueToKey", "DropHeaders", "InsertHeader", "RegexRouter", "TimestampRouter"]
        name = self.one([*parts, *parts, "TimestampConverter", *whole, "Filter"])
        suffix = self.one(["$Value", "$Value", "$Key"]) if name in parts else ""
        record, settings = self.record(), settings_of(self.random, name)
        if name == "TimestampConverter":
            self.fit_time(record, settings, "key" if suffix == "$Key" else "value")
        return {
            "do": "transform",
            "class": TRANSFORMS + name + suffix,
            "config": settings,
            "record": record,
        }

    def fit_time(self, record: Told, settings: dict[str, str], part: str) -> None:
        """Let the field be a time more often than chance would."""
        if self.maybe(0.3):
            return
        texts = [
            "2024-01-31",
            "2024-02-30 25:61:00.5",
            "20240131",
            "31 Jan 24",
            "11:05 PM",
            "24:00",
        ]
        texts += ["Wed, 31 January 2024", "2024-01-31T01:02:03+02:00", "2024-1-3", "1 pm", "-5"]
        told = self.one(
            [
                ["string", self.one(texts)],
                ["int64", self.one(MILLIS)],
                ["Timestamp", self.one(MILLIS)],
            ]
        )
        schema = {
            "string": {"type": "STRING", "optional": True},
            "int64": {"type": "INT64", "optional": False},
            "Timestamp": {
                "type": "INT64",
                "optional": False,
                "name": f"{PACKAGE}data.Timestamp",
                "version": 1,
            },
        }[told[0]]
        name = settings.get("field", "")
        with_schema = self.maybe(0.6)
        if not name:
            record[f"{part}_schema"], record[part] = schema if with_schema else None, told
        elif with_schema:
            row = {"type": "STRUCT", "optional": False, "fields": [[name, schema]]}
            record[f"{part}_schema"], record[part] = row, ["struct", row, [told]]
        else:
            record[f"{part}_schema"], record[part] = None, ["map", [[["string", name], told]]]

    def predicate(self) -> Told:
        name = self.one(["HasHeaderKey", "RecordIsTombstone", "TopicNameMatches"])
        settings = {
            "HasHeaderKey": {"name": self.one(["h", "x", ""])},
            "TopicNameMatches": {"pattern": self.one(REGEXES)},
        }.get(name, {})
        return {
            "do": "predicate",
            "class": f"{TRANSFORMS}predicates.{name}",
            "config": settings,
            "record": self.record(),
        }

    def json_settings(self) -> dict[str, str]:
        return {
            "schemas.enable": self.one(["true", "false"]),
            "decimal.format": self.one(["BASE64", "numeric"]),
            "replace.null.with.default": self.one(["true", "false"]),
        }

    def converter(self) -> tuple[str, dict[str, str]]:
        simple = ["Boolean", "Short", "Integer", "Long", "Float", "Double", "ByteArray"]
        choices = [("json.JsonConverter", self.json_settings())] * 8
        choices += [("storage.StringConverter", {}), ("storage.SimpleHeaderConverter", {})] * 2
        choices += [(f"converters.{each}Converter", {}) for each in simple]
        name, settings = self.one(choices)
        return PACKAGE + name, settings

    def write(self) -> Told:
        name, settings = self.converter()
        schema, value = None, self.plain()
        if self.maybe(0.7):
            schema = self.schema()
            value = self.optional_value(schema)
        if self.maybe(0.05):
            value = self._of_type[self.one(["STRING", "BOOLEAN", "BYTES"])]()
        return {"do": "write", "class": name, "config": settings, "schema": schema, "value": value}

    def read(self) -> Told:
        name, settings = self.converter()
        if "Json" not in name:
            data = self.one([*(each.encode() for each in TEXTS), b"\x00", b"\x01", b"\x00" * 4])
            data = self.one([data, data, b"\xff" * 8, b"\x40\x00" + b"\x01" * 6, b"\x7f\xff"])
        else:
            data = self.json_document().encode()
        told = self.one([self.base64(data)] * 20 + [None])
        return {"do": "read", "class": name, "config": settings, "data": told}

    def json_document(self) -> str:
        if self.maybe(0.1):
            return str(
                self.one(["", " ", "{", "nul", "007", "[01]", "1 2", '{"a":1} x', "[1,", "{}"])
            )
        if self.maybe(0.3):
            return json.dumps(self.json_value())
        envelope = {"schema": self.json_schema(), "payload": self.json_value()}
        return json.dumps(envelope | ({"extra": 1} if self.maybe(0.03) else {}))

    def json_value(self, depth: int = 2) -> Any:
        scalars = [
            None,
            True,
            1,
            -5,
            300,
            2**40,
            2**70,
            1.5,
            1e300,
            "x",
            "",
            "AQID",
            "YQ",
            "?",
            0.1,
        ]
        if depth and self.maybe(0.5):
            parts = [self.json_value(depth - 1) for _ in range(self.random.randrange(3))]
            return self.one([parts, dict(zip(NAMES, parts, strict=False)), [parts, parts]])
        return self.one(scalars)

    def json_schema(self, depth: int = 2) -> Any:
        kinds = ["int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes"]
        logical = [
            ("bytes", "Decimal"),
            ("int32", "Date"),
            ("int32", "Time"),
            ("int64", "Timestamp"),
        ]
        if self.maybe(0.05):
            return self.one([None, "x", {}, {"type": "nope"}, {"type": 1}])
        told: dict[str, Any] = {"type": self.one(kinds), "optional": self.maybe()}
        if self.maybe(0.2):
            told["type"], name = self.one(logical)
            told |= {"name": f"{PACKAGE}data.{name}", "version": 1}
            told |= {"parameters": {"scale": "2"}} if name == "Decimal" else {}
        elif depth and self.maybe(0.6):
            told = self.json_nested(depth)
        if self.maybe(0.15):
            told["default"] = self.json_value(1)
        return told

    def json_nested(self, depth: int) -> dict[str, Any]:
        kind = self.one(["array", "map", "struct", "struct"])
        told: dict[str, Any] = {"type": kind, "optional": self.maybe()}
        if kind == "array":
            told["items"] = self.json_schema(depth - 1)
        elif kind == "map":
            told |= {"keys": {"type": self.one(["string", "int32"])}}
            told |= {"values": self.json_schema(depth - 1)}
        else:
            told["fields"] = []
            for name in NAMES[: self.random.randrange(3)]:
                field = self.json_schema(depth - 1)
                told["fields"].append(field | {"field": name} if isinstance(field, dict) else field)
        if self.maybe(0.05):
            told.pop(self.one(sorted(told.keys() - {"type"})))
        return told

    def project(self) -> Told:
        schema = self.schema()
        target = json.loads(json.dumps(schema)) if self.maybe(0.7) else self.schema()
        for _, field in target.get("fields", ()):
            if self.maybe(0.3) and "name" not in field and field["type"] in {"INT8", "INT16"}:
                field["type"] = self.one(["INT32", "INT64", "FLOAT32", "FLOAT64"])
                field.pop("default", None)
        if target.get("fields") and self.maybe(0.3):
            target["fields"].pop()
        if "fields" in target and self.maybe(0.3):
            target["fields"].append(["new", self.schema(0, field=True)])
        value = self.optional_value(schema)
        return {
            "do": "project",
            "class": "SchemaProjector",
            "schema": schema,
            "value": value,
            "target": target,
        }

    def question(self) -> Told:
        kinds = [self.transform] * 10 + [self.write] * 4 + [self.read] * 4
        return self.one([*kinds, self.project, self.predicate])()


def questions(seed: int, count: int) -> list[dict[str, Any]]:
    """Return questions, the same for the same seed."""
    generator = Generator(seed)
    return [{"id": number, **generator.question()} for number in range(count)]
