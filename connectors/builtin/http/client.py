"""Requests of `HttpSource` and `HttpSink`: who asks, time-outs, errors as Connect's."""

from __future__ import annotations

import datetime as dt
import email.utils
import ssl
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import httpx

from aliran.connectors.api.function_tasks import Retry
from aliran.connectors.config.definition import ConfigValue, Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid, one_of
from aliran.connectors.errors import ConnectError

_MARGIN_S = 10


@dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """Who asks, and how."""

    auth_type: Annotated[
        str,
        Option(
            "Who asks: NONE, BASIC (connection.user, connection.password), BEARER "
            "(http.authorization.token) or OAUTH2 (client credentials).",
            importance=Importance.HIGH, group="Who",
            validator=one_of("NONE", "BASIC", "BEARER", "OAUTH2", ignore_case=True),
        ),
    ] = "NONE"  # fmt: skip
    http_authorization_type: Annotated[
        str | None, Option("Another name of auth.type, which it overrides.", group="Who")
    ] = None
    connection_user: Annotated[str | None, Option("The user (BASIC).", group="Who")] = None
    connection_password: Annotated[
        Password | None, Option("The user's password (BASIC).", group="Who")
    ] = None
    http_authorization_token: Annotated[
        Password | None, Option("The token (BEARER).", group="Who")
    ] = None
    oauth2_token_url: Annotated[
        str | None, Option("Where tokens are asked for (OAUTH2).", group="Who")
    ] = None
    oauth2_client_id: Annotated[str | None, Option("The client (OAUTH2).", group="Who")] = None
    oauth2_client_secret: Annotated[
        Password | None, Option("The client's secret (OAUTH2).", group="Who")
    ] = None
    oauth2_client_scope: Annotated[
        str | None, Option("What the token is to allow (OAUTH2).", group="Who")
    ] = None
    oauth2_token_property: Annotated[
        str, Option("The field of the answer with the token (OAUTH2).", group="Who")
    ] = "access_token"
    http_connect_timeout_ms: Annotated[
        int, Option("How long connecting may take.", validator=at_least(1))
    ] = 10_000
    http_request_timeout_ms: Annotated[
        int, Option("How long an answer may take.", validator=at_least(1))
    ] = 30_000
    https_ssl_verify: Annotated[
        bool, Option("Whether certificates of servers are checked.", group="TLS")
    ] = True
    https_ssl_ca_location: Annotated[
        str | None,
        Option("Certificates (PEM) to trust, in place of the system's.", group="TLS"),
    ] = None
    https_ssl_certificate_location: Annotated[
        str | None, Option("Our certificate and its key (PEM), for servers that ask.", group="TLS")
    ] = None

    def client(self) -> httpx.Client:
        """Return a client that keeps connections.

        Raises:
            ConnectError: A file of certificates cannot be used.
        """
        return httpx.Client(
            auth=self.auth(),
            timeout=httpx.Timeout(
                self.http_request_timeout_ms / 1000, connect=self.http_connect_timeout_ms / 1000
            ),
            verify=self.tls(),
            follow_redirects=True,
            headers={"User-Agent": "aliran-connect"},
        )

    def tls(self) -> ssl.SSLContext:
        """Return how connections are made safe."""
        try:
            context = ssl.create_default_context(cafile=self.https_ssl_ca_location)
            if self.https_ssl_certificate_location is not None:
                context.load_cert_chain(self.https_ssl_certificate_location)
        except (OSError, ssl.SSLError) as error:
            raise ConnectError(f"a file of certificates cannot be used: {error}") from error
        if not self.https_ssl_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def auth(self) -> httpx.Auth | None:
        """Return what shows who asks."""
        kind = (self.http_authorization_type or self.auth_type).upper()
        if kind == "BASIC":
            return httpx.BasicAuth(self.connection_user or "", _secret(self.connection_password))
        if kind == "BEARER":
            return _Bearer(_secret(self.http_authorization_token))
        return _OAuth2(self) if kind == "OAUTH2" else None


def look_at_auth(found: dict[str, ConfigValue]) -> None:
    """Note what is missing for the chosen kind of authentication."""
    other = found["http.authorization.type"]
    kind = str(other.value or found["auth.type"].value or "").upper()
    needs = {
        "BASIC": ("connection.user", "connection.password"),
        "BEARER": ("http.authorization.token",),
        "OAUTH2": ("oauth2.token.url", "oauth2.client.id", "oauth2.client.secret"),
    }
    if kind not in {*needs, "NONE"} and other.value:
        other.errors.append(str(invalid(other.name, other.value, "NONE, BASIC, BEARER or OAUTH2")))
    for name in needs.get(kind, ()):
        if not found[name].value and not found[name].errors:
            why = f"it is needed for auth.type={kind}"
            found[name].errors.append(str(invalid(name, None, why)))


def _secret(value: Password | None) -> str:
    return "" if value is None else value.value


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class _OAuth2(httpx.Auth):
    """Client credentials (RFC 6749, 4.4); a new token when the old one ends or is refused."""

    requires_response_body = True

    def __init__(self, options: HttpOptions) -> None:
        self._options = options
        self._token: str | None = None
        self._until = 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        """Add a token, and another one if it is refused."""
        if self._token is None or time.monotonic() > self._until:
            self._take((yield self._ask()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            self._take((yield self._ask()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _ask(self) -> httpx.Request:
        options = self._options
        data = {"grant_type": "client_credentials"}
        if options.oauth2_client_scope:
            data["scope"] = options.oauth2_client_scope
        request = httpx.Request("POST", options.oauth2_token_url or "", data=data)
        basic = httpx.BasicAuth(
            options.oauth2_client_id or "", _secret(options.oauth2_client_secret)
        )
        return next(basic.auth_flow(request))

    def _take(self, response: httpx.Response) -> None:
        name = self._options.oauth2_token_property
        try:
            told = response.json() if response.is_success else {}
        except ValueError:
            told = {}
        if name not in told:
            kind = Retry if response.status_code >= 500 else ConnectError
            raise kind(
                f"{self._options.oauth2_token_url} gives no token: status "
                f"{response.status_code}, {response.text[:200]!r}"
            )
        self._token = str(told[name])
        self._until = time.monotonic() + float(told.get("expires_in", 3600)) - _MARGIN_S


def retry_after(response: httpx.Response, default_s: float) -> float:
    """Return how many seconds the server wants us to wait."""
    told = response.headers.get("Retry-After", "")
    if told.strip().isdecimal():
        return float(told)
    try:
        moment = email.utils.parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return default_s
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max((moment - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


def told_by(response: httpx.Response) -> str:
    """Return what an answer says, for errors."""
    request = response.request
    url = request.url.copy_with(query=None, userinfo=b"")
    body = response.text[:200].strip()
    return f"{request.method} {url}: {response.status_code} {response.reason_phrase}" + (
        f": {body}" if body else ""
    )


def headers_in(texts: list[str]) -> dict[str, str]:
    """Return headers that are given as `Name: value` texts."""
    rows = [one.partition(":") for one in texts if one.strip()]
    return {name.strip(): value.strip() for name, _, value in rows}


def check_headers(name: str, value: Any) -> None:
    """Check that each is `Name: value`."""
    for one in value:
        if one.strip() and (":" not in one or not one.partition(":")[0].strip()):
            raise invalid(name, value, f"{one!r} is no `Name: value`")


def check_url(name: str, value: Any) -> None:
    """Check that it is an address of HTTP."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")):
        raise invalid(name, value, "it must begin with http:// or https://")


def pairs_in(texts: list[str]) -> Mapping[str, str]:
    """Return names and values that are given as `name=value` texts."""
    rows = [one.partition("=") for one in texts]
    return {name.strip(): value.strip() for name, _, value in rows}


def check_pairs(name: str, value: Any) -> None:
    """Check that each is `name=value`."""
    for one in value:
        if not one.partition("=")[0].strip() or "=" not in one:
            raise invalid(name, value, f"{one!r} is no name=value")
