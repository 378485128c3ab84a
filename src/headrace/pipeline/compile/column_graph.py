"""All column lineage of a project as one graph: takes the compiled graph, gives columns and edges.

An edge goes from a column to one whose value is made of it. Where that is not known, a gap stands
in for the columns that may be: it is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from headrace.base.names import listed
from headrace.pipeline.compile.analysis import Analysis
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.checks import Compiled
from headrace.pipeline.compile.endpoints import field_lineage
from headrace.pipeline.compile.graph import Graph, Relation
from headrace.pipeline.compile.policies import Policies
from headrace.pipeline.compile.queries import SqlText
from headrace.pipeline.compile.tables import project_tables, read_tables

Direction: TypeAlias = Literal["up", "down"]
Kind: TypeAlias = Literal["source", "quarantine", "model", "endpoint"]
KINDS: tuple[Kind, ...] = ("source", "quarantine", "model", "endpoint")
NOT_DECLARED = "what it is made of is not declared"


@dataclass(frozen=True, slots=True)
class ColumnNode:
    """One column of a table or field of an endpoint; a gap has `name` "" and says why in `note`.

    Attributes:
        kind: what `owner` is.
        owner: the table or endpoint.
        name: the column or field.
        note: what is not known of it, in words; "" when all is.
        path: of an endpoint, its route.
    """

    kind: Kind
    owner: str
    name: str
    note: str = ""
    path: str = ""

    @property
    def is_gap(self) -> bool:
        """Whether it stands for columns that are not known."""
        return not self.name

    @property
    def order(self) -> tuple[int, str, str]:
        """Where it stands in a list: sources first, endpoints last."""
        return KINDS.index(self.kind), self.owner, self.name

    def __str__(self) -> str:
        return self.owner if self.is_gap else f"{self.owner}.{self.name}"


Edge: TypeAlias = tuple[ColumnNode, ColumnNode]


@dataclass(frozen=True, slots=True)
class ColumnGraph:
    """Columns with what they are made of; every list is in their order.

    Attributes:
        origins: column -> the columns that it is made of.
        uses: column -> the columns that are made of it, and the gaps that may be.
    """

    origins: Mapping[ColumnNode, tuple[ColumnNode, ...]]
    uses: Mapping[ColumnNode, tuple[ColumnNode, ...]]

    def next(self, node: ColumnNode, direction: Direction) -> tuple[ColumnNode, ...]:
        """The columns one edge away: "up" is towards the sources."""
        return (self.origins if direction == "up" else self.uses).get(node, ())

    def edges(self, starts: Iterable[ColumnNode], direction: Direction) -> list[Edge]:
        """Every edge on the way from `starts`, each as (column, what is made of it), in order."""
        found: set[Edge] = set()
        waiting = list(starts)
        seen = set(waiting)
        while waiting:
            node = waiting.pop()
            for other in self.next(node, direction):
                found.add((other, node) if direction == "up" else (node, other))
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        return sorted(found, key=lambda edge: (edge[0].order, edge[1].order))


def column_graph(graph: Graph, cache: CompileCache) -> ColumnGraph:
    """The column lineage of a project that compiles.

    Args:
        graph: its compiled graph.
        cache: the one that it was compiled with: what that knows needs no engine.
    """
    names, _ = project_tables(graph.project)
    relations = {each.name: each for each in graph.relations}
    compiled = Compiled(relations, names, Policies(graph.policies))
    return _Tracing(graph, compiled, Analysis(cache)).all()


@dataclass(frozen=True, slots=True)
class _Tracing:
    """One project on its way to a `ColumnGraph`."""

    graph: Graph
    compiled: Compiled
    analysis: Analysis
    columns: dict[str, ColumnNode] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    nodes: list[ColumnNode] = field(default_factory=list)

    def all(self) -> ColumnGraph:
        """Every column and field, every edge."""
        for relation in self.graph.relations:
            self._table(relation)
        for relation in self.graph.relations:
            self._gap_of_table(relation)
        self._endpoints()
        origins: dict[ColumnNode, set[ColumnNode]] = {node: set() for node in self.nodes}
        uses: dict[ColumnNode, set[ColumnNode]] = {node: set() for node in self.nodes}
        for column, made in self.edges:
            uses[column].add(made)
            if not made.is_gap:
                origins[made].add(column)
        return ColumnGraph(_sorted(origins), _sorted(uses))

    def _table(self, relation: Relation) -> None:
        """The columns of a table, after those of its inputs."""
        undeclared = _undeclared(relation)
        for name in _column_names(relation):
            note = NOT_DECLARED if name in undeclared else ""
            node = ColumnNode(relation.kind, relation.name, name, note)
            self.columns[str(node)] = node
            self._add(node, relation.lineage.get(name, ()))

    def _gap_of_table(self, relation: Relation) -> None:
        """What of a model may be made of its inputs, and does not say so."""
        note = self._waiting(relation)
        if not note and (undeclared := _undeclared(relation)):
            note = f"what {listed(undeclared)} is made of is not declared"
        if note:
            self._gap(ColumnNode("model", relation.name, "", note), relation.inputs)

    def _waiting(self, relation: Relation) -> str:
        """Why the columns of a table are not known; "" when they are."""
        if relation.schema is not None:
            return ""
        if not relation.inputs or relation.recipe:
            return "its columns are not known until it has run"
        return f"its columns are not known until {self._blockers(relation.inputs)}"

    def _blockers(self, tables: Iterable[str]) -> str:
        """The Python models that tables wait for, as in "`segments` has run"."""
        found: set[str] = set()
        waiting = [self.graph.relation(name) for name in tables]
        while waiting:
            relation = waiting.pop()
            if relation.schema is None and relation.recipe:
                found.add(relation.name)
            elif relation.schema is None:
                waiting.extend(self.graph.relation(name) for name in relation.inputs)
        return f"{listed(sorted(found))} {'has' if len(found) == 1 else 'have'} run"

    def _endpoints(self) -> None:
        contracts = {contract.name: contract for contract in self.graph.endpoints}
        for endpoint in self.graph.project.endpoints:
            lineage = field_lineage(endpoint, self.compiled, self.analysis)
            if lineage is None:
                sql = SqlText(endpoint.place.file, endpoint.sql_line, endpoint.sql)
                query = self.analysis.query(endpoint.sql)
                tables, _ = read_tables(query, sql, self.compiled.names)
                note = f"its fields are not known until {self._blockers(tables)}"
                self._gap(ColumnNode("endpoint", endpoint.name, "", note, endpoint.path), tables)
                continue
            for column in contracts[endpoint.name].columns:
                node = ColumnNode("endpoint", endpoint.name, column.name, path=endpoint.path)
                self._add(node, lineage[column.name])

    def _add(self, node: ColumnNode, origins: Iterable[str]) -> None:
        self.nodes.append(node)
        self.edges.extend((self._column(origin), node) for origin in origins)

    def _column(self, name: str) -> ColumnNode:
        """A column by its "table.column"; one of a table whose columns are not known is new."""
        if name not in self.columns:
            table, _, column = name.partition(".")
            node = ColumnNode(self.graph.relation(table).kind, table, column)
            self.columns[name] = node
            self.nodes.append(node)
        return self.columns[name]

    def _gap(self, gap: ColumnNode, tables: Iterable[str]) -> None:
        """May be made of every column of some tables, or of what of those is not known."""
        self.nodes.append(gap)
        for table in tables:
            relation = self.graph.relation(table)
            names = _column_names(relation)
            self.edges.extend((self._column(f"{table}.{name}"), gap) for name in names)


def _column_names(relation: Relation) -> tuple[str, ...]:
    """The columns of a table; while they are not known, those that its lineage declares."""
    if relation.schema is None:
        return tuple(relation.lineage)
    return tuple(column.name for column in relation.schema)


def _undeclared(relation: Relation) -> tuple[str, ...]:
    """The columns of a Python model that do not say what they are made of."""
    if relation.kind != "model" or relation.sql:
        return ()
    return tuple(name for name in _column_names(relation) if name not in relation.lineage)


def _sorted(
    found: Mapping[ColumnNode, set[ColumnNode]],
) -> dict[ColumnNode, tuple[ColumnNode, ...]]:
    return {
        node: tuple(sorted(others, key=lambda other: other.order)) for node, others in found.items()
    }
