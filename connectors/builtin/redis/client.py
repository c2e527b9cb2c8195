"""Clients of Redis: options for them, and their errors as Connect's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import redis

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, at_least, invalid
from aliran.connectors.errors import ConnectError, RetriableError

_LATER = ("OOM", "LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN",
          "NOREPLICAS", "MISCONF")  # fmt: skip


def _check_uri(name: str, value: Any) -> None:
    if not str(value).startswith(("redis://", "rediss://", "unix://")):
        raise invalid(name, value, "it must be redis://HOST:PORT/DB, rediss://… or unix://PATH")


@dataclass(frozen=True, kw_only=True)
class RedisOptions:
    """Which server."""

    redis_uri: Annotated[
        str,
        Option(
            "The server: redis://HOST:PORT/DB, rediss:// with TLS, unix:// with a path.",
            importance=Importance.HIGH, validator=_check_uri,
        ),
    ] = "redis://localhost:6379"  # fmt: skip
    redis_username: Annotated[str | None, Option("The user.")] = None
    redis_password: Annotated[
        Password | None, Option("The password.", importance=Importance.HIGH)
    ] = None
    redis_insecure: Annotated[
        bool, Option("With rediss://: take any certificate of the server.")
    ] = False
    redis_cacert: Annotated[str | None, Option("With rediss://: certificates (PEM) to trust.")] = (
        None
    )
    redis_timeout: Annotated[
        int, Option("Seconds that an answer may take.", validator=at_least(1))
    ] = 60

    def client(self) -> redis.Redis:
        """Return a client, which connects when it is used."""
        more: dict[str, Any] = {}
        if self.redis_uri.startswith("rediss://"):
            more["ssl_ca_certs"] = self.redis_cacert
            if self.redis_insecure:
                more |= {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}
        if self.redis_username is not None:
            more["username"] = self.redis_username
        if self.redis_password is not None:
            more["password"] = self.redis_password.value
        if not self.redis_uri.startswith("unix://"):
            more["socket_connect_timeout"] = min(self.redis_timeout, 10)
        with self.errors("connecting"):
            return redis.Redis.from_url(
                self.redis_uri, socket_timeout=self.redis_timeout, protocol=2, **more
            )

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn errors of the client into Connect's.

        Args:
            what: What is being done, for the message.

        Raises:
            RetriableError: The server is away, or asks to come back later.
            ConnectError: It refuses.
        """
        where = self.redis_uri.rpartition("@")[2].removeprefix("redis://")
        try:
            yield
        except redis.AuthenticationError as error:
            raise ConnectError(
                f"Redis at {where}: {what}: {error}; see redis.username and redis.password"
            ) from error
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise RetriableError(f"Redis at {where} is away: {what}: {error}") from error
        except redis.RedisError as error:
            kind = RetriableError if is_later(error) else ConnectError
            raise kind(f"Redis at {where}: {what}: {error}") from error
        except ValueError as error:
            raise ConnectError(f"redis.uri={where}: {error}") from error


def is_later(error: BaseException) -> bool:
    """Return whether what was refused may be taken later."""
    return isinstance(error, (redis.ConnectionError, redis.TimeoutError)) or str(error).startswith(
        _LATER
    )


def try_out(options: RedisOptions) -> redis.Redis:
    """Return a client that has had an answer.

    Raises:
        ConnectError: There is none.
    """
    client = options.client()
    with options.errors("PING"):
        client.ping()
    return client
