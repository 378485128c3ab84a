"""Walks a query for the locality proof: takes its tree, gives its columns and what is not local.

What holds of the rows of every query here: to ask it for some keys is to ask each partitioned table
in it for the cells of these keys; it then gives just those of its rows whose key is one of them.
Where that would not follow for a clause, the clause is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from headrace.base.partitions import Grain
from headrace.base.tables import Schema
from headrace.engines.trees import Node, ctes
from headrace.pipeline.compile.local_clauses import (
    LIMITED,
    Select,
    across,
    aggregate_calls,
    grouped_scope,
)
from headrace.pipeline.compile.local_expressions import conjuncts, learned, nodes_of, value_of
from headrace.pipeline.compile.local_joins import Join, joined
from headrace.pipeline.compile.local_outputs import (
    column_of,
    function_name,
    is_one_column,
    is_several,
    item_name,
    merged_rows,
    star_columns,
)
from headrace.pipeline.compile.local_scopes import (
    Binding,
    Column,
    Part,
    Rows,
    Scope,
    Side,
    mapped_rows,
)
from headrace.pipeline.compile.local_values import (
    UNKNOWN,
    Fact,
    Facts,
    Value,
    common,
    comparable,
    determines,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A clause by which a cell needs more than its own, and the partitioned tables concerned.

    `always`: no lookback makes it right.
    """

    node: Node
    reason: str
    tables: frozenset[str]
    always: bool = False


@dataclass(frozen=True, slots=True)
class Prover:
    """One proof; `refusals` grow.

    Attributes:
        tables: the columns of every table, by name in lower case.
        splits: partitioned table, in lower case -> its partition's columns, in lower case.
        by: the grain of the result's partition; "bucket" for the hash of a key.
        components: of how many columns a key consists.
        aggregates: the names of all aggregate functions.
    """

    tables: Mapping[str, Schema]
    splits: Mapping[str, tuple[str, ...]]
    by: Grain
    components: int
    aggregates: frozenset[str]
    refusals: list[Refused] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def query(self, node: Node, scope: Scope) -> Rows:
        """What a query gives."""
        for name, entry in ctes(node):
            rows = self.query(entry["query_node"], scope).named(entry["aliases"])
            scope = replace(scope, ctes={**scope.ctes, name.lower(): rows})
        if node["type"] == "SELECT_NODE":
            return self._select(node, scope)
        if node["type"] == "SET_OPERATION_NODE":
            return self._limited(node, self._set_operation(node, scope), scope)
        return self._recursive(node, scope)

    def _recursive(self, node: Node, scope: Scope) -> Rows:
        left = self.query(node["left"], scope)
        known = replace(left, columns=tuple(replace(c, value=UNKNOWN) for c in left.columns))
        known = replace(known, part=None).named(node["aliases"])
        inner = replace(scope, ctes={**scope.ctes, node["cte_name"].lower(): known})
        right = self.query(node["right"], inner)
        for part in (left.part, right.part):
            if part is not None:
                self.refuse(node["left"], "a recursive query goes on from row to row", part.tables)
        return replace(known, part=left.part or right.part)

    def _limited(self, node: Node, rows: Rows, scope: Scope) -> Rows:
        for modifier in node["modifiers"]:
            self.look_at(modifier, scope)
            if modifier["type"] == "LIMIT_MODIFIER" and rows.part is not None:
                self.refuse_limit(modifier, rows.part)
        return rows

    def refuse_limit(self, node: Node, part: Part) -> None:
        """Refuse LIMIT and OFFSET."""
        self.refuse(node, LIMITED, part.tables, always=True)

    def refuse(
        self, node: Node, reason: str, tables: Iterable[str], *, always: bool = False
    ) -> None:
        """Remember a clause that is not local."""
        self.refusals.append(Refused(node, reason, frozenset(tables), always))

    def _set_operation(self, node: Node, scope: Scope) -> Rows:
        branches = [self._fresh(self.query(child, scope)) for child in node["children"]]
        parts = [rows.part for rows in branches if rows.part is not None]
        by_name = "BY_NAME" in node["setop_type"]
        merged = merged_rows(branches, by_name=by_name)
        if not parts:
            return merged
        part = Part(next(self._numbers), frozenset().union(*(p.tables for p in parts)), node)
        ids = {each.id: part.id for each in parts}
        columns = self._united(branches, merged.columns, ids, by_name=by_name)
        rows = replace(merged, columns=columns, part=part)
        name = node["setop_type"].replace("_BY_NAME", "")
        is_union = name == "UNION"
        everywhere = [rows.part is None for rows in branches]
        if everywhere[0] or (is_union and any(everywhere)):
            reason = f"{name} with rows that come from no partitioned table"
            self.refuse(node["children"][everywhere.index(True)], reason, part.tables)
        elif not (is_union and node["setop_all"]) and not self._compared(rows, branches):
            reason = f"{name} compares rows that do not hold the partition"
            self.refuse(node["children"][1], reason, part.tables)
        return rows

    def _united(
        self,
        branches: list[Rows],
        columns: tuple[Column, ...],
        ids: Mapping[int, int],
        *,
        by_name: bool,
    ) -> tuple[Column, ...]:
        """The columns of a set operation with what those of every branch with a part tell."""

        def change(facts: Facts) -> Facts:
            return frozenset(
                Fact(ids[f.part], f.component) for f in facts if f.part in ids and not f.half
            )

        told = [mapped_rows(rows, change) for rows in branches if rows.part is not None]
        found: list[Column] = []
        for position, column in enumerate(columns):
            same = [column_of(rows, position, column.name, by_name=by_name) for rows in told]
            everyone = [
                column_of(rows, position, column.name, by_name=by_name) for rows in branches
            ]
            agree = all(comparable(same[0], each, self.by) for each in (*same, *everyone))
            value = common(each if each.facts else UNKNOWN for each in same)
            types = {each.type for each in everyone}
            kind = types.pop() if len(types) == 1 else "TIMESTAMP"
            found.append(Column(column.name, Value(kind, value.facts) if agree else column.value))
        return tuple(found)

    def _compared(self, rows: Rows, branches: list[Rows]) -> bool:
        """Whether rows that a set operation takes for equal are of one partition."""
        assert rows.part is not None
        complete = all(branch.complete for branch in branches)
        return complete and determines(
            [each.value for each in rows.columns], rows.part.id, self.components
        )

    def _select(self, node: Node, outer: Scope) -> Rows:
        around = Scope(ctes=outer.ctes, parent=outer)
        side = self._from(node["from_table"], around)
        # A WHERE prefers a column of its own, then an alias, then a column of a query around.
        hidden = {item_name(each).lower() for each in node["select_list"]}
        unknown = {name: UNKNOWN for name in hidden if name and side.find([name]) is None}
        scope = replace(around, side=side, aliases=unknown)
        self._where(node["where_clause"], scope)
        scope = learned(node["where_clause"], scope, self.by)
        scope, part = self._one_part(node, scope)
        grouped = grouped_scope(node, scope)
        rows = self._items(node, grouped, part)
        # Of two columns of one name, the first is meant.
        aliases = {c.name.lower(): c.value for c in reversed(rows.columns) if c.name}
        # A GROUP BY prefers a column to an alias.
        new = {name: value for name, value in aliases.items() if side.find([name]) is None}
        scope, grouped = replace(scope, aliases=new), replace(grouped, aliases=aliases)
        self.look_at(node["group_expressions"], scope)
        for key in ("select_list", "having", "qualify"):
            self.look_at(node[key], grouped)
        self._outer_aggregates(node, grouped)
        if part is not None:
            details = (part.id, self.by, self.components, self.aggregates)
            select = Select(node, rows.columns, rows.complete, scope, grouped, *details)
            for clause, reason in across(select):
                self.refuse(clause, reason, part.tables)
        return self._limited(node, rows, grouped)

    def _outer_aggregates(self, node: Node, scope: Scope) -> None:
        """Refuse aggregates of nothing but columns of a query around: they are that query's."""
        tables = frozenset[str]().union(*(part.tables for part in scope.parts_around()))
        for call in aggregate_calls(node, self.aggregates) if tables else ():
            names = [e["column_names"] for e in nodes_of(call) if e.get("class") == "COLUMN_REF"]
            if names and not any(scope.owns(name) for name in names):
                self.refuse(call, "this aggregates the rows of the query around it", tables)

    def _one_part(self, node: Node, scope: Scope) -> tuple[Scope, Part | None]:
        """A scope in which all parts are one, and that part; None: nothing here is partitioned.

        What has the key of a row of a query around is, for that row, a table of its own.
        """
        side, glue = scope.side, scope.glue()
        around = [part.id for part in scope.parts_around()]
        live = [p for p in side.parts if not glue.glued(p.id, around, self.components)]
        part = None
        if live:
            tables = frozenset().union(*(each.tables for each in live))
            part = Part(next(self._numbers), tables, node["from_table"])
            for other in live[1:]:
                if not glue.glued(other.id, [live[0].id], self.components):
                    reason = "this join does not equate the partitions of what it joins"
                    self.refuse(other.node, reason, live[0].tables | other.tables)
        gone = {each.id for each in side.parts}
        kept = {each.id for each in live}

        def change(facts: Facts) -> Facts:
            return frozenset(
                replace(f, part=part.id) if part is not None and f.part in kept else f
                for f in facts
                if f.part not in gone or f.part in kept
            )

        parts = () if part is None else (part,)
        return replace(scope, side=replace(side.mapped(change), parts=parts)), part

    def _items(self, node: Node, scope: Scope, part: Part | None) -> Rows:
        """The columns of a select list; each sees those before it."""
        items: list[Column] = []
        for item in node["select_list"]:
            if item["class"] == "STAR" and not item["columns"]:
                shown, complete = star_columns(item, scope, self.by)
                items += shown
                if not complete:
                    return Rows(tuple(items), part, complete=False)
            elif is_several(item):
                return Rows(tuple(items), part, complete=False)
            else:
                items.append(Column(item_name(item), value_of(item, scope, self.by)))
                seen = {item_name(item).lower(): items[-1].value} if item_name(item) else {}
                scope = replace(scope, aliases=seen | {**scope.aliases})
        return Rows(tuple(items), part)

    def _from(self, node: Node, scope: Scope) -> Side:
        """What a FROM entry gives; `scope.side` is what stands to its left."""
        if node["type"] == "JOIN":
            return self._join(node, scope)
        if node["type"] == "EMPTY":
            return Side()
        rows = self._fresh(self._rows(node, scope))
        alias = node["alias"] or node.get("table_name") or function_name(node)
        rows = rows.named(node.get("column_name_alias") or []).told_apart()
        parts = () if rows.part is None else (replace(rows.part, node=node),)
        return Side((Binding(alias.lower(), rows),), parts=parts)

    def _rows(self, node: Node, scope: Scope) -> Rows:
        if node["type"] == "BASE_TABLE":
            return self._table(node, scope)
        if node["type"] == "SUBQUERY":
            return self.query(node["subquery"]["node"], scope)
        if node["type"] == "PIVOT":
            side = self._from(node["source"], scope)
            for part in side.parts:
                self.refuse(node, "PIVOT and UNPIVOT are not looked into", part.tables)
            return Rows((), side.parts[0] if side.parts else None, complete=False)
        self.look_at(node, scope)
        if node["type"] == "EXPRESSION_LIST":
            names = [f"col{position}" for position in range(len(node["values"][0]))]
            names = node.get("expected_names") or names
            return Rows(tuple(Column(name, UNKNOWN) for name in names))
        if is_one_column(node):
            return Rows((Column(function_name(node), UNKNOWN),))
        return Rows((), complete=False)

    def _table(self, node: Node, scope: Scope) -> Rows:
        name = node["table_name"].lower()
        if not node["schema_name"] and name in scope.ctes:
            return scope.ctes[name]
        split = self.splits.get(name)
        part = None if split is None else Part(next(self._numbers), frozenset({name}), node)
        columns = [Column(each.name, Value(each.type)) for each in self.tables[name]]
        for component, column in enumerate(split or ()):
            assert part is not None
            at = [each.name.lower() for each in columns].index(column)
            facts = columns[at].value.facts | {Fact(part.id, component)}
            columns[at] = replace(columns[at], value=replace(columns[at].value, facts=facts))
        return Rows(tuple(columns), part)

    def _fresh(self, rows: Rows) -> Rows:
        """One use of rows: what two uses of a query tell is not of the same row."""
        if rows.part is None:
            return rows
        old, new = rows.part.id, next(self._numbers)
        halves: dict[int, int] = {}

        def renumbered(fact: Fact) -> Fact:
            if fact.part != old:
                return fact
            half = abs(fact.half)
            if half and half not in halves:
                halves[half] = next(self._numbers)
            sign = 1 if fact.half > 0 else -1
            return Fact(new, fact.component, sign * halves[half] if half else 0)

        changed = mapped_rows(rows, lambda facts: frozenset(map(renumbered, facts)))
        return replace(changed, part=replace(rows.part, id=new))

    def _join(self, node: Node, scope: Scope) -> Side:
        left = self._from(node["left"], scope)
        right = self._from(node["right"], Scope(left, scope.ctes, parent=scope))
        join = Join(node, left, right, scope, self.by, self.components, next(self._numbers))
        result = joined(join)
        if result.reason:
            tables = frozenset[str]().union(*(p.tables for p in (*left.parts, *right.parts)))
            self.refuse(node, result.reason, tables)
        if node["condition"] is not None:
            both = Side((*left.bindings, *right.bindings), parts=(*left.parts, *right.parts))
            self.look_at(node["condition"], Scope(both, scope.ctes, parent=scope))
        return result.side

    def _where(self, condition: Node | None, scope: Scope) -> None:
        for each in conjuncts(condition):
            if each.get("type") != "SUBQUERY" or not self._is_semi_join(each, scope):
                self.look_at(each, scope)

    def _is_semi_join(self, node: Node, scope: Scope) -> bool:
        """Whether a condition is `column IN (SELECT …)`, and both are of one partition."""
        if node["subquery_type"] != "ANY" or node["comparison_type"] != "COMPARE_EQUAL":
            return False
        before = len(self.refusals)
        rows = self.query(node["subquery"]["node"], Scope(ctes=scope.ctes, parent=scope))
        compared = [node["child"]]
        if str(node["child"].get("function_name")).lower() == "row":
            compared = [each["expression"] for each in node["child"]["arguments"]]
        values = [value_of(each, scope, self.by) for each in compared]
        if rows.part is not None and rows.complete and len(values) == len(rows.columns):
            pairs = zip(values, rows.columns, strict=True)
            told = [self._told_by_both(value, column.value, rows.part) for value, column in pairs]
            if any(determines(told, part.id, self.components) for part in scope.side.parts):
                self.look_at(node["child"], scope)
                return True
        del self.refusals[before:]
        return False

    def _told_by_both(self, value: Value, other: Value, part: Part) -> Value:
        """What a value tells of which an equal one tells the same of its own part."""
        if not comparable(value, other, self.by):
            return UNKNOWN
        told = {fact.component for fact in other.whole() if fact.part == part.id}
        return replace(value, facts=frozenset(f for f in value.facts if f.component in told))

    def look_at(self, node: object, scope: Scope) -> None:
        """Look into the subqueries of an expression: each is, for a row, a table of its own."""
        for each in nodes_of(node):
            if each.get("class") != "SUBQUERY":
                continue
            before = len(self.refusals)
            rows = self.query(each["subquery"]["node"], Scope(ctes=scope.ctes, parent=scope))
            if rows.part is not None:
                del self.refusals[before:]
                reason = "this subquery reads the rows of all partitions"
                self.refuse(each, reason, rows.part.tables)
