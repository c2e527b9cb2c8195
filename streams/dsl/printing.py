"""What `KStream.print` does with a record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aliran.streams.errors import TopologyError


def printer(
    label: str, file: str | Path | None, mapper: Callable[[Any, Any], str] | None
) -> Callable[[Any, Any], None]:
    """Return the action of `print`. Kafka: `PrintForeachAction`.

    Args:
        label: Stands in brackets in front of each line.
        file: Where to append; None for standard output. It is opened with each record, so that
            nothing stays open or unwritten.
        mapper: Makes the text behind the label; `key, value` where it is None.

    Raises:
        TopologyError: `file` is no path.
    """
    if not isinstance(file, str | Path | None):
        raise TopologyError(f"print takes the path of a file to append to, got {file!r}")

    def print_record(key: Any, value: Any) -> None:
        text = f"{key}, {value}" if mapper is None else mapper(key, value)
        line = f"[{label}]: {text}"
        if file is None:
            print(line, flush=True)
        else:
            with Path(file).open("a", encoding="utf-8") as output:
                output.write(line + "\n")

    return print_record
