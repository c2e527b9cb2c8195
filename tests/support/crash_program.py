"""An application that counts while a thread keeps producing, until somebody kills the process.

Run as `python crash_program.py DATA_DIR SEED DONE OPTIMIZATION`. Prints `acknowledged N` for each
batch that the log has taken, N being the number of records since the beginning of time.
"""

from __future__ import annotations

import random
import sys
import time
from typing import Any

from aliran.core.types import Columns
from aliran.streams import App

INPUT = "words"
ROWS = "rows"
PARTITIONS = 3
KEYS = 40


def make_app(data_dir: str, **settings: Any) -> App:
    """Return the application: a count behind a repartition topic, windows, and a second stage.

    The rows of a table are counted by their values, which goes wrong for ever if an update does
    not find the row as it was before it.
    """
    app = App(
        "crash",
        data_dir=data_dir,
        commit_interval=20,
        broker_config={"num.partitions": PARTITIONS},
        **settings,
    )
    words = app.stream(INPUT, key=str, value=str).group_by(lambda key, word: word)
    counts = words.count(store="counts").to_stream()
    counts.to("counts")
    words.windowed_by(1_000, grace="1d").count(store="windows").to_stream().to("windows")
    # What the cache held back travels on: every word has one last count, hence one group.
    groups = app.stream(INPUT, key=str, value=str).group_by(lambda key, word: word[-1])
    groups.aggregate(
        lambda: 0, lambda key, word, total: total + len(word), store="lengths", value=int
    )
    rows = app.table(ROWS, store="rows")
    rows.group_by(lambda key, group: (group, group)).count(store="groups")
    return app


def produce(app: App, seed: int, done: int) -> None:
    """Write batches for ever."""
    rng = random.Random(seed)
    transport = app.streams.connection.open_transport()
    while True:
        for partition in range(PARTITIONS):
            size = rng.randrange(1, 200)
            values: list[bytes | None] = [b"word-%d" % rng.randrange(KEYS) for _ in range(size)]
            keys: list[bytes | None] = [b"%d" % (done + index) for index in range(size)]
            times = [rng.randrange(10_000) for _ in range(size)]
            transport.send(Columns(INPUT, partition, (), keys, values, times))
            rows: list[bytes | None] = [b"%d-%d" % (partition, rng.randrange(9)) for _ in times]
            groups: list[bytes | None] = [rng.choice([b"a", b"b", b"c", None]) for _ in times]
            transport.send(Columns(ROWS, partition, (), rows, groups, times))
            transport.flush()
            done += size
            print("acknowledged", done, flush=True)
        time.sleep(rng.random() * 0.01)


def main() -> None:
    """Run until killed."""
    data_dir, seed, done = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with make_app(data_dir, topology_optimization=sys.argv[4]) as app:  # on a thread of its own
        produce(app, seed, done)


if __name__ == "__main__":
    main()
