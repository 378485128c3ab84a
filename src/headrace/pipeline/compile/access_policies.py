"""Plans keyed copies under row policies: takes a query and who sees which rows of its tables,
gives one copy, and for whom it answers.

A copy holds everybody's rows. It answers somebody when what a policy lets them see is a part of the
key, which their claim is then equal to; or is what the request asks for anyway, so that its
parameter only has to be compared with their claim; or is everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

from headrace.base.hashing import Part
from headrace.base.names import listed
from headrace.base.types import INTEGER_TYPES
from headrace.engines.trees import Node, base_tables, canonical, walk
from headrace.pipeline.compile.access_clauses import Comparison, NotKeyed, read_conditions
from headrace.pipeline.compile.access_columns import compared_columns
from headrace.pipeline.compile.access_paths import planned_query, refusal, words
from headrace.pipeline.compile.access_planning import Asked, Binder, Planned, Planning, conjunction
from headrace.pipeline.compile.access_scoping import Scoping, TableCases
from headrace.pipeline.compile.access_sources import Held, Sources, called, choosable
from headrace.pipeline.compile.access_types import compared_as
from headrace.pipeline.compile.local_expressions import conjuncts
from headrace.pipeline.compile.queries import Access
from headrace.store.scopes import PREFIX, claim_parameter
from headrace.store.snapshots import KeyedCase

# Of many cases, somebody for whom more than these hold is answered by queries.
_MOST_AT_ONCE = 3
# What the parser writes for a clause that stands in no text; a policy's is not of the endpoint's.
_NOWHERE = {"query_location": 18446744073709551615, "query_location_length": 0}


@dataclass(frozen=True, slots=True)
class _Need:
    """What a copy must have for somebody: conditions of its rows, and guards of requests."""

    conditions: tuple[Node, ...] = ()
    guards: tuple[tuple[str, str], ...] = ()

    @property
    def form(self) -> Part:
        """Equal for those who can be answered by one copy."""
        return [canonical(each) for each in self.conditions]

    def __str__(self) -> str:
        texts = list(dict.fromkeys(map(_text, self.conditions)))
        if not texts:
            return "for all rows"
        said = listed(text for text in texts if text)
        if all(texts):
            return f"by {said}"
        return f"by {said} and fixed conditions" if any(texts) else "by fixed conditions"


class _Unanswered(Exception):
    """Somebody is answered by queries, whatever the copy; the message says why."""


def keyed_cases(asked: Asked, binder: Binder, scoping: Scoping) -> Access:
    """How a query is answered by key for those who may ask, or why not.

    Args:
        asked: the query as its user wrote it, without the policies; types of its own parameters.
        binder: an engine.
        scoping: the policies, all of them; a policy that is left out would not hold.
    """
    if scoping.is_masked:
        columns = compared_columns(asked.tree, asked.tables)
        says = (
            "reads a table with a column that not everybody may see, and a copy holds all of them"
        )
        fix = "put what it needs of the table into a model, without that column"
        return Access(None, says=says, advice=fix, columns=columns)
    taken = [name for name in asked.types if name.lower().startswith(PREFIX)]
    if taken:
        says = f"has a parameter `${taken[0]}`, and those of whoever asks begin so"
        return Access(None, says=says, advice="call it something else")
    try:
        planning, planned = planned_query(asked, binder)
    except NotKeyed as exc:
        return refusal(asked, exc)
    policies = _Policies.of(planning, scoping)
    needs, unanswered = policies.needs()
    for need in _ranked(needs, policies.usual):
        try:
            found = planning, planned
            if need.conditions:
                found = planned_query(policies.chosen(need), binder)
        except NotKeyed as exc:
            says = f"the rows that they see cannot be kept by key: it {exc.says}"
            unanswered |= dict.fromkeys(_answered(needs, need), says)
            continue
        return policies.access(*found, _Choice(needs, unanswered, need))
    said = policies.left(unanswered)
    says = f"asks for rows that depend on who asks: {said or 'nobody sees any'}"
    return Access(None, says=says, columns=compared_columns(asked.tree, asked.tables))


def _answered(needs: Mapping[_Cases, _Need], need: _Need) -> list[_Cases]:
    return [cases for cases, each in needs.items() if each.form == need.form]


def _ranked(needs: Mapping[_Cases, _Need], usual: Sequence[_Cases]) -> list[_Need]:
    """What a copy may be made for, the best first: by how many it answers.

    Of two that answer as many, the one that is kept by a claim: many have one, and few see all.
    """
    first: dict[str, _Need] = {}
    for need in needs.values():
        first.setdefault(str(need.form), need)

    def rank(need: _Need) -> tuple[int, bool, int]:
        answered = _answered(needs, need)
        return sum(cases in answered for cases in usual), bool(need.conditions), len(answered)

    return sorted(first.values(), key=rank, reverse=True)


_Cases = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """The copy that is made, beside all that is needed, and those whom none can answer."""

    needs: Mapping[_Cases, _Need]
    unanswered: Mapping[_Cases, str]
    need: _Need


@dataclass(frozen=True, slots=True)
class _Policies:
    """The policies of a query that is keyed without them.

    Attributes:
        types: those of the claims, by their parameters.
        sources: what the query's FROM clause reads.
        pins: column -> the parameters that it is compared with by = in every request.
    """

    planning: Planning
    scoping: Scoping
    types: Mapping[str, str]
    sources: Sources
    pins: Mapping[Held, tuple[str, ...]]

    @classmethod
    def of(cls, planning: Planning, scoping: Scoping) -> _Policies:
        """The policies over a query."""
        asked = planning.asked
        types = {claim_parameter(claim.name): claim.type for claim in scoping.claims}
        sources = Sources.of(asked.tree, asked.tables)
        pins: dict[Held, tuple[str, ...]] = {}
        for each in planning.equal:
            column = sources.column(each.item.expression)
            if column is not None:
                for held in sorted(sources.equals(asked.tree, column)):
                    pins[held] = (*pins.get(held, ()), each.compared[0].parameter)
        return cls(planning, scoping, types, sources, pins)

    @property
    def usual(self) -> list[_Cases]:
        """The cases of somebody who has one role, and every claim; and of who has none."""
        cases = list(enumerate(self.scoping.cases))
        roles = dict.fromkeys(case.role for _, case in cases)
        if not cases:
            return [()]
        found = [
            tuple(number for number, case in cases if case.role in {"", role}) for role in roles
        ]
        return list(dict.fromkeys(found))

    def needs(self) -> tuple[dict[_Cases, _Need], dict[_Cases, str]]:
        """What a copy must have for some cases at once; for others, why none answers them."""
        numbers = range(len(self.scoping.cases))
        several = (combinations(numbers, count) for count in range(_MOST_AT_ONCE + 1))
        needs: dict[_Cases, _Need] = {}
        unanswered: dict[_Cases, str] = {}
        for cases in dict.fromkeys(chain(self.usual, *several)):
            try:
                needs[cases] = self._need(frozenset(cases))
            except _Unanswered as exc:
                unanswered[cases] = str(exc)
        return needs, unanswered

    def _need(self, active: frozenset[int]) -> _Need:
        conditions: list[Node] = []
        guards: dict[tuple[str, str], None] = {}
        for policy in self.scoping.tables:
            predicate = _seen(policy, active)
            if predicate is None:
                continue
            for table in self._read(policy.table):
                for each in _over(predicate, policy.table, called(table)):
                    guard = self._guard(each)
                    if guard is None:
                        conditions.append(each)
                    else:
                        guards[guard] = None
        return _Need(tuple(conditions), tuple(guards))

    def _read(self, name: str) -> list[Node]:
        """The places where a query reads a table: each of them can be chosen from by WHERE."""
        tree = self.planning.asked.tree
        read = [
            each for each in base_tables(tree) if str(each["table_name"]).lower() == name.lower()
        ]
        known = {id(each) for each in choosable(tree["from_table"])}
        if not read or any(id(each) not in known for each in read):
            raise _Unanswered(f"`{name}` is read within a subquery, or where a join pads its rows")
        return read

    def _guard(self, condition: Node) -> tuple[str, str] | None:
        """A parameter that must be equal to a claim for a condition to hold; None for none."""
        equal = read_conditions(condition).equal
        if not equal:
            return None
        comparison = equal[0]
        column = self.sources.column(comparison.expression)
        if column is None or not self._compares(comparison, self.sources.types[column]):
            return None
        for parameter in self.pins.get(column, ()):
            if self._is_same(self.planning.asked.types[parameter], comparison.parameter):
                return parameter, comparison.parameter.removeprefix(PREFIX)
        return None

    def _compares(self, comparison: Comparison, column: str) -> bool:
        """Whether values of a column are equal to a claim just when they are so in SQL."""
        own = self.types[comparison.parameter]
        is_plain = all(self.planning.type_named(cast) == own for cast in comparison.casts)
        return is_plain and bool(compared_as(column, own))

    def _is_same(self, parameter: str, claim: str) -> bool:
        own = self.types[claim]
        return parameter == own or {parameter, own} <= INTEGER_TYPES

    def chosen(self, need: _Need) -> Asked:
        """The query over the rows of those who have a need; its claims are parameters."""
        asked = self.planning.asked
        where = conjunction([*need.conditions, *conjuncts(asked.tree["where_clause"])])
        tree = {**asked.tree, "where_clause": where}
        return replace(asked, tree=tree, types={**asked.types, **self.types})

    def access(self, planning: Planning, planned: Planned, choice: _Choice) -> Access:
        """The copy, and who is answered by it."""
        answered = {cases: choice.needs[cases] for cases in _answered(choice.needs, choice.need)}
        found = [KeyedCase(tuple(sorted(each)), need.guards) for each, need in answered.items()]
        others = {
            cases: f"the copy is kept {choice.need}, not {need}"
            for cases, need in choice.needs.items()
            if cases not in answered
        }
        guarded = [
            f"{self._who(cases)} where {' and '.join(_guard_text(*each) for each in need.guards)}"
            for cases, need in answered.items()
            if cases in self.usual and need.guards
        ]
        left = self.left({**others, **choice.unanswered})
        asked = self.planning.asked
        return Access(
            replace(planned.keyed, cases=self._kept(found)),
            says="; ".join(each for each in [words(planning, planned), *guarded, left] if each),
            columns=compared_columns(asked.tree, asked.tables),
            origins=planned.origins,
        )

    def _kept(self, found: Sequence[KeyedCase]) -> tuple[KeyedCase, ...]:
        """The cases of a copy, in order; of a query without a scope there are none to tell."""
        if self.scoping.scope is None:
            return ()
        return tuple(sorted(found, key=lambda each: each.cases))

    def left(self, unanswered: Mapping[_Cases, str]) -> str:
        """Which of the usual cases are answered by queries, and why."""
        return "; ".join(
            f"{self._who(cases)} is answered by queries: {unanswered[cases]}"
            for cases in self.usual
            if cases in unanswered
        )

    def _who(self, cases: _Cases) -> str:
        roles = dict.fromkeys(self.scoping.cases[number].role for number in cases)
        return listed(role for role in roles if role) if any(roles) else "everybody"


def _seen(policy: TableCases, active: frozenset[int]) -> Node | None:
    """The one predicate that holds for somebody; None for all rows.

    Raises:
        _Unanswered: there is no one such predicate.
    """
    found = [node for number, node in policy.cases if number is None or number in active]
    if not found:
        raise _Unanswered(f"they see no rows of `{policy.table}`")
    if None in found:
        return None
    different: list[Node] = []
    for each in found:
        if each is not None and canonical(each) not in map(canonical, different):
            different.append(each)
    if len(different) > 1:
        raise _Unanswered(f"several policies of `{policy.table}` hold at once")
    return different[0]


def _over(predicate: Node, table: str, name: str) -> Iterator[Node]:
    """The conditions of a predicate over a table that a query calls by a name.

    Raises:
        _Unanswered: one of them is neither free of claims nor compares with one by =.
    """
    if any(each.get("class") in {"SUBQUERY", "STAR"} for each in walk(predicate)):
        raise _Unanswered(f"the policy of `{table}` asks another query")
    try:
        conditions = read_conditions(predicate)
    except NotKeyed as exc:
        raise _Unanswered(f"the policy of `{table}` {exc.says}") from exc
    if conditions.low or conditions.high:
        raise _Unanswered(f"the policy of `{table}` asks for a range")
    for each in conjuncts(predicate):
        yield _placed(each, table, name)


def _placed(part: Any, table: str, name: str) -> Any:  # noqa: ANN401 - a tree is JSON
    """A part of a predicate without its place in the text, its columns after the table's name."""
    if isinstance(part, list):
        return [_placed(each, table, name) for each in part]
    if not isinstance(part, dict):
        return part
    placed = {key: _placed(value, table, name) for key, value in part.items()}
    placed |= {key: value for key, value in _NOWHERE.items() if key in part}
    if part.get("class") == "COLUMN_REF":
        names = part["column_names"]
        if len(names) > 2 or (len(names) == 2 and names[0].lower() != table.lower()):
            raise _Unanswered(f"the policy of `{table}` reads a part of a column")
        placed["column_names"] = [name, names[-1]]
    return placed


def _text(condition: Node) -> str:
    """A condition of a policy: "sales.store_id = $auth.store_id"; "" for one without a claim."""
    equal = read_conditions(condition).equal
    if not equal:
        return ""
    column = equal[0].expression
    is_column = column.get("class") == "COLUMN_REF"
    said = ".".join(column["column_names"]) if is_column else "an expression"
    return f"{said} = $auth.{equal[0].parameter.removeprefix(PREFIX)}"


def _guard_text(parameter: str, claim: str) -> str:
    return f"${parameter} = $auth.{claim}"
