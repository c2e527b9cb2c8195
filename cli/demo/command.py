"""`aliran demo`: its commands and their options. What they do is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app: App = App(name="demo", help="See a whole job run, on data that comes with the package.")


@app.command
def trending(
    *,
    data: Path | None = None,
    tweets: int = 300_000,
    partitions: int = 4,
    plain: Annotated[bool, Parameter(negative="")] = False,
    listen: str = "127.0.0.1:0",
) -> int:
    """Rank the hashtags of each minute over replayed tweets, and check the result.

    Real tweets go into a partitioned log on disk; a topology keeps those with more than 10 likes,
    counts each hashtag a minute in RocksDB state with a changelog, and ranks them. Afterwards all
    counts are compared with a plain recount.

    For example:

    ```
    aliran demo trending
    aliran demo trending --data demo-data        # again to go on where it stopped
    aliran demo trending --tweets 1000000 --plain
    ```

    Args:
        data: Directory to keep topics and state in; a run on the same directory goes on where the
            last one stopped. Without it, a temporary one that is removed at the end.
        tweets: How many input records a run adds.
        partitions: Partitions of the input topic.
        plain: Print lines instead of a live table, as where standard output is no terminal.
        listen: HOST:PORT at which Kafka clients can look in while it runs; port 0 is a free one.
    """
    from aliran.cli.demo.trending import Options, run

    return run(Options(data, tweets, partitions, plain, listen))
