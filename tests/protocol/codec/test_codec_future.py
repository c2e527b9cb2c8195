"""Messages from a newer Kafka, with a tagged field we do not know in every struct (KIP-482)."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aliran.protocol import generate
from aliran.protocol.codec import decode_request, decode_response, encode_request
from aliran.protocol.encoder_source import EncoderSource
from aliran.protocol.messages.metadata import MetadataRequest
from aliran.protocol.schema import model

LIGHT = settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


@cache
def future_api(name: str) -> tuple[model.Api, ModuleType]:
    """The API as a later Kafka may have it, and classes for it."""
    text = (model.SCHEMA_DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")
    lines: list[str] = []
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        previous = len(lines[-1]) - len(lines[-1].lstrip()) if lines else 0
        if depth > previous:
            lines.append(" " * depth + "from_the_future: string tag 9000")
        lines.append(line)
    api = model.Api("\n".join(lines))
    module = ModuleType("future")
    exec(
        "from __future__ import annotations\n"
        "from aliran.protocol.message import UNSET, Message, Struct\n"
        "from aliran.protocol.primitives import ZERO_UUID\n"
        + "\n".join(
            generate.class_source(struct, message, api)
            for struct, message in generate.structs_of(api)
        ),
        module.__dict__,
    )
    return api, module


def same_without_future(future: Any, known: Any) -> bool:
    if isinstance(future, list):
        return len(future) == len(known) and all(map(same_without_future, future, known))
    if not hasattr(future, "__slots__") or isinstance(future, (int, str, bytes)):
        return bool(future == known)
    if type(future).__name__ == "UUID":
        return bool(future == known)
    return all(
        same_without_future(getattr(future, name), getattr(known, name)) for name in known.__slots__
    )


@LIGHT
@given(data=st.data())
def test_unknown_tagged_fields_are_skipped(
    api_name: str, side: str, version: int, struct_strategy: Any, data: st.DataObject
) -> None:
    api, classes = future_api(api_name)
    struct = api.request if side == "request" else api.response
    message = data.draw(struct_strategy(struct, version, classes))
    writer = EncoderSource(api, version, classes)
    namespace = writer.namespace
    exec(writer.write(struct), namespace)
    if side == "request":
        head = b"".join(encode_request(0, 7, "x", MetadataRequest()))[:8]  # only for its layout
        head = api.key.to_bytes(2, "big") + version.to_bytes(2, "big") + head[4:]
        head += b"\0\1x" + b"\1\x05\2hi"  # client id, then a tagged field in the header
        frame = b"".join(namespace["encode"](message, head))
        _, read = decode_request(frame, strict=True)
    else:
        if api_name == "api_versions":
            message.error_code = 0
            head = bytes(4)
        else:
            head = bytes(4) + b"\1\x05\2hi"
        frame = b"".join(namespace["encode"](message, head))
        _, read = decode_response(api.key, version, frame, strict=True)
    assert same_without_future(message, read)


def is_flexible(api_name: str, side: str, version: int) -> bool:
    flexible = model.load(api_name).flexible
    return flexible is not None and version in flexible


COVERED = {"test_unknown_tagged_fields_are_skipped": is_flexible}
