from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from aliran.connectors.converters.simple import SimpleHeaderConverter, StringConverter
from aliran.connectors.data.schema import Schema
from aliran.connectors.errors import DataError, RetriableError
from aliran.connectors.records import SourceRecord
from aliran.connectors.runtime.errors import Failure, Operator, Stage, ToleranceExceededError
from aliran.connectors.runtime.pipeline import Pipeline
from aliran.connectors.transforms.base import Transformation
from aliran.connectors.transforms.chain import Stage as Link


class Counting(Transformation):
    """Notes each value that it is given."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def apply(self, record: Any) -> Any:
        self.seen.append(record.value)
        return None if record.value == "drop" else record


class Fussy(StringConverter):
    """Refuses some values: `bad` always, `later` the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def from_connect_data(self, topic: str, schema: Schema | None, value: Any) -> bytes | None:
        self.asked += value in {"bad", "later"}
        if value == "bad":
            raise DataError("it is bad")
        if value == "later" and self.asked == 1:
            raise RetriableError("not now")
        return super().from_connect_data(topic, schema, value)


class Failures:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.found: list[Failure] = []

    def report(self, failure: Failure) -> None:
        self.found.append(failure)


def rows(
    values: Sequence[str], *, retry_ms: int = 0, tolerate: bool = True
) -> tuple[list[bytes | None], Counting, Fussy, Failures]:
    counting, fussy, failures = Counting(), Fussy(), Failures()
    operator = Operator(
        retry_timeout_ms=retry_ms, max_delay_ms=1, tolerate_all=tolerate,
        reporters=[failures], stopping=threading.Event(),
    )  # fmt: skip
    links = [Link("count", counting)]
    pipeline = Pipeline(StringConverter(), fussy, SimpleHeaderConverter(), links, operator)
    found: list[bytes | None] = []
    records = [SourceRecord(topic="t", value=value) for value in values]
    try:
        found.extend(None if row is None else row.value for row in pipeline.to_kafka(records))
    except ToleranceExceededError:
        found.append(b"end")
    return found, counting, fussy, failures


def test_a_record_that_fails_is_passed_over_and_no_step_is_repeated() -> None:
    found, counting, fussy, failures = rows(["a", "bad", "drop", "b"])

    assert found == [b"a", None, None, b"b"]
    assert counting.seen == ["a", "bad", "drop", "b"]
    assert fussy.asked == 1
    (failure,) = failures.found
    assert (failure.stage, failure.attempt) == (Stage.VALUE_CONVERTER, 1)
    assert failure.raw is not None
    assert failure.raw.value == b"'bad'"


def test_what_comes_before_a_failure_goes_out_where_nothing_is_tolerated() -> None:
    found, counting, _, _ = rows(["a", "bad", "b"], tolerate=False)

    assert found == [b"a", b"end"]
    assert counting.seen == ["a", "bad"]


@pytest.mark.parametrize(("retry_ms", "expected"), [(5_000, b"later"), (0, None)])
def test_only_the_step_that_failed_is_tried_again(retry_ms: int, expected: bytes | None) -> None:
    found, counting, fussy, _ = rows(["later", "b"], retry_ms=retry_ms)

    assert found == [expected, b"b"]
    assert counting.seen == ["later", "b"]
    assert fussy.asked == (2 if retry_ms else 1)
