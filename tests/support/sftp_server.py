"""An SFTP server for one folder: `python sftp_server.py PORT FOLDER KEY_FILE USER PASSWORD`."""

from __future__ import annotations

import asyncio
import sys
from functools import partial

import asyncssh


async def main(port: str, folder: str, key: str, user: str, password: str) -> None:
    """Serve until killed."""

    class Logins(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (user, password)

    await asyncssh.listen(
        "127.0.0.1", int(port), server_factory=Logins, server_host_keys=[key],
        sftp_factory=partial(asyncssh.SFTPServer, chroot=folder.encode()),
    )  # fmt: skip
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
