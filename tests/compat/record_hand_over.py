"""Records the topics of HandOver.java after its first part, with Java 17 and Maven.

`python -m tests.compat.record_hand_over`
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import hand_over as app
from broker_process import BrokerProcess
from jvm_programs import resolve_class_path, running
from tests.compat.test_hand_over import GOLDEN, create_topics, feed, record

NAME, SEED = "shop", 5


def main() -> None:
    begin_ms = (int(time.time()) // 60 - 60) * 60_000  # else changelogs would expire meanwhile
    with (
        tempfile.TemporaryDirectory() as directory,
        BrokerProcess(Path(directory, "data")) as server,
    ):
        create_topics(server, NAME)
        state = str(Path(directory, "state"))
        with running(resolve_class_path(), "HandOver.java", server.address, NAME, state):
            feed(server.address, NAME, app.parts(SEED, begin_ms)[0])
        record(server.address, NAME, SEED, begin_ms, GOLDEN)


if __name__ == "__main__":
    main()
