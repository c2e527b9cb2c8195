"""Turns the message table into functions: one encoder and one decoder a message and version.

They are compiled when a version is first met, so a process pays only for what it speaks.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias, cast

from aliran.protocol.decoder_source import DecoderSource
from aliran.protocol.diagnosis import find_fault
from aliran.protocol.encoder_source import EncoderSource
from aliran.protocol.errors import ProtocolError
from aliran.protocol.message import Message
from aliran.protocol.primitives import Buffer, malformed
from aliran.protocol.schema.model import Api, Struct, load

Decoder: TypeAlias = Callable[[bytes | memoryview, int, int], tuple[Message, int]]
"""Reads a body: buffer, position, end of the buffer → the message and the position behind it."""

Encoder: TypeAlias = Callable[[Message, bytes], list[Buffer]]
"""Writes a body: message, header → chunks, of which the first begins with the header."""

_DECODE_ERRORS = (struct.error, IndexError, ValueError, OverflowError, ProtocolError)
_ENCODE_ERRORS = (struct.error, AttributeError, TypeError, ValueError, OverflowError)


def decoder_source(api_name: str, *, request: bool, version: int) -> tuple[str, dict[str, Any]]:
    """Return the source of a decoder and the names it needs (for reading and debugging)."""
    api, message = _message(api_name, request)
    writer = DecoderSource(api, version, import_module(f"aliran.protocol.messages.{api_name}"))
    source = writer.write(message)
    return source, writer.namespace | {"ERRORS": _DECODE_ERRORS, "malformed": malformed}


def encoder_source(api_name: str, *, request: bool, version: int) -> tuple[str, dict[str, Any]]:
    """Return the source of an encoder and the names it needs (for reading and debugging)."""
    api, message = _message(api_name, request)
    writer = EncoderSource(api, version, import_module(f"aliran.protocol.messages.{api_name}"))
    source = writer.write(message)

    def unwritable(body: object, error: Exception) -> ProtocolError:
        reason = find_fault(message, body, version) or error
        return ProtocolError(f"cannot write {message.name} version {version}: {reason}")

    return source, writer.namespace | {"ERRORS": _ENCODE_ERRORS, "unwritable": unwritable}


def compile_decoder(api_name: str, *, request: bool, version: int) -> Decoder:
    """Return the decoder of one message in one version.

    Args:
        api_name: The API's file name in the table, such as `create_topics`.
        request: Whether the request is meant, not the response.
        version: The version; it has to be one the table has.
    """
    source, namespace = decoder_source(api_name, request=request, version=version)
    _run(source, namespace, f"<decode {api_name} v{version}>")
    return cast(Decoder, namespace["decode"])


def compile_encoder(api_name: str, *, request: bool, version: int) -> Encoder:
    """Return the encoder of one message in one version; arguments as in `compile_decoder`.

    The encoder raises ProtocolError, naming the field, for a message it cannot write.
    """
    source, namespace = encoder_source(api_name, request=request, version=version)
    _run(source, namespace, f"<encode {api_name} v{version}>")
    return cast(Encoder, namespace["encode"])


def _message(api_name: str, request: bool) -> tuple[Api, Struct]:
    api = load(api_name)
    return api, api.request if request else api.response


def _run(source: str, namespace: dict[str, Any], name: str) -> None:
    exec(compile(source, name, "exec"), namespace)
