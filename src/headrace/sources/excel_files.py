"""Reads Excel workbooks: takes raw files, gives the rows of one sheet to a landing as text.

A cell has a type of its own, so it becomes the text of that type: a date-time at midnight is a
date, a whole number has no point. Empty rows are none.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.base.declarations import Source
from headrace.base.errors import SourceError
from headrace.base.names import listed, near_miss
from headrace.base.tables import RawFile
from headrace.sources.decoding import true_nature
from headrace.sources.headers import column_order
from headrace.sources.landing import RawRow

if TYPE_CHECKING:
    from openpyxl import Workbook

Cells = Sequence[object]


def read_excel(root: Path, source: Source, file: RawFile) -> Iterator[RawRow]:
    """The rows of the sheet; `line` is the row's number in the sheet, `raw` its cells by tabs.

    Raises:
        SourceError: it is no such workbook, has no such sheet, or the header is not that of the
            contract; or openpyxl is not installed.
    """
    rows = numbered_rows(root, source, file)
    order: Sequence[int] = range(len(source.columns))
    if source.format.header:
        line, names = next(rows, (0, []))
        if not line:
            raise SourceError(
                f"{file.path}: the sheet is empty; expected a header with the columns"
                f" {listed(each.name for each in source.columns)}; write the header"
            )
        order = column_order(f"{file.path}:{line}", _without_tail(names), source.columns)
    for line, texts in rows:
        yield _row(line, texts, order)


def _row(line: int, texts: list[str | None], order: Sequence[int]) -> RawRow:
    raw = "\t".join(text or "" for text in texts)
    if any(texts[len(order) :]):
        problem = f"{len(_without_tail(texts))} cells, expected {len(order)}"
        return RawRow(line, raw, (), problem)
    padded = [*texts, *[None] * (len(order) - len(texts))]
    return RawRow(line, raw, [padded[position] for position in order])


def _without_tail(texts: Sequence[str | None]) -> list[str]:
    """The cells up to the last that is not empty: sheets are as wide as their widest row."""
    filled = [text or "" for text in texts]
    while filled and not filled[-1]:
        filled.pop()
    return filled


def numbered_rows(
    root: Path, source: Source, file: RawFile
) -> Iterator[tuple[int, list[str | None]]]:
    """The number and the cells, as text, of each row of the sheet that is not empty."""
    book = _open(root / file.path, file.path)
    try:
        name = _sheet_name(book, source, file)
        rows = book[name].iter_rows(values_only=True)
        for line, cells in enumerate(rows, 1):
            if line > source.format.skip and any(cell is not None for cell in cells):
                yield line, [cell_text(cell) for cell in cells]
    finally:
        book.close()


def _open(path: Path, label: str) -> Workbook:
    try:
        import openpyxl  # noqa: PLC0415 - an optional driver
        from openpyxl.utils.exceptions import InvalidFileException  # noqa: PLC0415
    except ImportError as exc:
        raise SourceError(
            f"{label}: openpyxl is not installed; expected it, to read Excel workbooks;"
            " pip install 'headrace[excel]'"
        ) from exc
    try:
        # From memory: by its path, openpyxl would also look at the ending.
        stream = io.BytesIO(path.read_bytes())
        return openpyxl.load_workbook(stream, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        what, fix = true_nature(path)
        raise SourceError(
            f"{label}: it is not an Excel workbook ({what or exc}); expected .xlsx;"
            f" {fix or 'say the right `format:`'}"
        ) from exc


def _sheet_name(book: Workbook, source: Source, file: RawFile) -> str:
    wanted = source.format.sheet or book.sheetnames[0]
    if wanted in book.sheetnames:
        return wanted
    hint = near_miss(wanted, book.sheetnames)
    raise SourceError(
        f"{file.path}: it has no sheet {wanted!r}; expected one of {listed(book.sheetnames)}"
        + (f"; {hint}" if hint else "")
    )


def cell_text(cell: object) -> str | None:
    """What a cell holds, as the text that the contract converts; None if it is empty."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell)
    if isinstance(cell, datetime):
        midnight = cell.time() == time()
        return cell.date().isoformat() if midnight else cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)
