"""Compiles who sees what of each table: takes declarations and tables, gives their policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from headrace.base.access import NOBODY, Access
from headrace.base.declarations import ColumnContract, Hiding, RowRule, Source
from headrace.base.errors import Place, Problem
from headrace.base.names import listed, near_miss
from headrace.base.tables import ALL_SUFFIX, QUARANTINE_SUFFIX, Schema
from headrace.base.types import is_single
from headrace.checks.setting_aside import REASON
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.compile.pinning import said
from headrace.pipeline.compile.queries import ALLOWED, AUTH, Mistake, Predicate
from headrace.pipeline.compile.sources import derived_origins
from headrace.store.snapshots import Claim, ColumnMask, RowCase, TablePolicy

_CLAIM = f"${AUTH}_"


@dataclass(frozen=True, slots=True)
class Restriction:
    """What of a table not everybody sees, as its own declaration says.

    Attributes:
        rules: its rules of rows; () when everybody sees all of them.
        columns: the columns that the rules look at.
        masks: its columns that not everybody sees.
        sealed: whether it holds raw rows that no rule can be applied to: a source's quarantine.
            Its `masks` are those of the source.
    """

    rules: tuple[RowRule, ...] = ()
    columns: tuple[str, ...] = ()
    masks: tuple[ColumnMask, ...] = ()
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of all tables by name, what each restricts, and what is wrong with them."""

    tables: Mapping[str, TablePolicy] = field(default_factory=dict)
    restrictions: Mapping[str, Restriction] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def compile_policies(relations: Iterable[Relation], analysis: Analysis) -> Policies:
    """The policies of tables, in the tables' order; of one without columns yet there is none.

    A rule with a problem lets nobody see any row.
    """
    tables: dict[str, TablePolicy] = {}
    restrictions: dict[str, Restriction] = {}
    problems: list[Problem] = []
    for relation in relations:
        if relation.schema is None:
            # What reads it must say so before the columns are known, too.
            declared = relation.declaration.rows
            restrictions[relation.name] = Restriction(declared.rules if declared else ())
            continue
        policy, restriction, found = _policy(relation, relation.schema, analysis)
        tables[relation.name], restrictions[relation.name] = policy, restriction
        # The tables of one declaration have the same rules, and the same problems with them.
        problems.extend(each for each in found if each not in problems)
    return Policies(tables, restrictions, tuple(problems))


def _policy(
    relation: Relation, schema: Schema, analysis: Analysis
) -> tuple[TablePolicy, Restriction, list[Problem]]:
    declaration = relation.declaration
    columns = tuple(column.name for column in schema)
    masks, problems = _masks(relation, schema, analysis)
    rules = declaration.rows.rules if declaration.rows else ()
    if relation.kind == "quarantine":
        return _set_aside(relation, columns, masks)
    policy = TablePolicy(declaration.access or NOBODY, None, (), masks, columns)
    if not rules:
        return policy, Restriction(masks=masks), problems
    read = [_rule(relation, schema, rule, analysis) for rule in rules]
    cases = [each for each in read if isinstance(each, _Rule)]
    problems += [each for each in read if isinstance(each, Problem)]
    problems += _at_odds(cases)
    types = {claim.name: claim for each in cases for claim in each.claims}
    claims = tuple(types[name] for name in sorted(types))
    used = dict.fromkeys(name for each in cases for name in each.columns)
    rows = () if problems else tuple(each.case for each in cases)
    policy = replace(policy, rows=rows, claims=claims)
    return policy, Restriction(rules, tuple(used), masks), problems


def _set_aside(
    relation: Relation, columns: tuple[str, ...], masks: tuple[ColumnMask, ...]
) -> tuple[TablePolicy, Restriction, list[Problem]]:
    """The policy of what a source sets aside: nobody's, when the source has any rule."""
    declaration = relation.declaration
    if not masks and not (declaration.rows and declaration.rows.rules):
        return TablePolicy(declaration.access or NOBODY, columns=columns), Restriction(), []
    return TablePolicy(rows=(), columns=columns), Restriction(masks=masks, sealed=True), []


@dataclass(frozen=True, slots=True)
class _Rule:
    """One rule, bound to its table: `columns` are those that it looks at."""

    case: RowCase
    claims: tuple[Claim, ...]
    columns: tuple[str, ...]
    place: Place


def _rule(relation: Relation, schema: Schema, rule: RowRule, analysis: Analysis) -> _Rule | Problem:
    if not rule.sql:
        return _Rule(RowCase(rule.role), (), (), rule.place)
    table = declared_name(relation)
    where = f"`rows` of `{table}`"
    predicate = analysis.predicate(rule.sql, table)
    if isinstance(predicate, Mistake):
        return Problem(rule.place, f"{where}: {predicate.found}", predicate.expected, predicate.fix)
    query = analysis.query(predicate.sql)
    answer = query.mistakes or analysis.answer(query, {table: schema}, {})
    if isinstance(answer, tuple):
        return _unbound(where, rule, predicate, schema, answer[0])
    if answer.bound.volatile:
        found = f"{where}: {said(answer.bound.volatile[0])}"
        return Problem(rule.place, found, "a condition that holds as long as its row stays")
    kind = answer.bound.schema[0].type
    if kind != "BOOLEAN":
        found = f"{where} is {kind}: {rule.sql}"
        return Problem(rule.place, found, f"a condition such as `store_id = ${AUTH}.store_id`")
    prefix = f"{AUTH}_"
    claims = tuple(
        Claim(name.removeprefix(prefix), kind) for name, kind in sorted(answer.types.items())
    )
    if odd := next((each for each in claims if not is_single(each.type.removesuffix("[]"))), None):
        found = f"{where}: `${AUTH}.{odd.name}` is {odd.type}"
        return Problem(rule.place, found, "a number, a text, a date or a time, or a list of those")
    text = answer.sql.removeprefix("SELECT ").rpartition(f" AS {ALLOWED} FROM ")[0]
    case = RowCase(rule.role, text, tuple(claim.name for claim in claims))
    columns = (origin.partition(".")[2] for origin in answer.bound.lineage[ALLOWED])
    return _Rule(case, claims, tuple(columns), rule.place)


def _unbound(
    where: str, rule: RowRule, predicate: Predicate, schema: Schema, mistake: Mistake
) -> Problem:
    """Why a rule does not fit its table, in the words of who wrote it."""
    names = {column.name.lower(): column.name for column in schema}
    for name in predicate.names:
        if name.lower() not in names:
            fix = near_miss(name, names.values()) or f"its columns are {listed(names.values())}"
            return Problem(rule.place, f"{where}: there is no column `{name}`", fix=fix)
    found = mistake.found.replace(f"parameter `{_CLAIM}", f"`${AUTH}.").replace(_CLAIM, f"${AUTH}.")
    fix = mistake.fix
    if "params:" in fix:
        claim = found.partition(f"`${AUTH}.")[2].partition("`")[0]
        fix = f"cast it in the rule: CAST(${AUTH}.{claim} AS VARCHAR)"
    return Problem(rule.place, f"{where}: {found}", mistake.expected, fix)


def _at_odds(rules: Iterable[_Rule]) -> Iterator[Problem]:
    """The claims that the rules of a table spell, or compare, in two ways."""
    known: dict[str, Claim] = {}
    for rule in rules:
        for claim in rule.claims:
            other = known.setdefault(claim.name.lower(), claim)
            if other.name != claim.name:
                found = f"`${AUTH}.{claim.name}` is spelled `${AUTH}.{other.name}` in another rule"
                yield Problem(rule.place, found, "one spelling")
            elif other.type != claim.type:
                found = (
                    f"`${AUTH}.{claim.name}` is {claim.type} here, and {other.type} in another rule"
                )
                fix = f"cast it in one of the rules: CAST(${AUTH}.{claim.name} AS {other.type})"
                yield Problem(rule.place, found, "one type of each claim", fix)


def _masks(
    relation: Relation, schema: Schema, analysis: Analysis
) -> tuple[tuple[ColumnMask, ...], list[Problem]]:
    """The columns of a table that not everybody sees."""
    types = {column.name.lower(): column for column in schema}
    masks: dict[str, ColumnMask] = {}
    problems: list[Problem] = []
    is_raw = relation.kind == "quarantine"
    for contract in relation.declaration.columns:
        column = types.get(contract.name.lower())
        if contract.access is None or (column is None and not is_raw):
            continue
        name, kind = (column.name, column.type) if column else (contract.name, "VARCHAR")
        problems.extend(_mask_problems(declared_name(relation), contract, kind))
        if contract.access.kind != "public":
            masks[name] = ColumnMask(name, contract.access.roles, contract.hide)
    if isinstance(relation.declaration, Source):
        masks |= _derived_masks(relation.declaration, masks, analysis)
    elif relation.name.endswith(QUARANTINE_SUFFIX):
        masks |= _reason_mask(relation, masks)
    return tuple(masks.values()), problems


def _mask_problems(table: str, contract: ColumnContract, type_name: str) -> Iterator[Problem]:
    where = f"`access` of {table}.{contract.name}"
    access = contract.access or NOBODY
    if access.kind == "authenticated" or access.scopes:
        yield Problem(contract.place, f"{where} is {access}", "roles, or `public`")
    if contract.hide == "hashed" and type_name != "VARCHAR" and access.kind != "public":
        found = f"`hide: hashed` of {table}.{contract.name}, which is {type_name}"
        yield Problem(contract.place, found, "a text column", "write `hide: masked` or `absent`")


def _derived_masks(
    source: Source, masks: Mapping[str, ColumnMask], analysis: Analysis
) -> dict[str, ColumnMask]:
    """The masks of columns that a source derives from hidden ones: seen by who sees all of those.

    A hash of what is derived could be compared with hashes of the original, so it is NULL.
    """
    found: dict[str, ColumnMask] = {}
    for column, origins in derived_origins(source, analysis).items():
        hidden = [masks[origin] for origin in origins if origin in masks]
        if hidden:
            ways: set[Hiding] = {mask.hide for mask in hidden}
            hide: Hiding = "absent" if "absent" in ways else "masked"
            found[column] = ColumnMask(column, _roles_of_all(hidden), hide)
    return found


def _reason_mask(relation: Relation, masks: Mapping[str, ColumnMask]) -> dict[str, ColumnMask]:
    """The mask of why rows are set aside: which rule a hidden value breaks tells of the value."""
    columns = (origin.partition(".")[2] for origin in relation.lineage.get(REASON, ()))
    hidden = [masks[column] for column in columns if column in masks]
    return {REASON: ColumnMask(REASON, _roles_of_all(hidden), "masked")} if hidden else {}


def _roles_of_all(masks: Iterable[ColumnMask]) -> tuple[str, ...]:
    """The roles that see each of some columns, which are one or more."""
    first, *others = masks
    return tuple(role for role in first.roles if all(role in each.roles for each in others))


def declared_name(relation: Relation) -> str:
    """What the user calls the table that a table belongs to: `orders` for `orders__history`."""
    name = relation.declaration.name
    return name.removesuffix(QUARANTINE_SUFFIX).removesuffix(ALL_SUFFIX)


def is_let_in(access: Access | None, mask: ColumnMask) -> bool:
    """Whether everybody who may ask has a role that sees a column."""
    roles = access.roles if access is not None and access.kind == "granted" else ()
    return bool(roles) and set(roles) <= set(mask.roles)
