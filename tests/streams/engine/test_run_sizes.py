"""The loops get whole batches, of several inputs too, whatever the operators.

The jobs are those of `make bench`, on few records; their results are those of the loops by hand.
"""

from __future__ import annotations

import pytest
from benchmarks.batches import BatchSizes
from benchmarks.operators import JOBS
from benchmarks.tweets import Rows
from task_harness import TaskHarness

from aliran.core.types import Headers
from aliran.streams import App
from aliran.streams.runtime.record_run import Run

COUNT, BATCH = 1_000, 100


@pytest.mark.parametrize("headers", [(), (("h", b""),)])
@pytest.mark.parametrize("name", JOBS)
def test_a_run_goes_to_the_end_of_a_batch(
    name: str, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "execute", Run.execute)  # given back after the test
    job, batches = JOBS[name], BatchSizes()
    inputs = job.inputs(COUNT)
    app = App("job")
    job.build(app)
    harness = TaskHarness(app.build(), batch_size=BATCH, max_run=COUNT)
    harness.run(
        {
            topic: [
                (key, value, time, headers if number % 150 == 0 else ())
                for number, (key, value, time) in enumerate(zip(*rows, strict=True))
            ]
            for topic, rows in inputs.items()
        }
    )
    harness.close()
    sizes = [len(rows.keys) for rows in inputs.values()]
    assert sum(batches.sizes) == sum(sizes)
    assert len(batches.sizes) <= sum(-(-size // BATCH) for size in sizes)
    keys, values, times, _ = zip(*harness.outputs["results"], strict=True)
    found = job.found(Rows(list(keys), list(values), list(times)))
    assert job.comparable(found) == job.comparable(job.bare_loop(inputs))
