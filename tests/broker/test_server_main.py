import signal
import subprocess
import sys
from pathlib import Path

import pytest
from broker_requests import batch, create_topic, fetch, fetch_request, produce, values_of
from raw_client import RawClient

PROGRAM = """
import sys
from aliran.broker.server_main import run_server
sys.exit(run_server(sys.argv[1], sys.argv[2], dict(each.split("=") for each in sys.argv[3:])))
"""


def start(data: Path, *config: str, listen: str = "127.0.0.1:0") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, listen, str(data), *config],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("aliran broker ready: 127.0.0.1:"), process.communicate()
    return line.split()[3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_it_cleanly_even_during_a_long_poll(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path)
    with RawClient(address_of(process)) as client:
        create_topic(client, "tweets")
        client.send(fetch_request("tweets", 0, max_wait_ms=60_000), 12)
        process.send_signal(number)
        assert client.receive()[1].responses[0].partitions[0].error_code == 0
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "", "")
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    process = start(tmp_path)
    with RawClient(address_of(process)) as client:
        create_topic(client, "tweets")
        for number in range(50):
            assert produce(client, "tweets", batch(str(number))).error_code == 0
        process.kill()
        process.communicate(timeout=60)
    process = start(tmp_path)
    with RawClient(address_of(process)) as client:
        assert values_of(fetch(client, "tweets", 0)) == [str(number) for number in range(50)]
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("listen", "config", "message"),
    [
        ("nonsense", [], "is not an address"),
        ("203.0.113.7:0", [], "cannot listen on 203.0.113.7:0"),
        ("127.0.0.1:0", ["num.partition=1"], "did you mean num.partitions"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    tmp_path: Path, listen: str, config: list[str], message: str
) -> None:
    process = start(tmp_path, *config, listen=listen)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    (line,) = errors.splitlines()
    assert line.startswith("aliran broker: ")
    assert message in line


def test_a_second_process_on_the_same_directory(tmp_path: Path) -> None:
    first = start(tmp_path)
    address_of(first)
    second = start(tmp_path)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert str(first.pid) in errors
    first.terminate()
    first.communicate(timeout=60)
