"""`aliran broker`: the embedded broker as a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliran.cli.settings import key_values


def broker(
    *,
    listen: str = "127.0.0.1:9092",
    data: Path = Path("aliran-data"),
    config: Annotated[
        tuple[str, ...], Parameter(name=["--config", "-c"], negative="", show_default=False)
    ] = (),
) -> int:
    """Run a broker that any Kafka client can use, until Ctrl-C or SIGTERM.

    Topics are created when a client first asks for them; records and committed offsets are kept in
    the data directory, in Kafka's own file format.

    For example:

    ```
    aliran broker
    aliran broker --listen 127.0.0.1:19092 --data /var/lib/aliran
    aliran broker -c num.partitions=4 -c auto.create.topics.enable=false
    ```

    Args:
        listen: HOST:PORT to listen on; port 0 takes a free one and prints it.
        data: Directory of the topics; made if it is not there.
        config: A setting as NAME=VALUE by Kafka's name for it; may be given several times.
    """
    from aliran.broker.server_main import run_server

    return run_server(listen, data, key_values(config, "--config"))
