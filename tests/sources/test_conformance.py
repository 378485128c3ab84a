"""No odd file of three public collections loads wrong, and the docs say what becomes of each."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.base.errors import HeadraceError
from headrace.sources.inference import infer_source
from tests.sources.conformance import PAGE, files_of, judge, page
from tests.sources.reading_files import contract, load, source

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:openpyxl")

Shared = Callable[[str], Path]
_EXPAND: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".bz2": bz2.decompress}


def test_every_cell_of_csv_spectrum_is_exact(shared_data: Shared, tmp_path: Path) -> None:
    """By a contract of text: an empty quoted field is empty text, and no cell is changed."""
    folder = shared_data("csv_spectrum")
    answers = sorted((folder / "json").glob("*.json"))
    assert len(answers) == 11
    for answer in answers:
        expected = json.loads(answer.read_text(encoding="utf-8"))
        names = list(expected[0])
        content = (folder / "csvs" / f"{answer.stem}.csv").read_bytes()
        if answer.stem.endswith("_crlf") and b"\r" not in content:
            # The copy has lost its carriage returns on the way; the answers have kept them.
            content = content.replace(b"\n", b"\r\n")
        one = source(*map(contract, names), files=f"{answer.stem}.csv")
        loaded = load(tmp_path, one, {f"{answer.stem}.csv": content})
        rows = [dict(zip(names, (cell or "" for cell in row), strict=True)) for row in loaded.rows]
        assert (rows, loaded.quarantine) == (expected, []), answer.stem


def independent_rows(path: Path, encoding: str, delimiter: str) -> list[list[str]]:
    """The records of a CSV file as Python's own reader splits them, without blank lines."""
    data = path.read_bytes()
    if path.suffix in _EXPAND:
        data = _EXPAND[path.suffix](data)
    text = io.StringIO(data.decode(encoding), newline="")
    return [row for row in csv.reader(text, delimiter=delimiter) if row]


def test_csvkit_cells_are_those_of_an_independent_reader(
    shared_data: Shared, tmp_path: Path
) -> None:
    """Each record loads with all its cells, or is set aside because its field count is wrong."""
    compared = 0
    for path in files_of(shared_data("csvkit_examples")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        try:
            inferred = infer_source(tmp_path, [path.name], "t").source
        except HeadraceError:
            continue
        if inferred.format.kind != "csv":
            continue
        form = inferred.format
        encoding = "utf-8-sig" if form.encoding == "utf-8" else form.encoding
        records = independent_rows(path, encoding, form.delimiter)
        records = records[form.header + form.skip :]
        text = tuple(replace(each, type="VARCHAR", not_null=False) for each in inferred.columns)
        plain = replace(inferred, columns=text, format=replace(form, nulls=()))
        loaded = load(tmp_path, plain)
        assert len(loaded.rows) + len(loaded.quarantine) == len(records), path.name
        good = [row for row in records if len(row) == len(text) and "\0" not in "".join(row)]
        assert [[cell or "" for cell in row] for row in loaded.rows] == good, path.name
        compared += 1
    assert compared > 60


def test_json_that_must_be_rejected_never_loads(shared_data: Shared) -> None:
    paths = sorted((shared_data("json_test_suite") / "test_parsing").glob("n_*.json"))
    assert len(paths) > 180
    for path in paths:
        loaded = judge(path).loaded
        assert loaded is None or loaded.rows == [], path.name


def test_json_that_must_be_accepted_is_never_called_broken(shared_data: Shared) -> None:
    paths = sorted((shared_data("json_test_suite") / "test_parsing").glob("y_*.json"))
    assert len(paths) > 90
    for path in paths:
        assert "is not JSON" not in judge(path).text, path.name


def test_the_page_says_what_happens(shared_data: Shared) -> None:
    """Written anew by `python -m tests.sources.conformance`."""
    folder = shared_data("csv_spectrum").parent
    assert PAGE.read_text(encoding="utf-8") == "\n".join(page(folder))
