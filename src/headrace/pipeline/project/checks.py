"""Checks: takes the entries of `checks:` and the files of checks/, gives their declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from headrace.base.declarations import CheckDeclaration, Severity, SqlCheck
from headrace.base.errors import Place, Problem
from headrace.base.moments import Volatile
from headrace.base.names import listed
from headrace.pipeline.project.columns import key_columns, reference
from headrace.pipeline.project.documents import Entries, Items, Node
from headrace.pipeline.project.headers import read_sql
from headrace.pipeline.project.keys import (
    VOLATILE,
    Fields,
    Key,
    Problems,
    nested,
    one_of,
    read_fields,
    report,
    text,
    whole_number,
)
from headrace.pipeline.project.values import regex, scalar, scalars, spelt

SEVERITY = Key("severity", one_of("error", "warn"))
DESCRIPTION = Key("description", text)
FILE_KEYS = (SEVERITY, VOLATILE, DESCRIPTION)

COLUMN = Key("column", text)
VALUES = Key("values", scalars)
VALUE = Key("value", scalar)
MATCHES = Key("matches", regex)
TO = Key("to", reference)
MIN_ROWS = Key("min", whole_number(0))
MAX_ROWS = Key("max", whole_number(0))

_Build: TypeAlias = Callable[[Node, Severity, Problems], CheckDeclaration | None]


def _of_columns(kind: str) -> _Build:
    """A check that is given as its columns alone."""

    def build(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
        columns = key_columns(node, problems)
        if columns is None:
            return None
        return CheckDeclaration(kind, columns, node.place, severity)

    return build


def _complete(node: Node, keys: tuple[Key[object], ...], problems: Problems) -> Fields | None:
    """The fields of a check that needs all of its keys; None when one is missing or wrong."""
    if not isinstance(node, Entries):
        example = ", ".join(f"{key.name}: …" for key in keys)
        report(problems, node, f"a mapping `{{{example}}}`")
        return None
    fields = read_fields(node, keys, node.place, problems)
    for key in keys:
        if key not in fields:
            found = f"{node.label} has no `{key.name}`"
            problems.append(Problem(node.place, found, f"`{key.name}: …`"))
    return fields if len(fields.values) == len(keys) else None


def _accepted(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, VALUES), problems)
    if fields is None:
        return None
    values = tuple(spelt(value) for value in fields.get(VALUES, ()))
    return CheckDeclaration(
        "accepted", (fields.get(COLUMN, ""),), node.place, severity, accepted=values
    )


def _bound(kind: str) -> _Build:
    def build(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
        fields = _complete(node, (COLUMN, VALUE), problems)
        if fields is None:
            return None
        bound = spelt(fields.require(VALUE))
        columns = (fields.require(COLUMN),)
        return CheckDeclaration(kind, columns, node.place, severity, bound=bound)

    return build


def _pattern(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, MATCHES), problems)
    if fields is None:
        return None
    columns, pattern = (fields.require(COLUMN),), fields.require(MATCHES)
    return CheckDeclaration("pattern", columns, node.place, severity, pattern=pattern)


def _references(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, TO), problems)
    if fields is None:
        return None
    columns, (table, column) = (fields.require(COLUMN),), fields.require(TO)
    return CheckDeclaration(
        "references", columns, node.place, severity, to_table=table, to_columns=(column,)
    )


def _row_count(node: Node, severity: Severity, problems: Problems) -> CheckDeclaration | None:
    if not isinstance(node, Entries) or not node.entries:
        report(problems, node, "a mapping with `min`, `max` or both")
        return None
    fields = read_fields(node, ROW_COUNT_KEYS, node.place, problems)
    least, most = fields.optional(MIN_ROWS), fields.optional(MAX_ROWS)
    if least is not None and most is not None and least > most:
        found = f"`min` is {least} and `max` is {most}"
        problems.append(Problem(node.place, found, "`min` at or below `max`"))
    return CheckDeclaration("row_count", (), node.place, severity, min_rows=least, max_rows=most)


ROW_COUNT_KEYS = (MIN_ROWS, MAX_ROWS)

# A new kind of check is one line here, and its query in headrace.checks.
CHECK_KINDS: Mapping[str, _Build] = {
    "not_null": _of_columns("not_null"),
    "unique": _of_columns("unique"),
    "key": _of_columns("key"),
    "accepted": _accepted,
    "min": _bound("min"),
    "max": _bound("max"),
    "pattern": _pattern,
    "references": _references,
    "row_count": _row_count,
}
ENTRY_KEYS: tuple[Key[object], ...] = (*(Key(kind, nested) for kind in CHECK_KINDS), SEVERITY)


def check_entries(node: Node, problems: Problems) -> tuple[CheckDeclaration, ...] | None:
    """The list under `checks:`: one kind of check each, and maybe its severity."""
    if not isinstance(node, Items):
        report(problems, node, "a list of checks, such as `- unique: order_id`")
        return None
    found = [_check_entry(item, problems) for item in node.items]
    return tuple(check for check in found if check is not None)


def _check_entry(node: Node, problems: Problems) -> CheckDeclaration | None:
    if not isinstance(node, Entries):
        report(problems, node, "a mapping such as `unique: order_id`")
        return None
    before = len(problems)
    fields = read_fields(node, ENTRY_KEYS, node.place, problems)
    kinds = [name for name in fields.nodes if name in CHECK_KINDS]
    severity = cast("Severity", fields.get(SEVERITY, "error"))
    if len(kinds) == 1:
        return CHECK_KINDS[kinds[0]](fields.nodes[kinds[0]], severity, problems)
    if kinds or len(problems) == before:
        found = f"{node.label} has the kinds {listed(kinds)}"
        expected = f"exactly one of {listed(CHECK_KINDS)}"
        problems.append(Problem(node.place, found, expected))
    return None


def read_check(name: str, file: str, text: str, problems: Problems) -> SqlCheck:
    """A file of checks/ as a declaration."""
    sql = read_sql(text, file, FILE_KEYS, problems)
    return SqlCheck(
        name=name,
        place=Place(file, 1),
        sql=sql.text,
        sql_line=sql.line,
        severity=cast("Severity", sql.fields.get(SEVERITY, "error")),
        volatile=cast("Volatile", sql.fields.get(VOLATILE, "")),
        description=sql.fields.get(DESCRIPTION, ""),
    )
