"""Column rules: takes `columns:`, `key:` and `partition:`, gives contracts and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from headrace.base.declarations import (
    CheckDeclaration,
    ColumnContract,
    DerivedColumn,
    Hiding,
    Partition,
)
from headrace.base.errors import Place, Problem
from headrace.base.names import is_name, listed, near_miss
from headrace.base.tables import PART_COLUMN
from headrace.pipeline.project.access_keys import COLUMN_ACCESS, HIDE
from headrace.pipeline.project.documents import Entries, Node, Scalar
from headrace.pipeline.project.keys import (
    Fields,
    Key,
    Problems,
    flag,
    one_of,
    read_fields,
    report,
    text,
    texts,
    unique_entries,
)
from headrace.pipeline.project.values import (
    MAX,
    MIN,
    PATTERN,
    column_type,
    read_limits,
    scalars,
)


def reference(node: Node, problems: Problems) -> tuple[str, str] | None:
    """A "table.column" text as its two names."""
    table, _, column = node.text.partition(".") if isinstance(node, Scalar) else ("", "", "")
    if is_name(table) and column:
        return table, column
    report(problems, node, "a column of a table, such as `stores.store_id`")
    return None


TYPE = Key("type", column_type)
NOT_NULL = Key("not_null", flag)
UNIQUE = Key("unique", flag)
ACCEPTED = Key("accepted", scalars)
REFERENCES = Key("references", reference)
DESCRIPTION = Key("description", text)

COLUMN_KEYS = (
    TYPE, NOT_NULL, UNIQUE, MIN, MAX, ACCEPTED, PATTERN, REFERENCES, DESCRIPTION,
    COLUMN_ACCESS, HIDE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What `columns:` says: one contract a column, and the checks that look at other tables."""

    columns: tuple[ColumnContract, ...] = ()
    references: tuple[CheckDeclaration, ...] = ()


def model_columns(node: Node, problems: Problems) -> ColumnRules | None:
    """The columns of a model: types may be left out."""
    return _columns(node, problems, must_have_type=False)


def source_columns(node: Node, problems: Problems) -> ColumnRules | None:
    """The columns of a source: each has a type."""
    return _columns(node, problems, must_have_type=True)


def _columns(node: Node, problems: Problems, *, must_have_type: bool) -> ColumnRules | None:
    entries = unique_entries(node, problems)
    if not entries:
        if isinstance(node, Entries):
            report(problems, node, "at least one column")
        return None
    columns: list[ColumnContract] = []
    references: list[CheckDeclaration] = []
    for key, rules in _distinct(entries, problems):
        fields = _rules(key, rules, problems)
        columns.append(_contract(key, fields, problems))
        references += _references(key, fields)
        if must_have_type and TYPE not in fields:
            found = f"the column `{key.text}` has no type"
            problems.append(
                Problem(key.place, found, f"`{key.text}: TYPE` or a mapping with `type`")
            )
    return ColumnRules(tuple(columns), tuple(references))


def _distinct(
    entries: Iterable[tuple[Scalar, Node]], problems: Problems
) -> Iterable[tuple[Scalar, Node]]:
    """The entries whose names may stand in one table: DuckDB does not look at letter case."""
    seen: dict[str, str] = {}
    for key, rules in entries:
        folded = key.text.lower()
        if not key.text.strip() or folded == PART_COLUMN:
            found = f"{key.text!r} cannot name a column"
            problems.append(Problem(key.place, found, "a name that is neither empty nor reserved"))
        elif folded in seen:
            found = f"the column `{key.text}` is already declared as `{seen[folded]}`"
            problems.append(Problem(key.place, found, "names that differ in more than letter case"))
        else:
            seen[folded] = key.text
            yield key, rules


def _rules(key: Scalar, node: Node, problems: Problems) -> Fields:
    """The rules of one column, whether written as a type or as a mapping."""
    if isinstance(node, Scalar):
        type_name = column_type(node, problems)
        values = {} if type_name is None else {TYPE.name: type_name}
        return Fields(key.place, values, {TYPE.name: node})
    return read_fields(node, COLUMN_KEYS, key.place, problems)


def _contract(key: Scalar, fields: Fields, problems: Problems) -> ColumnContract:
    type_name = fields.get(TYPE, "")
    limits = read_limits(fields, ACCEPTED, type_name, problems)
    if HIDE in fields and COLUMN_ACCESS not in fields:
        found = f"the column `{key.text}` has `hide` and no `access`"
        fix = "`hide` is what others see than those whom `access` names"
        problems.append(Problem(fields.place_of(HIDE), found, "both", fix))
    return ColumnContract(
        name=key.text,
        type=type_name,
        place=key.place,
        not_null=fields.get(NOT_NULL, False),
        unique=fields.get(UNIQUE, False),
        min=limits.min,
        max=limits.max,
        accepted=limits.accepted,
        pattern=limits.pattern,
        description=fields.get(DESCRIPTION, ""),
        access=fields.optional(COLUMN_ACCESS),
        hide=cast("Hiding", fields.get(HIDE, "masked")),
    )


def _references(key: Scalar, fields: Fields) -> list[CheckDeclaration]:
    target = fields.optional(REFERENCES)
    if target is None:
        return []
    table, column = target
    place = fields.place_of(REFERENCES)
    return [
        CheckDeclaration("references", (key.text,), place, to_table=table, to_columns=(column,))
    ]


PARTITION_COLUMN = Key("column", text)
PARTITION_BY = Key("by", one_of("hour", "day", "month", "year", "value"))
PARTITION_KEYS = (PARTITION_COLUMN, PARTITION_BY)


def partition(node: Node, problems: Problems) -> Partition | None:
    """`{column: …, by: …}`, both of them."""
    if not isinstance(node, Entries):
        report(problems, node, "a mapping such as `{column: ordered_at, by: day}`")
        return None
    fields = read_fields(node, PARTITION_KEYS, node.place, problems)
    missing = [key.name for key in PARTITION_KEYS if key.name not in fields.nodes]
    for name in missing:
        problems.append(Problem(node.place, f"{node.label} has no `{name}`", f"`{name}: …`"))
    if len(fields.values) < len(PARTITION_KEYS):
        return None
    by = cast("Literal['hour', 'day', 'month', 'year', 'value']", fields.get(PARTITION_BY, ""))
    return Partition(fields.get(PARTITION_COLUMN, ""), by)


def key_columns(node: Node, problems: Problems) -> tuple[str, ...] | None:
    """One column name or a list of different ones."""
    names = texts(node, problems)
    if names is not None and len({name.lower() for name in names}) < len(names):
        problems.append(Problem(node.place, f"{node.label} names a column twice", "each once"))
        return None
    return names


def derived_columns(node: Node, problems: Problems) -> tuple[DerivedColumn, ...] | None:
    """`{name: expression}`; whether the expression is one, only an engine can say."""
    if not isinstance(node, Entries):
        report(problems, node, "a mapping such as `{day: CAST(ordered_at AS DATE)}`")
        return None
    found: list[DerivedColumn] = []
    for key, value in _distinct(unique_entries(node, problems), problems):
        expression = text(value, problems)
        if expression is not None:
            found.append(DerivedColumn(key.text, expression, value.place))
    return tuple(found)


def require_columns(
    names: Iterable[str], known: Sequence[str], place: Place, problems: Problems
) -> None:
    """Report every name that is none of the columns."""
    folded = {name.lower() for name in known}
    for name in names:
        if known and name.lower() not in folded:
            found = f"`{name}` is not a column here"
            expected = f"one of {listed(known)}"
            problems.append(Problem(place, found, expected, near_miss(name, known)))
