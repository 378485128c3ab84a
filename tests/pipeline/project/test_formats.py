"""Formats: what file endings tell, and when they do not tell enough."""

from __future__ import annotations

import pytest

from headrace.base.declarations import FileFormat

from .conftest import Load, ProblemsOf

NAMES = "`csv`, `tsv`, `json`, `ndjson`, `jsonl`, `parquet`, `xlsx`, `excel`"

TOLD = [
    ("a.csv", "", FileFormat("csv")),
    ("data/**/*.CSV", "", FileFormat("csv")),
    ("a.tsv", "", FileFormat("csv", delimiter="\t")),
    ("a.tsv.gz", "", FileFormat("csv", delimiter="\t", compression="gzip")),
    ("a.csv.zst", "", FileFormat("csv", compression="zstd")),
    ("a.ndjson.bz2", "", FileFormat("ndjson", compression="bz2")),
    ("a.jsonl", "", FileFormat("ndjson")),
    ("a.json", "encoding: UTF-16", FileFormat("json", encoding="utf-16")),
    ("a.parquet", "", FileFormat("parquet")),
    ("a.xlsx", "sheet: Sales\nskip: 2", FileFormat("excel", sheet="Sales", skip=2)),
    ("a/*", "format: csv", FileFormat("csv")),
    ("a.txt", "format: tsv", FileFormat("csv", delimiter="\t")),
    ("a.gz", "format: csv", FileFormat("csv", compression="gzip")),
    ("[a.csv, b.tsv]", "format: csv", FileFormat("csv")),
    ("a.csv", "compression: gzip", FileFormat("csv", compression="gzip")),
    (
        "a.csv",
        "delimiter: ';'\nquote: \"'\"\nheader: false\nskip: 1\nnulls: [NA, '']\nencoding: latin1",
        FileFormat("csv", "iso8859-1", ";", "'", header=False, skip=1, nulls=("NA", "")),
    ),
]


@pytest.mark.parametrize(("files", "options", "told"), TOLD)
def test_a_format_is_told_by_the_ending_or_by_the_user(
    load: Load, files: str, options: str, told: FileFormat
) -> None:
    [source] = load({"sources/a.yaml": f"files: {files}\ncolumns: {{a: int}}\n{options}\n"}).sources
    assert source.format == told


UNTOLD = [
    (
        "data/*",
        "1:8: the format cannot be told from the file endings; expected files that end in .csv, "
        ".tsv, .json, .ndjson, .jsonl, .parquet, .xlsx; say it: `format:` and one of " + NAMES,
    ),
    (
        "[a.csv, b.json]",
        "1:8: the files end in `csv`, `json`; expected files of one format; say it: `format:` and "
        "one of " + NAMES,
    ),
    (
        "[a.csv, b.csv.gz]",
        (
            "1:8: the files are compressed by `gzip`, `none`; expected files that are compressed "
            "alike; make two sources, or say it: `compression:`"
        ),
    ),
    (
        "a.parquet.gz",
        (
            "1:8: files of parquet are compressed inside, not by gzip; expected files as they were "
            "written; decompress them"
        ),
    ),
    ("''", "1:8: `files` is ''; expected a text"),
    ("[]", "1:8: `files` is a list; expected at least one text"),
    ("[a.csv, {b: c}]", "1:16: an entry of `files` is a mapping; expected a text"),
]


@pytest.mark.parametrize(("files", "problem"), UNTOLD)
def test_a_format_that_cannot_be_told_is_a_problem(
    problems_of: ProblemsOf, files: str, problem: str
) -> None:
    text = f"files: {files}\ncolumns: {{a: int}}\n"
    assert problems_of({"sources/a.yaml": text}) == f"sources/a.yaml:{problem}"
