"""Checks: takes the entries of `checks:` and the files of checks/, gives their declarations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from headrace.base.declarations import CheckDeclaration, DeclaredSeverity, Severity, SqlCheck
from headrace.base.errors import Place, Problem
from headrace.base.moments import Volatile
from headrace.base.names import listed
from headrace.pipeline.project.amounts import share, span
from headrace.pipeline.project.columns import key_columns, reference
from headrace.pipeline.project.documents import Entries, Items, Node
from headrace.pipeline.project.headers import read_sql
from headrace.pipeline.project.keys import (
    VOLATILE,
    Fields,
    Key,
    Problems,
    nested,
    number,
    one_of,
    read_fields,
    report,
    text,
    whole_number,
)
from headrace.pipeline.project.values import regex, scalar, scalars, spelt

SEVERITY = Key("severity", one_of("error", "warn"))
ENTRY_SEVERITY = Key("severity", one_of("error", "warn", "quarantine"))
DESCRIPTION = Key("description", text)
FILE_KEYS = (SEVERITY, VOLATILE, DESCRIPTION)

COLUMN = Key("column", text)
VALUES = Key("values", scalars)
VALUE = Key("value", scalar)
MATCHES = Key("matches", regex)
TO = Key("to", reference)
MIN_ROWS = Key("min", whole_number(0))
MAX_ROWS = Key("max", whole_number(0))
MIN_MEAN = Key("min", number)
MAX_MEAN = Key("max", number)
MEAN_KEYS = (COLUMN, MIN_MEAN, MAX_MEAN)
MOST = Key("max", share(100))
WITHIN_SHARE = Key("within", share(100))
WITHIN = Key("within", span)
GROW = Key("grow", share(1e9))
SHRINK = Key("shrink", share(100))
BOUNDS_KEYS = (GROW, SHRINK)

_Build: TypeAlias = Callable[[Node, DeclaredSeverity, Problems], CheckDeclaration | None]


def _of_columns(kind: str) -> _Build:
    """A check that is given as its columns alone."""

    def build(
        node: Node, severity: DeclaredSeverity, problems: Problems
    ) -> CheckDeclaration | None:
        columns = key_columns(node, problems)
        if columns is None:
            return None
        return CheckDeclaration(kind, columns, node.place, severity)

    return build


def _complete(
    node: Node,
    keys: tuple[Key[object], ...],
    problems: Problems,
    optional: tuple[Key[object], ...] = (),
) -> Fields | None:
    """The fields of a check that needs all of `keys`; None when one is missing or wrong."""
    if not isinstance(node, Entries):
        example = ", ".join(f"{key.name}: …" for key in keys)
        report(problems, node, f"a mapping `{{{example}}}`")
        return None
    fields = read_fields(node, (*keys, *optional), node.place, problems)
    for key in keys:
        if key not in fields:
            found = f"{node.label} has no `{key.name}`"
            problems.append(Problem(node.place, found, f"`{key.name}: …`"))
    return fields if all(key.name in fields.values for key in keys) else None


def _accepted(
    node: Node, severity: DeclaredSeverity, problems: Problems
) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, VALUES), problems)
    if fields is None:
        return None
    values = tuple(spelt(value) for value in fields.get(VALUES, ()))
    return CheckDeclaration(
        "accepted", (fields.get(COLUMN, ""),), node.place, severity, accepted=values
    )


def _bound(kind: str) -> _Build:
    def build(
        node: Node, severity: DeclaredSeverity, problems: Problems
    ) -> CheckDeclaration | None:
        fields = _complete(node, (COLUMN, VALUE), problems)
        if fields is None:
            return None
        bound = spelt(fields.require(VALUE))
        columns = (fields.require(COLUMN),)
        return CheckDeclaration(kind, columns, node.place, severity, bound=bound)

    return build


def _pattern(node: Node, severity: DeclaredSeverity, problems: Problems) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, MATCHES), problems)
    if fields is None:
        return None
    columns, pattern = (fields.require(COLUMN),), fields.require(MATCHES)
    return CheckDeclaration("pattern", columns, node.place, severity, pattern=pattern)


def _references(
    node: Node, severity: DeclaredSeverity, problems: Problems
) -> CheckDeclaration | None:
    fields = _complete(node, (COLUMN, TO), problems)
    if fields is None:
        return None
    columns, (table, column) = (fields.require(COLUMN),), fields.require(TO)
    return CheckDeclaration(
        "references", columns, node.place, severity, to_table=table, to_columns=(column,)
    )


def _row_count(
    node: Node, severity: DeclaredSeverity, problems: Problems
) -> CheckDeclaration | None:
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


def _mean(node: Node, severity: DeclaredSeverity, problems: Problems) -> CheckDeclaration | None:
    fields = read_fields(node, MEAN_KEYS, node.place, problems)
    low, high = fields.optional(MIN_MEAN), fields.optional(MAX_MEAN)
    if isinstance(node, Entries) and not {"column"} < fields.nodes.keys():
        found = f"{node.label} has {listed(fields.nodes)}"
        problems.append(Problem(node.place, found, "`column`, and `min`, `max` or both"))
        return None
    if low is not None and high is not None and low > high:
        found = f"`min` is {low:g} and `max` is {high:g}"
        problems.append(Problem(node.place, found, "`min` at or below `max`"))
    columns = (fields.get(COLUMN, ""),)
    return CheckDeclaration("mean", columns, node.place, severity, low=low, high=high)


def _of_share(kind: str, key: Key[float]) -> _Build:
    """A check of one column against a share."""

    def build(
        node: Node, severity: DeclaredSeverity, problems: Problems
    ) -> CheckDeclaration | None:
        fields = _complete(node, (COLUMN, key), problems)
        if fields is None:
            return None
        columns, most = (fields.require(COLUMN),), fields.require(key)
        return CheckDeclaration(kind, columns, node.place, severity, share=most)

    return build


def _freshness(
    node: Node, severity: DeclaredSeverity, problems: Problems
) -> CheckDeclaration | None:
    fields = _complete(node, FRESHNESS_KEYS, problems)
    return None if fields is None else _fresh(node, fields, severity)


def source_freshness(node: Node, problems: Problems) -> tuple[CheckDeclaration] | None:
    """`freshness:` of a source: `column` and `within`, and maybe a `severity`."""
    fields = _complete(node, FRESHNESS_KEYS, problems, optional=(SEVERITY,))
    if fields is None:
        return None
    return (_fresh(node, fields, cast("Severity", fields.get(SEVERITY, "warn"))),)


def _fresh(node: Node, fields: Fields, severity: DeclaredSeverity) -> CheckDeclaration:
    columns, seconds = (fields.require(COLUMN),), fields.require(WITHIN)
    return CheckDeclaration("freshness", columns, node.place, severity, within_seconds=seconds)


FRESHNESS_KEYS = (COLUMN, WITHIN)


def _bounds(node: Node, problems: Problems) -> tuple[float | None, float | None] | None:
    """The most growth and shrinkage: one percentage for both, or one each, or one of them."""
    if isinstance(node, Entries) and node.entries:
        fields = read_fields(node, BOUNDS_KEYS, node.place, problems)
        return fields.optional(GROW), fields.optional(SHRINK)
    both = share(1e9)(node, problems)
    return None if both is None else (both, both)


ROWS = Key("rows", _bounds)
SUM = Key("sum", text)
BY = Key("by", _bounds)
CHANGE_KEYS = (ROWS, SUM, BY)


def _change(node: Node, severity: DeclaredSeverity, problems: Problems) -> CheckDeclaration | None:
    fields = read_fields(node, CHANGE_KEYS, node.place, problems)
    if isinstance(node, Entries) and fields.nodes.keys() not in ({"rows"}, {"sum", "by"}):
        found = f"{node.label} has {listed(fields.nodes)}"
        expected = "`rows: 50 %`, or `sum: COLUMN` and `by: 20 %`"
        problems.append(Problem(node.place, found, expected))
        return None
    bounds = fields.optional(ROWS) or fields.optional(BY)
    if bounds is None or len(fields.values) < len(fields.nodes):
        return None
    columns = (fields.require(SUM),) if SUM in fields else ()
    grow, shrink = bounds
    return CheckDeclaration("change", columns, node.place, severity, grow=grow, shrink=shrink)


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
    "mean": _mean,
    "nulls": _of_share("nulls", MOST),
    "freshness": _freshness,
    "change": _change,
    "distribution": _of_share("distribution", WITHIN_SHARE),
}
# What one row, or the rows of one key, break: the others judge a table as a whole.
ROW_KINDS = (
    "not_null", "unique", "key", "accepted", "min", "max", "pattern", "references",
)  # fmt: skip
ENTRY_KEYS: tuple[Key[object], ...] = (*(Key(kind, nested) for kind in CHECK_KINDS), ENTRY_SEVERITY)


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
    if len(kinds) == 1:
        # What was right yesterday goes stale by waiting: that alone should stop no publish.
        default = "warn" if kinds == ["freshness"] else "error"
        severity = cast("DeclaredSeverity", fields.get(ENTRY_SEVERITY, default))
        if severity == "quarantine" and kinds[0] not in ROW_KINDS:
            found = f"`severity` is 'quarantine', and {kinds[0]} judges the table as a whole"
            place = fields.place_of(ENTRY_SEVERITY)
            problems.append(Problem(place, found, "`error` or `warn`"))
            return None
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
