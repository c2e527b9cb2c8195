"""Requests from one worker to another: forwarded ones, and signed ones among workers.

Kafka: `HerderRequestHandler`, `InternalRequestSignature`. A request goes to the worker that is said
to lead, with `forward=true`; if it leads no more, on with `forward=false`; after that it is 409.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from aliran.connectors.distributed.config_log import ALGORITHM, SessionKey
from aliran.connectors.distributed.errors import NotLeaderError, RebalanceError
from aliran.core.http import HttpError, HttpRequest

SIGNATURE = "X-Connect-Authorization"
SIGNED_BY = "X-Connect-Request-Signature-Algorithm"
TIMEOUT_S = 90.0


def signature_of(body: bytes, key: SessionKey) -> str:
    """Return the signature of a body."""
    return base64.b64encode(hmac.digest(key.key, body, hashlib.sha256)).decode()


def check_signature(request: HttpRequest, key: SessionKey | None) -> None:
    """Check that a worker of this group has sent a request.

    Raises:
        HttpError: It says nothing of it (400), or something wrong (403).
        RebalanceError: The secret is not known here yet.
    """
    given = request.headers.get(SIGNATURE.lower())
    algorithm = request.headers.get(SIGNED_BY.lower())
    if given is None or algorithm is None:
        raise HttpError("Internal request missing valid signature information", 400)
    if algorithm != ALGORITHM:
        raise HttpError(f"This worker does not support the {algorithm} signature algorithm.", 400)
    if key is None:
        raise RebalanceError("this worker has not read the session key yet")
    if not hmac.compare_digest(given, signature_of(request.body, key)):
        raise HttpError("Internal request contained invalid signature.", 403)


def send_signed(method: str, url: str, body: Any, key: SessionKey) -> None:
    """Send a request of workers among themselves; a body of None is none at all.

    Raises:
        RebalanceError: The other one did not take it; it may later.
    """
    data = b"" if body is None else json.dumps(body).encode()
    headers = {SIGNATURE: signature_of(data, key), SIGNED_BY: ALGORITHM}
    status, answer, _ = _send(method, url, data, headers)
    if status >= 300:
        raise RebalanceError(f"{url} answered {status}: {answer.decode(errors='replace')[:300]}")


def forward(request: HttpRequest, error: NotLeaderError) -> tuple[int, bytes, str | None]:
    """Send a request on to the worker that can do it; return its status, body and Location.

    Raises:
        NotLeaderError: It was sent on often enough.
        RebalanceError: That worker cannot be reached.
    """
    sent = request.text("forward").lower()
    if sent == "false":
        raise error
    query = [(name, value) for name, value in request.query if name != "forward"]
    query.append(("forward", "false" if sent == "true" else "true"))
    path = "/".join(quote(part, safe="") for part in request.segments)
    url = f"{error.url.rstrip('/')}/{path}?{urlencode(query)}"
    return _send(request.method, url, request.body, {})


def _send(
    method: str, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes, str | None]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S
    )
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        connection.request(
            method, target, body or None, {"Content-Type": "application/json", **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Location")
    except OSError as error:
        raise RebalanceError(
            f"the worker at {parts.netloc} cannot be reached ({error}); the group finds out soon"
        ) from error
    except http.client.HTTPException as error:
        raise RebalanceError(f"the worker at {parts.netloc} answered nonsense: {error}") from error
    finally:
        connection.close()
