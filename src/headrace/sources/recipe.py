"""Names what reading a source makes: takes a declaration and raw files, gives addresses."""

from __future__ import annotations

from headrace.base.declarations import ColumnContract, FileFormat, Source
from headrace.base.hashing import Part, address
from headrace.base.tables import RawFile

# Raised whenever the same bytes and the same contract would give other rows than before.
_RULES = 1


def source_recipe(source: Source) -> str:
    """The address of everything that decides which rows come out of a raw file.

    That is the columns with the rules that are applied row by row, and the read options. What is
    checked after loading (`unique`, `references`, `key`, `checks`), the tolerance, the
    descriptions and the globs are not part of it: changing them reads no file again.
    """
    columns = [_column(column) for column in source.columns]
    return address("source", _RULES, columns, _format(source.format))


def cell_address(recipe: str, file: RawFile) -> str:
    """The address of the rows that a raw file gives under a source's recipe.

    The path is part of it, because the quarantine names the file that each row comes from.
    """
    return address("cell", recipe, file.path, file.sha256)


def piece_address(recipe: str, path: str, partition: str, content: Part) -> str:
    """The address of the rows that a raw file gave to one partition, by what these rows are.

    So a file that is corrected in one place gives every other partition what it gave before. The
    path is part of it, because a file that is there twice gives its rows twice.
    """
    return address("piece", recipe, path, partition, content)


def _column(column: ColumnContract) -> Part:
    rules: list[Part] = [column.not_null, column.min, column.max, column.pattern]
    return [column.name, column.type, *rules, list(column.accepted)]


def _format(format_: FileFormat) -> Part:
    return {
        "kind": format_.kind,
        "encoding": format_.encoding,
        "delimiter": format_.delimiter,
        "quote": format_.quote,
        "header": format_.header,
        "skip": format_.skip,
        "nulls": sorted(format_.nulls),
        "sheet": format_.sheet,
        "compression": format_.compression,
    }
