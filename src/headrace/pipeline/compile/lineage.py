"""Column lineage in one pass: takes a parse tree and table columns, gives each output's inputs.

Only what a value is made of counts: a WHERE, a join's condition and a GROUP BY choose rows. A
subquery that is used as a value counts with every column it mentions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from headrace.base.tables import Schema
from headrace.engines.trees import Node, children, ctes, walk
from headrace.pipeline.compile.queries import Lineage
from headrace.pipeline.compile.scopes import NOTHING, Binding, Origins, Output, Scope, union


@dataclass(frozen=True, slots=True)
class Traced:
    """The lineage of a query's columns, and the column references that name no column."""

    lineage: Lineage
    unresolved: tuple[Node, ...]


def trace(query: Node, tables: Mapping[str, Schema], schema: Schema) -> Traced:
    """What each column of a query derives from.

    Args:
        query: the query's node.
        tables: the columns of every table that it reads, under the tables' own names.
        schema: the query's own columns, as the engine binds them.
    """
    tracer = _Tracer({name.lower(): _stored(name, columns) for name, columns in tables.items()})
    outputs = tracer.query(query, Scope())
    if outputs is None or len(outputs) != len(schema):
        # Only the engine can number the columns of, say, `struct.*`: name every input then.
        everything = tracer.mentioned(query, Scope())
        outputs = tuple(Output(column.name, everything) for column in schema)
    pairs = zip(schema, outputs, strict=True)
    lineage = {column.name: tuple(sorted(output.origins)) for column, output in pairs}
    return Traced(lineage, tuple(tracer.unresolved))


def _stored(table: str, schema: Schema) -> tuple[Output, ...]:
    return tuple(Output(each.name, frozenset({f"{table}.{each.name}"})) for each in schema)


_Outputs = tuple[Output, ...] | None


@dataclass(frozen=True, slots=True)
class _Tracer:
    tables: Mapping[str, tuple[Output, ...]]
    unresolved: list[Node] = field(default_factory=list)
    touched: list[Origins] = field(default_factory=list)

    def query(self, node: Node, scope: Scope) -> _Outputs:
        """The columns of a query node; None when their number is not known."""
        scope = self._with_ctes(node, scope)
        if node["type"] == "SELECT_NODE":
            return self._select(node, scope)
        if node["type"] == "SET_OPERATION_NODE":
            branches = [self.query(child, scope) for child in node["children"]]
            return _merged(branches, by_name="BY_NAME" in node["setop_type"])
        if node["type"] == "RECURSIVE_CTE_NODE":
            return self._recursive(node, scope)
        return None

    def _with_ctes(self, node: Node, scope: Scope) -> Scope:
        for name, entry in ctes(node):
            outputs = self.query(entry["query_node"], scope)
            rest = None if outputs is not None else self.mentioned(entry["query_node"], scope)
            known = Binding("", outputs, rest).named(name, entry["aliases"])
            scope = replace(scope, ctes={**scope.ctes, name.lower(): known})
        return scope

    def _recursive(self, node: Node, scope: Scope) -> _Outputs:
        name, aliases = node["cte_name"].lower(), node["aliases"]
        outputs = self.query(node["left"], scope)
        while outputs is not None:
            known = Binding("", outputs).named(name, aliases)
            inner = replace(scope, ctes={**scope.ctes, name: known})
            grown = _merged([known.outputs, self.query(node["right"], inner)], by_name=False)
            if grown == known.outputs:
                return grown
            outputs = grown
        # Columns that only the engine can count: look at the other half for what it mentions.
        known = Binding(name, None, self.mentioned(node["left"], scope))
        self.query(node["right"], replace(scope, ctes={**scope.ctes, name: known}))
        return None

    def _select(self, node: Node, scope: Scope) -> _Outputs:
        empty = Scope(ctes=scope.ctes, parent=scope, bound=scope.bound)
        scope = replace(empty, bindings=tuple(self._from(node["from_table"], empty)))
        outputs: list[Output] | None = []
        for expression in node["select_list"]:
            found = self._selected(expression, scope)
            outputs = None if outputs is None or found is None else [*outputs, *found]
            aliases = {each.name.lower(): each.origins for each in found or [] if each.name}
            scope = replace(scope, aliases={**scope.aliases, **aliases})
        self._look_at_the_rest(node, scope)
        return None if outputs is None else tuple(outputs)

    def _look_at_the_rest(self, node: Node, scope: Scope) -> None:
        """Find the unresolved names of the clauses that no value is made of."""
        for key in ("where_clause", "group_expressions", "having", "qualify", "modifiers"):
            for part in children({key: node[key]}):
                self.origins(part, scope)

    def _selected(self, node: Node, scope: Scope) -> list[Output] | None:
        """The columns that one item of a select list gives."""
        if node["class"] == "STAR" and not node["columns"]:
            return self._star(node, scope)
        if stars := _stars(node):
            return self._columns(node, stars, scope)
        if _is_unnest(node):
            self.origins(node, scope)
            return None
        name = node["alias"] or _own_name(node)
        return [Output(name, self.origins(node, scope))]

    def _star(self, node: Node, scope: Scope) -> list[Output] | None:
        shown: list[Output] = []
        for binding in scope.bindings:
            if node["relation_name"] and binding.alias != node["relation_name"].lower():
                continue
            whole = replace(binding, hidden=frozenset()) if node["relation_name"] else binding
            outputs = whole.starred()
            if outputs is None:
                return None
            shown.extend(outputs)
        if node["relation_name"] and not shown:
            # `column.*`: the fields of a struct, which only the engine can count.
            self._reference({"column_names": [node["relation_name"]]}, scope)
            return None
        self.touched.append(union(each.origins for each in shown))
        return self._edited(node, shown, scope)

    def _edited(self, node: Node, shown: list[Output], scope: Scope) -> list[Output]:
        """What EXCLUDE, REPLACE and RENAME leave of the columns of a star."""
        gone = {name.lower() for name in node["exclude_list"]}
        gone |= {each["column"].lower() for each in node.get("qualified_exclude_list") or []}
        new = {
            each["key"].lower(): self.origins(each["value"], scope) for each in node["replace_list"]
        }
        names = {
            each["key"]["column"].lower(): each["value"] for each in node.get("rename_list") or []
        }
        return [
            Output(
                names.get(each.name.lower(), each.name), new.get(each.name.lower(), each.origins)
            )
            for each in shown
            if each.name.lower() not in gone
        ]

    def _columns(self, node: Node, stars: list[Node], scope: Scope) -> list[Output] | None:
        """An expression over COLUMNS(…): one output for each column that it stands for."""
        shown = self._star(stars[0], scope)
        if shown is None or len(stars) > 1:
            return None
        pattern = stars[0]["expr"]
        if pattern is not None:
            if pattern["class"] != "CONSTANT" or pattern["literal"]["kind"] != "STRING":
                return None
            match = re.compile(pattern["literal"]["text"]).search
            shown = [each for each in shown if match(each.name)]
        others = self.origins(node, scope)
        return [Output(each.name, each.origins | others) for each in shown]

    def _from(self, node: Node, scope: Scope) -> Iterator[Binding]:
        """The bindings of one FROM entry; those to its left are in `scope.bindings`."""
        yield from _FROM[node["type"]](self, node, scope)

    def base_table(self, node: Node, scope: Scope) -> Iterator[Binding]:
        """A table, or the WITH query of that name."""
        name = node["table_name"].lower()
        if not node["schema_name"] and name in scope.ctes:
            known = scope.ctes[name]
        else:
            known = Binding(name, self.tables[name])
        yield known.named(node["alias"] or name, node["column_name_alias"])

    def subquery(self, node: Node, scope: Scope) -> Iterator[Binding]:
        outputs = self.query(node["subquery"]["node"], scope)
        rest = None if outputs is not None else self.mentioned(node["subquery"]["node"], scope)
        yield Binding("", outputs, rest).named(node["alias"], node["column_name_alias"])

    def join(self, node: Node, scope: Scope) -> Iterator[Binding]:
        left = list(self._from(node["left"], scope))
        beside = replace(scope, bindings=(*scope.bindings, *left))
        right = list(self._from(node["right"], beside))
        if node["condition"] is not None:
            self.origins(node["condition"], replace(beside, bindings=(*beside.bindings, *right)))
        yield from left
        if node["join_type"] not in {"SEMI", "ANTI"}:
            once = _shared(node, left, right)
            yield from (replace(each, hidden=each.hidden | once) for each in right)

    def table_function(self, node: Node, scope: Scope) -> Iterator[Binding]:
        arguments = self.origins(node["function"], scope)
        names = node["column_name_alias"]
        name = node["function"]["function_name"]
        if name in _ONE_COLUMN:
            known = Binding(name.lower(), (Output(name, arguments),))
        else:
            known = Binding(name.lower(), None, arguments)
        yield known.named(node["alias"], names)

    def values(self, node: Node, scope: Scope) -> Iterator[Binding]:
        rows = [[self.origins(each, scope) for each in row] for row in node["values"]]
        outputs = tuple(
            Output(f"col{position}", union(column))
            for position, column in enumerate(zip(*rows, strict=True))
        )
        names = node.get("expected_names") or []
        bound = Binding(node["alias"].lower(), outputs).named("", names)
        yield bound.named(node["alias"], node.get("column_name_alias") or [])

    def pivot(self, node: Node, scope: Scope) -> Iterator[Binding]:
        """What PIVOT and UNPIVOT make of their source."""
        inner = replace(scope, bindings=tuple(self._from(node["source"], scope)))
        visible = _visible(inner)
        shape = self._unpivoted if node["unpivot_names"] else self._pivoted
        if visible is None:
            known = Binding("", None, inner.everything())
        else:
            known = shape(node, inner, visible)
        yield known.named(node["alias"], node["column_name_alias"])

    def _pivoted(self, node: Node, scope: Scope, visible: list[Output]) -> Binding:
        parts = [
            *node["aggregates"],
            *(each for p in node["pivots"] for each in p["pivot_expressions"]),
        ]
        used = union(self.origins(part, scope) for part in parts)
        names = {each["column_names"][-1].lower() for part in parts for each in _references(part)}
        groups = {name.lower() for name in node["groups"]}
        kept = [
            each
            for each in visible
            if (each.name.lower() in groups if groups else each.name.lower() not in names)
        ]
        width = math.prod(len(pivot["entries"]) for pivot in node["pivots"])
        made = [Output("", used)] * (width * max(len(node["aggregates"]), 1))
        return Binding("", (*kept, *made), used)

    def _unpivoted(self, node: Node, scope: Scope, visible: list[Output]) -> Binding:
        [pivot] = node["pivots"]
        used = union(self.origins(each, scope) for each in pivot["entries"])
        gone = {each["column_names"][-1].lower() for each in _references({"e": pivot["entries"]})}
        kept = [each for each in visible if each.name.lower() not in gone]
        labels = [Output(name, NOTHING) for name in pivot["unpivot_names"]]
        values = [Output(name, used) for name in node["unpivot_names"]]
        return Binding("", (*kept, *labels, *values))

    def empty(self, _node: Node, _scope: Scope) -> Iterator[Binding]:
        """A SELECT without FROM sees nothing."""
        yield from ()

    def origins(self, node: Node, scope: Scope) -> Origins:
        """What the value of an expression derives from."""
        if node.get("class") == "COLUMN_REF":
            return self._reference(node, scope)
        if node.get("class") == "POSITIONAL_REFERENCE":
            visible = _visible(scope) or []
            return union(each.origins for each in visible[node["index"] - 1 : node["index"]])
        if node.get("class") == "SUBQUERY":
            compared = self.origins(node["child"], scope) if node["child"] else NOTHING
            return compared | self.mentioned(node["subquery"]["node"], scope)
        if node.get("class") == "LAMBDA":
            names = [each["column_names"][0].lower() for each in _references(node["lhs"])]
            inner = replace(scope, bound=scope.bound | frozenset(names))
            return self.origins(node["expr"], inner)
        return union(self.origins(child, scope) for child in children(node))

    def _reference(self, node: Node, scope: Scope) -> Origins:
        found = scope.resolve(node["column_names"])
        if found is None:
            self.unresolved.append(node)
            return NOTHING
        self.touched.append(found)
        return found

    def mentioned(self, query: Node, scope: Scope) -> Origins:
        """Every stored column that a query mentions anywhere in it, filters included."""
        start = len(self.touched)
        self.query(query, scope)
        return union(self.touched[start:])


def _merged(branches: list[_Outputs], *, by_name: bool) -> _Outputs:
    """The columns of a set operation: those of its branches, by position or by name."""
    if by_name:
        return _merged_by_name(branches)
    known = [branch for branch in branches if branch is not None]
    if len(known) < len(branches) or len({len(branch) for branch in known}) != 1:
        return None
    return tuple(
        Output(column[0].name, union(each.origins for each in column))
        for column in zip(*known, strict=True)
    )


def _merged_by_name(branches: list[_Outputs]) -> _Outputs:
    merged: dict[str, Output] = {}
    for branch in branches:
        if branch is None:
            return None
        for output in branch:
            name = output.name.lower()
            before = merged.get(name, Output(output.name, NOTHING))
            merged[name] = replace(before, origins=before.origins | output.origins)
    return tuple(merged.values())


def _shared(node: Node, left: list[Binding], right: list[Binding]) -> frozenset[str]:
    """The columns that a join's two sides share and `*` shows once, in lower case."""
    if node["ref_type"] != "NATURAL":
        return frozenset(name.lower() for name in node["using_columns"])
    sides = [
        {output.name.lower() for binding in side for output in binding.outputs or ()}
        for side in (left, right)
    ]
    return frozenset(sides[0] & sides[1])


def _visible(scope: Scope) -> list[Output] | None:
    """What `*` shows of a scope; None when that is not known."""
    shown: list[Output] = []
    for binding in scope.bindings:
        outputs = binding.starred()
        if outputs is None:
            return None
        shown.extend(outputs)
    return shown


def _stars(node: Node) -> list[Node]:
    """The stars of an expression, without those of the subqueries in it."""
    if node.get("class") == "SUBQUERY":
        return []
    if node.get("class") == "STAR":
        return [node]
    return [star for child in children(node) for star in _stars(child)]


def _is_unnest(node: Node) -> bool:
    return node["class"] == "FUNCTION" and str(node["function_name"]).lower() == "unnest"


def _references(node: Node) -> Iterator[Node]:
    return (each for each in walk(node) if each.get("class") == "COLUMN_REF")


def _own_name(node: Node) -> str:
    return str(node["column_names"][-1]) if node["class"] == "COLUMN_REF" else ""


_ONE_COLUMN = frozenset({"range", "generate_series", "unnest"})
_FROM: dict[str, Callable[[_Tracer, Node, Scope], Iterator[Binding]]] = {
    "BASE_TABLE": _Tracer.base_table,
    "SUBQUERY": _Tracer.subquery,
    "JOIN": _Tracer.join,
    "TABLE_FUNCTION": _Tracer.table_function,
    "EXPRESSION_LIST": _Tracer.values,
    "PIVOT": _Tracer.pivot,
    "EMPTY": _Tracer.empty,
}
