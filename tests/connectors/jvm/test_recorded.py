"""Converters, transformations and predicates say what Kafka's own classes said.

Recorded by `python -m tests.connectors.jvm --record -n 2400 --seed 7`.
"""

from __future__ import annotations

import gzip
import json
import shutil

import pytest
from tests.connectors.jvm.generator import questions
from tests.connectors.jvm.main import PROJECT, RECORDED, ask_jvm, differences


def test_what_kafka_answered_is_what_we_answer() -> None:
    rows = [json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines()]
    asked, answers = zip(*rows, strict=True)
    assert len(asked) == 2400
    assert differences(list(asked), list(answers)) == []


@pytest.mark.compat
def test_random_questions_to_the_jvm() -> None:
    if shutil.which("java") is None or not (PROJECT / "target" / "built").exists():
        pytest.skip(f"needs Java, and {PROJECT} built by python -m tests.connectors.jvm")
    asked = questions(seed=11, count=400)
    assert differences(asked, ask_jvm(asked)) == []
