"""`app.run()` as users see it: signals, exit status, messages."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from programs import run_program

from aliran.streams import App

COUNT = """
app = App("count", data_dir=data_dir)
app.stream("in").peek(lambda k, v: print("seen", v, flush=True)).group_by_key().count(
    store="counts"
).to_stream().to("out")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0_and_a_commit(tmp_path: Path, number: int) -> None:
    program = COUNT + 'app.send("in", "a", "x"); app.run()'
    ended = run_program(program, tmp_path, until="seen", stop_with=number)
    assert (ended.status, ended.output) == (0, "seen x\n")
    assert "Traceback" not in ended.errors
    app = App("count", data_dir=str(tmp_path))
    app.stream("in").group_by_key().count(store="counts").to_stream().to("out")
    with app:
        app.wait_until_idle()
        assert list(app.read("out", value=int)) == [("a", 1)]
        assert app.statistics().processed_records == 0


def test_a_signal_before_the_start_is_not_lost(tmp_path: Path) -> None:
    program = (
        COUNT
        + """
import os, signal, threading
from aliran.streams.runtime import kafka_streams
prepare = kafka_streams.KafkaStreams._prepare
def slowly(self):
    os.kill(os.getpid(), signal.SIGTERM)
    return prepare(self)
kafka_streams.KafkaStreams._prepare = slowly
threading.Timer(20, lambda: os._exit(7)).start()
app.run()
os._exit(0)
"""
    )
    ended = run_program(program, tmp_path)
    assert ended.status == 0, ended.errors
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize(
    ("name", "build", "words"),
    [
        (
            "lambda",
            'app.stream("in").map_values(lambda v: v.nothing).to("out")',
            ["KSTREAM-MAPVALUES-0000000001", "<string>:", "AttributeError", "offset 0", "on_error"],
        ),
        (
            "extractor",
            'app.stream("in", timestamp_extractor=lambda r, t: r.nothing).to("out")',
            [
                "timestamp extractor",
                "AttributeError",
                "topic in, partition 0, offset 0",
                "<string>:",
            ],
        ),
        (
            "decoding",
            'app.stream("in", value=int).to("out")',
            ["could not decode the value", "topic in, partition 0, offset 0", "b'text'"],
        ),
        (
            "init",
            """
class Bad(Processor):
    def init(self, context):
        raise RuntimeError("no init today")
app.stream("in").process(Bad).to("out")
""",
            ["KSTREAM-PROCESSOR-0000000001", "RuntimeError: no init today"],
        ),
    ],
)
def test_an_error_ends_it_with_a_message_and_status_1(
    tmp_path: Path, name: str, build: str, words: list[str]
) -> None:
    program = f'app = App("bad", data_dir=data_dir)\n{build}\n'
    program += 'app.send("in", "a", "text")\napp.run()\nprint("not reached")'
    ended = run_program(program, tmp_path)
    assert (ended.status, ended.output) == (1, ""), ended.errors
    assert "Traceback" not in ended.errors
    for word in words:
        assert word in ended.errors


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    app = App("first", data_dir=str(tmp_path))
    app.stream("in").to("out")
    with app:
        ended = run_program(COUNT + "app.run()", tmp_path)
        app.wait_until_idle()
    assert ended.status == 1
    assert "Traceback" not in ended.errors
    assert str(tmp_path) in ended.errors
    assert "another" in ended.errors


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("a file")
    ended = run_program(COUNT + "app.run()", path)
    assert ended.status == 1
    assert "Traceback" not in ended.errors
    assert str(path) in ended.errors


def test_a_full_disk_ends_it_and_nothing_is_lost(tmp_path: Path) -> None:
    limited = """
import resource, signal
app = App("full", data_dir=data_dir)
app.stream("in").group_by_key().count(store="counts").to_stream().to("out")
for number in range(200):
    app.send("in", f"key-{number % 7}", "x" * 1000)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
app.run()
"""
    ended = run_program(limited, tmp_path)
    assert ended.status == 1, ended.errors
    assert "Traceback" not in ended.errors
    app = App("full", data_dir=str(tmp_path))
    app.stream("in").group_by_key().count(store="counts").to_stream().to("out")
    with app:
        app.wait_until_idle()
        counts = dict(app.read("full-counts-changelog", value=int))
    assert sum(counts.values()) == 200
