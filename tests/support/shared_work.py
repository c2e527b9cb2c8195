"""One instance of an application whose work several processes share. Run as `… BROKERS STATE`."""

from __future__ import annotations

import sys

from aliran.streams import App


def make_app(brokers: str, state_dir: str) -> App:
    """Return the application: a count behind a repartition topic."""
    app = App(
        "shared",
        brokers,
        state_dir=state_dir,
        commit_interval=50,
        client={"consumer.session.timeout.ms": 1_000, "consumer.heartbeat.interval.ms": 200},
    )
    counts = app.stream("shared-in").group_by(lambda key, word: word).count(store="counts")
    counts.to_stream().to("shared-out")
    return app


if __name__ == "__main__":
    with make_app(sys.argv[1], sys.argv[2]) as running:
        running.wait_until_running()
        print("running", flush=True)
        sys.stdin.read()
