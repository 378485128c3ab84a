"""What a name may mean to the locality proof, as nouns: columns with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from headrace.engines.trees import Node
from headrace.pipeline.compile.local_values import (
    NO_FACTS,
    NOT_GLUED,
    UNKNOWN,
    Facts,
    Glue,
    Value,
    common,
)

NOTHING_HIDDEN: frozenset[str] = frozenset()
NO_NAMES: frozenset[tuple[str, ...]] = frozenset()


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a query or table gives; `name` is "" where only the engine knows it."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Part:
    """One use of partitioned tables, of one key a row: `tables` are those that it is made of."""

    id: int
    tables: frozenset[str]
    node: Node


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query or table gives.

    Attributes:
        columns: in order; up to the first that only the engine can count, unless `complete`.
        part: whose key each row has; None when the rows are the same for every cell.
    """

    columns: tuple[Column, ...]
    part: Part | None = None
    complete: bool = True

    def named(self, names: Sequence[str]) -> Rows:
        """The same with its first columns renamed, as `AS a(x, y)` does."""
        renamed = [replace(c, name=n) for c, n in zip(self.columns, names, strict=False)]
        return replace(self, columns=(*renamed, *self.columns[len(names) :]))

    def told_apart(self) -> Rows:
        """The same in a FROM clause, where the engine renames all but the first of a name."""
        seen: set[str] = set()
        columns: list[Column] = []
        for column in self.columns:
            again = column.name.lower() in seen
            seen.add(column.name.lower())
            columns.append(replace(column, name="") if again else column)
        return replace(self, columns=tuple(columns))

    def has_every_name(self) -> bool:
        """Whether the names of all columns are known."""
        return self.complete and all(column.name for column in self.columns)

    def value(self, name: str) -> Value | None:
        """What is known of the first column of a name, in lower case; None: it is not known."""
        return next((c.value for c in self.columns if c.name.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Binding:
    """One entry of a FROM clause; `hidden` columns, in lower case, are shown once by `*`."""

    alias: str
    rows: Rows
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Side:
    """A FROM clause, or one side of a join.

    Attributes:
        merged: the columns of USING, by name in lower case.
        parts: the uses of partitioned tables whose key a row has: to ask for some keys is to ask
            for the rows of which each part's key is one of them.
    """

    bindings: tuple[Binding, ...] = ()
    merged: Mapping[str, Value] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    glue: Glue = NOT_GLUED

    def find(self, names: Sequence[str]) -> Value | None:
        """What is known of a dotted name in lower case; None when nothing here has that name."""
        if len(names) == 1:
            return self._unqualified(names[0])
        names = self._without_schema(names)
        for binding in self.bindings:
            if binding.alias == names[0]:
                found = binding.rows.value(names[1])
                return found if found is not None and len(names) == 2 else UNKNOWN
        # Not a table: a struct of that name, and its fields.
        return None if self._unqualified(names[0]) is None else UNKNOWN

    def _without_schema(self, names: Sequence[str]) -> Sequence[str]:
        is_schema = len(names) > 2 and all(b.alias != names[0] for b in self.bindings)
        return names[1:] if is_schema and names[0] == "main" else names

    def _unqualified(self, name: str) -> Value | None:
        if name in self.merged:
            return self.merged[name]
        found = [each for b in self.bindings if (each := b.rows.value(name)) is not None]
        if found:
            return found[0] if len(found) == 1 else common(found)
        known = all(binding.rows.has_every_name() for binding in self.bindings)
        return None if known and all(b.alias != name for b in self.bindings) else UNKNOWN

    def starred(
        self, alias: str, without: frozenset[tuple[str, ...]] = NO_NAMES
    ) -> tuple[list[Column], bool]:
        """The columns of `*` or `alias.*`, and whether these are all of them.

        Args:
            alias: of one entry, in lower case; "" for all.
            without: dotted names of columns that are left out, in lower case.
        """
        bindings = [each for each in self.bindings if not alias or each.alias == alias]
        shown: list[Column] = []
        for binding in bindings:
            hidden = NOTHING_HIDDEN if alias else binding.hidden
            gone = {names[-1] for names in without if names[:-1] in {(), (binding.alias,)}}
            gone |= hidden
            shown += [each for each in binding.rows.columns if each.name.lower() not in gone]
            if not binding.rows.complete:
                return self._shown(shown, alias), False
        return self._shown(shown, alias), bool(bindings)

    def _shown(self, columns: list[Column], alias: str) -> list[Column]:
        """Columns with what is known of those that USING has merged."""
        if alias:
            return columns
        names = [column.name.lower() for column in columns]
        return [
            replace(column, value=self.merged[name] if names.count(name) == 1 else UNKNOWN)
            if name in self.merged
            else column
            for name, column in zip(names, columns, strict=True)
        ]

    def taught(self, names: Sequence[str], facts: Facts) -> Side:
        """The same, knowing that the column of a dotted name tells these facts, too."""
        *alias, name = self._without_schema(names)
        merged = self.merged
        if len(alias) > 1:
            # A field of a struct.
            return self
        if not alias and name in merged:
            merged = {**merged, name: _with(merged[name], facts)}
            return replace(self, merged=merged)
        bindings = [
            b if alias and b.alias != alias[-1] else _taught(b, name, facts) for b in self.bindings
        ]
        return replace(self, bindings=tuple(bindings))

    def mapped(self, change: Callable[[Facts], Facts]) -> Side:
        """The same with the facts of every column changed."""
        bindings = [replace(b, rows=mapped_rows(b.rows, change)) for b in self.bindings]
        merged = {
            name: replace(value, facts=change(value.facts)) for name, value in self.merged.items()
        }
        return replace(self, bindings=tuple(bindings), merged=merged)

    def nulled(self) -> Side:
        """The same where a join may put NULL for every column."""
        return self.mapped(lambda _: NO_FACTS)


NO_SIDE = Side()


def mapped_rows(rows: Rows, change: Callable[[Facts], Facts]) -> Rows:
    """The same rows with the facts of every column changed."""
    columns = [
        replace(c, value=replace(c.value, facts=change(c.value.facts))) for c in rows.columns
    ]
    return replace(rows, columns=tuple(columns))


def _taught(binding: Binding, name: str, facts: Facts) -> Binding:
    at = next((i for i, c in enumerate(binding.rows.columns) if c.name.lower() == name), None)
    if at is None:
        return binding
    columns = list(binding.rows.columns)
    columns[at] = replace(columns[at], value=_with(columns[at].value, facts))
    return replace(binding, rows=replace(binding.rows, columns=tuple(columns)))


def _with(value: Value, facts: Facts) -> Value:
    return replace(value, facts=value.facts | facts)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a name may mean at one point of a query.

    Attributes:
        side: the FROM clause, or as much of it as stands to the left.
        ctes: the WITH queries in reach, by name in lower case.
        aliases: columns of the select list, by name in lower case.
        parent: the query around, for correlated subqueries.
        has_groups: whether an aggregate is over one row at least; without GROUP BY it may be over
            none, and is NULL then.
    """

    side: Side = NO_SIDE
    ctes: Mapping[str, Rows] = field(default_factory=dict)
    aliases: Mapping[str, Value] = field(default_factory=dict)
    parent: Scope | None = None
    has_groups: bool = False

    def resolve(self, names: Sequence[str]) -> Value:
        """What is known of a dotted name.

        DuckDB prefers a column to an alias in some clauses, and the alias in others: what is known
        is what both tell.
        """
        parts = [name.lower() for name in names]
        found = [self.side.find(parts)]
        if len(parts) == 1:
            found.append(self.aliases.get(parts[0]))
        known = [each for each in found if each is not None]
        if known:
            return known[0] if len(known) == 1 else common(known)
        return UNKNOWN if self.parent is None else self.parent.resolve(parts)

    def owns(self, names: Sequence[str]) -> bool:
        """Whether a dotted name is a column of this FROM clause, or of the select list."""
        parts = [name.lower() for name in names]
        return self.side.find(parts) is not None or (len(parts) == 1 and parts[0] in self.aliases)

    def parts_around(self) -> Iterator[Part]:
        """The parts of the queries around this one."""
        scope = self.parent
        while scope is not None:
            yield from scope.side.parts
            scope = scope.parent

    def glue(self) -> Glue:
        """What is glued here and in the queries around."""
        return (
            self.side.glue if self.parent is None else self.side.glue.and_also(self.parent.glue())
        )
