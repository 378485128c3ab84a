"""Promises of JSON: digits are kept, bad lines are bad rows, broken documents are refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headrace.base.errors import SourceError
from tests.sources.reading_files import Loaded, contract, load, source

COLUMNS = (
    contract("id", "bigint"),
    contract("price", "decimal(20,4)"),
    contract("name"),
    contract("tags", "int[]"),
    contract("at", "struct(x int, y text)"),
    contract("ok", "boolean"),
)


def loaded(root: Path, text: str | bytes, ending: str = "json", **options: Any) -> Loaded:
    """One file of the given ending."""
    declared = source(*COLUMNS, files=f"a.{ending}", kind=ending, **options)
    return load(root, declared, {f"a.{ending}": text})


def test_values_become_what_the_contract_says_with_every_digit(tmp_path: Path) -> None:
    text = """[
      {"id": 9007199254740993, "price": 1234567890123456.7891, "name": "é\\n", "ok": true},
      {"tags": [1, 2], "at": {"y": "x", "x": 1}, "id": "5", "name": 1.50, "ok": 0},
      {"id": null}
    ]"""
    assert loaded(tmp_path, text).rows == [
        (9007199254740993, Decimal("1234567890123456.7891"), "é\n", None, None, True),
        (5, None, "1.50", [1, 2], {"x": 1, "y": "x"}, False),
        (None,) * 6,
    ]


def test_a_document_that_is_one_object_is_one_row(tmp_path: Path) -> None:
    assert loaded(tmp_path, '{"id": 1}').rows == [(1, None, None, None, None, None)]
    assert loaded(tmp_path, " [ ] \n").rows == []


def test_entries_that_do_not_fit_are_set_aside_with_their_line(tmp_path: Path) -> None:
    text = '[\n{"id": 1.0},\n\n{"idd": 3},\n7, null,\n{"name": "\\ud800"},\n{"id": ""}\n]'
    found = loaded(tmp_path, text)
    assert [(q[1], q[2], q[4]) for q in found.quarantine] == [
        (2, '{"id": 1.0}', "id: '1.0' is not a BIGINT"),
        (4, '{"idd": 3}', "'idd' is not a column of the contract: did you mean `id`?"),
        (5, "7", "it is a number, not an object"),
        (5, "null", "it is null, not an object"),
        (6, '{"name": "\\ud800"}', "a text holds half a surrogate pair"),
        (7, '{"id": ""}', "id: '' is not a BIGINT"),
    ]


EXPECTED = "; expected an array of objects, or one object; "
FIX = "correct the file, or say `format: ndjson` if each line is an object of its own"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'[{"id": 1},]', f"a.json:1:12: it is not JSON: Expecting value{EXPECTED}{FIX}"),
        (b'{"id": 1}\n{}', f"a.json:2:1: it is not JSON: more text after the end{EXPECTED}{FIX}"),
        (b'[{"id": 1} 2]', f"a.json:1:12: it is not JSON: expected `,` or `]`{EXPECTED}{FIX}"),
        (b'[{},\n{"a": 1, "a": 1}]', f"a.json:2: the object has 'a' more than once{EXPECTED}{FIX}"),
        (b'[{},\n{"id": NaN}]', f"a.json:2: NaN is not JSON{EXPECTED}{FIX}"),
        (b"7", f"a.json:1: it is a number{EXPECTED}{FIX}"),
        (b"", f"a.json:1:1: it is not JSON: Expecting value{EXPECTED}{FIX}"),
        (b"[" * 100_000, f"a.json: it is nested too deeply{EXPECTED}flatten it"),
        (
            b'[{},\n{"name": "caf\xe9"}]',
            (
                f"a.json:2: byte 19 of the file, 0xE9, is not text in its encoding{EXPECTED}"
                "say the right `encoding:`"
            ),
        ),
        (
            b"\x1f\x8b\x08",
            (
                f"a.json:1: byte 2 of the file, 0x8B, is not text in its encoding{EXPECTED}"
                "say the right `encoding:`"
            ),
        ),
    ],
)
def test_a_broken_document_is_refused_with_its_place(
    tmp_path: Path, text: bytes, message: str
) -> None:
    with pytest.raises(SourceError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value) == message


def test_each_line_of_ndjson_stands_for_itself(tmp_path: Path) -> None:
    lines = [
        b'{"id": 1}', b"", b'{"id": 2} x', b'{"id": 3, "name": "caf\xe9"}', b"[1]", b'{"id": 4,',
        b'{"id": 5, "id": 6}', b'{"id": Infinity}', b" \t", b'{"id":\r7}\r',
        b'{"tags": ' + b"[" * 100_000,
    ]  # fmt: skip
    found = loaded(tmp_path, b"\n".join(lines), "ndjson")
    assert [row[0] for row in found.rows] == [1, 7]
    assert [(line, reason) for line, _, reason in found.reasons] == [
        (3, "it is not JSON: more text at character 11"),
        (4, "byte 23 of the row, 0xE9, is not text in its encoding"),
        (5, "it is an array, not an object"),
        (
            6,
            "it is not JSON: Expecting property name enclosed in double quotes at character 10",
        ),
        (7, "the object has 'id' more than once"),
        (8, "Infinity is not JSON"),
        (11, "it is nested too deeply"),
    ]
    assert found.outcomes[0].rows_in == 9


def test_json_may_be_in_another_encoding(tmp_path: Path) -> None:
    text = '[{"name": "Málaga"}]'.encode("utf-16")
    assert loaded(tmp_path, text, encoding="utf-16").rows[0][2] == "Málaga"


def test_a_document_that_is_not_in_its_wide_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^a\.json: it cannot be read as text \(.*\); expected"):
        loaded(tmp_path, b"[{}", encoding="utf-16")
