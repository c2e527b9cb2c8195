from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aliran.protocol.codec import (
    RequestHeader,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from aliran.protocol.schema import model

LIGHT = settings(
    max_examples=8,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@LIGHT
@given(data=st.data())
def test_what_is_written_is_read_again(
    api_name: str, side: str, version: int, messages: Any, data: st.DataObject
) -> None:
    message = data.draw(messages(api_name, side, version))
    key = model.load(api_name).key
    if side == "request":
        client_id = data.draw(st.none() | st.sampled_from(["", "client", "ü" * 200]))
        frame = b"".join(encode_request(version, 77, client_id, message))
        header, read = decode_request(frame, strict=True)
        assert header == RequestHeader(key, version, 77, client_id)
    else:
        frame = b"".join(encode_response((key, version, -5), message))
        correlation_id, read = decode_response(key, version, memoryview(frame), strict=True)
        assert correlation_id == -5
    assert read == message


def test_a_message_of_defaults_survives(api_name: str, side: str, version: int) -> None:
    api = model.load(api_name)
    struct = api.request if side == "request" else api.response
    module = __import__(f"aliran.protocol.messages.{api_name}", fromlist=["x"])
    message = getattr(module, struct.name)()
    if side == "request":
        frame = b"".join(encode_request(version, 1, None, message))
        _, read = decode_request(memoryview(frame), strict=True)
    else:
        frame = b"".join(encode_response((api.key, version, 1), message))
        _, read = decode_response(api.key, version, frame, strict=True)
    assert read == message
