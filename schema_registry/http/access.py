"""Who may read and write which subjects: HTTP basic authentication and bearer tokens.

Permissions are prefixes of subject names; `*` stands for all subjects and for what belongs to no
subject (global settings, contexts).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aliran.core.errors import ConfigError
from aliran.schema_registry.errors import RegistryError

ALL = "*"


class UnauthorizedError(RegistryError):
    """Nobody that is known asks."""

    status: int = 401
    error_code: int = 401

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class ForbiddenError(RegistryError):
    """Somebody asks for more than they may."""

    status: int = 403
    error_code: int = 40301


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who uses the registry.

    Attributes:
        name: Who, for messages.
        read: Prefixes of the subjects whose schemas they may see; `*` for all.
        write: Prefixes of the subjects they may change, which includes seeing them; `*` for all.
    """

    name: str
    read: Sequence[str] = ()
    write: Sequence[str] = ()

    def may_read(self, subject: str) -> bool:
        """Return whether they may see a subject."""
        return _covered(subject, self.read) or _covered(subject, self.write)

    def may_see(self, context: str) -> bool:
        """Return whether they may see some subject whose name would begin so: `:.ctx:`."""
        return self.may_read(context) or any(
            prefix.startswith(context) for prefix in (*self.read, *self.write)
        )

    def may_write(self, subject: str | None) -> bool:
        """Return whether they may change a subject; None for what belongs to none."""
        return ALL in self.write if subject is None else _covered(subject, self.write)

    def check(self, subject: str | None, *, writes: bool) -> None:
        """Check that they may do something.

        Raises:
            ForbiddenError: They may not.
        """
        if writes and not self.may_write(subject):
            what = "all subjects" if subject is None else f"subject '{subject}'"
            raise ForbiddenError(f"User '{self.name}' is not allowed to write {what}")
        if not writes and subject is not None and not self.may_read(subject):
            raise ForbiddenError(f"User '{self.name}' is not allowed to read subject '{subject}'")


EVERYBODY = Principal("everybody", (ALL,), (ALL,))
"""Who asks where nobody has to say who they are."""


def _covered(subject: str, prefixes: Sequence[str]) -> bool:
    return any(prefix == ALL or subject.startswith(prefix) for prefix in prefixes)


class Access:
    """Finds out who sends a request.

    Args:
        users: Names, hashes of passwords (see `hashed`) and who they are.
        tokens: Hashes of bearer tokens and who they belong to.
    """

    def __init__(
        self,
        users: Iterable[tuple[str, bytes, Principal]] = (),
        tokens: Iterable[tuple[bytes, Principal]] = (),
    ) -> None:
        self._users = {name: (secret, who) for name, secret, who in users}
        self._tokens = list(tokens)

    def who(self, authorization: str | None) -> Principal:
        """Return who sends a request with this header.

        Raises:
            UnauthorizedError: Nobody that is known.
        """
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "basic":
            return self._basic(credentials.strip())
        if scheme.lower() == "bearer":
            given = hashed(credentials.strip())
            for secret, who in self._tokens:
                if hmac.compare_digest(secret, given):
                    return who
        raise UnauthorizedError

    def _basic(self, credentials: str) -> Principal:
        try:
            name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:  # also of text that is not ASCII, or not UTF-8 inside
            raise UnauthorizedError from None
        secret, who = self._users.get(name, (b"", None))
        if hmac.compare_digest(secret, hashed(password)) and who is not None:
            return who
        raise UnauthorizedError

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Access:
        """Read a TOML file.

        It holds tables `[[user]]` with `name` and `password`, and `[[token]]` with `name` and
        `token`; in place of the secret itself its SHA-256 may stand, as `password_sha256` and
        `token_sha256` in hexadecimal. Both have the lists `read` and `write`.

        Raises:
            ConfigError: The file cannot be read, or a table lacks something; says which.
        """
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(
                f"the access file {os.fspath(path)} cannot be read: {error}"
            ) from error
        users, tokens = [], []
        for kind, secret_name in (("user", "password"), ("token", "token")):
            for number, table in enumerate(document.get(kind, ()), 1):
                where = f"{os.fspath(path)}, [[{kind}]] number {number}"
                who = Principal(
                    _text(table, "name", where),
                    _prefixes(table, "read", where),
                    _prefixes(table, "write", where),
                )
                secret = _secret(table, secret_name, where)
                if kind == "user":
                    users.append((who.name, secret, who))
                else:
                    tokens.append((secret, who))
        return Access(users, tokens)


def hashed(secret: str) -> bytes:
    """Return the form in which secrets are kept and compared."""
    return hashlib.sha256(secret.encode()).digest()


def _text(table: dict[str, object], name: str, where: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise ConfigError(f'{where}: {name} = "..." is missing')
    return value


def _prefixes(table: dict[str, object], name: str, where: str) -> tuple[str, ...]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f'{where}: {name} must be a list of prefixes, such as ["orders-", "*"]')
    return tuple(value)


def _secret(table: dict[str, object], name: str, where: str) -> bytes:
    if f"{name}_sha256" not in table:
        return hashed(_text(table, name, where))
    try:
        secret = bytes.fromhex(_text(table, f"{name}_sha256", where))
    except ValueError:
        secret = b""
    if len(secret) != hashlib.sha256().digest_size:
        raise ConfigError(f"{where}: {name}_sha256 must be 64 hexadecimal digits")
    return secret
