from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliran.protocol import generate
from aliran.protocol.primitives import (
    UVARINTS,
    CompactIntPackers,
    IntPackers,
    IntReaders,
    read_uvarint,
    uuid_of,
    uvarint,
)
from aliran.protocol.schema.model import Api, Field, SchemaError, Versions, load, names

# What the broker is to advertise: the wish list that the table has to meet.
WANTED = {
    0: (3, 13), 1: (4, 18), 2: (1, 11), 3: (0, 13), 8: (2, 10), 9: (1, 10), 10: (0, 6),
    11: (0, 9), 12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 6), 16: (0, 5), 17: (0, 1),
    18: (0, 4), 19: (0, 7), 20: (0, 6), 21: (0, 2), 22: (0, 5), 23: (2, 4), 24: (0, 5),
    25: (0, 4), 26: (0, 5), 27: (0, 2), 28: (0, 5), 29: (0, 3), 30: (0, 3), 31: (0, 3),
    32: (0, 4), 33: (0, 2), 34: (1, 2), 35: (0, 4), 36: (0, 2), 37: (0, 3), 42: (0, 2),
    43: (0, 2), 44: (0, 1), 45: (0, 1), 46: (0, 0), 47: (0, 0), 48: (0, 1), 49: (0, 1),
    50: (0, 0), 51: (0, 0), 55: (0, 2), 57: (0, 2), 60: (0, 2), 61: (0, 0), 65: (0, 0),
    66: (0, 2), 68: (0, 1), 69: (0, 1), 74: (0, 1), 75: (0, 0),
}  # fmt: skip


def test_the_generated_classes_match_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_check_notices_a_changed_a_missing_and_a_superfluous_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "MESSAGES_DIRECTORY", tmp_path)
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "fetch.py").write_text("# edited by hand")
    (tmp_path / "produce.py").unlink()
    (tmp_path / "of_old.py").write_text("")
    capsys.readouterr()
    assert generate.main(["--check"]) == 1
    told = capsys.readouterr().out
    assert all(name in told for name in ("fetch.py", "produce.py", "of_old.py"))
    assert generate.main([]) == 0
    assert not (tmp_path / "of_old.py").exists()
    assert generate.main(["--check"]) == 0
    assert generate.main(["--nonsense"]) == 2


def test_the_table_has_every_api_and_version_wanted() -> None:
    found = {load(name).key: load(name).versions for name in names()}
    assert {key: (v.first, v.last) for key, v in found.items()} == WANTED


def test_generated_modules_are_plain_python() -> None:
    for path, text in generate.expected_files().items():
        assert ast.get_docstring(ast.parse(text)), path


def test_a_field_of_the_table() -> None:
    field = Field("name: []string?7+ 2-9 = null tag 3")
    assert (field.name, field.type, field.is_array) == ("name", "string", True)
    assert (str(field.nullable), str(field.versions)) == ("7+", "2-9")
    assert (field.default, field.tag) == (None, 3)
    assert 9 in field.versions
    assert 10 not in field.versions


@pytest.mark.parametrize("text", ["0+", "4+", "0-12", "3"])
def test_version_ranges_print_as_they_are_written(text: str) -> None:
    assert str(Versions.parse(text)) == text


@pytest.mark.parametrize(
    "line", ["request R\n  a: int31", "request R\n  a: int32 0+ whatever 3", "nonsense 1"]
)
def test_a_line_that_cannot_be_read_is_named(line: str) -> None:
    with pytest.raises(SchemaError, match=r"int31|whatever|nonsense"):
        Api(f"api 1 X\n{line}")


def test_two_structs_of_one_name_are_refused() -> None:
    api = Api(
        "api 1 X\nversions 0\nrequest XRequest\n  a: []S\n    b: int8\n"
        "response XResponse\n  a: []S\n    c: int8\n"
    )
    with pytest.raises(SchemaError, match="two different structs S"):
        generate.structs_of(api)


@given(st.integers(0, 2**32 - 1))
def test_varints_come_back(value: int) -> None:
    encoded = uvarint(value)
    assert read_uvarint(b"\xff" + encoded, 1) == (value, 1 + len(encoded))
    assert len(encoded) == max(1, -(-value.bit_length() // 7))


@given(st.binary(min_size=16, max_size=16))
def test_uuids_come_back_and_are_kept(data: bytes) -> None:
    assert uuid_of(data).bytes == data
    assert uuid_of(bytes(data)) is uuid_of(data)
    assert str(uuid_of(data)).replace("-", "") == data.hex()


@pytest.mark.parametrize("count", [0, 1, 126, 127, 128, 5000])
def test_integer_arrays_come_back(count: int) -> None:
    values = list(range(count))
    classic = IntPackers("i")[count](count, *values)
    assert int.from_bytes(classic[:4], "big") == count
    assert list(IntReaders("i")[count](classic, 4)) == values
    compact = CompactIntPackers("i")[count](count + 1, *values)
    assert compact == uvarint(count + 1) + classic[4:]


def test_caches_stay_small() -> None:
    readers = IntReaders("q")
    for count in range(2000):
        assert readers[count] is not None
    assert len(readers) <= 256
    assert len(UVARINTS) == 128
    for number in range(5000):
        uuid_of(number.to_bytes(16, "big"))
    assert uuid_of(bytes(16)).int == 0
