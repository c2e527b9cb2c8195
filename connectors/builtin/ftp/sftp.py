"""`SftpSource`: the files of a folder on an SSH server, each once."""

from __future__ import annotations

import io
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, ClassVar, TypeVar

import paramiko

from aliran.connectors.builtin.ftp.config import IN_MEMORY, RemoteFolderConfig, inside
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, between, not_empty
from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.objects.source import EachFileSource, ObjectSourceTask
from aliran.connectors.objects.source_plan import EachOnce, Plan
from aliran.connectors.objects.store import ObjectInfo, SourceStore

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SftpSourceConfig(RemoteFolderConfig):
    """The options."""

    sftp_host: Annotated[
        str, Option("The server.", importance=Importance.HIGH, validator=not_empty)
    ]
    sftp_port: Annotated[int, Option("Its port.", validator=between(1, 65_535))] = 22
    sftp_username: Annotated[str, Option("Who logs in.", importance=Importance.HIGH)]
    sftp_password: Annotated[Password | None, Option("The password.")] = None
    sftp_private_key: Annotated[
        Password | None, Option("A private key, as text (-----BEGIN …), in place of a password.")
    ] = None
    sftp_private_key_file: Annotated[str | None, Option("The file of a private key.")] = None
    sftp_private_key_passphrase: Annotated[
        Password | None, Option("What the private key is encrypted with.")
    ] = None
    sftp_known_hosts: Annotated[
        str | None, Option("A file of known servers' keys; ~/.ssh/known_hosts if none.")
    ] = None
    sftp_accept_unknown_host: Annotated[
        bool, Option("Talk to a server whose key is not known; anybody may be it.")
    ] = False


class SftpStore(SourceStore):
    """A folder of a server.

    Args:
        config: Which.
    """

    def __init__(self, config: SftpSourceConfig) -> None:
        self._config = config
        self._client: paramiko.SSHClient | None = None
        self._sftp: Any = None

    def _run(self, what: str, do: Callable[[Any], T]) -> T:
        """Do something on the connection, which is made if need be, and thrown away if it fails."""
        config = self._config
        place = f"{config.sftp_host}:{config.sftp_port}"
        try:
            if self._sftp is None:
                self._connect()
            return do(self._sftp)
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise ConnectError(f"{what} at {place} failed: {error}") from error
        except paramiko.AuthenticationException as error:
            self.close()
            raise ConnectError(
                f"{place} does not let {config.sftp_username} in: {error}; is it the right key?"
            ) from error
        except paramiko.BadHostKeyException as error:
            self.close()
            raise ConnectError(f"{place} has another key than it had: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            self.close()
            if "not found in known_hosts" in str(error):
                raise ConnectError(
                    f"the key of {place} is unknown: add it to sftp.known.hosts (ssh-keyscan), or "
                    "set sftp.accept.unknown.host=true"
                ) from error
            raise RetriableError(
                f"{what} at {place} failed: {error or 'connection lost'}"
            ) from error

    def _connect(self) -> None:
        config = self._config
        client = self._client = paramiko.SSHClient()
        if config.sftp_known_hosts is not None:
            client.load_host_keys(config.sftp_known_hosts)
        else:
            client.load_system_host_keys()
        unknown = (
            paramiko.AutoAddPolicy if config.sftp_accept_unknown_host else paramiko.RejectPolicy
        )
        client.set_missing_host_key_policy(unknown())
        secret, phrase = config.sftp_password, config.sftp_private_key_passphrase
        client.connect(
            config.sftp_host,
            config.sftp_port,
            config.sftp_username,
            None if secret is None else secret.value,
            pkey=self._key(),
            key_filename=config.sftp_private_key_file,
            passphrase=None if phrase is None else phrase.value,
            timeout=10,
            banner_timeout=30,
            auth_timeout=30,
            allow_agent=False,
            look_for_keys=False,
        )
        self._sftp = client.open_sftp()
        self._sftp.get_channel().settimeout(60)

    def _key(self) -> Any:
        given, phrase = self._config.sftp_private_key, self._config.sftp_private_key_passphrase
        if given is None:
            return None
        for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
            with suppress(paramiko.SSHException, ValueError):
                return kind.from_private_key(
                    io.StringIO(given.value), None if phrase is None else phrase.value
                )
        raise ConnectError(
            "sftp.private.key is no private key (Ed25519, ECDSA, RSA), or its passphrase is wrong"
        )

    def files(self) -> Iterator[ObjectInfo]:
        """Yield the files, those in folders within the folder, too."""
        try:
            yield from self._run(
                f"listing {self._config.folder}", lambda sftp: list(self._walk(sftp, ""))
            )
        except FileNotFoundError as error:
            raise ConnectError(
                f"the folder {self._config.folder} of {self._config.sftp_host} is not there"
            ) from error

    def _walk(self, sftp: Any, below: str) -> Iterator[ObjectInfo]:
        for one in sftp.listdir_attr(inside(self._config.folder, below)):
            path = f"{below}{one.filename}"
            if one.filename.startswith(".") or path == self._config.after_read_folder.strip("/"):
                continue
            if stat.S_ISDIR(one.st_mode or 0):
                yield from self._walk(sftp, f"{path}/")
            elif stat.S_ISREG(one.st_mode or 0):
                at, size = int(one.st_mtime or 0), int(one.st_size or 0)
                yield ObjectInfo(path, size, f"{at}-{size}", at * 1000)

    def open(self, name: str) -> BinaryIO:
        """Fetch a file."""
        file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  (the caller closes it)
        path = inside(self._config.folder, name)
        try:
            self._run(f"reading {name}", lambda sftp: sftp.getfo(path, file))
        except BaseException:
            file.close()
            raise
        file.seek(0)
        found: BinaryIO = file
        return found

    def delete(self, name: str) -> None:
        """Delete a file."""
        path = inside(self._config.folder, name)
        with suppress(FileNotFoundError):
            self._run(f"deleting {name}", lambda sftp: sftp.remove(path))

    def move(self, name: str, folder: str) -> None:
        """Move a file, and make the folders that it needs."""
        source = inside(self._config.folder, name)
        parts = [*folder.strip("/").split("/"), *name.split("/")]

        def rename(sftp: Any) -> None:
            for end in range(1, len(parts)):
                made = inside(self._config.folder, "/".join(parts[:end]))
                try:
                    sftp.stat(made)
                except FileNotFoundError:
                    sftp.mkdir(made)
            sftp.rename(source, inside(self._config.folder, "/".join(parts)))

        with suppress(FileNotFoundError):
            self._run(f"moving {name}", rename)

    def check(self) -> None:
        """Log in and look into the folder."""
        for _ in self.files():
            break

    def close(self) -> None:
        """Close the connection."""
        client, self._client, self._sftp = self._client, None, None
        if client is not None:
            client.close()


class SftpSourceTask(ObjectSourceTask):
    """Reads files."""

    settings: ClassVar[type[Any]] = SftpSourceConfig

    @classmethod
    def store_of(cls, config: SftpSourceConfig) -> SourceStore:
        """Return the folder."""
        return SftpStore(config)

    @classmethod
    def plan_of(cls, config: SftpSourceConfig) -> Plan:
        """Return that each file is read once."""
        place = {"host": config.sftp_host, "folder": config.folder}
        return EachOnce(config.topic or "", place, config.puts_away)


class SftpSource(EachFileSource):
    """Files → a topic."""

    settings = SftpSourceConfig
    task: ClassVar[type[Any]] = SftpSourceTask
