"""Promises of inference: the contract that it writes is one that all rows fit, and loads."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from headrace.base.declarations import Project
from headrace.base.errors import SourceError, UsageError
from headrace.pipeline.project.loading import load_project
from headrace.sources.inference import infer_source, render_yaml
from tests.sources.reading_files import load


def inferred(root: Path, *files: str) -> str:
    """The source that is written for these files."""
    return render_yaml(infer_source(root, files, "t"))


def project(root: Path, text: str) -> Project:
    """A project whose one source is `text`."""
    (root / "headrace.toml").write_text('name = "test"\n')
    (root / "sources").mkdir(exist_ok=True)
    (root / "sources" / "t.yaml").write_text(text)
    return load_project(root)


def test_each_column_gets_the_narrowest_type_that_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,zip,price,day,at,zoned,ok,flag,note,code,long,empty\n"
        "1,01234,1.50,2024-01-31,2024-01-31 10:00,2024-01-31T10:00Z,true,1,x,7,"
        "12345678901234567890,\n"
        "2,98765,,2024-02-01,2024-02-01,2024-01-31T10:00+02:00,false,0,,x,1,\n"
    )
    text = inferred(tmp_path, "*.csv")
    assert text == (
        "# Inferred from 2 rows of 1 file. From now on it is what they must look like.\n"
        'files: "*.csv"\n'
        "columns:\n"
        '  "id": {type: bigint, not_null: true}\n'
        '  "zip": {type: text, not_null: true}\n'
        "  price: double\n"
        '  "day": {type: date, not_null: true}\n'
        '  "at": {type: timestamp, not_null: true}\n'
        "  zoned: {type: timestamptz, not_null: true}\n"
        '  "ok": {type: boolean, not_null: true}\n'
        "  flag: {type: bigint, not_null: true}\n"
        "  note: text\n"
        "  code: {type: text, not_null: true}\n"
        "  long: {type: text, not_null: true}\n"
        "  empty: text\n"
    )
    [source] = project(tmp_path, text).sources
    found = load(tmp_path, source)
    assert (len(found.rows), found.quarantine) == (2, [])


def test_how_the_file_must_be_read_is_found_out(tmp_path: Path) -> None:
    rows = "Город;цена\nМосква;1\nКазань;NA\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(rows.encode("windows-1251")))
    text = inferred(tmp_path, "a.csv.gz")
    assert text.splitlines()[1:] == [
        "files: a.csv.gz",
        "encoding: windows-1251",
        'delimiter: ";"',
        'nulls: ["NA"]',
        "columns:",
        '  "Город": {type: text, not_null: true}',
        '  "цена": bigint',
    ]
    [source] = project(tmp_path, text).sources
    assert load(tmp_path, source).rows == [("Москва", 1), ("Казань", None)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_are_told_apart(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("ort,n\nMünchen,1\nKöln,2\n".encode(encoding))
    [source] = project(tmp_path, inferred(tmp_path, "a.csv")).sources
    assert load(tmp_path, source).rows == [("München", 1), ("Köln", 2)]


@pytest.mark.parametrize(
    ("text", "options", "names"),
    [
        ("1,x\n2,y\n", ["header: false"], ["column_1", "column_2"]),
        (",a,a\n0,1,2\n", ["header: false", "skip: 1"], ["column_1", "a", "a_3"]),
    ],
)
def test_rows_without_good_names_go_by_order(
    tmp_path: Path, text: str, options: list[str], names: list[str]
) -> None:
    (tmp_path / "a.csv").write_text(text)
    found = infer_source(tmp_path, ["a.csv"], "t")
    assert [column.name for column in found.source.columns] == names
    assert [line for line in render_yaml(found).splitlines() if line in options] == options
    assert project(tmp_path, render_yaml(found)).sources


def test_rows_of_another_width_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n")
    assert "# 1 rows do not have these columns: see quarantine." in inferred(tmp_path, "a.csv")


def test_json_columns_are_those_of_all_objects_and_nested_ones_are_json(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"a": 1}\n{"b": {"c": 1}, "a": 2}\n{"a": 3, "d": "x"}\n')
    text = inferred(tmp_path, "a.ndjson")
    assert text.splitlines()[2:] == [
        "columns:",
        '  "a": {type: bigint, not_null: true}',
        '  "b": json',
        '  "d": text',
    ]
    [source] = project(tmp_path, text).sources
    assert load(tmp_path, source).quarantine == []


def test_parquet_types_are_taken_as_they_are(tmp_path: Path) -> None:
    duckdb.execute(
        "COPY (SELECT 1::SMALLINT AS small, 1.25::DECIMAL(9,2) AS price, ['x'] AS tags,"
        f" NULL::DATE AS day) TO '{tmp_path}/a.parquet'"
    )
    text = inferred(tmp_path, "a.parquet")
    assert text.splitlines()[2:] == [
        "columns:",
        "  small: {type: smallint, not_null: true}",
        '  price: {type: "decimal(9,2)", not_null: true}',
        '  tags: {type: "text[]", not_null: true}',
        '  "day": date',
    ]
    [source] = project(tmp_path, text).sources
    assert len(load(tmp_path, source).rows) == 1


def test_no_file_and_no_known_ending_are_mistakes_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        infer_source(tmp_path, ["*.csv"], "t")
    assert str(caught.value) == (
        f"no file matches '*.csv'; expected one or more, relative to {str(tmp_path)!r};"
        " correct the path"
    )
    (tmp_path / "a.xls").write_text("")
    with pytest.raises(UsageError) as caught:
        infer_source(tmp_path, ["a.xls"], "t")
    assert str(caught.value) == (
        "a.xls: its format cannot be told from its ending; expected one of .csv, .tsv, .json,"
        " .ndjson, .jsonl, .parquet, .xlsx; save it as .xlsx or .csv"
    )


def test_an_empty_file_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(SourceError) as caught:
        infer_source(tmp_path, ["a.csv"], "t")
    assert str(caught.value) == "a.csv: it is empty; expected a header, at least; remove it"
