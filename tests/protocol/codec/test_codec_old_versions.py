"""The versions Kafka 4 dropped, which old clients still speak, against aiokafka's classes.

aiokafka knows no names that can be trusted to be Kafka's, so values are compared by position.
"""

from __future__ import annotations

import io
import re
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aliran.protocol.codec import encode_request, encode_response
from aliran.protocol.messages import INDEX
from aliran.protocol.primitives import ZERO_UUID
from aliran.protocol.schema import model

MODULES = ["admin", "commit", "coordination", "fetch", "group", "metadata", "offset", "produce"]
WRONG_IN_AIOKAFKA = {"OffsetRequest_v4", "OffsetRequest_v5"}  # its leader epoch has 8 bytes
FEW = settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


def aiokafka_classes() -> list[Any]:
    found = {}
    for module in (import_module(f"aiokafka.protocol.{name}") for name in MODULES):
        for name, value in vars(module).items():
            match = re.fullmatch(r"\w+(Request|Response)_v(\d+)", name)
            if not match or not hasattr(value, "SCHEMA") or value.API_KEY not in INDEX:
                continue
            api_name, _, first, last, flexible = INDEX[value.API_KEY]
            if name in WRONG_IN_AIOKAFKA:
                continue
            if first <= value.API_VERSION <= last and flexible > value.API_VERSION:
                side = match[1].lower()
                key = f"{api_name}-{side}-v{value.API_VERSION}"
                found[key] = pytest.param(api_name, side, value.API_VERSION, value, id=key)
    return [found[key] for key in sorted(found)]


def in_order(value: Any, struct: model.Struct | None, version: int) -> Any:
    if isinstance(value, list):
        return [in_order(element, struct, version) for element in value]
    if struct is None or value is None:
        return value
    fields = [field for field in struct.fields if version in field.versions]
    values = [in_order(getattr(value, field.name), field.struct, version) for field in fields]
    return tuple(values)


def test_the_oracle_covers_what_the_others_lack() -> None:
    names = {parameter.id for parameter in aiokafka_classes()}
    for api in ("create_topics", "delete_topics", "describe_configs", "create_acls"):
        assert {f"{api}-request-v0", f"{api}-response-v0"} <= names
    assert len(names) > 90


@pytest.mark.parametrize(("api_name", "side", "old_version", "oracle"), aiokafka_classes())
@FEW
@given(data=st.data())
def test_aiokafka_reads_and_writes_the_same(
    api_name: str, side: str, old_version: int, oracle: Any, messages: Any, data: st.DataObject
) -> None:
    api = model.load(api_name)
    message = data.draw(messages(api_name, side, old_version))
    if side == "request":
        encoded = b"".join(encode_request(old_version, 1, None, message))[10:]
    else:
        encoded = b"".join(encode_response((api.key, old_version, 1), message))[4:]
    stream = io.BytesIO(encoded)
    values = oracle.SCHEMA.decode(stream)
    assert stream.tell() == len(encoded)
    ours = in_order(message, api.request if side == "request" else api.response, old_version)
    assert leaves(ours) == leaves(values)
    assert oracle.SCHEMA.encode(values) == encoded


def leaves(value: Any) -> list[Any]:
    """The values in the order of the wire: aiokafka groups them into structs in its own way."""
    if isinstance(value, (list, tuple)):
        found = [len(value)] if isinstance(value, list) else []
        for element in value:
            found += leaves(element)
        return found
    return [ZERO_UUID if value is None else value]
