"""Kafka Streams programs of tests/compat/jvm/clients, as processes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENTS = Path(__file__).parents[1] / "compat" / "jvm" / "clients"
BUILD = Path(__file__).parents[2] / "build" / "compat-jvm"
QUICK = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


def resolve_class_path() -> str:
    """Return the class path of Kafka's tools and clients; Maven resolves it once.

    Raises:
        RuntimeError: Maven could not.
    """
    return class_path_of(CLIENTS / "pom.xml")


def class_path_of(pom: Path) -> str:
    """Return the class path that a pom.xml describes; Maven resolves it once.

    Raises:
        RuntimeError: Maven could not.
    """
    listing = BUILD / f"classpath-{pom.parent.name}"
    if not listing.exists() or listing.stat().st_mtime < pom.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        words = ["mvn", "-q", "-B", "-f", str(pom), "dependency:build-classpath"]
        done = subprocess.run(
            [*words, f"-Dmdep.outputFile={listing}"],
            check=False,
            capture_output=True,
            text=True,
            timeout=110,
        )
        if done.returncode != 0:
            raise RuntimeError(f"Maven could not fetch Kafka's jars: {done.stdout[-300:]}")
    return listing.read_text().strip()


@contextmanager
def running(class_path: str, program: str, *arguments: str) -> Iterator[None]:
    """Run a program that stops, well, when its standard input ends."""
    process = subprocess.Popen(
        ["java", *QUICK, "-cp", class_path, str(CLIENTS / program), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield
        output, _ = process.communicate(timeout=40)
        assert process.returncode == 0, output
    except BaseException:
        process.kill()
        output, _ = process.communicate()
        print(output[-3_000:])
        raise
