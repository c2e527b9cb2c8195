"""Requests and responses to bytes and back: the codec's public functions.

Bodies are the classes of `aliran.protocol.messages`; they carry the fields of all versions, and
the codec writes those that the version has. A field that a version lacks is left out when writing
and has its default after reading. Tagged fields that are not known are skipped (KIP-482).

Bytes behind the end of a body are ignored, as Kafka does, unless `strict` is asked for.
Whatever the input is, reading raises `ProtocolError` and nothing else.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar

from aliran.protocol.errors import ProtocolError, UnsupportedVersionError
from aliran.protocol.messages import INDEX

if TYPE_CHECKING:
    from aliran.protocol.compiler import Decoder, Encoder
    from aliran.protocol.message import Message
    from aliran.protocol.primitives import Buffer

_REQUEST_HEADER = struct.Struct(">hhih")
_CORRELATION_ID = struct.Struct(">i")
_CORRELATION_ID_AND_TAGS = struct.Struct(">ix")
_API_VERSIONS = 18
_UNSUPPORTED_VERSION = b"\x00\x23"

_request_decoders: dict[tuple[int, int], tuple[Decoder, bool]] = {}
_response_decoders: dict[tuple[int, int], tuple[Decoder, bool]] = {}
_request_encoders: dict[tuple[int, int], tuple[Encoder, bool]] = {}
_response_encoders: dict[tuple[int, int], tuple[Encoder, bool]] = {}


class RequestHeader:
    """What stands before every request body (Kafka: RequestHeader v1 and v2).

    Attributes:
        api_key: The request kind's number, see `ApiKey`.
        api_version: The version of the body, and of the response the client expects.
        correlation_id: The number that the response repeats.
        client_id: The name the client gave itself, or None.
    """

    __slots__ = ("api_key", "api_version", "client_id", "correlation_id")

    def __init__(
        self, api_key: int, api_version: int, correlation_id: int, client_id: str | None = None
    ) -> None:
        self.api_key: int = api_key
        self.api_version: int = api_version
        self.correlation_id: int = correlation_id
        self.client_id: str | None = client_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RequestHeader):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"RequestHeader(api_key={self.api_key}, api_version={self.api_version}, "
            f"correlation_id={self.correlation_id}, client_id={self.client_id!r})"
        )


def api_versions(api_key: int) -> tuple[int, int]:
    """Return the first and the last version of a request kind that the codec reads and writes.

    >>> api_versions(3)
    (0, 13)

    Raises:
        ProtocolError: The codec does not know the request kind.
    """
    try:
        _, _, first, last, _ = INDEX[api_key]
    except KeyError:
        raise ProtocolError(
            f"request kind {api_key} is not in the message table; known are {sorted(INDEX)}"
        ) from None
    return first, last


def decode_request(
    frame: bytes | memoryview, *, strict: bool = False
) -> tuple[RequestHeader, Message]:
    """Read a request: header and body.

    Record sets come back as memoryviews of `frame`, everything else as copies.

    Args:
        frame: The request without the four bytes of its length.
        strict: Whether bytes behind the body are an error.

    Raises:
        UnsupportedVersionError: The table does not have the request kind or version.
        ProtocolError: The bytes are not a request.
    """
    header, position = _read_request_header(frame)
    key = header.api_key, header.api_version
    found = _request_decoders.get(key)
    if found is None:
        if not _is_known(*key):
            raise UnsupportedVersionError(*key, header.correlation_id, header.client_id)
        found = _request_decoders[key] = _compile_decoder(*key, request=True)
    decode, flexible = found
    end = len(frame)
    if flexible:
        position = _skip_header_tags(frame, position)
    body, position = decode(frame, position, end)
    if strict and position != end:
        raise _trailing(body, position, end)
    return header, body


def encode_response(header: RequestHeader | tuple[int, int, int], body: Message) -> list[Buffer]:
    """Write a response to a request.

    Args:
        header: The request's header, or its (api_key, api_version, correlation_id).
        body: The response body.

    Returns:
        The chunks of the frame, without the four bytes of its length. Large record sets are chunks
        of their own and are not copied.

    Raises:
        ProtocolError: The body cannot be written in this version; the message names the field.
    """
    if isinstance(header, tuple):
        api_key, version, correlation_id = header
    else:
        api_key, version = header.api_key, header.api_version
        correlation_id = header.correlation_id
    found = _response_encoders.get((api_key, version))
    if found is None:
        _require_known(api_key, version)
        found = _compile_encoder(api_key, version, request=False)
        _response_encoders[api_key, version] = found
    encode, flexible = found
    if flexible and api_key != _API_VERSIONS:
        return encode(body, _CORRELATION_ID_AND_TAGS.pack(correlation_id))
    return encode(body, _CORRELATION_ID.pack(correlation_id))


def encode_request(
    api_version: int, correlation_id: int, client_id: str | None, body: Message
) -> list[Buffer]:
    """Write a request; the body's class says which kind it is.

    Returns:
        The chunks of the frame, without the four bytes of its length.

    Raises:
        ProtocolError: The body cannot be written in this version; the message names the field.
    """
    key = body.API_KEY, api_version
    found = _request_encoders.get(key)
    if found is None:
        _require_known(*key)
        found = _request_encoders[key] = _compile_encoder(*key, request=True)
    encode, flexible = found
    name = b"" if client_id is None else client_id.encode()
    length = -1 if client_id is None else len(name)
    head = _REQUEST_HEADER.pack(*key, correlation_id, length) + name
    return encode(body, head + b"\0" if flexible else head)


def decode_response(
    api_key: int, api_version: int, frame: bytes | memoryview, *, strict: bool = False
) -> tuple[int, Message]:
    """Read a response.

    An ApiVersions response with the error UNSUPPORTED_VERSION is read as version 0.

    Args:
        api_key: The kind of the request it answers.
        api_version: The version of that request.
        frame: The response without the four bytes of its length.
        strict: Whether bytes behind the body are an error.

    Returns:
        The correlation id and the body.

    Raises:
        ProtocolError: The table does not have the version, or the bytes are not such a response.
    """
    if api_key == _API_VERSIONS and bytes(frame[4:6]) == _UNSUPPORTED_VERSION:
        api_version = 0  # what a server answers to a version it does not have (KIP-511)
    found = _response_decoders.get((api_key, api_version))
    if found is None:
        _require_known(api_key, api_version)
        found = _compile_decoder(api_key, api_version, request=False)
        _response_decoders[api_key, api_version] = found
    decode, flexible = found
    end = len(frame)
    if end < 4:
        raise ProtocolError(f"a response of {end} bytes is too short for its correlation id")
    (correlation_id,) = _CORRELATION_ID.unpack_from(frame)
    position = 4
    if flexible and api_key != _API_VERSIONS:
        position = _skip_header_tags(frame, position)
    body, position = decode(frame, position, end)
    if strict and position != end:
        raise _trailing(body, position, end)
    return correlation_id, body


def _read_request_header(frame: bytes | memoryview) -> tuple[RequestHeader, int]:
    """Return the header but for its tagged section, and the position behind it."""
    if len(frame) < _REQUEST_HEADER.size:
        raise ProtocolError(f"a request of {len(frame)} bytes is too short for its header")
    api_key, version, correlation_id, length = _REQUEST_HEADER.unpack_from(frame)
    position = _REQUEST_HEADER.size
    client_id = None
    if length >= 0:
        stop = position + length
        if stop > len(frame):
            raise ProtocolError(f"a client id of {length} bytes reaches beyond the request's end")
        try:
            client_id = str(frame[position:stop], "utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError(f"the client id is not UTF-8: {error}") from None
        position = stop
    return RequestHeader(api_key, version, correlation_id, client_id), position


def _skip_header_tags(frame: bytes | memoryview, position: int) -> int:
    if position < len(frame) and frame[position] == 0:
        return position + 1
    # Only here, because the module brings uuid with it, a fifth of the codec's import time.
    from aliran.protocol.primitives import skip_tags

    try:
        return skip_tags(frame, position, len(frame))
    except IndexError:
        raise ProtocolError("the header's tagged section reaches beyond the frame's end") from None


def _is_known(api_key: int, version: int) -> bool:
    entry = INDEX.get(api_key)
    return entry is not None and entry[2] <= version <= entry[3]


def _require_known(api_key: int, version: int) -> None:
    first, last = api_versions(api_key)
    if not first <= version <= last:
        name = INDEX[api_key][1]
        raise ProtocolError(
            f"{name} version {version} is not in the message table; use {first} to {last}"
        )


def _compile_decoder(api_key: int, version: int, *, request: bool) -> tuple[Decoder, bool]:
    # The compiler is imported here: a process that speaks no Kafka never pays for it.
    from aliran.protocol.compiler import compile_decoder

    module, _, _, _, first_flexible = INDEX[api_key]
    decoder = compile_decoder(module, request=request, version=version)
    return decoder, version >= first_flexible


def _compile_encoder(api_key: int, version: int, *, request: bool) -> tuple[Encoder, bool]:
    from aliran.protocol.compiler import compile_encoder

    module, _, _, _, first_flexible = INDEX[api_key]
    encoder = compile_encoder(module, request=request, version=version)
    return encoder, version >= first_flexible


def _trailing(body: Message, position: int, end: int) -> ProtocolError:
    return ProtocolError(f"{end - position} bytes follow the end of {type(body).__name__}")
