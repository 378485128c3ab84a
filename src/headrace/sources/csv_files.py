"""Reads delimited files: takes raw files, gives their rows to a landing, the fast way if it can.

The fast way is DuckDB's reader, over many files at once. It is believed for a file only if the
file is plain (see `survey`), every row fits, and there are as many rows as the survey counted.
Any other file is read again, record by record, by our own tokenizer, which knows line numbers.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

import duckdb

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import quote, quote_text
from headrace.base.tables import PART_COLUMN, RawFile
from headrace.engines.duckdb import literal_path
from headrace.sources.decoding import (
    codec_name,
    open_bytes,
    open_text,
    printable,
    true_nature,
    undecoded_byte,
)
from headrace.sources.delimited import Record, Tokenizer
from headrace.sources.headers import column_order, delimiter_hint
from headrace.sources.landing import Landing, RawRow
from headrace.sources.survey import Survey

_CHUNK_BYTES = 1 << 20
# Rows of one group are held twice for a moment: once as read, once as they are kept.
_GROUP_BYTES = 256 << 20
_NATIVE_COMPRESSIONS = frozenset({"none", "gzip", "zstd"})


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One file, looked at.

    `order` says for each column of the contract where the file has it; `rows` is the survey's
    count, None for a file that is not plain.
    """

    part: int
    path: Path
    label: str
    order: tuple[int, ...]
    rows: int | None
    multiline: bool
    size_bytes: int


def inspect_csv(root: Path, source: Source, file: RawFile, part: int) -> CsvFile:
    """Read the header and survey the bytes of one file.

    Raises:
        SourceError: the header is not that of the contract, or the file cannot be decoded.
    """
    path = root / file.path
    with open_text(path, file.path, source.format) as text:
        order, header_lines = _read_header(source, file.path, path, text)
    survey = _survey(path, file.path, source) if _may_be_plain(source) else None
    rows = _counted_rows(survey, header_lines, len(source.columns)) if survey else None
    multiline = survey is not None and survey.multiline
    return CsvFile(part, path, file.path, order, rows, multiline, file.size_bytes)


def _counted_rows(survey: Survey, header_lines: int, width: int) -> int | None:
    """The rows of a plain file in which no row has too many fields, else None.

    DuckDB rejects a row with too few fields, but forgives an empty one too many: as many
    delimiters as there must be, and no row with too few, mean that all rows are right.
    """
    if not survey.plain or header_lines > 1 or survey.delimiters != survey.lines * (width - 1):
        return None
    return survey.lines - header_lines + (survey.empty_lines if width == 1 else 0)


def _may_be_plain(source: Source) -> bool:
    format_ = source.format
    return (
        codec_name(format_.encoding) == "utf_8_sig"
        and format_.compression in _NATIVE_COMPRESSIONS
        and format_.skip == 0
        and format_.delimiter != " "
        and format_.delimiter.isascii()
        and format_.quote.isascii()
    )


def _survey(path: Path, label: str, source: Source) -> Survey:
    survey = Survey(source.format.quote.encode(), source.format.delimiter.encode())
    with open_bytes(path, label, source.format.compression) as file:
        survey.feed(file.read(_CHUNK_BYTES).removeprefix(codecs.BOM_UTF8))
        while chunk := file.read(_CHUNK_BYTES):
            survey.feed(chunk)
    survey.finish()
    return survey


def _tokenizer(source: Source, label: str) -> Tokenizer:
    format_ = source.format
    return Tokenizer(format_.delimiter, format_.quote, label, len(source.columns) == 1)


def _read_header(
    source: Source, label: str, path: Path, text: TextIO
) -> tuple[tuple[int, ...], int]:
    """Where each column is, and how many lines the header takes."""
    tokenizer = _tokenizer(source, label)
    first = _first_record(tokenizer, source, text)
    if not source.format.header:
        if first is not None:
            _require_fields(source, label, first)
        return tuple(range(len(source.columns))), 0
    if first is None:
        return _no_header(source, label)
    hint = _header_hint(source, path, first)
    if first.problem:
        raise SourceError(
            f"{label}:{first.line}: {first.problem}; expected a header with the names of the"
            f" columns; {hint or 'correct the file'}"
        )
    names = [printable(field or "") for field in first.fields]
    where = f"{label}:{first.line}"
    return column_order(
        where, names, source.columns, hint=hint
    ), tokenizer.line - source.format.skip


def _first_record(tokenizer: Tokenizer, source: Source, text: TextIO) -> Record | None:
    tokenizer.line = sum(1 for _ in islice(text, source.format.skip))
    return next(tokenizer.records(text), None)


def _no_header(source: Source, label: str) -> tuple[tuple[int, ...], int]:
    raise SourceError(
        f"{label}: the file is empty; expected a header with the columns"
        f" {', '.join(f'`{each.name}`' for each in source.columns)};"
        " write the header even if there are no rows, or remove the file"
    )


def _header_hint(source: Source, path: Path, first: Record) -> str:
    what, fix = true_nature(path)
    if what and source.format.compression == "none":
        return f"the file is {what}: {fix}"
    return delimiter_hint(first.raw, source)


def _require_fields(source: Source, label: str, first: Record) -> None:
    """Without a header, a first row that another delimiter would split right is no accident."""
    if first.problem or len(first.fields) == len(source.columns):
        return
    if hint := delimiter_hint(first.raw, source):
        raise SourceError(
            f"{label}:{first.line}: the first row has {_counted(len(first.fields), 'field')};"
            f" expected {len(source.columns)}; {hint}"
        )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def land_csv(landing: Landing, files: Sequence[CsvFile]) -> None:
    """Give the rows of every file to the landing."""
    landed: set[int] = set()
    for group in _groups(files):
        landed |= _land_fast(landing, group)
    for file in files:
        if file.part not in landed:
            landing.take(file.part, read_exactly(landing.source, file))


def _groups(files: Iterable[CsvFile]) -> Iterator[list[CsvFile]]:
    """Plain files that one call can read, with rows, and together not too large."""
    alike: dict[tuple[tuple[int, ...], bool], list[CsvFile]] = {}
    for file in files:
        if file.rows:
            alike.setdefault((file.order, file.multiline), []).append(file)
    for each in alike.values():
        group: list[CsvFile] = []
        size_bytes = 0
        for file in each:
            group.append(file)
            size_bytes += file.size_bytes
            if size_bytes > _GROUP_BYTES:
                yield group
                group, size_bytes = [], 0
        if group:
            yield group


def _land_fast(landing: Landing, files: Sequence[CsvFile]) -> set[int]:
    """Land the files of a group that were read as they should be; their parts."""
    stage = f"__stage_{landing.tables.rows}"
    cursor, contract = landing.cursor, landing.contract
    fields = [f"f{position}" for position in files[0].order]
    converted = contract.converted(fields, ["file_index"], _read_csv(landing.source, files))
    try:
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {quote(stage)} AS SELECT {contract.values},"
            f" CAST(file_index AS INTEGER) AS {PART_COLUMN}, {contract.fits} AS __fits"
            f" FROM ({converted})"
        )
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error:
        # A file that DuckDB cannot read at all: the tokenizer says what is wrong with it.
        return set()
    counts = cursor.execute(
        f"SELECT {PART_COLUMN}, count(*) FROM {quote(stage)} GROUP BY ALL"
    ).fetchall()
    right = {index for index, count in counts if count == files[index].rows}
    _keep(landing, stage, files, right)
    misfits = _misfits(landing, stage)
    cursor.execute(f"DROP TABLE {quote(stage)}")
    for index in right:
        positions = misfits.get(index, [])
        _set_aside(landing, files[index], positions)
        landing.rows_in[files[index].part] = files[index].rows or 0
    return {files[index].part for index in right}


def _keep(landing: Landing, stage: str, files: Sequence[CsvFile], right: set[int]) -> None:
    names = ", ".join(quote(column.name) for column in landing.source.columns)
    parts = f"[{', '.join(str(file.part) for file in files)}]"
    wrong = [str(index) for index in range(len(files)) if index not in right]
    condition = f"AND {PART_COLUMN} NOT IN ({', '.join(wrong)})" if wrong else ""
    landing.cursor.execute(
        f"INSERT INTO {quote(landing.tables.rows)} SELECT {names},"
        f" {parts}[{PART_COLUMN} + 1] FROM {quote(stage)} WHERE __fits {condition}"
    )


def _misfits(landing: Landing, stage: str) -> dict[int, list[int]]:
    """By file of the group, the rows that do not fit, counted from 0 within the file.

    The stage holds the rows of each file together and in their order: the engine preserves it.
    """
    found = landing.cursor.execute(
        f"SELECT {PART_COLUMN}, list(bad - first) FROM"
        f" (SELECT {PART_COLUMN}, min(rowid) AS first FROM {quote(stage)} GROUP BY ALL)"
        f" JOIN (SELECT {PART_COLUMN}, rowid AS bad FROM {quote(stage)} WHERE NOT __fits)"
        f" USING ({PART_COLUMN}) GROUP BY ALL"
    ).fetchall()
    return dict(found)


def _set_aside(landing: Landing, file: CsvFile, positions: Sequence[int]) -> None:
    """Find the misfits of a file again, to learn their lines and what is wrong with them."""
    if not positions:
        return
    wanted = set(positions)
    rows = enumerate(read_exactly(landing.source, file))
    landing.take(file.part, (row for position, row in rows if position in wanted))
    landing.misfits[file.part] = len(wanted)


def _read_csv(source: Source, files: Sequence[CsvFile]) -> str:
    format_ = source.format
    columns = ", ".join(f"'f{index}': 'VARCHAR'" for index in range(len(source.columns)))
    paths = ", ".join(quote_text(literal_path(file.path)) for file in files)
    # A file that holds line ends in quotes may be split in the wrong place by a parallel scan.
    options = {
        "columns": f"{{{columns}}}",
        "auto_detect": "false",
        # A folder named `store=7` is no column: what a row holds is in the file.
        "hive_partitioning": "false",
        "header": str(format_.header).lower(),
        "delim": quote_text(format_.delimiter),
        "quote": quote_text(format_.quote),
        "escape": quote_text(format_.quote),
        "nullstr": "''",
        "allow_quoted_nulls": "false",
        "strict_mode": "true",
        "null_padding": "false",
        "ignore_errors": "true",
        "compression": quote_text(format_.compression),
        "parallel": str(not files[0].multiline).lower(),
    }
    listed = ", ".join(f"{name} = {value}" for name, value in options.items())
    return f"read_csv([{paths}], {listed})"


def read_exactly(source: Source, file: CsvFile) -> Iterator[RawRow]:
    """The rows of a file, one by one, with what is wrong with their form.

    Raises:
        SourceError: the file cannot be decoded.
    """
    tokenizer = _tokenizer(source, file.label)
    straight = file.order == tuple(range(len(file.order)))
    with open_text(file.path, file.label, source.format) as text:
        tokenizer.line = sum(1 for _ in islice(text, source.format.skip))
        records = tokenizer.records(text)
        if source.format.header:
            next(records, None)
        for record in records:
            row = _raw_row(record, len(file.order))
            if not straight and not row.problem:
                row = row._replace(fields=[row.fields[position] for position in file.order])
            yield row


def _raw_row(record: Record, expected: int) -> RawRow:
    line, raw, fields, problem = record
    if not raw.isascii() or "\0" in raw:
        problem = problem or _unreadable(raw)
        raw = printable(raw)
    if not problem and len(fields) != expected:
        problem = f"{_counted(len(fields), 'field')}, expected {expected}"
    return RawRow(line, raw, fields, problem)


def _unreadable(raw: str) -> str:
    if "\0" in raw:
        return f"character {raw.index(chr(0)) + 1} of the row is NUL"
    try:
        raw.encode()
    except UnicodeEncodeError:
        return undecoded_byte(raw) or "the row holds half a surrogate pair"
    return ""
