"""Compiles endpoints: takes a query and its header, gives the contract that is served."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from headrace.base.access import NOBODY
from headrace.base.declarations import Endpoint, ParameterRules, Value
from headrace.base.errors import Place, Problem
from headrace.base.hashing import Part, address
from headrace.base.names import listed, near_miss
from headrace.base.tables import Column, Schema
from headrace.base.types import is_single, parse_type
from headrace.pipeline.compile.access_choices import choose_path
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.checks import Compiled
from headrace.pipeline.compile.copies import never_null
from headrace.pipeline.compile.models import duplicate_columns
from headrace.pipeline.compile.pinning import endpoint_problems
from headrace.pipeline.compile.policy_endpoints import (
    Scoped,
    absent_problem,
    access_problems,
    claim_problems,
    endpoint_policies,
    scoped,
    without_absent,
)
from headrace.pipeline.compile.queries import (
    Answer,
    Bound,
    Lineage,
    NameUse,
    Query,
    SqlText,
    place_in,
)
from headrace.pipeline.compile.tables import read_tables
from headrace.pipeline.compile.values import fits, has_order, within
from headrace.store.snapshots import EndpointContract, KeyedQuery, Parameter, Scope

_IN_PATH = re.compile(r"\{(\w+)\}")


def compile_endpoint(
    endpoint: Endpoint, compiled: Compiled, analysis: Analysis
) -> EndpointContract | list[Problem] | None:
    """An endpoint's contract, or all that is wrong with it; it is for those whom its header names.

    None while the columns of a table that it reads are unknown.
    """
    sql = SqlText(endpoint.place.file, endpoint.sql_line, endpoint.sql)
    query = analysis.query(endpoint.sql)
    tables, unknown = read_tables(query, sql, compiled.names)
    problems = [mistake.problem(sql) for mistake in query.mistakes] + unknown
    if query.statement:  # Of a text that cannot be read, nobody knows the parameters.
        problems += _name_problems(endpoint, query, sql)
    types, wrong_types = _declared_types(endpoint)
    problems += endpoint_problems(query.volatile, sql)
    problems += claim_problems(query, sql)
    problems += access_problems(endpoint, endpoint.access, tables, compiled.policies)
    if problems := [*problems, *wrong_types]:
        return problems
    schemas = compiled.schemas(tables)
    if schemas is None:
        return None
    policies = endpoint_policies(tables, endpoint.access, compiled.policies)
    schemas = without_absent(schemas, policies)
    answer = analysis.answer(query, schemas, types)
    if isinstance(answer, tuple):
        return [absent_problem(each, sql, policies) or each.problem(sql) for each in answer]
    problems = list(endpoint_problems(answer.bound.volatile, sql))
    problems += list(duplicate_columns(answer.bound.schema, place_in(sql, 1, 0)))
    parameters = tuple(_parameter(endpoint, use.name, answer) for use in query.parameters)
    for parameter in parameters:
        problems.extend(_value_problems(endpoint, parameter))
    problems.extend(_opened_problems(endpoint, answer.bound.schema))
    narrowed = scoped(answer.sql, schemas, policies, analysis, endpoint)
    answer = _under(narrowed, query, schemas, answer, analysis)
    depends = isinstance(narrowed, Scoped) and narrowed.scope is not None
    choice = choose_path(endpoint, sql, parameters, answer.access, scoped=depends)
    problems.extend(each for each in (narrowed, choice) if isinstance(each, Problem))
    if problems or isinstance(choice, Problem) or isinstance(narrowed, Problem):
        return problems
    contract = _contract(
        endpoint, query, answer, narrowed, tables=tables, parameters=parameters, compiled=compiled
    )
    return replace(
        contract,
        access_path=choice.path,
        reason=choice.reason,
        advice=choice.advice,
        keyed=choice.keyed and _with_nulls(choice.keyed, answer.access.origins, compiled),
    )


def _under(
    narrowed: Scoped | Problem,
    query: Query,
    schemas: Mapping[str, Schema],
    answer: Answer,
    analysis: Analysis,
) -> Answer:
    """An endpoint's query with the access that it has under the policies of its tables."""
    if isinstance(narrowed, Problem) or not narrowed.is_narrowed:
        return answer
    return analysis.under(query, schemas, answer, narrowed.policies, narrowed.scope)


def _contract(
    endpoint: Endpoint,
    query: Query,
    answer: Answer,
    narrowed: Scoped,
    *,
    tables: tuple[str, ...],
    parameters: tuple[Parameter, ...],
    compiled: Compiled,
) -> EndpointContract:
    pages_itself = any(parameter.name == "limit" for parameter in parameters)
    limit, max_limit = (0, 0) if pages_itself else (endpoint.limit, endpoint.max_limit)
    rules = [_rule(parameter) for parameter in parameters]
    columns = [[column.name, column.type] for column in answer.bound.schema]
    # The text alone tells policies from each other: what is bound to it, the scope says.
    policy = [narrowed.sql, *_bound_by(narrowed.scope)] if narrowed.is_narrowed else []
    return EndpointContract(
        name=endpoint.name,
        path=endpoint.path,
        recipe=address("endpoint", query.canonical, rules, columns, limit, max_limit, *policy),
        sql=narrowed.sql,
        tables=tables,
        parameters=parameters,
        columns=tuple(_fields(answer.bound, compiled, narrowed)),
        limit=limit,
        max_limit=max_limit,
        description=endpoint.description,
        lineage=compiled.ends.columns_of(answer.bound.lineage),
        sources=compiled.ends.sources_of(tables),
        version=endpoint.version,
        deprecated=endpoint.deprecated,
        sunset=endpoint.sunset,
        # No part of the recipe: what a client may ask for besides changes no answer there was.
        filters=tuple(name for name, _ in endpoint.filters),
        sorts=tuple(name for name, _ in endpoint.sort),
        access=endpoint.access or NOBODY,
        scope=narrowed.scope,
    )


def _bound_by(scope: Scope | None) -> Iterator[Part]:
    """What the parameters of a scope are bound to, as part of an answer's rule."""
    if scope is not None:
        yield [[case.role, *case.claims] for case in scope.cases]
        yield [list(roles) for roles in scope.masks]


def field_lineage(endpoint: Endpoint, compiled: Compiled, analysis: Analysis) -> Lineage | None:
    """Field -> the "table.column" names of the tables that an endpoint reads, of one that compiles.

    None while the columns of one of those tables are unknown.
    """
    sql = SqlText(endpoint.place.file, endpoint.sql_line, endpoint.sql)
    query = analysis.query(endpoint.sql)
    tables, _ = read_tables(query, sql, compiled.names)
    schemas = compiled.schemas(tables)
    if schemas is None:
        return None
    types, _ = _declared_types(endpoint)
    policies = endpoint_policies(tables, endpoint.access, compiled.policies)
    answer = analysis.answer(query, without_absent(schemas, policies), types)
    assert not isinstance(answer, tuple), "an endpoint of the graph has been compiled before"
    return answer.bound.lineage


def _with_nulls(keyed: KeyedQuery, origins: Sequence[str], compiled: Compiled) -> KeyedQuery:
    """A copy that says where NULLs lie only of what may hold any: so opposite orders are one."""
    key = tuple(
        replace(part, nulls_first=False)
        if part.nulls_first and origin and never_null(origin, compiled.relations)
        else part
        for part, origin in zip(keyed.key, origins, strict=True)
    )
    return replace(keyed, key=key)


def _fields(bound: Bound, compiled: Compiled, narrowed: Scoped) -> Iterator[Column]:
    """The fields of an answer; one that copies a column without NULLs has none itself.

    It has some when the column is NULL for those who may not see it.
    """
    hidden = {
        f"{table}.{mask.column}" for table, each in narrowed.policies.items() for mask in each.masks
    }
    for column in bound.schema:
        origin = bound.copies.get(column.name)
        seen = origin is not None and origin not in hidden
        never = seen and never_null(str(origin), compiled.relations)
        yield replace(column, nullable=not never)


def _rule(parameter: Parameter) -> list[Part]:
    """What of a parameter decides an answer: all but its description."""
    return [
        parameter.name,
        parameter.place,
        parameter.type,
        parameter.required,
        parameter.default,
        parameter.min,
        parameter.max,
        list(parameter.enum),
        parameter.pattern,
    ]


def _name_problems(endpoint: Endpoint, query: Query, sql: SqlText) -> Iterator[Problem]:
    """Parameters that path, header and query do not agree on."""
    used = {use.name: use for use in query.parameters}
    in_path = _IN_PATH.findall(endpoint.path)
    named = [
        *((f"the path has {{{name}}}", name, endpoint.place) for name in in_path),
        *((f"`defaults` names `{name}`", name, endpoint.place) for name in endpoint.defaults),
        *((f"`params` names `{each.name}`", each.name, each.place) for each in endpoint.params),
    ]
    for found, name, place in named:
        if name not in used:
            fix = _known(name, used)
            yield Problem(place, f"{found}, and the query has no `${name}`", fix=fix)
    for name, use in used.items():
        place = place_in(sql, use.line, use.column)
        if name.isdigit():
            yield Problem(place, "a parameter without a name", "`$name`")
        if name == "offset" and "limit" not in used:
            yield Problem(place, "`$offset` without `$limit`", fix="use both, or none of them")


def _opened_problems(endpoint: Endpoint, schema: Schema) -> Iterator[Problem]:
    """Fields to filter or sort by that the answer does not have, or that have no order."""
    types = {column.name: column.type for column in schema}
    named = [*(("filters", *each) for each in endpoint.filters)]
    named += [("sort", *each) for each in endpoint.sort]
    for key, name, place in named:
        if name not in types:
            fix = near_miss(name, types) or f"its fields are {listed(types)}"
            yield Problem(
                place, f"`{key}` names `{name}`, and the answer has no such field", fix=fix
            )
        elif not is_single(types[name]):
            found = f"`{key}` names `{name}`, which is {types[name]}"
            expected = "a field of one value: a number, a text, a date, a time, a boolean"
            yield Problem(place, found, expected, "leave it out")


def _known(name: str, used: Mapping[str, NameUse]) -> str:
    return near_miss(name, used) or f"its parameters are {listed(f'${each}' for each in used)}"


def _declared_types(endpoint: Endpoint) -> tuple[dict[str, str], list[Problem]]:
    """The types that `params:` gives, as DuckDB spells them."""
    types: dict[str, str] = {}
    problems: list[Problem] = []
    for rules in endpoint.params:
        if rules.type:
            try:
                types[rules.name] = parse_type(rules.type)
            except ValueError as exc:
                problems.append(Problem(rules.place, str(exc)))
    return types, problems


def _parameter(endpoint: Endpoint, name: str, answer: Answer) -> Parameter:
    rules = {each.name: each for each in endpoint.params}
    rule = rules.get(name, ParameterRules(name, endpoint.place))
    in_path = name in _IN_PATH.findall(endpoint.path)
    return Parameter(
        name=name,
        place="path" if in_path else "query",
        type=answer.types[name],
        required=in_path or name not in endpoint.defaults,
        default=endpoint.defaults.get(name),
        min=rule.min,
        max=rule.max,
        enum=rule.enum,
        pattern=rule.pattern,
        description=rule.description,
        column=answer.access.columns.get(name.lower(), ""),
    )


def _value_problems(endpoint: Endpoint, parameter: Parameter) -> Iterator[Problem]:
    """Values of the header that do not fit a parameter's type or its own rules."""
    places = {rules.name: rules.place for rules in endpoint.params}
    place = places.get(parameter.name, endpoint.place)
    what, type_name = f"parameter `{parameter.name}`", parameter.type
    named = [("default", parameter.default), ("min", parameter.min), ("max", parameter.max)]
    wrong = False
    for word, value in [*named, *(("enum", value) for value in parameter.enum)]:
        if not fits(value, type_name):
            wrong = True
            yield Problem(place, f"{what}: {word} is {value!r}", f"a {type_name}")
    if not wrong:
        yield from _rule_problems(parameter, what, place)


def _rule_problems(parameter: Parameter, what: str, place: Place) -> Iterator[Problem]:
    low, high, default = parameter.min, parameter.max, parameter.default
    if (low is not None or high is not None) and not has_order(parameter.type):
        found = f"{what}: {parameter.type} has no order, so it can have no min or max"
        yield Problem(place, found, fix="use `enum` or `pattern`")
    elif not within(default, low, high):
        found = f"{what}: default {default!r} is outside its own min and max"
        yield Problem(place, found, f"{_shown(low)} to {_shown(high)}")
    if parameter.enum and default is not None and default not in parameter.enum:
        yield Problem(
            place,
            f"{what}: default {default!r} is not in its own enum",
            f"one of {listed(str(value) for value in parameter.enum)}",
        )
    if parameter.pattern:
        yield from _pattern_problems(parameter, what, place)


def _shown(bound: Value) -> str:
    return "any" if bound is None else str(bound)


def _pattern_problems(parameter: Parameter, what: str, place: Place) -> Iterator[Problem]:
    if parameter.type != "VARCHAR":
        yield Problem(place, f"{what}: pattern is for text, and it is {parameter.type}")
    try:
        re.compile(parameter.pattern)
    except re.error as exc:
        yield Problem(
            place, f"{what}: pattern {parameter.pattern!r}: {exc}", "a regular expression"
        )
