"""`aliran connect`: connectors as a server."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

app: App = App(name="connect", help="Copy data into and out of topics with connectors.")


@app.command
def run(worker: Path, *connectors: Path) -> int:
    """Run a standalone worker with its REST interface, until Ctrl-C or SIGTERM.

    The worker's file has Kafka's options; without `bootstrap.servers` a broker runs inside. Each
    connector's file is one of properties, or of JSON as it is posted.

    For example:

    ```
    aliran connect run worker.properties
    aliran connect run worker.properties tail-a-file.json
    ```

    Args:
        worker: Properties of the worker.
        connectors: Configurations of connectors.
    """
    from aliran.connectors.server_main import run_worker

    return run_worker(worker, connectors)
