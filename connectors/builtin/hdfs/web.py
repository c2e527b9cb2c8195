"""WebHDFS: files are made, appended to and renamed by HTTP.

Data goes in two steps: the name node says which data node takes it, and gets none itself.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from aliran.connectors.errors import ConnectError, RetriableError

_LATER = frozenset(
    {
        "AlreadyBeingCreatedException", "LeaseExpiredException", "RecoveryInProgressException",
        "RetriableException", "SafeModeException", "StandbyException",
    }
)  # fmt: skip


class WebHdfs:
    """A client of one cluster.

    Args:
        urls: The name nodes, such as "http://namenode:9870"; the active one is found out.
        user: Who asks, where the cluster has no Kerberos.
        token: A delegation token, where it has.
        create: Parameters of new files, such as their replication.
    """

    def __init__(
        self, urls: list[str], user: str | None, token: str | None, create: dict[str, str]
    ) -> None:
        self._urls = [one.rstrip("/") for one in urls]
        self._who = {"delegation": token} if token else {"user.name": user} if user else {}
        self._create = create
        self._http = httpx.Client(timeout=httpx.Timeout(60, connect=5), follow_redirects=False)

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    # ------------------------------------------------------------------ what files need

    def create(self, path: str, data: bytes) -> None:
        """Write a new file in place of an older one."""
        self._send("PUT", path, data, op="CREATE", overwrite="true", **self._create)

    def append(self, path: str, data: bytes) -> None:
        """Append to a file."""
        self._send("POST", path, data, op="APPEND")

    def rename(self, path: str, target: str) -> bool:
        """Give a file another name; return whether that was possible."""
        answer = self._ask("PUT", path, {"op": "RENAME", "destination": target})
        return bool(answer.json().get("boolean"))

    def make_folders(self, path: str) -> None:
        """Make a folder and those above it."""
        self._ask("PUT", path, {"op": "MKDIRS"})

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        self._ask("DELETE", path, {"op": "DELETE"})

    def length(self, path: str) -> int | None:
        """Return the length of a file, None if there is none."""
        answer = self._ask("GET", path, {"op": "GETFILESTATUS"}, missing_ok=True)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return int(answer.json()["FileStatus"]["length"])

    # ------------------------------------------------------------------ HTTP

    def _send(self, method: str, path: str, data: bytes, **parameters: str) -> None:
        answer = self._ask(method, path, parameters)
        target = answer.headers.get("Location")
        if answer.status_code != httpx.codes.TEMPORARY_REDIRECT or not target:
            raise ConnectError(
                f"WebHDFS did not name a data node for {path}: HTTP {answer.status_code}"
            )
        headers = {"Content-Type": "application/octet-stream"}
        try:
            answer = self._http.request(method, target, content=data, headers=headers)
        except httpx.TransportError as error:
            raise RetriableError(f"writing {path} to {target} failed: {error}") from error
        _raise_if_failed(answer, path)

    def _ask(
        self, method: str, path: str, parameters: dict[str, str], *, missing_ok: bool = False
    ) -> httpx.Response:
        """Ask the active name node, which is the first of the list that answers as such."""
        trouble: ConnectError | None = None
        for _ in self._urls:
            url = f"{self._urls[0]}/webhdfs/v1{quote(path)}"
            try:
                answer = self._http.request(method, url, params={**self._who, **parameters})
                if not (missing_ok and answer.status_code == httpx.codes.NOT_FOUND):
                    _raise_if_failed(answer, path)
                return answer
            except httpx.TransportError as error:
                trouble = RetriableError(f"{url} cannot be reached: {error}")
            except RetriableError as error:
                trouble = error
            self._urls.append(self._urls.pop(0))
        assert trouble is not None
        raise trouble


def _raise_if_failed(answer: httpx.Response, path: str) -> None:
    if answer.status_code < httpx.codes.BAD_REQUEST:
        return
    kind, told = "", answer.text[:200]
    try:
        body: Any = answer.json()["RemoteException"]
        kind, told = str(body["exception"]), str(body["message"]).partition("\n")[0]
    except (ValueError, KeyError, TypeError):
        pass  # some proxy's page
    message = f"HDFS refuses {path}: HTTP {answer.status_code} {kind}: {told}"
    if kind in _LATER or (answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR and not kind):
        raise RetriableError(message)
    raise ConnectError(message)
