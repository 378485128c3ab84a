"""Sources: takes a file of sources/, gives what it declares."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias, cast

from headrace.base.declarations import ColumnContract, Source, Tolerance
from headrace.base.errors import Place, Problem
from headrace.pipeline.project.access_keys import ACCESS, ROWS
from headrace.pipeline.project.amounts import tolerance
from headrace.pipeline.project.checks import check_entries, source_freshness
from headrace.pipeline.project.columns import (
    ColumnRules,
    derived_columns,
    key_columns,
    partition,
    require_columns,
    source_columns,
)
from headrace.pipeline.project.documents import Misread, parse_yaml
from headrace.pipeline.project.formats import FORMAT_KEYS, read_format
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    flag,
    one_of,
    read_fields,
    text,
    texts,
)

_Mode: TypeAlias = Literal["append", "snapshot", "changes"]

FILES = Key("files", texts)
COLUMNS = Key("columns", source_columns)
TOLERANCE = Key("tolerance", tolerance)
BAD_ROWS = Key("bad_rows", one_of("quarantine", "fail"))
DERIVE = Key("derive", derived_columns)
MODE = Key("mode", one_of("append", "snapshot", "changes"))
CURSOR = Key("cursor", text)
DELETES = Key("deletes", text)
HISTORY = Key("history", flag)
KEY = Key("key", key_columns)
CHECKS = Key("checks", check_entries)
FRESHNESS = Key("freshness", source_freshness)
PARTITION = Key("partition", partition)
ALLOW_EMPTY = Key("allow_empty", flag)
DESCRIPTION = Key("description", text)

SOURCE_KEYS = (
    FILES, COLUMNS, DERIVE, *FORMAT_KEYS, TOLERANCE, BAD_ROWS, MODE, KEY, CURSOR, DELETES,
    HISTORY, CHECKS, FRESHNESS, PARTITION, ACCESS, ROWS, ALLOW_EMPTY, DESCRIPTION,
)  # fmt: skip


def read_source(name: str, file: str, text: str, problems: Problems) -> Source | None:
    """A file of sources/ as a declaration; None when it does not even say which files."""
    try:
        node = parse_yaml(text, file)
    except Misread as exc:
        problems.append(exc.problem)
        return None
    fields = read_fields(node, SOURCE_KEYS, Place(file, 1), problems)
    _require(name, fields, problems)
    if FILES not in fields:
        return None
    return _source(name, file, fields, problems)


def _require(name: str, fields: Fields, problems: Problems) -> None:
    if FILES not in fields:
        expected = "`files: data/*.csv`, relative to the project"
        problems.append(Problem(fields.place, "this source has no `files`", expected))
    if COLUMNS not in fields:
        fix = f"run `headrace sources infer {name}` to write them from the files"
        problems.append(
            Problem(fields.place, "this source has no `columns`", "each column and its type", fix)
        )


def _source(name: str, file: str, fields: Fields, problems: Problems) -> Source:
    files = fields.get(FILES, ())
    rules = fields.get(COLUMNS, ColumnRules())
    source = Source(
        name=name,
        place=Place(file, 1),
        files=files,
        format=read_format(files, fields, fields.node(FILES), problems),
        columns=_never_null(rules.columns, fields),
        derive=fields.get(DERIVE, ()),
        mode=cast("_Mode", fields.get(MODE, "append")),
        cursor=fields.get(CURSOR, ""),
        deletes=fields.get(DELETES, ""),
        history=fields.get(HISTORY, False),
        tolerance=_tolerance(fields, problems),
        key=fields.get(KEY, ()),
        checks=(*rules.references, *fields.get(FRESHNESS, ()), *fields.get(CHECKS, ())),
        partition=fields.optional(PARTITION),
        allow_empty=fields.get(ALLOW_EMPTY, False),
        description=fields.get(DESCRIPTION, ""),
        access=fields.optional(ACCESS),
        rows=fields.optional(ROWS),
    )
    _require_known_columns(source, fields, problems)
    return source


def _tolerance(fields: Fields, problems: Problems) -> Tolerance:
    given = fields.optional(TOLERANCE)
    if fields.get(BAD_ROWS, "quarantine") == "quarantine":
        return given or Tolerance(share=0.01)
    if given is not None and given.rows != 0 and given.share != 0:
        found = f"`bad_rows` is 'fail' and `tolerance` is {str(given)!r}"
        problems.append(Problem(fields.place_of(TOLERANCE), found, "one of them", "leave one out"))
    return Tolerance(rows=0)


def _require_known_columns(source: Source, fields: Fields, problems: Problems) -> None:
    raw = {column.name.lower(): column.name for column in source.columns}
    known = [*raw.values(), *(column.name for column in source.derive)]
    require_columns(source.key, known, fields.place_of(KEY), problems)
    if source.partition is not None:
        names = [source.partition.column]
        require_columns(names, known, fields.place_of(PARTITION), problems)
    if source.cursor:
        require_columns([source.cursor], known, fields.place_of(CURSOR), problems)
    _require_ways_of_changing(source, fields, problems)
    for check in source.checks:
        require_columns(check.columns, known, check.place, problems)
        if check.severity == "quarantine":
            problems.append(_no_quarantine(check.place))
    for column in source.derive:
        if column.name.lower() in raw:
            found = f"`derive` makes `{column.name}`, which is a column of the raw files"
            problems.append(Problem(column.place, found, "a name of its own"))


def _never_null(columns: tuple[ColumnContract, ...], fields: Fields) -> tuple[ColumnContract, ...]:
    """The columns, with the demand that each row has a partition, a cursor and what goes by it."""
    partition = fields.optional(PARTITION)
    names = {partition.column.lower()} if partition else set()
    if cursor := fields.get(CURSOR, ""):
        names |= {cursor.lower(), *(name.lower() for name in fields.get(KEY, ()))}
    return tuple(
        replace(each, not_null=True) if each.name.lower() in names else each for each in columns
    )


def _require_ways_of_changing(source: Source, fields: Fields, problems: Problems) -> None:
    """Report what a way of changing needs, or cannot have."""

    def report(place: Place, found: str, expected: str) -> None:
        problems.append(Problem(place, found, expected))

    needy = _what_needs_a_key(source)
    if needy and not source.key:
        report(fields.place, f"{needy} tells rows apart by `key`, and there is none", "`key: …`")
    if (source.mode == "changes" or source.history) and not source.cursor:
        expected = "`cursor: …`, the column that says which of two rows of a key is newer"
        report(fields.place, f"{needy} needs a `cursor`, and there is none", expected)
    if source.history and source.mode == "append":
        found = "`history` of rows that only become more"
        report(fields.place_of(HISTORY), found, "`mode: changes` or `mode: snapshot`")
    if source.deletes and source.mode != "changes":
        place = fields.place_of(DELETES)
        report(place, "`deletes` without `mode: changes`", "both, or none of them")


def _what_needs_a_key(source: Source) -> str:
    if source.mode == "changes":
        return "`mode: changes`"
    if source.history:
        return "`history`"
    return "`cursor`" if source.cursor and source.mode == "append" else ""


def _no_quarantine(place: Place) -> Problem:
    # The rows of a raw file follow from that file alone: so one new file is all that is read.
    return Problem(
        place,
        "`severity` is 'quarantine', and what a source's checks look at is the whole table",
        "`error` or `warn`",
        "put the rule into `columns`, or quarantine in a model that reads the source",
    )
