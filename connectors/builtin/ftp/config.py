"""Options that FTP and SFTP share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from aliran.connectors.config.definition import Importance
from aliran.connectors.config.typed import Option
from aliran.connectors.config.values import at_least, not_empty
from aliran.connectors.objects.source_config import ObjectSourceConfig

IN_MEMORY = 32 << 20
"""Files of more bytes are fetched into a temporary file."""


@dataclass(frozen=True, kw_only=True)
class RemoteFolderConfig(ObjectSourceConfig):
    """The options."""

    folder: Annotated[
        str,
        Option("The folder on the server.", importance=Importance.HIGH, validator=not_empty),
    ]
    file_settled_ms: Annotated[
        int,
        Option(
            "A file counts when it has not changed for so long, by the server's clock against "
            "this one's.",
            validator=at_least(0),
        ),
    ] = 5000


def inside(folder: str, name: str) -> str:
    """Return the server's name of a file."""
    return f"{folder.rstrip('/')}/{name}"
