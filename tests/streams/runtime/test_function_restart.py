"""kill -9 while functions work: their stores count everything once, and nothing is lost."""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from pathlib import Path

from programs import run_program

PROGRAM = """
    import asyncio, os, random
    from aliran.streams import KeyValue

    settings = {"commit_interval": 10, "broker_config": {"num.partitions": 2}}
    app = App("counting", data_dir=data_dir, **settings)
    counts = app.store("counts", value=int, default=int)
    lengths = app.store("lengths", value=list[int], default=list, persistent=False)
    rng, calls = random.Random(os.getpid()), 0

    @app.processor("in", stores=[counts], to="totals")
    def count(word: str) -> KeyValue[str, int]:
        global calls
        calls += 1
        if calls == 500:
            print("dead", flush=True)
        counts[word] += 1
        return KeyValue(word, counts[word])

    @app.processor("in", stores=[counts, lengths], concurrency=4)
    async def measure(word: str) -> None:
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
        lengths[word] = [*lengths[word], len(word)]
"""

FEED = """
    from aliran.core.types import Columns

    streams = app._open()
    writer = streams.connection.open_transport()
    streams.partitions_of(writer, "in")
    words = random.Random(SEED)
    for batch in range(40):
        chosen = [b"word-%d" % words.randrange(30) for _ in range(50)]
        for partition in range(2):
            mine = [word for word in chosen if word[-1] % 2 == partition]
            writer.send(Columns("in", partition, (), mine, mine, [batch] * len(mine)))
    writer.flush()
"""

SHOW = """
    with app:
        app.wait_until_idle()
        print("counts", sorted(dict(app.read("counting-counts-changelog", value=int)).items()))
        print("lengths", sorted((word, len(each)) for word, each in
            dict(app.read("counting-lengths-changelog", value=list[int])).items()))
        print("totals", sorted(dict(app.read("totals", value=int)).items()))
"""

RUN = """
    app.run()
"""


def recounted(seeds: int) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for seed in range(seeds):
        words = random.Random(seed)
        for _ in range(40):
            counts.update(f"word-{words.randrange(30)}" for _ in range(50))
    return sorted(counts.items())


def test_functions_are_killed_and_go_on(tmp_path: Path) -> None:
    kills = 2
    for seed in range(kills):
        feed = FEED.replace("SEED", str(seed))
        ended = run_program(PROGRAM + feed + RUN, tmp_path, until="dead", stop_with=signal.SIGKILL)
        assert ended.status == -signal.SIGKILL, ended.errors
        if seed:  # once with its state, once from the changelogs alone
            shutil.rmtree(tmp_path / "state", ignore_errors=True)
    ended = run_program(PROGRAM + SHOW, tmp_path)
    assert ended.status == 0, ended.errors
    expected = recounted(kills)
    assert ended.output.splitlines()[-3:] == [
        f"{what} {expected}" for what in ("counts", "lengths", "totals")
    ]
