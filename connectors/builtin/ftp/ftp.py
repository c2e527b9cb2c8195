"""`FtpSource`: the files of a folder on an FTP server, each once."""

from __future__ import annotations

import calendar
import ftplib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, ClassVar, TypeVar

from aliran.connectors.builtin.ftp.config import IN_MEMORY, RemoteFolderConfig, inside
from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import Password, between, not_empty
from aliran.connectors.errors import ConnectError, RetriableError
from aliran.connectors.objects.source import EachFileSource, ObjectSourceTask
from aliran.connectors.objects.source_plan import EachOnce, Plan
from aliran.connectors.objects.store import ObjectInfo, SourceStore

T = TypeVar("T")

_MISSING = "550"
_FOLDERS = {"dir", "cdir", "pdir"}


@dataclass(frozen=True, kw_only=True)
class FtpSourceConfig(RemoteFolderConfig):
    """The options."""

    ftp_host: Annotated[str, Option("The server.", importance=Importance.HIGH, validator=not_empty)]
    ftp_port: Annotated[int, Option("Its port.", validator=between(1, 65_535))] = 21
    ftp_username: Annotated[str, Option("Who logs in.")] = "anonymous"
    ftp_password: Annotated[Password | None, Option("The password.")] = None
    ftp_tls: Annotated[bool, Option("Encrypt (FTPS, explicit).")] = False
    ftp_encoding: Annotated[str, Option("How names are encoded.")] = "utf-8"


class FtpStore(SourceStore):
    """A folder of a server.

    Args:
        config: Which.
    """

    def __init__(self, config: FtpSourceConfig) -> None:
        self._config = config
        self._ftp: ftplib.FTP | None = None

    def _run(self, what: str, do: Callable[[ftplib.FTP], T]) -> T:
        """Do something on the connection, which is made if need be, and thrown away if it fails."""
        config = self._config
        place = f"{config.ftp_host}:{config.ftp_port}"
        try:
            if self._ftp is None:
                self._ftp = self._connected()
            return do(self._ftp)
        except ftplib.error_perm as error:
            if str(error).startswith(_MISSING):
                raise FileNotFoundError(str(error)) from error
            self.close()
            raise ConnectError(f"{what} at {place} failed: {error}") from error
        except (ftplib.Error, OSError, EOFError) as error:
            self.close()
            raise RetriableError(
                f"{what} at {place} failed: {error or 'connection lost'}"
            ) from error

    def _connected(self) -> ftplib.FTP:
        config = self._config
        kind = ftplib.FTP_TLS if config.ftp_tls else ftplib.FTP
        ftp = kind(timeout=30, encoding=config.ftp_encoding)
        try:
            ftp.connect(config.ftp_host, config.ftp_port)
            password = "" if config.ftp_password is None else config.ftp_password.value
            ftp.login(config.ftp_username, password)
            if isinstance(ftp, ftplib.FTP_TLS):
                ftp.prot_p()
        except BaseException:
            ftp.close()
            raise
        return ftp

    def files(self) -> Iterator[ObjectInfo]:
        """Yield the files, those in folders within the folder, too."""
        try:
            yield from self._run(
                f"listing {self._config.folder}", lambda ftp: list(self._walk(ftp, ""))
            )
        except FileNotFoundError as error:
            raise ConnectError(
                f"the folder {self._config.folder} of {self._config.ftp_host} cannot be listed: "
                f"{error}"
            ) from error

    def _walk(self, ftp: ftplib.FTP, below: str) -> Iterator[ObjectInfo]:
        folder = inside(self._config.folder, below).rstrip("/") or "/"
        rows = list(ftp.mlsd(folder, ["type", "size", "modify"]))
        for name, facts in rows:
            path = f"{below}{name}"
            if name.startswith(".") or path == self._config.after_read_folder.strip("/"):
                continue
            if facts.get("type", "").lower() in _FOLDERS:
                yield from self._walk(ftp, f"{path}/")
            elif facts.get("type", "file").lower() == "file":
                size, modified = int(facts.get("size", 0)), facts.get("modify", "19700101000000")
                at = calendar.timegm(time.strptime(modified[:14], "%Y%m%d%H%M%S")) * 1000
                yield ObjectInfo(path, size, f"{modified}-{size}", at)

    def open(self, name: str) -> BinaryIO:
        """Fetch a file."""
        file: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  (the caller closes it)
        try:
            command = f"RETR {inside(self._config.folder, name)}"
            self._run(f"reading {name}", lambda ftp: ftp.retrbinary(command, file.write, 1 << 16))
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
            self._run(f"deleting {name}", lambda ftp: ftp.delete(path))

    def move(self, name: str, folder: str) -> None:
        """Move a file, and make the folders that it needs."""
        source = inside(self._config.folder, name)
        target = inside(self._config.folder, f"{folder.strip('/')}/{name}")

        def rename(ftp: ftplib.FTP) -> None:
            parts = target.split("/")[:-1]
            for end in range(len(self._config.folder.rstrip("/").split("/")) + 1, len(parts) + 1):
                with suppress(ftplib.error_perm):  # it is there
                    ftp.mkd("/".join(parts[:end]))
            ftp.rename(source, target)

        with suppress(FileNotFoundError):
            self._run(f"moving {name}", rename)

    def check(self) -> None:
        """Log in and look into the folder."""
        for _ in self.files():
            break

    def close(self) -> None:
        """Close the connection."""
        ftp, self._ftp = self._ftp, None
        if ftp is not None:
            ftp.close()


class FtpSourceTask(ObjectSourceTask):
    """Reads files."""

    settings: ClassVar[type[Any]] = FtpSourceConfig

    @classmethod
    def store_of(cls, config: FtpSourceConfig) -> SourceStore:
        """Return the folder."""
        return FtpStore(config)

    @classmethod
    def plan_of(cls, config: FtpSourceConfig) -> Plan:
        """Return that each file is read once."""
        place = {"host": config.ftp_host, "folder": config.folder}
        return EachOnce(config.topic or "", place, config.puts_away)


class FtpSource(EachFileSource):
    """Files → a topic."""

    settings = FtpSourceConfig
    task: ClassVar[type[Any]] = FtpSourceTask
