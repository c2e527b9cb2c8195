"""Makes messages of every kind and version, driven by the message table itself."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import pytest
from hypothesis import strategies as st

from aliran.core.error_codes import ErrorCode
from aliran.protocol.primitives import ZERO_UUID
from aliran.protocol.schema import model

BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
TEXTS = ["", "a", "topic-1", "grüße", "x" * 126, "y" * 127, "z" * 128, "日本" * 3000]
# Times that the oracle kio turns into datetime and timedelta, which do not reach as far as int64.
TIMES = {"log_append_time_ms", "transaction_start_time_ms", "retention_time_ms"}
TIMES |= {"session_lifetime_ms"}


def all_messages() -> list[Any]:
    """Every (api, side, version) of the table, as pytest parameters."""
    return [
        pytest.param(name, side, version, id=f"{name}-{side}-v{version}")
        for name in model.names()
        for version in range(model.load(name).versions.first, model.load(name).versions.last + 1)
        for side in ("request", "response")
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for every message, or for those its module's COVERED tells of it."""
    if {"api_name", "side", "version"} <= set(metafunc.fixturenames):
        covered = getattr(metafunc.module, "COVERED", {}).get(metafunc.function.__name__)
        found = [each for each in all_messages() if covered is None or covered(*each.values)]
        metafunc.parametrize(("api_name", "side", "version"), found)


def primitives(field: model.Field) -> st.SearchStrategy[Any]:
    if field.name.endswith("error_code"):
        return st.sampled_from([int(code) for code in ErrorCode])
    if field.name in TIMES:
        return st.integers(0, 1 << 41)
    if field.type in BITS:
        limit = 1 << (BITS[field.type] - 1)
        return st.integers(-limit, limit - 1)
    match field.type:
        case "uint16":
            return st.integers(0, 65535)
        case "bool":
            return st.booleans()
        case "float64":
            return st.floats(allow_nan=False)
        case "uuid":
            return st.just(ZERO_UUID) | st.uuids()
        case "string":
            return st.sampled_from(TEXTS) | st.text(max_size=6)
        case "bytes":
            return st.sampled_from([b"", b"b" * 127, b"c" * 200]) | st.binary(max_size=6)
    return st.sampled_from([b"", b"r" * 100, b"s" * 5000])  # records


def values(field: model.Field, version: int, classes: Any) -> st.SearchStrategy[Any]:
    one = structs(field.struct, version, classes) if field.struct is not None else primitives(field)
    if field.is_array:
        strategy: st.SearchStrategy[Any] = st.lists(one, max_size=3)
        if field.type in BITS:
            strategy |= st.sampled_from([list(range(length)) for length in (126, 127, 300)][:2])
            strategy |= st.just([1] * 300)
    else:
        strategy = one
    if field.tag is not None and field.is_struct:
        assert field.struct is not None
        default = getattr(classes, field.struct.name)()
        return st.none() | strategy.filter(lambda value: value != default)
    if field.nullable is not None and version in field.nullable:
        strategy = st.none() | strategy
    return strategy


def structs(struct: model.Struct, version: int, classes: Any) -> st.SearchStrategy[Any]:
    fields = {
        field.name: values(field, version, classes)
        for field in struct.fields
        if version in field.versions
    }
    return st.builds(getattr(classes, struct.name), **fields)


@cache
def message_strategy(api_name: str, side: str, version: int) -> st.SearchStrategy[Any]:
    api = model.load(api_name)
    classes = import_module(f"aliran.protocol.messages.{api_name}")
    strategy = structs(api.request if side == "request" else api.response, version, classes)
    if (api_name, side) == ("api_versions", "response") and version > 0:
        # With an error this response has the layout of version 0, whatever was asked for.
        return strategy.map(without_error)
    return strategy


def without_error(response: Any) -> Any:
    response.error_code = 0
    return response


@pytest.fixture(scope="session")
def messages() -> Any:
    """`messages(api_name, side, version)`: a strategy of such messages."""
    return message_strategy


@pytest.fixture(scope="session")
def struct_strategy() -> Any:
    """`struct_strategy(struct, version, classes)`: a strategy of objects of any schema."""
    return structs
