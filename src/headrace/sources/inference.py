"""Infers a source: takes raw files, gives the contract that their rows fit, as YAML to be kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from headrace.base.declarations import ColumnContract, FileFormat, Source
from headrace.base.errors import Place, SourceError, UsageError
from headrace.base.hashing import hash_file
from headrace.base.names import is_name, quote, quote_text
from headrace.base.tables import RawFile
from headrace.base.types import SCALAR_TYPES, parse_type
from headrace.engines.duckdb import DuckDBEngine
from headrace.sources.contract import type_rules, typed_value
from headrace.sources.decoding import open_bytes, open_text
from headrace.sources.excel_files import numbered_rows
from headrace.sources.files import match_files
from headrace.sources.json_files import object_names
from headrace.sources.parquet_files import parquet_schema
from headrace.sources.reading import read_files
from headrace.sources.sniffing import (
    Header,
    sample_records,
    sniff_delimiter,
    sniff_encoding,
    sniff_header,
)

Compression: TypeAlias = Literal["none", "gzip", "zstd", "bz2"]

# All rows of these many files are read: the first and the last by name.
_MAX_FILES = 20
_SAMPLE_CHARACTERS = 1 << 20

_ENDINGS: dict[str, FileFormat] = {
    "csv": FileFormat("csv"),
    "tsv": FileFormat("csv", delimiter="\t"),
    "json": FileFormat("json"),
    "ndjson": FileFormat("ndjson"),
    "jsonl": FileFormat("ndjson"),
    "parquet": FileFormat("parquet"),
    "xlsx": FileFormat("excel"),
}
_COMPRESSIONS: dict[str, Compression] = {"gz": "gzip", "zst": "zstd", "bz2": "bz2"}
_NOT_READ = {"xls": "save it as .xlsx or .csv", "dbf": "export it as .csv"}

# Texts that stand for nothing, where every other text of the column is of one type.
_NULLS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "#N/A", "-")
_CANDIDATES = (
    "BOOLEAN", "BIGINT", "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME", "UUID",
)  # fmt: skip
# Spelt as a user would: the shortest name of each type, or the one that is most common.
_SPELLINGS = {SCALAR_TYPES[name]: name for name in sorted(SCALAR_TYPES, key=len, reverse=True)} | {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "TIMESTAMP": "timestamp",
    "INTEGER": "int",
    "FLOAT": "float",
}


@dataclass(frozen=True, slots=True)
class InferredSource:
    """A source as its files suggest it, and what a reader of the contract should know.

    Attributes:
        source: the declaration; it has no rules but types and `not_null`.
        files, rows: how many were read.
        misfits: rows that do not even have the form of the others.
    """

    source: Source
    files: int
    rows: int
    misfits: int


def infer_source(root: Path, files: Sequence[str], name: str) -> InferredSource:
    """The contract that all rows of the files fit.

    Args:
        root: the project's folder.
        files: paths or globs, as `files:` of a source takes them.
        name: of the source.

    Raises:
        UsageError: no file matches, or the format cannot be told.
        SourceError: a file cannot be read.
    """
    labels = sorted({label for pattern in files for label in match_files(root, pattern)})
    if not labels:
        raise UsageError(
            f"no file matches {', '.join(map(repr, files))}; expected one or more,"
            f" relative to {str(root)!r}; correct the path"
        )
    if len(labels) > _MAX_FILES:
        labels = labels[: _MAX_FILES // 2] + labels[-_MAX_FILES // 2 :]
    raw = [RawFile(each, (root / each).stat().st_size, hash_file(root / each)) for each in labels]
    with closing(DuckDBEngine()) as engine:
        return _infer(engine, root, tuple(files), name, raw)


def _infer(
    engine: DuckDBEngine, root: Path, files: tuple[str, ...], name: str, raw: Sequence[RawFile]
) -> InferredSource:
    place = Place(f"sources/{name}.yaml", 1)
    source = Source(name, place, files, format_of(raw[0].path), ())
    if source.format.kind == "parquet":
        schema = parquet_schema(engine.cursor(), root, raw[0])
        declared = tuple(_contract(column.name, _declarable(column.type)) for column in schema)
        source = replace(source, columns=declared)
    else:
        source = _as_text(root, source, raw)
    outcomes = read_files(engine, root, source, raw, "rows", "quarantine")
    return InferredSource(
        _typed(engine, source),
        len(raw),
        sum(each.rows_in for each in outcomes),
        sum(each.quarantined for each in outcomes),
    )


def format_of(path: str) -> FileFormat:
    """How a file is read, by its ending.

    Raises:
        UsageError: the ending tells nothing, or a format that is not read.
    """
    parts = path.rpartition("/")[2].lower().split(".")[1:]
    compression = _COMPRESSIONS.get("".join(parts[-1:]), "none")
    if compression != "none":
        parts.pop()
    ending = parts[-1] if parts else ""
    if ending not in _ENDINGS:
        fix = _NOT_READ.get(ending, "write the source by hand, with `format:`")
        raise UsageError(
            f"{path}: its format cannot be told from its ending; expected one of"
            f" {', '.join(f'.{each}' for each in _ENDINGS)}; {fix}"
        )
    return replace(_ENDINGS[ending], compression=compression)


def _contract(name: str, type_name: str = "VARCHAR", *, not_null: bool = False) -> ColumnContract:
    return ColumnContract(name, type_name, Place(""), not_null=not_null)


def _as_text(root: Path, source: Source, raw: Sequence[RawFile]) -> Source:
    """The source with how its first file is read, and with all of its columns as text."""
    if source.format.kind == "csv":
        source, header = _sniff_csv(root, source, raw[0])
    elif source.format.kind == "excel":
        _, first = next(numbered_rows(root, source, raw[0]), (0, ["column_1"]))
        header = sniff_header(_without_tail(first))
    else:
        names = dict.fromkeys(name for file in raw for name in object_names(root, source, file))
        header = Header(tuple(names), header=True)
    if not header.names:
        raise SourceError(f"{raw[0].path}: it has no columns; expected at least one")
    for name in header.names:
        if not name or not name.isprintable():
            raise SourceError(
                f"{raw[0].path}: a column is named {name!r}; expected a name of printable"
                " characters; rename it, or take it out of the file"
            )
    return replace(
        source,
        format=replace(source.format, header=header.header, skip=header.skip),
        columns=tuple(map(_contract, header.names)),
    )


def _without_tail(texts: Sequence[str | None]) -> Sequence[str | None]:
    filled = max((index for index, text in enumerate(texts, 1) if text), default=0)
    return texts[:filled]


def _sniff_csv(root: Path, source: Source, file: RawFile) -> tuple[Source, Header]:
    path = root / file.path
    with open_bytes(path, file.path, source.format.compression) as stream:
        encoding = sniff_encoding(stream.read())
    format_ = replace(source.format, encoding=encoding)
    with open_text(path, file.path, format_) as text:
        sample = text.read(_SAMPLE_CHARACTERS)
    if format_.delimiter == ",":
        format_ = replace(format_, delimiter=sniff_delimiter(sample))
    records = sample_records(sample, format_.delimiter)
    if not records:
        raise SourceError(f"{file.path}: it is empty; expected a header, at least; remove it")
    return replace(source, format=format_), sniff_header(records[0].fields)


def _declarable(type_name: str) -> str:
    """The type itself where a contract can name it, else the nearest that holds its values."""
    if type_name.startswith("TIMESTAMP_"):
        return "TIMESTAMP"
    try:
        return parse_type(type_name)
    except ValueError:
        return "VARCHAR"


def _typed(engine: DuckDBEngine, source: Source) -> Source:
    """The source with the type of each column that all of its texts are values of."""
    known = {"csv": _NULLS, "excel": _NULLS}.get(source.format.kind, ())
    absent = ("",) if source.format.kind == "csv" else ()
    nulls: set[str] = set()
    columns = []
    for column in source.columns:
        typed = column
        if column.type == "VARCHAR" and source.format.kind != "parquet":
            typed = _infer_type(engine, column, (*known, *absent))
        if typed.type != "VARCHAR":
            nulls |= _present(engine, column, known)
        columns.append(typed)
    required = tuple(_require_present(engine, each, (*nulls, *absent)) for each in columns)
    return replace(
        source, columns=required, format=replace(source.format, nulls=tuple(sorted(nulls)))
    )


def _infer_type(
    engine: DuckDBEngine, column: ColumnContract, absent: Sequence[str]
) -> ColumnContract:
    texts = f"SELECT {quote(column.name)} AS t FROM rows WHERE t IS NOT NULL"
    if absent:
        texts += f" AND t NOT IN ({', '.join(map(quote_text, absent))})"
    return replace(column, type=_type_of(engine, texts))


def _present(engine: DuckDBEngine, column: ColumnContract, texts: Sequence[str]) -> set[str]:
    """Which of the texts the column holds."""
    if not texts:
        return set()
    name, listed = quote(column.name), ", ".join(map(quote_text, texts))
    found = engine.cursor().execute(f"SELECT DISTINCT {name} FROM rows WHERE {name} IN ({listed})")
    return {text for (text,) in found.fetchall()}


def _type_of(engine: DuckDBEngine, texts: str) -> str:
    """The first candidate that every text `t` of a query is a value of; VARCHAR if none is."""
    counts = [
        f"count(*) FILTER (NOT coalesce({misfit}, false))"
        for candidate in _CANDIDATES
        for misfit, _ in type_rules(_contract("", candidate), "t", typed_value(candidate, "t"))
    ]
    # Digits after a leading zero belong to a code; more digits than a BIGINT has would be lost in
    # a DOUBLE; and 0, 1, t and f are booleans for one who says so only.
    facts = [
        "count(*)",
        "count(*) FILTER (regexp_full_match(t, '[+-]?0[0-9].*'))",
        "count(*) FILTER (regexp_full_match(t, '[+-]?[0-9]{16,}'))",
        "count(*) FILTER (lower(t) IN ('true', 'false'))",
        "count(*) FILTER (regexp_full_match(t, '[\\[{].*') AND json_valid(t))",
    ]
    query = f"SELECT {', '.join([*facts, *counts])} FROM ({texts})"
    [(rows, zeros, long, words, nested, *fitting)] = engine.cursor().execute(query).fetchall()
    fits = {each for each, count in zip(_CANDIDATES, fitting, strict=True) if count == rows}
    if words < rows:
        fits.discard("BOOLEAN")
    if zeros:
        fits -= {"BIGINT", "DOUBLE"}
    if long and "BIGINT" not in fits:
        fits.discard("DOUBLE")
    if rows and nested == rows:
        return "JSON"
    return next((each for each in _CANDIDATES if each in fits), "VARCHAR") if rows else "VARCHAR"


def _require_present(
    engine: DuckDBEngine, column: ColumnContract, absent: Sequence[str]
) -> ColumnContract:
    """The column with `not_null` if every row has a value that is none of `absent`."""
    name = quote(column.name)
    # Quotes around nothing are a text, if an empty one.
    texts = [each for each in absent if each or column.type != "VARCHAR"]
    lacks = f"{name} IS NULL"
    if texts:
        lacks += f" OR CAST({name} AS VARCHAR) IN ({', '.join(map(quote_text, texts))})"
    query = f"SELECT count(*), count(*) FILTER ({lacks}) FROM rows"
    [(rows, missing)] = engine.cursor().execute(query).fetchall()
    return replace(column, not_null=bool(rows) and not missing)


def render_yaml(inferred: InferredSource) -> str:
    """The inferred source as the text of a file of sources/."""
    source = inferred.source
    counted = f"{inferred.rows:,} rows of {inferred.files} {_plural('file', inferred.files)}"
    lines = [f"# Inferred from {counted}. From now on it is what they must look like."]
    if inferred.misfits:
        lines.append(f"# {inferred.misfits:,} rows do not have these columns: see quarantine.")
    files = ", ".join(map(_scalar, source.files))
    lines.append(f"files: {files}" if len(source.files) == 1 else f"files: [{files}]")
    lines += _options(source)
    lines.append("columns:")
    lines += [f"  {_scalar(column.name)}: {_column(column)}" for column in source.columns]
    return "\n".join(lines) + "\n"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


def _options(source: Source) -> list[str]:
    """The read options that the file endings do not tell."""
    format_, lines = source.format, []
    try:
        told = format_of(source.files[0])
    except UsageError:
        told = FileFormat(format_.kind)
        lines.append(f"format: {format_.kind}")
    if format_.compression != told.compression:
        lines.append(f"compression: {format_.compression}")
    if format_.encoding != told.encoding:
        lines.append(f"encoding: {format_.encoding}")
    if format_.delimiter != told.delimiter:
        lines.append(f"delimiter: {_scalar(format_.delimiter)}")
    if not format_.header:
        lines.append("header: false")
    if format_.skip:
        lines.append(f"skip: {format_.skip}")
    if format_.nulls:
        lines.append(f"nulls: [{', '.join(map(_scalar, format_.nulls))}]")
    return lines


def _column(column: ColumnContract) -> str:
    spelt = _spelt(column.type)
    return f"{{type: {spelt}, not_null: true}}" if column.not_null else spelt


def _spelt(type_name: str) -> str:
    element = type_name.removesuffix("[]")
    spelt = _SPELLINGS.get(element, element.lower()) + type_name[len(element) :]
    return spelt if spelt.isalnum() else json.dumps(spelt)


def _scalar(text: str) -> str:
    """A text as YAML: in quotes unless it is a plain name, which no YAML reads as anything else."""
    plain = all(is_name(part) for part in text.replace("/", ".").split(".")) and len(text) > 3
    return (
        text
        if plain and text.lower() not in {"true", "false", "null", "none"}
        else json.dumps(text, ensure_ascii=False)
    )
