"""`aliran connect`: connectors as a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

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


@app.command
def distributed(worker: Path) -> int:
    """Run a worker that shares connectors with others of its `group.id`, until Ctrl-C or SIGTERM.

    Connectors are made by REST, on any of the workers. The worker's file needs `bootstrap.servers`,
    `group.id`, `config.storage.topic`, `offset.storage.topic` and `status.storage.topic`.

    For example:

    ```
    aliran connect distributed worker.properties
    ```

    Args:
        worker: Properties of the worker.
    """
    from aliran.connectors.server_main import run_worker

    return run_worker(worker, (), distributed=True)


@app.command
def new(folder: Path, *, kind: Literal["source", "sink"] = "source") -> None:
    """Write the project of a connector of your own, with tests that pass.

    For example:

    ```
    aliran connect new weather
    aliran connect new my-database --kind sink
    ```

    Args:
        folder: Where to; its name is the project's.
        kind: Whether it reads from somewhere into topics, or the other way round.
    """
    from aliran.cli.skeleton import write_connector

    for path in write_connector(folder, kind):
        print(path)
    print(f"next: cd {folder} && pip install -e '.[test]' && pytest")


PluginPath = Annotated[
    tuple[str, ...], Parameter(name="--plugin-path", negative="", show_default=False)
]


@app.command
def plugins(*, plugin_path: PluginPath = ()) -> None:
    """Print what `connector.class` can name, one a line: kind, short name, full name, version.

    Args:
        plugin_path: Folders whose Python files hold further connectors.
    """
    from importlib.metadata import version

    from aliran.connectors.runtime.plugins import Plugins

    for one in Plugins(plugin_path, version("aliran")).all(connectors_only=True):
        print(f"{one.kind}\t{one.short_name}\t{one.name}\t{one.version}")


@app.command
def options(connector: str, *, plugin_path: PluginPath = ()) -> None:
    """Print the options of a connector: what each does, and its default.

    Args:
        connector: What `connector.class` calls it.
        plugin_path: Folders whose Python files hold further connectors.
    """
    from rich.console import Console
    from rich.table import Table

    from aliran.connectors.runtime.plugins import Plugins

    table = Table("option", "type", "default", "what it does", box=None, pad_edge=False)
    for key in Plugins(plugin_path).connector(connector).make().config().keys.values():
        row = key.description()
        default = "required" if key.required else row["default_value"] or ""
        table.add_row(key.name, row["type"].lower(), default, key.documentation)
    Console().print(table)
